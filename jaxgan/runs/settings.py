"""Where and how an experiment runs, and the run that is ready to be trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import jax
import tyro

from jaxgan import checkpoint
from jaxgan.runs.experiment import Best, Experiment, Judge
from jaxgan.runs.flags import check_size
from jaxgan.types import Batch, Metrics, TrainState

From = Annotated[
    Path | None, tyro.conf.arg(name="from", help="a run whose parameters, of the same shapes, this one begins with")
]

BestBy = Annotated[
    str | None,
    tyro.conf.arg(
        help="figure by which the best checkpoint is kept and a run may stop (frechet_distance, precision, modes, "
        "...); the judge's own if not given"
    ),
]


@dataclass(frozen=True)
class Running:
    """Where and how to run; nothing here changes what is learned."""

    out: Path = Path("runs")  # runs go to OUT/EXPERIMENT/ID
    id: str | None = None  # the run's name; date, time and seed if not given
    resume: bool = False  # go on with the run ID, or with the experiment's latest
    start_from: From = None
    best_by: BestBy = None
    until_plateau: int | None = None  # stop when that figure has not improved for this many evaluations
    until_quality: float | None = None  # stop when that figure is as good as this
    evaluations: int = 10  # evaluations, pictures and checkpoints in a whole run, evenly spread
    log_every: int = 10  # steps between rows of metrics.jsonl
    max_skips: int = 10  # updates in a row that may be skipped because they are not finite
    watchdog: int | None = None  # seconds that a step may take; 0: any; 600 if distributed, else any
    keep: int = 2  # latest checkpoints kept, beside the best
    dry_run: bool = False  # say what would be trained, its memory and time, measured by a few steps; write nothing
    smoke: bool = False  # a few steps of a tiny model, to see that everything works; flags given beside it win
    distributed: bool = False  # several processes make one run: start the same command for each
    timeout: int = 60  # seconds to wait for the other processes, and until a silent one counts as dead
    coordinator: str | None = None  # "host:port" of process 0, where JAX does not detect the processes itself
    processes: int | None = None  # how many there are, likewise
    process: int | None = None  # which one this is, likewise


COUNTS = ("batch_size", "n_critic", "latent", "judged", "judge_steps", "channels", "seeds")
BRIEF = {"evaluations": 1, "log_every": 1}  # of `Running`, in a run of a few steps


class Run(NamedTuple):
    """A run that is ready to be trained."""

    folder: Path
    built: Experiment
    step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]]  # compiled
    local: Callable[[TrainState], TrainState]  # a state -> the same on one device, to sample from
    judge: Judge | None
    best: Best | None  # the figure by which the best checkpoint is kept
    manager: checkpoint.Checkpoints


@contextmanager
def compiled_quickly(smoke: bool) -> Iterator[None]:
    """Leaves out most of the compiler's optimisations, if asked: for a few steps they take longer than they save."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", smoke or before)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def check_numbers(config: Any) -> None:
    """Refuses numbers of a config that cannot be meant, by the names that fields usually have.

    Raises:
      ValueError: a value is of another type than its field, a number is not finite or needs more than 64 bits, a rate
        is below 0, a decay not in [0, 1], or a size or count below 1.
    """
    kinds = get_type_hints(type(config))
    for field, value in asdict(config).items():
        if not fits(value, kinds[field]):
            raise ValueError(f"{field} must be {kinds[field]}; got {value!r}")
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        flag = f"--{field.replace('_', '-')}"
        check_size(flag, value)
        if not math.isfinite(value):
            raise ValueError(f"{flag} must be a finite number; got {value}")
        if field.endswith("learning_rate") and value < 0:
            raise ValueError(f"{flag} must not be below 0; got {value}")
        if field in ("b1", "b2", "ema") and not 0 <= value <= 1:
            raise ValueError(f"{flag} must lie in [0, 1]; got {value}")
        if (field in COUNTS or field.endswith(("features", "width"))) and value < 1:
            raise ValueError(f"{flag} must be at least 1; got {value}")


def fits(value: Any, kind: Any) -> bool:
    """Says whether a value read from JSON is of a field's type; types other than JSON's are not looked into."""
    if get_origin(kind) is Annotated:
        return fits(value, get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return any(fits(value, each) for each in get_args(kind))
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return not isinstance(kind, type) or kind not in (bool, str, NoneType) or isinstance(value, kind)
