"""Digits as whole arrays, and a source of which few have labels."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import jaxgan as jg
from jaxgan.data import Draw, Source

SIDE = 28


@functools.cache
def digits(split: str) -> dict[str, Any]:
    """All digits of a split: "x" [N, 28, 28, 1] in [-1, 1] and their labels "y" [N]."""
    source = jg.data.digits(split, size=SIDE)
    return {name: np.asarray(value) for name, value in jg.data.whole(source).items()}


def sized(split: str, size: int) -> Source:
    """Digits of a side that the library has, or of 16 pixels: means of 2x2 pixels of those of 32.

    Args:
      split: as of `jg.data.digits`.
      size: side of the images.
    """
    if size != 16:
        return jg.data.digits(split, size=size)
    source = jg.data.digits(split, size=32)
    whole = {name: np.asarray(value) for name, value in jg.data.whole(source).items()}
    small = whole["x"].reshape(-1, 16, 2, 16, 2, 1).mean(axis=(2, 4))
    return jg.data.arrays(small, whole["y"], name=f"{source.name}, 16x16", classes=10)


def few_labels(labels: int, classes: int, seed: int) -> Source:
    """Unlabelled digits "x", and few "labelled" ones with "y", as many of each class, again and again in their order.

    Args:
      labels: labelled digits, a multiple of the classes.
      classes: number of classes.
      seed: of the choice of labelled digits.
    """
    train, few = digits("train"), np.random.default_rng(seed)
    share = labels // classes
    chosen = np.concatenate([few.permutation(np.flatnonzero(train["y"] == c))[:share] for c in range(classes)])
    unlabelled, labelled = jg.data.arrays(train["x"]), jg.data.arrays(train["x"][chosen], train["y"][chosen])

    def read(draw: Draw) -> dict[str, Any]:
        own = jg.data.indices(draw.seed + 1, len(chosen), draw.position)
        known = labelled.read(Draw(draw.seed + 1, draw.position, own))
        return {"x": unlabelled.read(draw)["x"], "labelled": known["x"], "y": known["y"]}

    return Source(f"digits, {labels} of them labelled", unlabelled.size, read, classes)
