"""The `jaxgan` command line: what to do with a run, finished or still running."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
import tyro

import jaxgan as jg
from experiments.cli import fail, parse, reported
from experiments.doctor import Doctor, doctor
from experiments.evaluate import Evaluate, evaluate_command
from experiments.experiment import labels
from experiments.loading import load
from jaxgan.metrics.extractors import convert
from jaxgan.report import report


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


@dataclasses.dataclass(frozen=True)
class ConvertWeights:
    """Makes a plain file of weights that PyTorch saved; nothing in the file is run."""

    source: Annotated[Path, tyro.conf.Positional]  # .pth, .safetensors or .npz
    target: Annotated[Path, tyro.conf.Positional]  # .safetensors or .npz


def convert_weights(flags: ConvertWeights) -> int:
    """Converts a weight file and prints what it holds."""
    print(convert(flags.source, flags.target).message)
    return 0


def sample(flags: Sample) -> int:
    """Draws what the flags ask for and prints the picture's path."""
    trained = load(flags.run, flags.step)
    experiment, state = trained.experiment, trained.state
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
        "evaluate": (Evaluate, evaluate_command),
        "doctor": (Doctor, doctor),
        "convert-weights": (ConvertWeights, convert_weights),
        "report": (Report, lambda flags: print(report(flags.run)) or 0),
    }
    if not words or words[0] in ("-h", "--help"):
        print("usage: jaxgan COMMAND RUN [--flag value ...]     (COMMAND --help explains the flags)\n")
        for name, (flags, _) in commands.items():
            print(f"  {name:16} {flags.__doc__}")
        return 0
    if words[0] not in commands:
        return fail(f"unknown command {words[0]!r}; choose one of {', '.join(commands)}")
    flags, act = commands[words[0]]
    return reported(lambda: act(parse(flags, words[1:], f"jaxgan {words[0]}", flags.__doc__ or "")))


if __name__ == "__main__":
    sys.exit(main())
