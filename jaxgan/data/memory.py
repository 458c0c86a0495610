"""Examples in memory: an array is a source, and a batch is one fancy index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxgan.data.check import check_conditions, check_entry, narrow
from jaxgan.data.source import COUNTABLE, Draw, Examples, Source, digest_of


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


def arrays(
    x: Any, y: Any = None, name: str = "arrays", classes: int | None = None, names: Sequence[str] = ()
) -> Source:
    """A source of examples that are in memory. They are not copied: leave them as they are while the source is used.

    Args:
      x: [N, ...] float32, in [-1, 1] if of rank 3 or more; points [N, d] may lie anywhere; tokens [N, T] of integers.
        Or several such arrays by name: {"photo": ..., "sketch": ...}.
      y: [N] integer labels in 0..classes-1, or what else networks are conditioned on: arrays [N, ...] float32
        (attributes, codes, captions, boxes), or a dict of labels and arrays; None: unlabelled.
      name: what errors and reports call it.
      classes: number of labels; None: the largest label plus one, or as many as there are names. Of
        other conditions there are none.
      names: of the classes, by label, or of the columns of attributes y [N, A]: runs and reports say them.
    Returns:
      Source of "x" [n, ...], or of the names of x, and, if y is given, "y" likewise.
    Raises:
      ValueError: wrong type, rank, dtype, layout, range or length, a value that is not finite, or a token beyond
        int32.
    """
    given = x if isinstance(x, Mapping) else {"x": x}
    entries = {key: _integers_narrow(value, f"{name}: {key}") for key, value in given.items()}
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
        return Source(
            name,
            size,
            lambda draw: {key: value[draw.index] for key, value in entries.items()},
            digest=lambda: _digest(entries),
        )
    given = jax.tree.map(np.asarray, y, is_leaf=lambda node: isinstance(node, list | tuple))
    clipped = jax.tree.map(_clipped, given)
    check_conditions(clipped, size, classes, f"{name}: y")
    # What int32 does not hold stays as it is on the host: `batches` and `check_batch` refuse it, and nobody wraps it.
    conditions = jax.tree.map(lambda a, b: b if np.array_equal(a, b) else a, given, clipped)
    labels = isinstance(conditions, np.ndarray) and np.issubdtype(conditions.dtype, np.integer)
    if classes and not labels:
        raise ValueError(f"{name}: classes is {classes}, but y are not labels (N,); leave it out")

    def read(draw: Draw) -> Examples:
        return jax.tree.map(lambda leaf: leaf[draw.index], entries | {"y": conditions})

    source = Source(name, size, read, digest=lambda: _digest(entries | {"y": conditions, "names": names}))
    if not labels:
        return source._replace(names=tuple(names))
    classes = classes or max(len(names), int(conditions.max()) + 1)
    if names and len(names) != classes:
        raise ValueError(f"{name}: names has {len(names)} classes, where labels have {classes}; name each")
    counts = np.bincount(conditions, minlength=classes) if classes <= COUNTABLE else np.empty(0, int)
    return source._replace(classes=classes, names=tuple(names), counts=tuple(counts.tolist()))


def _clipped(y: np.ndarray) -> np.ndarray:
    """Returns integers as int32, the nearest where they do not fit; other arrays as they are."""
    limits = np.iinfo(np.int32)
    return np.clip(y, limits.min, limits.max).astype(np.int32) if np.issubdtype(y.dtype, np.integer) else y


def _digest(entries: Mapping[str, Any]) -> str:
    leaves = jax.tree_util.tree_leaves_with_path(dict(entries))
    return digest_of(*(part for path, leaf in leaves for part in (jax.tree_util.keystr(path), leaf)))


def _integers_narrow(x: Any, name: str) -> Any:
    """Tokens and indices as int32; pixels of bytes, and what is no array, are left for the check."""
    integers = isinstance(x, np.ndarray) and np.issubdtype(x.dtype, np.integer) and x.dtype != np.uint8
    return narrow(x, name) if integers and x.ndim < 3 else x
