"""Examples in memory: an array is a source, and a batch is one fancy index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxgan.data.check import check_conditions, check_entry
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
      x: [N, ...] float32, in [-1, 1] if of rank 3 or more; points [N, d] may lie anywhere; tokens [N, T] of integers.
        Or several such arrays by name: {"photo": ..., "sketch": ...}.
      y: [N] integer labels in 0..classes-1, or what else networks are conditioned on: arrays [N, ...] float32
        (attributes, codes, captions, boxes), or a dict of labels and arrays; None: unlabelled.
      name: what errors and reports call it.
      classes: number of labels; None: the largest label plus one. Of other conditions there are none.
    Returns:
      Source of "x" [n, ...], or of the names of x, and, if y is given, "y" likewise.
    Raises:
      ValueError: wrong type, rank, dtype, layout, range or length, or a value that is not finite.
    """
    entries = {key: _integers_narrow(value) for key, value in (x if isinstance(x, Mapping) else {"x": x}).items()}
    if not entries or "y" in entries:
        raise ValueError(f"{name}: x holds {sorted(entries)}; name one array or more, and give conditions as y")
    for key, value in entries.items():
        check_entry(value, f"{name}: {key}")
    size = len(next(iter(entries.values())))
    if other := {key: len(value) for key, value in entries.items() if len(value) != size}:
        raise ValueError(f"{name}: {next(iter(entries))} has {size} examples, but {other}; all need as many")
    entries = {key: np.asarray(value) for key, value in entries.items()}
    if y is None:
        if classes:
            raise ValueError(f"{name}: classes is {classes}, but there are no labels; pass y")
        return Source(name, size, lambda draw: {key: value[draw.index] for key, value in entries.items()})
    conditions = jax.tree.map(_narrow, y, is_leaf=lambda node: isinstance(node, list | tuple))
    check_conditions(conditions, size, classes, f"{name}: y")
    labels = isinstance(conditions, np.ndarray) and np.issubdtype(conditions.dtype, np.integer)
    if classes and not labels:
        raise ValueError(f"{name}: classes is {classes}, but y are not labels (N,); leave it out")

    def read(draw: Draw) -> Examples:
        return jax.tree.map(lambda leaf: leaf[draw.index], entries | {"y": conditions})

    return Source(name, size, read, (classes or int(conditions.max()) + 1) if labels else 0)


def _narrow(y: Any) -> np.ndarray:
    """Labels and tokens as int32, whatever integers they are."""
    y = np.asarray(y)
    return y.astype(np.int32) if np.issubdtype(y.dtype, np.integer) else y


def _integers_narrow(x: Any) -> Any:
    """Tokens and indices as int32; pixels of bytes, and what is no array, are left for the check."""
    integers = isinstance(x, np.ndarray) and np.issubdtype(x.dtype, np.integer) and x.dtype != np.uint8
    return x.astype(np.int32) if integers and x.ndim < 3 else x
