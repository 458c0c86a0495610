"""Inception score: samples should be recognisable one by one and various as a set."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

TOLERANCE = 1e-3  # of the sum of a row: what a softmax in half precision leaves


class InceptionScore(NamedTuple):
    """Mean and deviation over the splits; higher is better."""

    mean: float  # in [1, K]
    std: float  # population standard deviation over the splits; 0 with one split


def inception_score(probabilities: ArrayLike, splits: int = 10) -> InceptionScore:
    """Exponential of the mean KL divergence of p(y | x) from the marginal p(y), within each of several splits.

    1 where every sample gets the same prediction, K where predictions are certain and the K classes equally frequent.
    It never sees real data: memorised, adversarial or one-per-class samples score well. It is *the* Inception score
    only with Inception's class probabilities, and depends on the number of samples per split (50,000 in 10 splits by
    custom).

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> round(jg.metrics.inception_score(np.eye(10), splits=1).mean, 6)  # sure, and ten classes
      10.0
      >>> round(jg.metrics.inception_score(np.full((10, 10), 0.1), splits=1).mean, 6)  # any guess
      1.0

    Args:
      probabilities: [N, K] of the classes for each sample, rows sum to 1; zeros count as 0 log 0 = 0.
      splits: number of consecutive parts, 1..N; shuffle samples that come in an order, or a split lacks classes.
    Returns:
      InceptionScore.
    Raises:
      ValueError: not rank 2, values outside [0, 1] or not finite, rows that do not sum to 1, or splits out of range.
    References:
      Salimans et al. Improved Techniques for Training GANs. 2016, section 4.
    """
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or not p.size:
        raise ValueError(f"probabilities must be [N, K], not empty; got shape {p.shape}")
    bad = p.size - np.count_nonzero((p >= 0.0) & (p <= 1.0 + TOLERANCE))  # NaN is neither
    if bad:
        raise ValueError(f"probabilities must lie in [0, 1]; {bad} of {p.size} do not (are these logits?)")
    off = np.abs(p.sum(axis=1) - 1.0)
    if off.max() > TOLERANCE:
        raise ValueError(f"rows must sum to 1; {np.sum(off > TOLERANCE)} of {len(p)} do not, by up to {off.max():.3g}")
    if not 1 <= splits <= len(p):
        raise ValueError(f"need 1 <= splits <= N = {len(p)}; got {splits}")
    edges = np.arange(splits + 1) * len(p) // splits
    scores = [_score(p[a:b]) for a, b in itertools.pairwise(edges)]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def _score(p: np.ndarray) -> float:
    from scipy.special import rel_entr  # a tenth of a second of start-up for whoever does not come here

    return float(np.exp(rel_entr(p, p.mean(axis=0, keepdims=True)).sum(axis=1).mean()))
