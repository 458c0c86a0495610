"""How much samples vary, which figures of quality do not say."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

NEARLY_CONSTANT = 0.05  # samples that vary less are one picture, whatever other figures say


def variation(fake: ArrayLike, real: ArrayLike) -> float:
    """Standard deviation of samples relative to that of real examples, number by number, as root mean squares.

    It is 0 where all samples are one, which precision, density and an image that looks real may call perfect; about 1
    where samples vary as the data do; and it says nothing of whether they look like them: noise has it, too.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> real = np.random.default_rng(0).normal(size=(20, 4))
      >>> round(jg.metrics.variation(0.5 * real, real), 3), jg.metrics.variation(0 * real, real)  # paler; all alike
      (0.5, 0.0)

    Args:
      fake: [M, ...] samples, M >= 2.
      real: [N, ...] real examples of the same shape, N >= 2.
    Returns:
      >= 0; infinity where real examples are all equal and samples are not, 1 where both are.
    Raises:
      ValueError: fewer than two examples, or sets of different shapes.
    """
    a, b = np.asarray(fake, np.float64), np.asarray(real, np.float64)
    if min(a.ndim, b.ndim) < 1 or a.shape[1:] != b.shape[1:] or min(len(a), len(b)) < 2:
        raise ValueError(f"variation needs two sets of at least 2 examples of one shape; got {a.shape} and {b.shape}")
    spreads = [float(np.sqrt(np.mean(np.var(x, axis=0)))) for x in (a, b)]
    if spreads[1] == 0:
        return 1.0 if spreads[0] == 0 else float("inf")
    return spreads[0] / spreads[1]
