"""Is this batch what the networks expect? Checks on the host, each a `ValueError` of one line with its remedy.

Compiled code accepts far too much: uint8 pixels train silently, a label out of range is clamped or becomes NaN. So
sources are checked when they are made, and the loop checks its first batch and now and then another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

TOLERANCE = 1e-4  # beyond [-1, 1], for rounding


def check_units(batch: Mapping[str, Any]) -> None:
    """Checks the numbers of a batch that a game is initialised with, as far as they are known (not traced).

    All must be finite; signals of rank 3 or more, but "y", lie in [-1, 1]; and images "x" [B, H, W, C] of which no
    pixel is negative are in [0, 1], which no value by itself gives away.

    Args:
      batch: by name, arrays [B, ...] or pytrees of such.
    Raises:
      ValueError: names the entry, what is wrong and what to do.
    """
    for name, value in batch.items():
        for path, leaf in jax.tree_util.tree_leaves_with_path(value):
            known = not isinstance(leaf, jax.core.Tracer) and getattr(leaf, "is_fully_addressable", True)
            if not known or not jax.numpy.issubdtype(leaf.dtype, np.floating):
                continue
            where, x = f"batch[{name!r}]{jax.tree_util.keystr(path)}", np.asarray(leaf)
            try:
                _check_values(x, where, bounded=name != "y")
                if name == "x" and x.ndim == 4 and 0 <= x.min() < x.max():
                    raise ValueError(f"{where} is in [{x.min():.2f}, {x.max():.2f}]; expected [-1, 1]: 2 * x - 1")
            except ValueError as error:
                raise ValueError(f"{error}; if these are your units, jg.game(..., own_units=True)") from None


def check_batch(batch: Mapping[str, Any], classes: int = 0) -> None:
    """Checks a batch: any named arrays of one leading size, and if there are labels or other conditions, those.

    Points [B, d] may lie anywhere; everything floating of rank 3 or more is a signal in [-1, 1]. Integers of rank 1 or
    2 are tokens or indices, int32.

    Args:
      batch: by name, arrays [B, ...] or pytrees of such; "y": as `check_conditions` takes it, required if classes > 0.
      classes: number of labels; 0: "y" is not asked for, and labels have no upper end.
    Raises:
      ValueError: names the entry, what is wrong, the first wrong example, and what to do.
    """
    data = {name: value for name, value in batch.items() if name != "y"}
    if not jax.tree.leaves(data):
        raise ValueError(f"batch has no data; have {sorted(batch)}")
    n = None
    for name, value in data.items():
        for path, leaf in jax.tree_util.tree_leaves_with_path(value, is_leaf=_is_numbers):
            where = f"batch[{name!r}]{jax.tree_util.keystr(path)}"
            check_entry(leaf, where)
            n = len(leaf) if n is None else n
            if len(leaf) != n:
                raise ValueError(f"{where} has {len(leaf)} examples, where others have {n}; a batch has one size")
    if "y" in batch:
        check_conditions(batch["y"], n or 0, classes or None, "batch['y']")
    elif classes:
        raise ValueError(f"batch has no 'y', but its source has {classes} classes")


def check_entry(x: Any, name: str) -> None:
    """Checks one array of data: tokens or indices int32 [B] or [B, T], or examples.

    Raises:
      ValueError: as `check_examples`, or integers of another type.
    """
    dtype = getattr(x, "dtype", None)
    if dtype is None or not jax.numpy.issubdtype(dtype, np.integer) or np.ndim(x) not in (1, 2) or dtype == np.uint8:
        return check_examples(x, name)
    if dtype != np.int32:
        raise ValueError(f"{name} is {dtype}; tokens and indices are int32: use .astype('int32')")
    return None


def _is_numbers(node: Any) -> bool:
    """Tells what JAX would take for a tree of numbers, and a user means as an array."""
    return isinstance(node, list | tuple) and not any(hasattr(entry, "shape") for entry in node)


def check_examples(x: Any, name: str) -> None:
    """Checks examples.

    Args:
      x: [B, ...] float32; in [-1, 1] if of rank 3 or more.
      name: what the error calls it.
    Raises:
      ValueError: not an array, wrong rank, dtype, layout or range, empty, or not finite.
    """
    if not isinstance(x, np.ndarray | jax.Array):
        raise ValueError(f"{name} must be an array; got {type(x).__name__}")
    if x.ndim < 2:
        raise ValueError(f"{name} has shape {x.shape}; expected [B, ...], rank 2 or more")
    if x.size == 0:
        raise ValueError(f"{name} is empty: shape {x.shape}")
    if x.dtype == np.uint8:
        raise ValueError(f"{name} is uint8; expected float32 in [-1, 1]: use jg.data.from_uint8")
    if x.dtype != np.float32:
        raise ValueError(f"{name} is {x.dtype}; expected float32 in [-1, 1]: scale it, then .astype('float32')")
    if x.ndim == 4 and x.shape[1] in (1, 3, 4) and x.shape[3] > 4 and x.shape[2] > 4:
        raise ValueError(f"{name} has shape {x.shape}; looks channels-first: transpose to [B, H, W, C]")
    _check_values(np.asarray(x), name)


def _check_values(x: np.ndarray, name: str, bounded: bool = True) -> None:
    low, high = float(x.min()), float(x.max())
    if not np.isfinite(low + high):
        wrong = ~np.isfinite(x)
        first = np.flatnonzero(wrong.reshape(len(x), -1).any(axis=1))[0]
        raise ValueError(f"{name} has {wrong.sum()} non-finite value(s), the first in example {first}")
    if bounded and x.ndim > 2 and not -1 - TOLERANCE <= low <= high <= 1 + TOLERANCE:
        remedy = "x / 127.5 - 1" if low >= 0 and 1 < high <= 255 else "scale it"
        raise ValueError(f"{name} is in [{low:.2f}, {high:.2f}]; expected [-1, 1]: {remedy}")


def narrow(values: Any, name: str) -> np.ndarray:
    """Returns an array, integers of any width as int32.

    Args:
      values: an array, or a list of numbers.
      name: what the error calls it.
    Returns:
      The array, int32 if it was of integers, else as it is.
    Raises:
      ValueError: an integer does not fit into 32 bits: it would become another one without a word.
    """
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.integer):
        return array
    limits = np.iinfo(np.int32)
    wrong = np.ravel((array < limits.min) | (array > limits.max))
    if wrong.any():
        raise ValueError(
            f"{name} holds {np.ravel(array)[wrong][0]} at {np.flatnonzero(wrong)[0]}, which int32 does not: labels and "
            "tokens count from 0 (np.unique(values, return_inverse=True) numbers them anew)"
        )
    return array.astype(np.int32)


def check_conditions(y: Any, n: int, classes: int | None, name: str) -> None:
    """Checks the conditions of n examples: labels [n] int32, arrays [n, ...] float32, or a pytree of such.

    In a pytree, integers [n, ...] of rank 2 or more are tokens, int32.

    Args:
      y: the conditions.
      n: number of examples.
      classes: number of labels, where y is one array; None leaves the upper end open.
      name: what the error calls it.
    Raises:
      ValueError: a leaf is not of n examples, has another dtype or values that are not finite, or labels are out of
        range.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(y, is_leaf=_is_numbers):
        where, dtype, shape = f"{name}{jax.tree_util.keystr(path)}", getattr(leaf, "dtype", None), np.shape(leaf)
        if dtype == np.int32 and shape == (n,):
            check_labels(np.asarray(leaf), None if path else classes, where)
        elif path and dtype == np.int32 and len(shape) > 1 and shape[0] == n:
            continue
        elif dtype != np.float32 or len(shape) < 2 or shape[0] != n:
            raise ValueError(
                f"{where} is {dtype or type(leaf).__name__} {shape}; labels must be int32 ({n},), one for each "
                f"example, and other conditions float32 ({n}, ...)"
            )
        elif not np.isfinite(leaf).all():
            raise ValueError(f"{where} has values that are not finite; clean the conditions")


def check_labels(y: np.ndarray, classes: int | None, name: str) -> None:
    """Checks integer labels [B] in 0..classes-1; classes None leaves the upper end open.

    Raises:
      ValueError: names the first label out of range and its example.
    """
    wrong = np.flatnonzero((y < 0) | (y >= classes) if classes else y < 0)
    if wrong.size:
        end = classes or "..."
        raise ValueError(f"{name}: label {y[wrong[0]]} out of range [0, {end}) at example {wrong[0]}")
