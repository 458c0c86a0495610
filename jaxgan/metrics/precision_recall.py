"""Precision and recall of samples: how much of what is generated is real, how much of what is real is generated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.check import checked

BLOCK = 1024  # rows of the distance matrix held at once: memory is BLOCK * max(N, M) float64
SLACK = 1e-12  # rounding of a squared distance, relative to the largest squared norm; duplicates are at distance 0


class PrecisionRecall(NamedTuple):
    """Two shares in [0, 1]; higher is better for both."""

    precision: float  # share of fake inside the real manifold: quality
    recall: float  # share of real inside the fake manifold: variety


def precision_recall(real: ArrayLike, fake: ArrayLike, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall: membership in the union of k-nearest-neighbour balls of the other set.

    A ball reaches to its centre's k-th nearest neighbour in the centre's own set, the centre not counted, and holds its
    boundary (<=, as in the paper; density and coverage use <). Distances are Euclidean, in float64, computed in blocks.

    Args:
      real: [N, F] features of real data.
      fake: [M, F] features of samples; take M = N, the figures depend on both.
      k: neighbourhood size, 1 <= k < min(N, M); 3 in the paper.
    Returns:
      PrecisionRecall, two shares in [0, 1]; identical sets give (1, 1), sets far apart (0, 0).
    Raises:
      ValueError: k is out of range, not rank 2, different F, or non-finite features.
    References:
      Kynkäänniemi et al. Improved Precision and Recall Metric for Assessing Generative Models. 2019, eq. 1 and 2.
    """
    a, b = checked(real, fake)
    if not 1 <= k < min(len(a), len(b)):
        raise ValueError(f"need 1 <= k < min(N, M) = {min(len(a), len(b))}; got k = {k}")
    centre = a.mean(0)  # distances are unchanged, and rounding is relative to the spread instead of the offset
    a, b = a - centre, b - centre
    slack = SLACK * max(np.sum(a * a, 1).max(), np.sum(b * b, 1).max())
    return PrecisionRecall(_covered(b, a, _radii(a, k), slack), _covered(a, b, _radii(b, k), slack))


def _radii(x: np.ndarray, k: int) -> np.ndarray:
    """Returns [N] squared distances to the k-th nearest neighbour: rank k, as rank 0 is the point itself."""
    blocks = range(0, len(x), BLOCK)
    return np.concatenate([np.partition(_squared(x[i : i + BLOCK], x), k, axis=1)[:, k] for i in blocks])


def _covered(x: np.ndarray, centres: np.ndarray, radii: np.ndarray, slack: float) -> float:
    """Returns the share of x that lies in at least one ball."""
    blocks = range(0, len(x), BLOCK)
    inside = sum(int((_squared(x[i : i + BLOCK], centres) <= radii + slack).any(axis=1).sum()) for i in blocks)
    return inside / len(x)


def _squared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns [n, m] squared distances of x [n, F] to y [m, F] by one matrix product."""
    return np.clip(np.sum(x * x, 1)[:, None] + np.sum(y * y, 1)[None] - 2.0 * (x @ y.T), 0.0, None)
