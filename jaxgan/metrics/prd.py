"""Precision and recall as a curve (PRD): what any weighting of quality against variety can have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.check import checked
from jaxgan.metrics.clusters import kmeans

EDGE = 1e-6  # radians that the first and last angle keep from 0 and pi/2, where a slope is 0 or infinite


class PRD(NamedTuple):
    """A curve of precision against recall and its two summaries; higher is better for all."""

    precision: np.ndarray  # [A] in [0, 1], rising with the angle
    recall: np.ndarray  # [A] in [0, 1], falling with the angle
    f_8: float  # in [0, 1], the best F-score that weights recall 8 times: variety
    f_1_8: float  # in [0, 1], the best F-score that weights precision 8 times: quality


def prd(real: ArrayLike, fake: ArrayLike, seed: int, clusters: int = 20, runs: int = 10, angles: int = 1001) -> PRD:
    """Precision and recall of distributions, on histograms over k-means clusters of both sets together.

    Precision and recall at an angle are averaged over independent clusterings. Sets of unequal size fill the histograms
    unequally, so take M = N.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> x = np.random.default_rng(0).normal(size=(40, 2))
      >>> curve = jg.metrics.prd(x, x, seed=0, clusters=4, runs=2, angles=11)
      >>> round(curve.f_8, 3), round(curve.f_1_8, 3)
      (1.0, 1.0)

    Args:
      real: [N, F] features of real data.
      fake: [M, F] features of samples.
      seed: of the clusterings (NumPy, on the host).
      clusters: bins of the histograms, 1..N + M; 20 in the paper.
      runs: clusterings to average over, >= 1; 10 in the paper's code.
      angles: points of the curve, >= 2; 1001 in the paper's code.
    Returns:
      PRD; identical sets give the corner (1, 1), sets in different clusters (0, 0).
    Raises:
      ValueError: clusters, runs or angles are out of range, not rank 2, different F, or non-finite features.
    References:
      Sajjadi et al. Assessing Generative Models via Precision and Recall. 2018, section 3.
    """
    a, b = checked(real, fake)
    pooled = np.concatenate([a, b])
    if not 1 <= clusters <= len(pooled) or runs < 1:
        raise ValueError(f"need clusters in 1..N + M = {len(pooled)} and runs >= 1; got {clusters} and {runs}")
    rng, curves = np.random.default_rng(seed), []
    for _ in range(runs):
        labels = kmeans(pooled, clusters, rng).cells
        p, q = (np.bincount(part, minlength=clusters) / len(part) for part in (labels[: len(a)], labels[len(a) :]))
        curves.append(prd_of_histograms(p, q, angles)[:2])
    return _summary(*np.mean(curves, axis=0))


def prd_of_histograms(real: ArrayLike, fake: ArrayLike, angles: int = 1001) -> PRD:
    """The PRD curve of two distributions over the same bins.

    At slope s = tan(angle), precision is sum min(s p, q) and recall is sum min(p, q / s), with angles evenly spaced in
    (0, pi / 2).

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> curve = jg.metrics.prd_of_histograms(real=[0.5, 0.5], fake=[1.0, 0.0])  # one of two modes, well made
      >>> round(curve.f_1_8, 2), round(curve.f_8, 2)  # quality, and variety
      (0.98, 0.5)

    Args:
      real: [K] p, shares of real data, >= 0 with sum 1.
      fake: [K] q, shares of samples, >= 0 with sum 1.
      angles: A, points of the curve, >= 2.
    Returns:
      PRD.
    Raises:
      ValueError: the histograms do not fit each other or do not sum to 1, or angles is less than 2.
    References:
      Sajjadi et al. Assessing Generative Models via Precision and Recall. 2018, section 3.
    """
    p, q = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    if p.ndim != 1 or p.shape != q.shape or not p.size:
        raise ValueError(f"need two histograms over the same bins; got shapes {p.shape} and {q.shape}")
    if not all(h.min() >= 0.0 and abs(h.sum() - 1.0) < 1e-6 for h in (p, q)):
        raise ValueError(f"shares must be >= 0 with sum 1; got sums {p.sum():.6g} and {q.sum():.6g}")
    if angles < 2:
        raise ValueError(f"a curve needs at least 2 angles; got {angles}")
    slope = np.tan(np.linspace(EDGE, np.pi / 2 - EDGE, angles))
    precision = np.minimum(slope[:, None] * p[None], q[None]).sum(axis=1)
    return _summary(np.clip(precision, 0.0, 1.0), np.clip(precision / slope, 0.0, 1.0))


def _summary(precision: np.ndarray, recall: np.ndarray) -> PRD:
    return PRD(precision, recall, _best_f(precision, recall, 8.0), _best_f(precision, recall, 1.0 / 8.0))


def _best_f(precision: np.ndarray, recall: np.ndarray, beta: float) -> float:
    below = beta**2 * precision + recall
    return float(np.max((1.0 + beta**2) * precision * recall / np.where(below > 0.0, below, 1.0)))
