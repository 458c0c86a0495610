"""What an experiment is made of: the types that its functions return, and pictures of image samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.priors import Prior
from jaxgan.sample import save_grid
from jaxgan.types import Game, TrainState, by_path

PICTURED = 100  # samples in a grid: ten rows of ten
# Figures that are better when lower, and those that are better when higher.
LOWER = ("frechet_distance", "missed", "reverse_kl", "spectral_error", "path_length", "path_deviation")
HIGHER = ("precision", "recall", "classes", "label_agreement", "modes", "high_quality", "accuracy", "information")


class Experiment(NamedTuple):
    """A game and how to look at it."""

    game: Game
    prior: Prior | None = None  # of its latents, for interpolation
    classes: int = 0  # labels that the game is conditioned on; 0: none
    draw: Callable[[Path, Any], Path] | None = None  # (file, samples [n, ...]) -> the picture; None: draws none
    examine: Callable[[TrainState], dict[str, float]] | None = None  # figures of the networks, beside the samples'
    inputs: Callable[[int], Mapping[str, Any]] | None = None  # n -> what n samples are asked with; None: by `classes`


class Judgement(NamedTuple):
    """How good samples are."""

    figures: dict[str, float]  # by name, logged as "quality/<name>"
    histogram: list[int] | None = None  # samples by class
    variation: float | None = None  # of samples relative to real examples (`metrics.variation`); near 0: all alike


class Judge(NamedTuple):
    """How an experiment measures its samples."""

    judge: Callable[[Any], Judgement]  # samples [samples, ...] -> figures
    samples: int  # how many it takes
    best: str  # the figure by which the best checkpoint is kept and a plateau is recognised
    protocol: str  # what the figures are, in words: printed and stored beside them
    lower_is_better: bool | None = None  # of `best`; None: False for those of HIGHER, True for all others


class Best(NamedTuple):
    """The figure by which checkpoints are compared."""

    figure: str
    lower: bool  # it is better when lower


def best_of(judge: Judge | None, figure: str | None) -> Best | None:
    """Returns the figure that is asked for, or else the judge's own; None without either."""
    if figure is not None:
        return Best(figure, figure not in HIGHER)
    if judge is None:
        return None
    return Best(judge.best, judge.best not in HIGHER if judge.lower_is_better is None else judge.lower_is_better)


def labels(classes: int, n: int) -> np.ndarray | None:
    """Returns n labels in equal shares, [n] int32, in order; None without classes."""
    return np.arange(n, dtype=np.int32) * classes // n if classes else None


def sample_inputs(experiment: Experiment, n: int) -> dict[str, Any]:
    """Returns what n samples are asked with: the keyword inputs of `jaxgan.sample`.

    Args:
      experiment: whose; its own `inputs`, or else labels in equal shares where it has classes.
      n: how many samples.
    Returns:
      Name -> arrays [n, ...], or pytrees of such.
    """
    if experiment.inputs is not None:
        return dict(experiment.inputs(n))
    return {"y": labels(experiment.classes, n)} if experiment.classes else {}


def principal(batch: Mapping[str, Any]) -> Any:
    """Returns what a batch is of: the array "x", or the first array by name where there is no such."""
    arrays = by_path(batch)
    if not arrays:
        raise ValueError("the source reads examples without an array; it reads a mapping of arrays [n, ...]")
    return arrays["x"] if "x" in arrays else arrays[min(arrays)]


def as_pictures(samples: Any) -> np.ndarray:
    """Returns samples as they are judged: images [n, H, W, C] clipped to [-1, 1], as pictures are; points as they are.

    StyleGAN2's images, among others, are not bounded.
    """
    x = np.asarray(samples)
    return np.clip(x, -1, 1) if x.ndim == 4 else x


def draw_images(path: Path, images: Any) -> Path:
    """Draws images [n, H, W, C] in [-1, 1] as a grid, ten to a row."""
    return save_grid(path, images, columns=10)
