"""What an experiment is made of: the types that its functions return, and pictures of image samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from jaxgan.data import Source, label_counts
from jaxgan.priors import Prior
from jaxgan.sample import save_grid
from jaxgan.types import Game, TrainState, by_path

Shares = Literal["data", "equal"]  # of labels among samples: those of the training data, or equal ones

PICTURED = 100  # samples in a grid: ten rows of ten
# Figures that are better when lower, and those that are better when higher.
LOWER: tuple[str, ...] = ("frechet_distance", "missed", "reverse_kl", "spectral_error", "path_length", "path_deviation")
LOWER += ("patch_distance", "l1")
HIGHER: tuple[str, ...] = (
    "precision",
    "recall",
    "classes",
    "label_agreement",
    "modes",
    "high_quality",
    "accuracy",
    "information",
)
HIGHER += ("psnr", "ssim")


class Experiment(NamedTuple):
    """A game and how to look at it."""

    game: Game
    prior: Prior | None = None  # of its latents, for interpolation
    classes: int = 0  # labels that the game is conditioned on; 0: none
    draw: Callable[[Path, Any], Path] | None = None  # (file, samples [n, ...]) -> the picture; None: draws none
    examine: Callable[[TrainState], dict[str, float]] | None = None  # figures of the networks, beside the samples'
    inputs: Callable[[int], Mapping[str, Any]] | None = None  # n -> what n samples are asked with; None: by `classes`
    truth: Callable[[int], Any] | None = None  # n -> what they should be [n, ...], where `inputs` has one right answer
    counts: tuple[int, ...] = ()  # training examples of each label, which a run fills in; (): not known
    names: tuple[str, ...] = ()  # of the classes, likewise


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


def labels(classes: int, n: int, counts: Sequence[int] = ()) -> np.ndarray | None:
    """Returns n labels in order, in shares that no draw changes.

    Args:
      classes: number of labels; 0: none.
      n: how many.
      counts: examples of each label, for labels in their shares; (): in equal shares.
    Returns:
      [n] int32, of each label its share of n but for less than one; None without classes.
    """
    if not classes:
        return None
    ends = np.cumsum(counts if len(counts) else np.ones(classes), dtype=np.int64)
    # In whole numbers: label i is the one in whose range i / n falls.
    return np.searchsorted(ends * n, np.arange(n, dtype=np.int64) * ends[-1], side="right").astype(np.int32)


def shares(experiment: Experiment) -> Shares | None:
    """Returns in which shares labels of judged samples come: the data's where they are known; None without labels."""
    if experiment.inputs is not None or not experiment.classes:
        return None
    return "data" if len(experiment.counts) == experiment.classes else "equal"


def in_words(shares: Shares | None) -> str:
    """Returns what a protocol says of labels: words to follow others, or none."""
    words = {"data": "; labels in the shares of the training data", "equal": "; labels in equal shares"}
    return words[shares] if shares else ""


def sample_inputs(experiment: Experiment, n: int, shares: Shares | None = "data") -> dict[str, Any]:
    """Returns what n samples are asked with: the keyword inputs of `jaxgan.sample`.

    A figure of samples against data is about the data's distribution, so that labels come in the data's shares.

    Args:
      experiment: whose; its own `inputs`, or else labels where it has classes.
      n: how many samples.
      shares: of labels: the "data"'s, where the experiment knows them, or "equal".
    Returns:
      Name -> arrays [n, ...], or pytrees of such.
    """
    if experiment.inputs is not None:
        return dict(experiment.inputs(n))
    known = shares == "data" and len(experiment.counts) == experiment.classes
    y = labels(experiment.classes, n, experiment.counts if known else ())
    return {} if y is None else {"y": y}


def with_labels(experiment: Experiment, source: Source) -> Experiment:
    """Returns the experiment with what its training data say of labels: how many there are of each, and their names.

    Raises:
      ValueError: the data are labelled by something else than their classes.
    """
    if not experiment.classes or experiment.classes != source.classes:
        return experiment
    return experiment._replace(counts=label_counts(source), names=source.names)


def look(experiment: Experiment, path: Path, asked: Mapping[str, Any], samples: Any, truth: Any = None) -> Path | None:
    """Draws samples; those of a translator of images beside what it was given, and the truth where it is known.

    Args:
      experiment: says how, by `draw`.
      path: of the picture.
      asked: what the samples were asked with: images [n, H, W, C] among it are drawn.
      samples: [n, ...].
      truth: [n, ...], or None.
    Returns:
      The picture; None for an experiment that draws none.
    """
    if experiment.draw is None:
        return None
    given = [np.asarray(value) for _, value in sorted(asked.items()) if np.ndim(value) == 4]
    if not given or np.ndim(samples) != 4:
        return experiment.draw(path, samples)
    columns = [*given, as_pictures(samples), *([] if truth is None else [np.asarray(truth)])]
    height, width, channels = (max(x.shape[axis] for x in columns) for axis in (1, 2, 3))
    alike = [_enlarged(x, height, width, channels) for x in columns]
    rows = np.stack(alike, axis=1).reshape(-1, *alike[0].shape[1:])
    return save_grid(path, rows, columns=len(columns) * max(1, 12 // len(columns)))


def _enlarged(x: np.ndarray, height: int, width: int, channels: int) -> np.ndarray:
    """Brings images to a size and a number of channels, to be looked at beside others."""
    rows, columns = (np.arange(side) * x.shape[axis] // side for axis, side in ((1, height), (2, width)))
    x = x[:, rows][:, :, columns]
    if x.shape[-1] == channels:
        return x
    colours = np.repeat(x, 3, axis=-1) if x.shape[-1] == 1 else x
    opaque = np.ones((*colours.shape[:-1], channels - colours.shape[-1]), x.dtype)
    return np.concatenate([colours, opaque], axis=-1)


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
