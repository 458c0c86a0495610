"""Trains a run: looks at it and saves it on the way, survives what can be survived, and says how it ended."""

from __future__ import annotations

import io
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax

import jaxgan as jg
from experiments import run_folder
from experiments.experiment import PICTURED, Experiment, Judge, labels
from jaxgan import checkpoint
from jaxgan.guard import SKIPPED
from jaxgan.log import both, every, no_log, open_log, progress
from jaxgan.loop import Ending, Hook, NonFiniteError, plateau, stop_on_signals, train
from jaxgan.parallel import any_process, from_first, is_first
from jaxgan.report import curves, read_metrics, report
from jaxgan.types import Batch, Metrics, TrainState, name_index
from jaxgan.watchdog import Alive, watchdog

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
    max_skips: int = 10  # updates in a row that may be skipped because they are not finite
    watchdog: int | None = None  # seconds that a step may take; 0: any; 600 if distributed, else any
    keep: int = 2  # latest checkpoints kept, beside the best
    smoke: bool = False  # a few steps of a tiny model, to see that everything works
    distributed: bool = False  # several processes make one run: start the same command for each
    timeout: int = 60  # seconds to wait for the other processes, and until a silent one counts as dead
    coordinator: str | None = None  # "host:port" of process 0, where JAX does not detect the processes itself
    processes: int | None = None  # how many there are, likewise
    process: int | None = None  # which one this is, likewise


class Run(NamedTuple):
    """A run that is ready to be trained."""

    folder: Path
    built: Experiment
    step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]]  # compiled
    local: Callable[[TrainState], TrainState]  # a state -> the same on one device, to sample from
    judge: Judge
    manager: checkpoint.Checkpoints


def train_run(
    run: Run, config: Any, running: Running, state: TrainState, batches: Iterator[Batch], classes: int
) -> int:
    """Trains up to the number of steps of the config.

    Args:
      run: what to train, by what it is judged, and where it is kept.
      config: the experiment's `Config`.
      running: where and how.
      state: where to begin.
      batches: from the state's step on.
      classes: number of labels that batches carry.
    Returns:
      The exit code: 0 when done, 130 or 143 when Ctrl-C or SIGTERM stopped it after saving.
    Raises:
      checkpoint.CheckpointError: the last checkpoint could not be written.
      loop.NonFiniteError: training diverged; the message names the last good checkpoint.
    """
    folder, judge = run.folder, run.judge
    start, began = int(state.step), time.monotonic()
    interval = max(1, config.steps // running.evaluations)
    versions = run_folder.versions()
    latest = _last_evaluation(folder, start)  # its step, figures and histogram
    asked, drawn = itertools.count(1), _pictures_may_fail()

    def look(step: int, state: TrainState) -> Mapping[str, float]:
        figures: dict[str, float] = {}
        if is_first():
            here = run.local(state)
            with drawn():
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
        open_log(folder, start) if is_first() else nullcontext(no_log) as log,
        _one_line_for_a_failed_save() as survived,
        stop_on_signals() as stopped,
        _watching(running) as alive,
    ):
        quality = list(read_metrics(folder).get(f"quality/{judge.best}", ([], []))[1])
        try:
            ending = train(
                run.step,
                state,
                batches,
                config.steps,
                hooks=[Hook(interval, look), Hook(interval, save_on_the_way)],
                log=both(every(running.log_every, log), progress(config.steps, start), _tell_of_skips),
                stop=stop,
                classes=classes,
                max_skips=running.max_skips,
                alive=alive,
            )
        except NonFiniteError as error:
            with survived():
                checkpoint.settle(run.manager)
            good = max(run.manager.all_steps(), default=None)
            if is_first():
                _summarise(run, "diverged", good or 0, time.monotonic() - began, latest)
            raise NonFiniteError(f"{error}; the last good checkpoint is step {good} of {folder}") from error
        save(int(ending.state.step), ending.state)
        checkpoint.settle(run.manager)
    return _finish(run, running, ending, latest, time.monotonic() - began)


def _watching(running: Running) -> AbstractContextManager[Alive]:
    seconds = (600 if running.distributed else 0) if running.watchdog is None else running.watchdog
    name = f"process {jax.process_index()} of {jax.process_count()}"
    return watchdog(seconds, name) if seconds else nullcontext(lambda what, factor: None)


def _tell_of_skips(step: int, values: Mapping[str, float]) -> None:
    if SKIPPED in values:
        print(f"step {step}: the update was not finite and was skipped", flush=True)


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


def _pictures_may_fail() -> Callable[[], AbstractContextManager[None]]:
    """Makes a context in which a file that cannot be written is one line; a further one only after a success."""
    failing, stderr = False, sys.stderr

    @contextmanager
    def drawn() -> Iterator[None]:
        nonlocal failing
        try:
            yield
            failing = False
        except OSError as error:
            if not failing:
                said = f"warning: {error.filename or 'a picture'} cannot be written: {error.strerror or error}"
                print(f"{said}; training goes on", file=stderr, flush=True)
            failing = True

    return drawn


def _finish(run: Run, running: Running, ending: Ending, latest: Mapping[str, Any], seconds: float) -> int:
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
        print(f"no better {best.replace('_', ' ')} in {running.until_plateau} evaluations: stopped at step {step}")
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


def _summarise(run: Run, status: str, step: int, seconds: float, latest: Mapping[str, Any]) -> None:
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
        "skipped_steps": len(read_metrics(run.folder).get(SKIPPED, ([], []))[0]),
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
