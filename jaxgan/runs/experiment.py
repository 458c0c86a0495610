"""What an experiment is made of: the types that its functions return, and pictures of image samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.priors import Prior
from jaxgan.sample import save_grid
from jaxgan.types import Game, TrainState

PICTURED = 100  # samples in a grid: ten rows of ten
# Figures that are better when lower, and those that are better when higher.
LOWER = ("frechet_distance", "missed", "reverse_kl", "spectral_error", "path_length", "path_deviation")
HIGHER = ("precision", "recall", "classes", "label_agreement", "modes", "high_quality", "accuracy", "information")


class Experiment(NamedTuple):
    """A game and how to look at it."""

    game: Game
    prior: Prior  # of its latents, for interpolation
    classes: int  # labels that the game is conditioned on; 0: none
    draw: Callable[[Path, Any], Path]  # (file, samples [PICTURED, ...]) -> the picture written
    examine: Callable[[TrainState], dict[str, float]] | None = None  # figures of the networks, beside the samples'


class Judgement(NamedTuple):
    """How good samples are."""

    figures: dict[str, float]  # by name, logged as "quality/<name>"
    histogram: list[int] | None = None  # samples by class


class Judge(NamedTuple):
    """How an experiment measures its samples."""

    judge: Callable[[Any], Judgement]  # samples [samples, ...] -> figures
    samples: int  # how many it takes
    best: str  # the figure, of LOWER or HIGHER, by which the best checkpoint is kept and a plateau is seen
    protocol: str  # what the figures are, in words: printed and stored beside them


def lower_is_better(figure: str) -> bool:
    """Tells which way a figure is better."""
    return figure not in HIGHER


def labels(classes: int, n: int) -> np.ndarray | None:
    """Returns n labels in equal shares, [n] int32, in order; None without classes."""
    return np.arange(n, dtype=np.int32) * classes // n if classes else None


def as_pictures(samples: Any) -> np.ndarray:
    """Returns samples as they are judged: images [n, H, W, C] clipped to [-1, 1], as pictures are; points as they are.

    StyleGAN2's images, among others, are not bounded.
    """
    x = np.asarray(samples)
    return np.clip(x, -1, 1) if x.ndim == 4 else x


def draw_images(path: Path, images: Any) -> Path:
    """Draws images [n, H, W, C] in [-1, 1] as a grid, ten to a row."""
    return save_grid(path, images, columns=10)
