"""The games of a table experiment: each is trained by one call, as a run of its own below the table's folder.

`table.json` of that folder says whose games they are and how they run, so that a call needs no more than the folder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jaxgan.data import Source
from jaxgan.pages import read_page
from jaxgan.report import read_metrics
from jaxgan.report.tables import FILE
from jaxgan.runs.experiment import Experiment
from jaxgan.runs.settings import Running
from jaxgan.runs.start import Plan, member
from jaxgan.runs.terminal import EXIT
from jaxgan.runs.training import Finished
from jaxgan.types import Game, TrainState

ABOUT = ("experiment", "module", "sha256", "command")  # of `table.json`, for the `config.json` of a member


class StoppedError(Exception):
    """A signal stopped a member after saving; `args` is the exit code that the command ends with."""


class Training(NamedTuple):
    """A game of a table, and how it is trained."""

    game: Game
    source: Source
    seed: int  # of parameters, latents and data order
    steps: int  # train steps
    batch_size: int  # examples of an update
    first: TrainState | None = None  # where it begins, its step 0, as of a game that was grown; None: by the seed
    log_every: int = 10  # steps between rows of metrics.jsonl, at most: the last step always has one
    checkpoints: int = 10  # in the whole training, evenly spread
    may_diverge: bool = False  # divergence is a result: the last good state, and code 1


@dataclass(frozen=True)
class Settings:
    """What `config.json` says of a member, and what must not differ when it goes on."""

    seed: int
    steps: int
    batch_size: int
    n_critic: int
    table: dict[str, Any]  # config of the experiment


def train_member(folder: Path, training: Training) -> Finished:
    """Trains a game of a table, goes on where it was stopped, or reads back how it ended.

    Args:
      folder: of this run: the table's folder and a name.
      training: what and how.
    Returns:
      Finished, with code 0, or 1 where it diverged and may.
    Raises:
      StoppedError: a signal stopped it after saving; `run_tables` ends with its code.
      ValueError: bad settings or data, or the table's folder has no `table.json`.
      checkpoint.CheckpointError, loop.NonFiniteError: as `start.member`.
    """
    page, steps = read_table(folder.parent), training.steps
    settings = Settings(training.seed, steps, training.batch_size, training.game.updates, page["config"])
    plan = Plan(
        {name: page[name] for name in ABOUT},
        settings,
        training.source,
        lambda shape, classes: Experiment(training.game),
        first=training.first,
        may_diverge=training.may_diverge,
    )
    rows = math.gcd(training.log_every, max(steps, 1))
    finished = member(folder, plan, Running(evaluations=training.checkpoints, log_every=rows, **page["running"]))
    if finished.code in EXIT.values():
        raise StoppedError(finished.code)
    return finished


def last_metrics(folder: Path) -> dict[str, float]:
    """Returns the metrics of a member, by name, each of the last step that was not skipped."""
    return {name: values[-1] for name, (_, values) in read_metrics(folder).items()}


def read_table(folder: Path) -> dict[str, Any]:
    """Reads the `table.json` of a table experiment.

    Raises:
      ValueError: there is none, or it is none that this version wrote.
    """
    try:
        page = read_page(folder / FILE, config=dict, running=dict, resumed=int)
        if missing := {*ABOUT, "config", "running", "resumed"} - page.keys():
            raise ValueError(f"it lacks {sorted(missing)}")
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{folder} is no folder of a table experiment with {FILE}: {error}; start it anew") from error
    return dict(page)
