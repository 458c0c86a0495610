"""What every metric on features checks before it computes."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

ROWS = 4096  # rows looked at or converted at once, so that a check of large features needs little memory


def checked(real: ArrayLike, fake: ArrayLike, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Returns both sets of features as float64 [N, F] and [M, F] on the host.

    Args:
      real: [N, F].
      fake: [M, F].
      least: the smallest N and M that the metric is defined for.
    Raises:
      ValueError: not rank 2, different F, fewer than `least` examples, or non-finite features (with their count).
    """
    a, b = checked_as_given(real, fake, least)
    return a.astype(np.float64, copy=False), b.astype(np.float64, copy=False)


def checked_as_given(real: ArrayLike, fake: ArrayLike, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Returns both sets on the host as they are: float32 and float64 uncopied, anything else as float64.

    For metrics that convert a block at a time, so that large features are held once only.

    Args:
      real: [N, F].
      fake: [M, F].
      least: the smallest N and M that the metric is defined for.
    Raises:
      ValueError: as `checked`.
    """
    a, b = checked_set("real", real, least), checked_set("fake", fake, least)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"real and fake features must have the same F; got {a.shape[1]} and {b.shape[1]}")
    return a, b


def checked_set(name: str, features: ArrayLike, least: int = 1) -> np.ndarray:
    """Returns one set of features [N, F] on the host: float32 and float64 uncopied, anything else as float64.

    Args:
      name: what the message calls the set.
      features: [N, F].
      least: the smallest N.
    Raises:
      ValueError: not rank 2, no feature, fewer than `least` examples, or non-finite features (with their count).
    """
    x = np.asarray(features)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(f"{name} features must have rank 2, [N, F]; got shape {x.shape}")
    if len(x) < least:
        raise ValueError(f"need at least {least} {name} features; got {len(x)}")
    bad = x.size - sum(np.count_nonzero(np.isfinite(x[i : i + ROWS])) for i in range(0, len(x), ROWS))
    if bad:
        raise ValueError(f"{name} features hold {bad} non-finite values of {x.size}")
    return x
