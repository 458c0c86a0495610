"""Draws samples of a run as a picture.

Command: jaxgan sample RUN [--flag value ...]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np
import tyro

import jaxgan as jg
from jaxgan.runs.experiment import sample_inputs
from jaxgan.runs.flags import parse, reported
from jaxgan.runs.loading import load


@dataclasses.dataclass(frozen=True)
class Sample:
    """What to draw."""

    run: Annotated[Path, tyro.conf.Positional]  # folder of the run: runs/EXPERIMENT/ID
    n: int = 100  # samples, or paths with --interpolate
    seed: int = 0  # of the latents
    y: int | None = None  # label of all samples, for a conditional run; equal shares of all labels if not given
    step: int | Literal["latest", "best"] = "latest"  # which checkpoint
    interpolate: bool = False  # walk between pairs of latents, a row for each
    path: Literal["spherical", "linear"] = "spherical"  # how to walk
    out: Path | None = None  # the picture; RUN/samples/... if not given
    module: Path | None = None  # FILE.py that made the run, where that is none of the clone's experiments


def main(words: Sequence[str]) -> int:
    """Runs the command line; returns the exit code."""
    return reported(lambda: sample(parse(Sample, words, "jaxgan sample", __doc__)))


def sample(flags: Sample) -> int:
    """Draws what the flags ask for and prints the picture's path.

    Returns:
      0.
    Raises:
      ValueError: the folder is no run, or the run has not what is asked for.
    """
    trained = load(flags.run, flags.step, file=flags.module)
    experiment, state = trained.experiment, trained.state
    if flags.n < 1:
        raise ValueError(f"--n must be at least 1; got {flags.n}")
    if flags.y is not None and not 0 <= flags.y < experiment.classes:
        have = f"0..{experiment.classes - 1}" if experiment.classes else "no labels"
        raise ValueError(f"--y {flags.y} is no label of this run; it has {have}")
    if experiment.draw is None:
        raise ValueError(f"the experiment of {flags.run} draws no pictures; give its Experiment a `draw`")
    inputs = sample_inputs(experiment, flags.n)
    if flags.y is not None:
        inputs["y"] = np.full(flags.n, flags.y, np.int32)
    key, step = jax.random.key(flags.seed), int(state.step)
    if flags.interpolate:
        if experiment.prior is None or inputs.keys() - {"y"}:
            raise ValueError(f"{flags.run} cannot be interpolated: its samples are not asked with latents of a prior")
        start, end = (experiment.prior(jax.random.fold_in(key, k), flags.n) for k in range(2))
        walks = jg.interpolate(experiment.game, state, key, start, end, steps=10, path=flags.path, **inputs)
        drawn, name = walks.reshape(-1, *walks.shape[2:]), f"interpolation-{step:06d}-seed{flags.seed}.png"
    else:
        drawn = jg.sample(experiment.game, state, key, n=flags.n, **inputs)
        name = f"drawn-{step:06d}-seed{flags.seed}.png"
    print(experiment.draw(flags.out or flags.run / "samples" / name, drawn))
    return 0
