"""Runs an experiment into its folder: builds or restores, trains, judges on the way, leaves pictures and a report."""

from __future__ import annotations

import io
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, redirect_stderr
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxgan as jg
from experiments import run_folder
from experiments.experiment import PICTURED, Experiment, Judge, labels
from jaxgan import checkpoint
from jaxgan.log import both, every, no_log, open_log, progress
from jaxgan.loop import Ending, Hook, NonFiniteError, plateau, stop_on_signals, train
from jaxgan.parallel import (
    Parallel,
    any_process,
    data_parallel,
    end_together,
    from_first,
    is_first,
    local_rows,
    wait_for_all,
)
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
    distributed: bool = False  # several processes make one run: start the same command for each
    coordinator: str | None = None  # "host:port" of process 0, where JAX does not detect the processes itself
    processes: int | None = None  # how many there are, likewise
    process: int | None = None  # which one this is, likewise


class _Run(NamedTuple):
    folder: Path
    built: Experiment
    spread: Parallel | None  # where there are several devices
    judge: Judge
    manager: checkpoint.Checkpoints
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
        config, running = replace(config, **experiment.SMOKE), replace(running, evaluations=1, log_every=1)
    _check(config, running)
    source = experiment.source(config)
    size = config.batch_size * getattr(config, "n_critic", 1)
    example: Batch = jg.data.batch_at(source, size, config.seed)(0)  # type: ignore[assignment]  # host arrays
    jg.data.check_batch(example, source.classes)
    shape, key = tuple(example["x"].shape[1:]), jax.random.key(config.seed)
    built = experiment.build(config, shape, source.classes)
    target = jax.eval_shape(built.game.init, key, example)
    spread = data_parallel(built.game, "sharded") if jax.device_count() > 1 else None
    rows = local_rows(size, built.game.updates) if spread else None
    if spread:
        spread.place(jg.data.batch_at(source, size, config.seed, rows)(0))  # refuses a batch that does not divide
        target = jax.tree.map(
            lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
            target,
            spread.sharding(target),
        )
    # Nothing is written before this line, so that bad settings and bad data leave no folder behind.
    folder = _folder(name, config, running)
    if is_first() and not running.resume:
        run_folder.describe(folder, name, config, example, source.classes)
        built.draw(folder / "samples" / "real.png", _real(source, built.classes))
    print(f"{'going on with ' if running.resume else ''}run {folder}", flush=True)
    judge = _judge(experiment, config, folder)
    opened = checkpoint.open_checkpoints(folder / "checkpoints", keep=running.keep, best=judge.best)
    # Inside `closing`: where a peer has died, a failing process must not wait for it to close the checkpoints.
    with closing(opened) as manager, end_together():
        if running.resume:
            state = checkpoint.restore(manager, target, asdict(config), may_differ=experiment.MAY_DIFFER)
            if is_first():
                run_folder.describe(folder, name, config, example, source.classes)
        else:
            state = (spread or built.game).init(key, example)
        batches = jg.data.batches(source, size, config.seed, start=int(state.step), rows=rows)
        return _train(_Run(folder, built, spread, judge, manager, config, running), state, batches, source.classes)


def _folder(name: str, config: Any, running: Running) -> Path:
    """Makes or finds the run's folder; of several processes the first makes it."""
    if running.resume:
        return run_folder.find_folder(running.out, name, running.id)
    if jax.process_count() > 1 and running.id is None:
        raise ValueError("a run of several processes needs --id, the same for all of them")
    folder = run_folder.new_folder(running.out, name, running.id, config.seed) if is_first() else None
    wait_for_all("folder")
    return folder or run_folder.find_folder(running.out, name, running.id, started=False)


def _judge(experiment: ModuleType, config: Any, folder: Path) -> Judge:
    """Makes the judge; of several processes the first trains it, and the others read what it wrote."""
    judge = experiment.judge(config, folder) if is_first() else None
    wait_for_all("judge")
    return judge or experiment.judge(config, folder)


def _check(config: Any, running: Running) -> None:
    least_one = {"steps": config.steps, "evaluations": running.evaluations, "log_every": running.log_every}
    least_one |= {"keep": running.keep, "until_plateau": 1 if running.until_plateau is None else running.until_plateau}
    for name, value in least_one.items():
        if value < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1; got {value}")


def _train(run: _Run, state: TrainState, batches: Iterator[Batch], classes: int) -> int:
    folder, judge, config, running = run.folder, run.judge, run.config, run.running
    start, began = int(state.step), time.monotonic()
    interval = max(1, config.steps // running.evaluations)
    versions = run_folder.versions()
    latest = _last_evaluation(folder, start)  # its step, figures and histogram
    asked = itertools.count(1)

    def look(step: int, state: TrainState) -> Mapping[str, float]:
        figures: dict[str, float] = {}
        if is_first():
            here = run.spread.local(state) if run.spread else state
            run.built.draw(folder / "samples" / f"{step:06d}.png", _samples(run.built, here, PICTURED, "pictures"))
            judged = judge.judge(_samples(run.built, here, judge.samples, "judgement"))
            figures = judged.figures
            latest.update(figures=figures, histogram=judged.histogram)
        quality.append(from_first(figures.get(judge.best, 0.0)))
        latest["step"] = step
        return {f"quality/{figure}": value for figure, value in figures.items()}

    def save(step: int, state: TrainState) -> None:
        figures = {judge.best: quality[-1]} if latest.get("step") == step else None
        with survived():  # the save before: its failure must not cost this one
            checkpoint.settle(run.manager)
        checkpoint.save(run.manager, state, asdict(config), versions=versions, figures=figures)

    def save_on_the_way(step: int, state: TrainState) -> None:
        with survived():
            save(step, state)

    def stop() -> str | None:
        if running.until_plateau and latest.get("step", 0) > start and plateau(quality, running.until_plateau):
            return "plateau"
        signalled = stopped()
        if jax.process_count() == 1:
            return signalled
        # A signal may reach one process only; asking the others at every step would hold them up.
        together = next(asked) % running.log_every == 0 and any_process(signalled is not None)
        return (signalled or "SIGTERM") if together else None

    if is_first():
        _summarise(run, "running", start, 0.0, latest)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    print(
        f"compiling the train step ({len(state.params)} networks, {parameters:,} parameters): "
        "silent for up to a minute on 2 CPU cores",
        flush=True,
    )
    with (
        _one_line_for_a_failed_save() as survived,
        stop_on_signals() as stopped,
        open_log(folder, start) if is_first() else nullcontext(no_log) as log,
    ):
        quality = list(read_metrics(folder).get(f"quality/{judge.best}", ([], []))[1])
        try:
            ending = train(
                run.spread.train_step if run.spread else jax.jit(run.built.game.train_step, donate_argnums=0),
                state,
                batches,
                config.steps,
                hooks=[Hook(interval, look), Hook(interval, save_on_the_way)],
                log=both(every(running.log_every, log), progress(config.steps, start)),
                stop=stop,
                classes=classes,
            )
        except NonFiniteError as error:
            with survived():
                checkpoint.settle(run.manager)
            good = max(run.manager.all_steps(), default=None)
            raise NonFiniteError(f"{error}; the last good checkpoint is step {good} of {folder}") from error
        save(int(ending.state.step), ending.state)
        checkpoint.settle(run.manager)
    return _finish(run, ending, latest, time.monotonic() - began)


@contextmanager
def _one_line_for_a_failed_save() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Holds back standard error, where the threads of a save that failed print hundreds of lines.

    Where no save failed, what was held is printed at the end.

    Yields:
      A context that prints a save's failure as one line, at once, and goes on; of several processes none goes on,
      because one alone cannot know how far the others came.
    """
    stderr, held, failures = sys.stderr, io.StringIO(), 0

    @contextmanager
    def survived() -> Iterator[None]:
        nonlocal failures
        try:
            yield
        except checkpoint.CheckpointError as error:
            if jax.process_count() > 1:
                raise
            failures += 1
            print(f"warning: {error}; training goes on", file=stderr, flush=True)

    try:
        with redirect_stderr(held):
            yield survived
    except checkpoint.CheckpointError:
        failures += 1
        raise
    finally:
        if not failures:
            stderr.write(held.getvalue())


def _finish(run: _Run, ending: Ending, latest: Mapping[str, Any], seconds: float) -> int:
    step, best = int(ending.state.step), run.judge.best
    interrupted = ending.reason in EXIT
    if not is_first():
        return EXIT.get(str(ending.reason), 0)
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
        "devices": jax.device_count(),
        "best_by": run.judge.best,
    }
    run_folder.write_json(run.folder / "summary.json", page)


def _last_evaluation(folder: Path, start: int) -> dict[str, Any]:
    """Returns what the summary of a resumed run says of its last evaluation, unless that lies ahead again."""
    try:
        page = json.loads((folder / "summary.json").read_text())
    except (OSError, json.JSONDecodeError):
        return {}
    judged = page.get("judged_at_step")
    if judged is None or judged > start:
        return {}
    return {"step": judged, "figures": page["figures"], "histogram": page["histogram"]}


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
