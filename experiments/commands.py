"""`jaxgan sample RUN` and `jaxgan report RUN`: what to do with a run, finished or still running."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import numpy as np
import tyro

import jaxgan as jg
from experiments import EXPERIMENTS
from experiments.cli import fail, parse, reported
from experiments.experiment import Experiment, labels
from jaxgan import checkpoint
from jaxgan.report import report
from jaxgan.types import TrainState


@dataclasses.dataclass(frozen=True)
class Sample:
    """Draws samples of a run as a picture."""

    run: Annotated[Path, tyro.conf.Positional]  # folder of the run: runs/EXPERIMENT/ID
    n: int = 100  # samples, or paths with --interpolate
    seed: int = 0  # of the latents
    y: int | None = None  # label of all samples, for a conditional run; equal shares of all labels if not given
    step: int | Literal["latest", "best"] = "latest"  # which checkpoint
    interpolate: bool = False  # walk between pairs of latents, a row for each
    path: Literal["spherical", "linear"] = "spherical"  # how to walk
    out: Path | None = None  # the picture; RUN/samples/... if not given


@dataclasses.dataclass(frozen=True)
class Report:
    """Writes a run's report, one self-contained HTML page, also while the run goes on."""

    run: Annotated[Path, tyro.conf.Positional]  # folder of the run: runs/EXPERIMENT/ID


class Trained(NamedTuple):
    """A run read back."""

    experiment: Experiment
    state: TrainState


def load(run: Path, step: int | Literal["latest", "best"] = "latest") -> Trained:
    """Rebuilds the game of a run, without its data, and restores a checkpoint.

    Args:
      run: its folder.
      step: which checkpoint; "best" by the figure that the run kept its best by.
    Returns:
      The experiment and the train state.
    Raises:
      ValueError: the folder is no run, or has no such checkpoint.
      CheckpointError: the checkpoint cannot be read.
    """
    try:
        page = json.loads((run / "config.json").read_text())
        module = EXPERIMENTS[page["experiment"]]
        config = module.Config(**page["config"])
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{run} is not the folder of a run (runs/EXPERIMENT/ID): {error}") from error
    example = {name: jax.ShapeDtypeStruct(tuple(x["shape"]), x["dtype"]) for name, x in page["batch"].items()}
    experiment = module.build(config, tuple(example["x"].shape[1:]), page["classes"])
    target = jax.eval_shape(experiment.game.init, jax.random.key(config.seed), example)
    if not (run / "checkpoints").is_dir():
        raise ValueError(f"{run} has no checkpoints yet; wait for its first evaluation")
    with closing(checkpoint.open_checkpoints(run / "checkpoints", read_only=True)) as manager:
        wanted = checkpoint.best_step(manager, _best(run)) if step == "best" else None if step == "latest" else step
        state = checkpoint.restore(manager, target, page["config"], step=wanted, may_differ=module.MAY_DIFFER)
    return Trained(experiment, state)


def sample(flags: Sample) -> int:
    """Draws what the flags ask for and prints the picture's path."""
    experiment, state = load(flags.run, flags.step)
    if flags.n < 1:
        raise ValueError(f"--n must be at least 1; got {flags.n}")
    if flags.y is not None and not 0 <= flags.y < experiment.classes:
        have = f"0..{experiment.classes - 1}" if experiment.classes else "no labels"
        raise ValueError(f"--y {flags.y} is no label of this run; it has {have}")
    y = labels(experiment.classes, flags.n) if flags.y is None else np.full(flags.n, flags.y, np.int32)
    key, step = jax.random.key(flags.seed), int(state.step)
    if flags.interpolate:
        start, end = (experiment.prior(jax.random.fold_in(key, k), flags.n) for k in range(2))
        walks = jg.interpolate(experiment.game, state, key, start, end, steps=10, path=flags.path, y=y)
        drawn, name = walks.reshape(-1, *walks.shape[2:]), f"interpolation-{step:06d}-seed{flags.seed}.png"
    else:
        drawn, name = jg.sample(experiment.game, state, key, n=flags.n, y=y), f"drawn-{step:06d}-seed{flags.seed}.png"
    print(experiment.draw(flags.out or flags.run / "samples" / name, drawn))
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Runs the `jaxgan` command line.

    Args:
      words: the arguments; those of the process if None.
    Returns:
      Exit code: 0, or 2 for bad input.
    """
    words = list(sys.argv[1:] if words is None else words)
    commands: dict[str, tuple[type, Any]] = {
        "sample": (Sample, sample),
        "report": (Report, lambda flags: print(report(flags.run)) or 0),
    }
    if not words or words[0] in ("-h", "--help"):
        print("usage: jaxgan COMMAND RUN [--flag value ...]     (COMMAND --help explains the flags)\n")
        for name, (flags, _) in commands.items():
            print(f"  {name:10} {flags.__doc__}")
        return 0
    if words[0] not in commands:
        return fail(f"unknown command {words[0]!r}; choose one of {', '.join(commands)}")
    flags, act = commands[words[0]]
    return reported(lambda: act(parse(flags, words[1:], f"jaxgan {words[0]}", flags.__doc__ or "")))


def _best(run: Path) -> str:
    try:
        return json.loads((run / "summary.json").read_text())["best_by"]
    except (OSError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{run}/summary.json does not say which figure is best by: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
