"""Examples in memory: an array is a source, and a batch is one fancy index."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxgan.data.check import check_conditions, check_examples
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
      y: [N] integer labels in 0..classes-1, or what else examples are told: arrays [N, ...] float32 (attributes, codes,
        captions, boxes), or a dict of labels and arrays; None: unlabelled.
      name: what errors and reports call it.
      classes: number of labels; None: the largest label plus one. Of other conditions there are none.
    Returns:
      Source of "x" [n, ...] float32 and, if y is given, "y" likewise.
    Raises:
      ValueError: wrong type, rank, dtype, layout, range or length, or a value that is not finite.
    """
    check_examples(x, f"{name}: x")
    x = np.asarray(x)
    if y is None:
        if classes:
            raise ValueError(f"{name}: classes is {classes}, but there are no labels; pass y")
        return Source(name, len(x), lambda draw: {"x": x[draw.index]})
    conditions = jax.tree.map(_narrow, y, is_leaf=lambda node: isinstance(node, list | tuple))
    check_conditions(conditions, len(x), classes, f"{name}: y")
    labels = isinstance(conditions, np.ndarray) and np.issubdtype(conditions.dtype, np.integer)
    if classes and not labels:
        raise ValueError(f"{name}: classes is {classes}, but y are not labels (N,); leave it out")

    def read(draw: Draw) -> Examples:
        return jax.tree.map(lambda leaf: leaf[draw.index], {"x": x, "y": conditions})

    return Source(name, len(x), read, (classes or int(conditions.max()) + 1) if labels else 0)


def _narrow(y: Any) -> np.ndarray:
    """Labels as int32, whatever integers they are."""
    y = np.asarray(y)
    return y.astype(np.int32) if np.issubdtype(y.dtype, np.integer) and len(y.shape) == 1 else y
