"""Density and coverage of samples: precision and recall that one outlier among the real data does not decide."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.check import checked_as_given
from jaxgan.metrics.neighbours import squared_radii, within
from jaxgan.metrics.pairs import Devices, Progress


class DensityCoverage(NamedTuple):
    """Quality and variety by the neighbourhoods of the real data; higher is better for both."""

    density: float  # >= 0, may exceed 1: real neighbourhoods that hold a sample, on average, over k
    coverage: float  # in [0, 1]: share of real neighbourhoods that hold a sample


def density_coverage(
    real: ArrayLike, fake: ArrayLike, k: int = 5, *, devices: Devices = None, progress: Progress | None = None
) -> DensityCoverage:
    """Density and coverage: how many samples fall into the k-nearest-neighbour balls of the real data, and into which.

    A ball reaches to its centre's k-th nearest neighbour among the real data, the centre not counted, and excludes its
    boundary (<, as in the paper's code): of real data with more than k copies of a point the balls are empty.
    Where real and fake follow one continuous distribution, E[density] = 1 and
    E[coverage] = 1 - prod over i = 1..k of (N - i) / (N + M - i), whatever the distribution.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> line = np.arange(8.0)[:, None]
      >>> jg.metrics.density_coverage(line, line, k=2)  # the very data
      DensityCoverage(density=0.625, coverage=1.0)
      >>> jg.metrics.density_coverage(line, line + 100, k=2)
      DensityCoverage(density=0.0, coverage=0.0)

    Args:
      real: [N, F] features of real data.
      fake: [M, F] features of samples, M >= 1; coverage grows with M, so report both.
      k: neighbourhood size, 1 <= k < N; 5 in the paper.
      devices: devices to share the work; by default all local accelerators, or the CPU.
      progress: called with (rows done, rows in all) during each of the two passes.
    Returns:
      DensityCoverage.
    Raises:
      ValueError: k is out of range, not rank 2, different F, or non-finite features.
    References:
      Naeem et al. Reliable Fidelity and Diversity Metrics for Generative Models. 2020, section 3.
    """
    a, b = checked_as_given(real, fake)
    if not 1 <= k < len(a):
        raise ValueError(f"need 1 <= k < N = {len(a)}; got k = {k}")
    radii = squared_radii(a, [k], devices, progress)
    [balls] = within(b, a, [radii], False, devices, progress)
    return DensityCoverage(float(balls.rows.sum() / (k * len(b))), float(np.mean(balls.columns > 0)))
