"""k-means, for the metrics that look at histograms over clusters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ROUNDS = 100  # of Lloyd's algorithm, unless it stands still before


class Clusters(NamedTuple):
    """Voronoi cells of a set."""

    centres: np.ndarray  # [K, F] float64
    cells: np.ndarray  # [N] int64 in 0..K-1, of the examples they were found on


def kmeans(x: np.ndarray, clusters: int, rng: np.random.Generator) -> Clusters:
    """Lloyd's algorithm from a k-means++ start, until nothing moves.

    Args:
      x: [N, F] float64.
      clusters: K, in 1..N; fewer are found where fewer examples are different.
      rng: advanced by the draws of the start.
    Returns:
      Clusters; a cell that loses all of its examples keeps its centre.
    References:
      Arthur, Vassilvitskii. k-means++: The Advantages of Careful Seeding. 2007.
    """
    centres = _start(x, clusters, rng)
    cells = np.full(len(x), -1)
    for _ in range(ROUNDS):
        before, cells = cells, assigned(x, centres)
        if np.array_equal(before, cells):
            break
        counts, order = np.bincount(cells, minlength=len(centres)), np.argsort(cells, kind="stable")
        filled = counts > 0
        starts = (np.cumsum(counts) - counts)[filled]
        centres[filled] = np.add.reduceat(x[order], starts, axis=0) / counts[filled, None]
    return Clusters(centres, assigned(x, centres))


def assigned(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Returns [N] the index of the centre nearest to each row of x; the first of equally near ones."""
    middle = centres.mean(axis=0)  # rounding is then relative to the spread, not to the offset
    c = centres - middle
    # |x - c|^2 without |x|^2, which is the same for every centre
    return np.argmin(np.sum(c * c, axis=1) - 2.0 * ((x - middle) @ c.T), axis=1)


def _start(x: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Returns up to K different examples, each drawn by its squared distance to those drawn before."""
    chosen = [int(rng.integers(len(x)))]
    gap = np.sum((x - x[chosen[0]]) ** 2, axis=1)
    while len(chosen) < clusters and gap.sum() > 0.0:
        chosen.append(int(rng.choice(len(x), p=gap / gap.sum())))
        gap = np.minimum(gap, np.sum((x - x[chosen[-1]]) ** 2, axis=1))
    return x[chosen]
