"""Trains a run: looks at it and saves it on the way, survives what can be survived, and says how it ended."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any

import jax

import jaxgan as jg
from experiments import run_folder
from experiments.ending import finish, last_evaluation, summarise
from experiments.experiment import PICTURED, Experiment, labels, lower_is_better
from experiments.running import Run, Running
from experiments.survival import one_line_for_a_failed_save, pictures_may_fail
from jaxgan import checkpoint
from jaxgan.diagnose import watch
from jaxgan.guard import SKIPPED
from jaxgan.log import both, every, no_log, open_log, progress
from jaxgan.loop import Hook, NonFiniteError, plateau, reached, stop_on_signals, train
from jaxgan.parallel import any_process, from_first, is_first
from jaxgan.report import read_metrics
from jaxgan.types import Batch, TrainState, name_index
from jaxgan.watchdog import Alive, watchdog


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
    start, began, lower = int(state.step), time.monotonic(), lower_is_better(judge.best)
    interval = max(1, config.steps // running.evaluations)
    versions = run_folder.versions()
    latest = last_evaluation(folder, start)  # its step, figures and histogram
    asked, drawn, stderr = itertools.count(1), pictures_may_fail(), sys.stderr  # which is held back below

    def tell(warning: str) -> None:
        print(warning, file=stderr, flush=True)

    def look(step: int, state: TrainState) -> Mapping[str, float]:
        figures: dict[str, float] = {}
        if is_first():
            here = run.local(state)
            with drawn():
                run.built.draw(folder / "samples" / f"{step:06d}.png", _samples(run.built, here, PICTURED, "pictures"))
            judged = judge.judge(_samples(run.built, here, judge.samples, "judgement"))
            figures = judged.figures | (run.built.examine(here) if run.built.examine else {})
            latest.update(figures=figures, histogram=judged.histogram)
            if judge.best not in figures:
                print(f"step {step}: no figure {judge.best!r} in this evaluation; it has {sorted(figures)}", flush=True)
        quality.append(from_first(figures.get(judge.best, math.nan)))
        latest["step"] = step
        return {f"quality/{figure}": value for figure, value in figures.items()}

    def save(step: int, state: TrainState) -> None:
        judged = latest.get("step") == step and not math.isnan(quality[-1])
        figures = {judge.best: quality[-1]} if judged else None
        with survived():  # the save before: its failure must not cost this one
            checkpoint.settle(run.manager)
        checkpoint.save(run.manager, state, asdict(config), versions=versions, figures=figures)

    def save_on_the_way(step: int, state: TrainState) -> None:
        with survived():
            save(step, state)

    def stop() -> str | None:
        if latest.get("step", 0) > start:
            if running.until_plateau and plateau(quality, running.until_plateau, lower):
                return "plateau"
            if running.until_quality is not None and reached(quality, running.until_quality, lower):
                return "quality"
        signalled = stopped()
        if jax.process_count() == 1:
            return signalled
        # A signal may reach one process only; asking the others at every step would hold them up.
        together = next(asked) % running.log_every == 0 and any_process(signalled is not None)
        return (signalled or "SIGTERM") if together else None

    if is_first():
        summarise(run, "running", start, 0.0, latest)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    print(
        f"compiling the train step ({len(state.params)} networks, {parameters:,} parameters): "
        "silent for up to a minute on 2 CPU cores",
        flush=True,
    )
    with (
        open_log(folder, start) if is_first() else nullcontext(no_log) as log,
        one_line_for_a_failed_save() as survived,
        stop_on_signals() as stopped,
        _watching(running) as alive,
    ):
        told = watch(interval=running.log_every, warn=tell) if is_first() else no_log
        quality = list(read_metrics(folder).get(f"quality/{judge.best}", ([], []))[1])
        try:
            ending = train(
                run.step,
                state,
                batches,
                config.steps,
                hooks=[Hook(interval, look), Hook(interval, save_on_the_way)],
                log=both(every(running.log_every, log), progress(config.steps, start), _tell_of_skips, told),
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
                summarise(run, "diverged", good or 0, time.monotonic() - began, latest)
            raise NonFiniteError(f"{error}; the last good checkpoint is step {good} of {folder}") from error
        save(int(ending.state.step), ending.state)
        checkpoint.settle(run.manager)
    return finish(run, running, ending, latest, time.monotonic() - began)


def _watching(running: Running) -> AbstractContextManager[Alive]:
    seconds = (600 if running.distributed else 0) if running.watchdog is None else running.watchdog
    name = f"process {jax.process_index()} of {jax.process_count()}"
    return watchdog(seconds, name) if seconds else nullcontext(lambda what, factor: None)


def _tell_of_skips(step: int, values: Mapping[str, float]) -> None:
    if SKIPPED in values:
        print(f"step {step}: the update was not finite and was skipped", flush=True)


def _samples(built: Experiment, state: TrainState, n: int, use: str) -> Any:
    """Draws the same latents at every step, so that pictures show one sample growing and figures differ by training."""
    key = jax.random.fold_in(state.key, name_index(use))
    return jg.sample(built.game, state, key, n=n, y=labels(built.classes, n))
