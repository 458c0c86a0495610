"""Trains a run: looks at it and saves it on the way, survives what can be survived, and says how it ended."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any, NamedTuple

import jax

import jaxgan as jg
from jaxgan import checkpoint
from jaxgan.diagnose import watch
from jaxgan.guard import SKIPPED
from jaxgan.log import combined, every, no_log, open_log, progress
from jaxgan.loop import Hook, Log, NonFiniteError, Safety, plateau, reached, stop_on_signals, train
from jaxgan.metrics.variation import NEARLY_CONSTANT
from jaxgan.parallel import any_process, from_first, is_first
from jaxgan.report import read_metrics
from jaxgan.runs import folder as folders
from jaxgan.runs.ending import finish, last_evaluation, summarise
from jaxgan.runs.experiment import PICTURED, Experiment, Shares, look, sample_inputs
from jaxgan.runs.settings import Run, Running
from jaxgan.runs.survival import Survived, one_line_for_a_failed_save, pictures_may_fail
from jaxgan.types import Batch, TrainState, name_index
from jaxgan.watchdog import Alive, watchdog


class Finished(NamedTuple):
    """What came of a run."""

    code: int  # 0 when done, 130 or 143 when Ctrl-C or SIGTERM stopped it after saving, 1 when it diverged and may
    state: TrainState  # after the last completed step; of a run that diverged, the last good checkpoint


class Evaluations(NamedTuple):
    """What a run's evaluations gave so far; filled while it trains."""

    latest: dict[str, Any]  # "step", "figures" and "histogram" of the last one; empty before the first
    quality: list[float]  # the figure that the best checkpoint is kept by, of each; NaN: none


def train_run(
    run: Run, config: Any, running: Running, state: TrainState, batches: Iterator[Batch], classes: int
) -> Finished:
    """Trains up to the number of steps of the config.

    Args:
      run: what to train, by what it is judged, and where it is kept.
      config: the experiment's `Config`.
      running: where and how.
      state: where to begin.
      batches: from the state's step on.
      classes: number of labels that batches carry.
    Returns:
      Finished.
    Raises:
      checkpoint.CheckpointError: the last checkpoint could not be written.
      loop.NonFiniteError: training diverged; the message names the last good checkpoint.
    """
    start, began = int(state.step), time.monotonic()
    evaluations = Evaluations(last_evaluation(run.folder, start), [])
    interval = max(1, config.steps // running.evaluations)
    if is_first():
        summarise(run, "running", start, 0.0, evaluations.latest)
    _announce(state)
    # Made here, where standard error is still the terminal's.
    evaluate, shown = _evaluator(run, evaluations), _shown(config.steps, start, running)
    log = open_log(run.folder, start) if is_first() else nullcontext(no_log)
    with (
        log as write,
        one_line_for_a_failed_save() as survived,
        stop_on_signals() as signalled,
        _watching(running) as alive,
    ):
        if run.best:
            evaluations.quality.extend(read_metrics(run.folder).get(f"quality/{run.best.figure}", ([], []))[1])
        save = _saver(run, config, evaluations, survived)
        try:
            ending = train(
                run.step,
                state,
                batches,
                config.steps,
                hooks=[Hook(interval, evaluate), Hook(interval, _tolerant(save, survived))],
                log=combined(every(running.log_every, write), shown),
                stop=_stopper(run, running, evaluations, start, signalled),
                safety=Safety(classes=classes, max_skips=running.max_skips, alive=alive),
            )
        except NonFiniteError as error:
            good = _last_good(run, survived)
            if is_first():
                summarise(run, "diverged", good or 0, time.monotonic() - began, evaluations.latest)
            raise NonFiniteError(f"{error}; the last good checkpoint is step {good} of {run.folder}") from error
        save(int(ending.state.step), ending.state)
        checkpoint.wait(run.manager)
    code = finish(run, running, ending, evaluations.latest, time.monotonic() - began)
    return Finished(code, ending.state)


def _announce(state: TrainState) -> None:
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    print(
        f"compiling the train step ({len(state.params)} networks, {parameters:,} parameters): "
        "silent for up to a minute on 2 CPU cores",
        flush=True,
    )


def _evaluator(run: Run, evaluations: Evaluations) -> Callable[[int, TrainState], Mapping[str, float]]:
    """Makes the hook that draws samples, judges others, and returns their figures to be logged."""
    drawn, built, judge = pictures_may_fail(), run.built, run.judge

    def evaluate(step: int, state: TrainState) -> Mapping[str, float]:
        figures: dict[str, float] = {}
        if is_first():
            here, histogram = run.local(state), None
            if built.draw is not None:
                with drawn():
                    asked, samples = _samples(built, here, PICTURED, "pictures", "equal")
                    truth = built.truth(PICTURED) if built.truth else None
                    look(built, run.folder / "samples" / f"{step:06d}.png", asked, samples, truth)
            if judge is not None:
                figures, histogram, varied = judge.judge(_samples(built, here, judge.samples, "judgement", "data")[1])
                if varied is not None and varied < NEARLY_CONSTANT:
                    print(f"step {step}: samples are nearly constant, so that precision says nothing", flush=True)
            figures = figures | (built.examine(here) if built.examine else {})
            evaluations.latest.update(figures=figures, histogram=histogram)
            if run.best and run.best.figure not in figures:
                has = f"it has {sorted(figures)}"
                print(f"step {step}: no figure {run.best.figure!r} in this evaluation; {has}", flush=True)
        figure = figures.get(run.best.figure, math.nan) if run.best else math.nan
        evaluations.quality.append(from_first(figure))
        evaluations.latest["step"] = step
        return {f"quality/{figure}": value for figure, value in figures.items()}

    return evaluate


def _saver(run: Run, config: Any, evaluations: Evaluations, survived: Survived) -> Callable[[int, TrainState], None]:
    """Makes the function that saves a state, with its figure where it has just been judged."""
    versions = folders.versions()

    def save(step: int, state: TrainState) -> None:
        figures = None
        judged = run.best and evaluations.latest.get("step") == step and evaluations.quality  # rows may have been lost
        if run.best and judged and not math.isnan(evaluations.quality[-1]):
            figures = {run.best.figure: evaluations.quality[-1]}
        with survived():  # the save before: its failure must not cost this one
            checkpoint.wait(run.manager)
        given = run.built.game.given
        checkpoint.save(run.manager, state, asdict(config), versions=versions, figures=figures, given=given)

    return save


def _tolerant(save: Callable[[int, TrainState], None], survived: Survived) -> Callable[[int, TrainState], None]:
    def save_on_the_way(step: int, state: TrainState) -> None:
        with survived():
            save(step, state)

    return save_on_the_way


def _stopper(
    run: Run,
    running: Running,
    evaluations: Evaluations,
    start: int,
    signalled: Callable[[], str | None],
) -> Callable[[], str | None]:
    """Makes the rule by which a run ends early: a plateau, a quality that is good enough, or a signal."""
    asked = itertools.count(1)

    def stop() -> str | None:
        if run.best and evaluations.latest.get("step", 0) > start:
            if running.until_plateau and plateau(evaluations.quality, running.until_plateau, run.best.lower):
                return "plateau"
            target = running.until_quality
            if target is not None and reached(evaluations.quality, target, run.best.lower):
                return "quality"
        name = signalled()
        if jax.process_count() == 1:
            return name
        # A signal may reach one process only; asking the others at every step would hold them up.
        together = next(asked) % running.log_every == 0 and any_process(name is not None)
        return (name or "SIGTERM") if together else None

    return stop


def _shown(steps: int, start: int, running: Running) -> Log:
    """Makes the log that tells the terminal: progress, skipped updates and warnings of what may ail the run."""
    stderr = sys.stderr

    def warn(line: str) -> None:
        print(line, file=stderr, flush=True)

    watching = watch(interval=running.log_every, warn=warn) if is_first() else no_log
    return combined(progress(steps, start), _report_skips, watching)


def _last_good(run: Run, survived: Survived) -> int | None:
    with survived():
        checkpoint.wait(run.manager)
    return max(run.manager.all_steps(), default=None)


def _watching(running: Running) -> AbstractContextManager[Alive]:
    seconds = (600 if running.distributed else 0) if running.watchdog is None else running.watchdog
    name = f"process {jax.process_index()} of {jax.process_count()}"
    return watchdog(seconds, name) if seconds else nullcontext(lambda what, factor: None)


def _report_skips(step: int, metrics: Mapping[str, float]) -> None:
    if SKIPPED in metrics:
        print(f"step {step}: the update was not finite and was skipped", flush=True)


def _samples(built: Experiment, state: TrainState, n: int, use: str, shares: Shares) -> tuple[Mapping[str, Any], Any]:
    """Returns what is asked, and the samples: of the same latents at every step, so that pictures show one growing.

    Pictures show as much of each class; figures are about the data, and so of labels in their shares.
    """
    key = jax.random.fold_in(state.key, name_index(use))
    asked = sample_inputs(built, n, shares)
    return asked, jg.sample(built.game, state, key, n=n, **asked)
