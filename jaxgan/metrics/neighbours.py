"""Exact neighbours among features: radii, nearest neighbours and balls, a block of the distance matrix at a time.

A distance is the float64 sum of squared differences, as brute force has it: 0 between copies, the same in both
directions, no rounding that depends on an offset. Computing all of them that way is slow. So the devices bound them
first, by one matrix product per block in float32 (blocks go to the devices in turn); the bounds hold for any order of
summation and settle nearly every comparison. What they leave undecided is computed by brute force, after a pass
in float64 where a block leaves much. Hence no figure depends on the device, the block or the matrix product.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxgan.metrics.pairs import Devices, Points, Progress, bounds, sweep

VALUES = 2**21  # features that brute force gathers at once


class Nearest(NamedTuple):
    """The nearest neighbour of each row in another set."""

    index: np.ndarray  # type: ignore[assignment]  # [N] int64, the lowest index among equally near ones
    squared: np.ndarray  # [N] float64, squared distance


class Within(NamedTuple):
    """How many pairs lie within a radius, by the rows of the one set and of the other."""

    rows: np.ndarray  # [N] int64, for each x
    columns: np.ndarray  # [M] int64, for each y


def squared_radii(
    x: np.ndarray, ks: Sequence[int], devices: Devices = None, progress: Progress | None = None
) -> np.ndarray:
    """Squared distances to the k-th nearest neighbour in the same set, the point itself not counted.

    Args:
      x: [N, F] finite float32 or float64 features.
      ks: ranks, each in 1..N-1.
      devices: where the bounds are computed.
      progress: called with (rows done, N).
    Returns:
      [len(ks), N] float64.
    Raises:
      ValueError: a rank is out of range, or the features are too large to square.
    """
    if not all(1 <= k < len(x) for k in ks):
        raise ValueError(f"each k must be in 1..N-1 = {len(x) - 1}; got {tuple(ks)}")
    kernel = functools.partial(_near, rank=max(ks))
    radii = np.zeros((len(ks), len(x)))
    for rows, (copies, _), [candidates] in sweep(x, x, kernel, [], devices, progress):
        i, _, squared = _brute_force(x, x, rows.start, candidates)
        order = np.lexsort((squared, i))
        copies = copies[: rows.stop - rows.start]
        first = np.searchsorted(i, np.arange(rows.start, rows.stop))  # i ascends: where each row begins
        for radius, k in zip(radii, ks, strict=True):  # rank k, as the point itself is its first copy
            far = np.flatnonzero(copies <= k)
            radius[rows.start + far] = squared[order[first[far] + k - copies[far]]]
    return radii


def nearest(x: np.ndarray, y: np.ndarray, devices: Devices = None, progress: Progress | None = None) -> Nearest:
    """The nearest neighbour in y of every row of x.

    Args:
      x: [N, F] finite float32 or float64 features.
      y: [M, F], M >= 1.
      devices: where the bounds are computed.
      progress: called with (rows done, N).
    Returns:
      Nearest.
    Raises:
      ValueError: the features are too large to square.
    """
    index, distance = np.zeros(len(x), np.int64), np.zeros(len(x))
    kernel = functools.partial(_near, rank=0)
    for rows, (copies, first_copy), [candidates] in sweep(x, y, kernel, [], devices, progress):
        i, j, squared = _brute_force(x, y, rows.start, candidates)
        order = np.lexsort((j, squared, i))
        alone = rows.start + np.flatnonzero(copies[: rows.stop - rows.start] == 0)
        best = order[np.searchsorted(i, alone)]
        index[rows] = first_copy[: rows.stop - rows.start]
        index[i[best]], distance[i[best]] = j[best], squared[best]
        zero = squared == 0.0  # not a copy, yet as near as one: differences below 1e-162 square to 0
        np.minimum.at(index, i[zero], j[zero])
    return Nearest(index, distance)


def within(
    x: np.ndarray,
    y: np.ndarray,
    squared_radii: Sequence[np.ndarray],
    closed: bool,
    devices: Devices = None,
    progress: Progress | None = None,
) -> list[Within]:
    """Counts the pairs (x_i, y_j) within a radius, for each of several sets of radii in one pass.

    Args:
      x: [N, F] finite float32 or float64 features.
      y: [M, F].
      squared_radii: each [N, 1] for balls around the x, or [1, M] for balls around the y; float64, >= 0.
      closed: whether a ball holds its boundary (<=) or not (<).
      devices: where the bounds are computed.
      progress: called with (rows done, N).
    Returns:
      One Within for each set of radii.
    Raises:
      ValueError: the features are too large to square.
    """
    counts = [Within(np.zeros(len(x), np.int64), np.zeros(len(y), np.int64)) for _ in squared_radii]
    kernel = functools.partial(_inside, closed=closed)
    for rows, sure, undecided in sweep(x, y, kernel, squared_radii, devices, progress):
        for count, radii, (of_rows, of_columns), pairs in zip(counts, squared_radii, sure, undecided, strict=True):
            i, j, squared = _brute_force(x, y, rows.start, pairs)
            limit = np.broadcast_to(radii, (len(x), len(y)))[i, j]
            holds = squared <= limit if closed else squared < limit
            count.rows[rows] = of_rows[: rows.stop - rows.start]
            count.rows[:] += np.bincount(i[holds], minlength=len(x))
            count.columns[:] += of_columns + np.bincount(j[holds], minlength=len(y))
    return counts


@functools.partial(jax.jit, static_argnames="rank")
def _near(x: Points, y: Points, radii: list[Array], rank: int) -> tuple[tuple[Array, Array], list[Array]]:
    """Returns (copies in y [n], the first of them [n]) and which other y may be of this rank or nearer [n, m]."""
    del radii
    low, high, same = bounds(x, y)
    kth = -lax.top_k(-jnp.where(same, 0.0, high), rank + 1)[0][:, -1:]
    return (same.sum(axis=1), same.argmax(axis=1)), [~same & (low <= kth) & (x.copy >= 0)[:, None]]


@functools.partial(jax.jit, static_argnames="closed")
def _inside(x: Points, y: Points, radii: list[Array], closed: bool) -> tuple[list[tuple[Array, Array]], list[Array]]:
    """Returns for each set of radii the sure pairs by rows [n] and by columns [m], and the undecided pairs [n, m]."""
    low, high, same = bounds(x, y)
    real, eps = (x.copy >= 0)[:, None], float(jnp.finfo(x.x.dtype).eps)
    sure, undecided = [], []
    for radius in radii:  # of copies the distance is known: 0
        of_copies = jnp.broadcast_to(radius >= 0.0 if closed else radius > 0.0, same.shape)
        holds = jnp.where(same, of_copies, high < radius * (1.0 - 2.0 * eps)) & real
        sure.append((holds.sum(axis=1), holds.sum(axis=0)))
        undecided.append(~same & ~holds & (low <= radius * (1.0 + 2.0 * eps)) & real)
    return sure, undecided


def _brute_force(
    x: np.ndarray, y: np.ndarray, start: int, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (i, j, squared distance) of the marked pairs of a block that starts at a row of x; i ascends."""
    i, j = np.nonzero(pairs)
    i += start
    squared, step = np.zeros(len(i)), max(1, VALUES // x.shape[1])
    for n in range(0, len(i), step):
        difference = x[i[n : n + step]].astype(np.float64) - y[j[n : n + step]]
        squared[n : n + step] = np.sum(difference * difference, axis=1)
    return i, j, squared
