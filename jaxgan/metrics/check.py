"""What every metric on features checks before it computes."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike


def checked(real: ArrayLike, fake: ArrayLike, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Returns both sets of features as float64 [N, F] and [M, F] on the host.

    Args:
      real: [N, F].
      fake: [M, F].
      least: the smallest N and M that the metric is defined for.
    Raises:
      ValueError: not rank 2, different F, fewer than `least` examples, or non-finite features (with their count).
    """
    a, b = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    for name, x in (("real", a), ("fake", b)):
        if x.ndim != 2:
            raise ValueError(f"{name} features must have rank 2, [N, F]; got shape {x.shape}")
        if len(x) < least:
            raise ValueError(f"need at least {least} {name} features; got {len(x)}")
        bad = x.size - np.count_nonzero(np.isfinite(x))
        if bad:
            raise ValueError(f"{name} features hold {bad} non-finite values of {x.size}")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"real and fake features must have the same F; got {a.shape[1]} and {b.shape[1]}")
    return a, b
