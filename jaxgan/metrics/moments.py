"""Mean and covariance of features that are never in memory at once: float64 on the host, added up part by part."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.check import ROWS, checked_set


class Moments(NamedTuple):
    """Count, mean and scatter of the features seen so far; what an .npz of reference statistics would hold."""

    count: int  # type: ignore[assignment]  # N, examples seen
    mean: np.ndarray  # [F] float64
    scatter: np.ndarray  # [F, F] float64, sum of (x - mean) (x - mean)^T: (N - 1) times the covariance


def no_moments(features: int) -> Moments:
    """Moments of nothing: where a stream begins.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> start = jg.metrics.no_moments(2)
      >>> start.count, jg.metrics.add(start, np.array([[1.0, 3.0], [3.0, 3.0]])).mean.tolist()
      (0, [2.0, 3.0])

    Args:
      features: F, >= 1.
    Raises:
      ValueError: F is not positive.
    """
    if features < 1:
        raise ValueError(f"need at least one feature; got F = {features}")
    return Moments(0, np.zeros(features), np.zeros((features, features)))


def add(moments: Moments, features: ArrayLike) -> Moments:
    """Moments of what was seen so far and of one more batch.

    Every batch is centred on its own mean before anything is squared, so an offset common to all features, however
    large, costs no digits.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> moments = jg.metrics.moments_of(np.array([[1.0], [3.0]]))
      >>> more = jg.metrics.add(moments, np.array([[8.0]]))
      >>> more.count, more.mean.tolist(), moments.count  # the old ones stay as they were
      (3, [4.0], 2)

    Args:
      moments: of the batches before; unchanged.
      features: [B, F], any B >= 0, any float type; computed in float64.
    Returns:
      Moments.
    Raises:
      ValueError: not rank 2, another F, or non-finite features (with their count).
    References:
      Chan, Golub, LeVeque. Updating Formulae and a Pairwise Algorithm for Computing Sample Variances. 1979.
    """
    x = checked_set("the batch of", features, least=0).astype(np.float64, copy=False)
    if x.shape[1] != moments.mean.size:
        raise ValueError(f"these moments are of F = {moments.mean.size} features; got a batch of {x.shape[1]}")
    if not len(x):
        return moments
    mean = x.mean(axis=0)
    x = x - mean
    mean_of_rest = x.mean(axis=0)  # what rounding left of the mean
    scatter = x.T @ x - len(x) * np.outer(mean_of_rest, mean_of_rest)
    return merge(moments, Moments(len(x), mean + mean_of_rest, scatter))


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of two parts together: of two files, devices or processes, in any order.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> x = np.random.default_rng(0).normal(size=(10, 3))
      >>> halves = jg.metrics.merge(jg.metrics.moments_of(x[:4]), jg.metrics.moments_of(x[4:]))
      >>> bool(np.allclose(jg.metrics.covariance(halves), np.cov(x.T)))
      True

    Args:
      a: moments of one part.
      b: moments of the other, of the same F.
    Returns:
      Moments of both; equal to those of all examples at once up to rounding.
    Raises:
      ValueError: the parts have different F.
    References:
      Chan, Golub, LeVeque. Updating Formulae and a Pairwise Algorithm for Computing Sample Variances. 1979.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"both parts must have the same F; got {a.mean.size} and {b.mean.size}")
    count = a.count + b.count
    if not count:
        return a
    shift = b.mean - a.mean
    mean = a.mean + shift * (b.count / count)
    return Moments(count, mean, a.scatter + b.scatter + np.outer(shift, shift) * (a.count * b.count / count))


def moments_of(features: ArrayLike) -> Moments:
    """Moments of features that are in memory, a few thousand rows at a time.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> moments = jg.metrics.moments_of(np.array([[1.0], [3.0]]))
      >>> moments.count, moments.mean.tolist(), moments.scatter.tolist()
      (2, [2.0], [[2.0]])

    Args:
      features: [N, F].
    Returns:
      Moments.
    Raises:
      ValueError: not rank 2, or non-finite features (with their count).
    """
    x = np.asarray(features)
    if x.ndim != 2:
        raise ValueError(f"features must have rank 2, [N, F]; got shape {x.shape}")
    total = no_moments(x.shape[1])
    for start in range(0, len(x), ROWS):
        total = add(total, x[start : start + ROWS])
    return total


def covariance(moments: Moments) -> np.ndarray:
    """The unbiased covariance [F, F], the scatter over N - 1.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> jg.metrics.covariance(jg.metrics.moments_of(np.array([[1.0], [3.0]]))).tolist()  # 2 / (2 - 1)
      [[2.0]]

    Raises:
      ValueError: fewer than two examples.
    """
    if moments.count < 2:
        raise ValueError(f"a covariance needs at least 2 examples; got {moments.count}")
    return moments.scatter / (moments.count - 1)
