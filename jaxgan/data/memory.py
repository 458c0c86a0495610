"""Examples in memory: an array is a source, and a batch is one fancy index."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxgan.data.check import check_examples, check_labels
from jaxgan.data.source import Draw, Examples, Source


def from_uint8(x: np.ndarray) -> np.ndarray:
    """Maps pixels 0..255 to [-1, 1]: x / 127.5 - 1.

    Args:
      x: [...] uint8.
    Returns:
      [...] float32 in [-1, 1].
    Raises:
      ValueError: x is not uint8, so that nothing is scaled twice.
    """
    x = np.asarray(x)
    if x.dtype != np.uint8:
        raise ValueError(f"from_uint8 takes uint8 pixels; got {x.dtype}")
    return x.astype(np.float32) / np.float32(127.5) - np.float32(1)


def arrays(x: Any, y: Any = None, name: str = "arrays", classes: int | None = None) -> Source:
    """A source of examples that are in memory. They are not copied: leave them as they are while the source is used.

    Args:
      x: [N, ...] float32, in [-1, 1] if of rank 3 or more; points [N, d] may lie anywhere.
      y: [N] integer labels in 0..classes-1; None: unlabelled.
      name: what errors and reports call it.
      classes: number of labels; None: the largest label plus one.
    Returns:
      Source of "x" [n, ...] float32 and, if labelled, "y" [n] int32.
    Raises:
      ValueError: wrong type, rank, dtype, layout, range or length, or a value that is not finite.
    """
    check_examples(x, f"{name}: x")
    x = np.asarray(x)
    if y is None:
        if classes:
            raise ValueError(f"{name}: classes is {classes}, but there are no labels; pass y")
        return Source(name, len(x), lambda draw: {"x": x[draw.index]})
    labels = _labels(np.asarray(y), len(x), classes, f"{name}: y")

    def read(draw: Draw) -> Examples:
        return {"x": x[draw.index], "y": labels[draw.index]}

    return Source(name, len(x), read, classes or int(labels.max()) + 1)


def _labels(y: np.ndarray, n: int, classes: int | None, name: str) -> np.ndarray:
    if y.shape != (n,) or not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"{name} is {y.dtype} {y.shape}; labels must be integers ({n},), one for each example")
    check_labels(y, classes, name)
    return y.astype(np.int32)
