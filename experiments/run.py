"""Runs an experiment into its folder: builds or restores, trains, judges on the way, leaves pictures and a report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np
from orbax.checkpoint import CheckpointManager

import jaxgan as jg
from experiments import run_folder
from experiments.experiment import PICTURED, Experiment, Judge, labels
from jaxgan import checkpoint
from jaxgan.log import both, every, open_log, progress
from jaxgan.loop import Ending, Hook, NonFiniteError, plateau, stop_on_signals, train
from jaxgan.report import curves, read_metrics, report
from jaxgan.types import Batch, TrainState, name_index

EXIT = {"SIGINT": 130, "SIGTERM": 143}


@dataclass(frozen=True)
class Running:
    """Where and how to run; nothing here changes what is learned."""

    out: Path = Path("runs")  # runs go to OUT/EXPERIMENT/ID
    id: str | None = None  # the run's name; date, time and seed if not given
    resume: bool = False  # go on with the run ID, or with the experiment's latest
    until_plateau: int | None = None  # stop when the quality has not improved for this many evaluations
    evaluations: int = 10  # evaluations, pictures and checkpoints in a whole run, evenly spread
    log_every: int = 10  # steps between rows of metrics.jsonl
    keep: int = 2  # latest checkpoints kept, beside the best
    smoke: bool = False  # a few steps of a tiny model, to see that everything works


class _Run(NamedTuple):
    folder: Path
    built: Experiment
    judge: Judge
    manager: CheckpointManager
    config: Any  # the experiment's `Config`
    running: Running


def run(name: str, experiment: ModuleType, config: Any, running: Running) -> int:
    """Runs an experiment.

    Args:
      name: of the experiment.
      experiment: its module.
      config: its `Config`.
      running: where and how.
    Returns:
      The exit code: 0 when done, 130 or 143 when Ctrl-C or SIGTERM stopped it after saving.
    Raises:
      ValueError: bad settings or data, a run that exists, or a checkpoint of another config.
      checkpoint.CheckpointError: a checkpoint could not be written or read.
      loop.NonFiniteError: training diverged; the message names the last good checkpoint.
    """
    if running.smoke:
        config, running = replace(config, **experiment.SMOKE), replace(running, evaluations=1)
    _check(config, running)
    source = experiment.source(config)
    size = config.batch_size * getattr(config, "n_critic", 1)
    example = jg.data.batch_at(source, size, config.seed)(0)
    jg.data.check_batch(example, source.classes)
    shape, key = tuple(example["x"].shape[1:]), jax.random.key(config.seed)
    built = experiment.build(config, shape, source.classes)
    target = jax.eval_shape(built.game.init, key, example)
    # Nothing is written before this line, so that bad settings and bad data leave no folder behind.
    if running.resume:
        folder = run_folder.find_folder(running.out, name, running.id)
    else:
        folder = run_folder.new_folder(running.out, name, running.id, config.seed)
        run_folder.describe(folder, name, config, example, source.classes)
        built.draw(folder / "samples" / "real.png", _real(source, built.classes))
    print(f"{'going on with ' if running.resume else ''}run {folder}", flush=True)
    judge = experiment.judge(config, folder)
    with closing(checkpoint.open_checkpoints(folder / "checkpoints", keep=running.keep, best=judge.best)) as manager:
        if running.resume:
            state = checkpoint.restore(manager, target, asdict(config), may_differ=experiment.MAY_DIFFER)
            run_folder.describe(folder, name, config, example, source.classes)
        else:
            state = built.game.init(key, example)
        batches = jg.data.batches(source, size, config.seed, start=int(state.step))
        return _train(_Run(folder, built, judge, manager, config, running), state, batches, source.classes)


def _check(config: Any, running: Running) -> None:
    least_one = {"steps": config.steps, "evaluations": running.evaluations, "log_every": running.log_every}
    least_one |= {"keep": running.keep, "until_plateau": running.until_plateau or 1 - (running.until_plateau == 0)}
    for name, value in least_one.items():
        if value < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1; got {value}")


def _train(run: _Run, state: TrainState, batches: Iterator[Batch], classes: int) -> int:
    folder, judge, config, running = run.folder, run.judge, run.config, run.running
    start, began = int(state.step), time.monotonic()
    interval = max(1, config.steps // running.evaluations)
    versions = run_folder.environment()["versions"]
    latest: dict[str, Any] = {}  # the last evaluation: its step, figures and histogram

    def look(step: int, state: TrainState) -> Mapping[str, float]:
        run.built.draw(folder / "samples" / f"{step:06d}.png", _samples(run.built, state, PICTURED, "pictures"))
        judged = judge.judge(_samples(run.built, state, judge.samples, "judgement"))
        latest.update(step=step, figures=judged.figures, histogram=judged.histogram)
        quality.append(judged.figures[judge.best])
        return {f"quality/{figure}": value for figure, value in judged.figures.items()}

    def save(step: int, state: TrainState) -> None:
        figures = latest["figures"] if latest.get("step") == step else None
        checkpoint.save(run.manager, state, asdict(config), versions=versions, figures=figures)

    def stop() -> str | None:
        if running.until_plateau and latest and plateau(quality, running.until_plateau):
            return "plateau"
        return stopped()

    _summarise(run, "running", start, 0.0, latest)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    print(
        f"compiling the train step ({len(state.params)} networks, {parameters:,} parameters): "
        "silent for up to a minute on 2 CPU cores",
        flush=True,
    )
    with stop_on_signals() as stopped, open_log(folder, start) as log:
        quality = list(read_metrics(folder).get(f"quality/{judge.best}", ([], []))[1])
        try:
            ending = train(
                jax.jit(run.built.game.train_step, donate_argnums=0),
                state,
                batches,
                config.steps,
                hooks=[Hook(interval, look), Hook(interval, save)],
                log=both(every(running.log_every, log), progress(config.steps, start)),
                stop=stop,
                classes=classes,
            )
        except NonFiniteError as error:
            checkpoint.settle(run.manager)
            good = max(run.manager.all_steps(), default=None)
            raise NonFiniteError(f"{error}; the last good checkpoint is step {good} of {folder}") from error
        save(int(ending.state.step), ending.state)
        checkpoint.settle(run.manager)
    return _finish(run, ending, latest, time.monotonic() - began)


def _finish(run: _Run, ending: Ending, latest: Mapping[str, Any], seconds: float) -> int:
    step, best = int(ending.state.step), run.judge.best
    interrupted = ending.reason in EXIT
    _summarise(run, "interrupted" if interrupted else "finished", step, seconds, latest)
    pages = _pages(run.folder)
    if interrupted:
        print(f"\n{ending.reason}: step {step} is saved; go on with the same command and --resume", flush=True)
        return EXIT[str(ending.reason)]
    if ending.reason == "plateau":
        print(f"no better {best.replace('_', ' ')} in {run.running.until_plateau} evaluations: stopped at step {step}")
    for figure, value in latest.get("figures", {}).items():
        print(f"{figure.replace('_', ' '):>18}  {value:.4g}")
    if latest.get("histogram"):
        print(f"{'samples by class':>18}  {' '.join(map(str, latest['histogram']))}")
    best_step = checkpoint.best_step(run.manager, best)
    print(f"{run.judge.protocol}\n{step} steps in {seconds:.0f} s; best {best.replace('_', ' ')} at step {best_step}")
    print("\n".join(str(page) for page in pages), flush=True)
    return 0


def _pages(folder: Path) -> list[Path]:
    """Draws curves and writes the report, as far as the installed packages can."""
    try:
        drawn = [curves(folder)]
    except ImportError:
        print("no curves.png: install the extra 'experiments' (matplotlib) for it")
        drawn = []
    return [*drawn, report(folder)]


def _summarise(run: _Run, status: str, step: int, seconds: float, latest: Mapping[str, Any]) -> None:
    page = {
        "status": status,
        "step": step,
        "seconds": round(seconds, 1),
        "figures": latest.get("figures", {}),
        "judged_at_step": latest.get("step"),
        "histogram": latest.get("histogram"),
        "protocol": run.judge.protocol,
        "best_by": run.judge.best,
    }
    run_folder.write_json(run.folder / "summary.json", page)


def _samples(built: Experiment, state: TrainState, n: int, use: str) -> Any:
    """Draws the same latents at every step, so that pictures show one sample growing and figures differ by training."""
    key = jax.random.fold_in(state.key, name_index(use))
    return jg.sample(built.game, state, key, n=n, y=labels(built.classes, n))


def _real(source: Any, classes: int) -> np.ndarray:
    """Real examples to look at, in order of their labels where the game has labels."""
    n = min(PICTURED, source.size or PICTURED)
    spread = np.linspace(0, (source.size or n) - 1, n).astype(np.int64)
    read = source.read(jg.data.Draw(0, np.arange(n), spread))
    return np.asarray(read["x"])[np.argsort(read["y"], kind="stable")] if classes else np.asarray(read["x"])
