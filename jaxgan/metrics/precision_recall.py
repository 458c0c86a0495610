"""Precision and recall of samples: how much of what is generated is real, how much of what is real is generated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.check import checked_as_given
from jaxgan.metrics.neighbours import squared_radii, within
from jaxgan.metrics.pairs import Devices, Progress


class PrecisionRecall(NamedTuple):
    """Two shares in [0, 1]; higher is better for both."""

    precision: float  # share of fake inside the real manifold: quality
    recall: float  # share of real inside the fake manifold: variety


def precision_recall(
    real: ArrayLike, fake: ArrayLike, k: int = 3, *, devices: Devices = None, progress: Progress | None = None
) -> PrecisionRecall:
    """Improved precision and recall: membership in the union of k-nearest-neighbour balls of the other set.

    A ball reaches to its centre's k-th nearest neighbour in the centre's own set, the centre not counted, and holds its
    boundary (<=, as in the paper; density and coverage use <). Distances are Euclidean and exact in float64; see
    `neighbours` for how, and for its memory.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> real = np.concatenate([np.arange(8.0), 100 + np.arange(8.0)])[:, None]
      >>> jg.metrics.precision_recall(real, real[:8], k=2)  # one of two modes, well made
      PrecisionRecall(precision=1.0, recall=0.5)

    Args:
      real: [N, F] features of real data.
      fake: [M, F] features of samples; take M = N, the figures depend on both.
      k: neighbourhood size, 1 <= k < min(N, M); 3 in the paper.
      devices: devices to share the work; by default all local accelerators, or the CPU.
      progress: called with (rows done, rows in all) during each of the three passes.
    Returns:
      PrecisionRecall, two shares in [0, 1]; identical sets give (1, 1), sets far apart (0, 0).
    Raises:
      ValueError: k is out of range, not rank 2, different F, or non-finite features.
    References:
      Kynkäänniemi et al. Improved Precision and Recall Metric for Assessing Generative Models. 2019, eq. 1 and 2.
    """
    a, b = checked_as_given(real, fake)
    if not 1 <= k < min(len(a), len(b)):
        raise ValueError(f"need 1 <= k < min(N, M) = {min(len(a), len(b))}; got k = {k}")
    of_real, of_fake = (squared_radii(x, [k], devices, progress)[0] for x in (a, b))
    real_balls, fake_balls = within(b, a, [of_real[None], of_fake[:, None]], True, devices, progress)
    return PrecisionRecall(float(np.mean(real_balls.rows > 0)), float(np.mean(fake_balls.columns > 0)))
