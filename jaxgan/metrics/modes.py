"""Mode coverage of samples from a mixture whose modes are known: the ring and the grid of Gaussians."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike


class ModeCoverage(NamedTuple):
    """What became of the modes of a known mixture."""

    modes: int  # 0..K, modes with at least one high-quality sample; higher is better
    high_quality: float  # share of samples in [0, 1] near their nearest mode; higher is better
    reverse_kl: float  # nats, >= log(K / modes): histogram against uniform; lower is better, inf without any sample
    histogram: np.ndarray  # [K] int64, high-quality samples by nearest mode


def mode_coverage(samples: ArrayLike, centres: ArrayLike, std: float, within: float = 3.0) -> ModeCoverage:
    """Modes covered, share of high-quality samples and reverse KL of a mixture of K equal isotropic Gaussians.

    A sample is of high quality when it lies within `within` standard deviations of its nearest mode (boundary
    included); a mode counts when a high-quality sample is nearest to it; the reverse KL is sum p log(p K) over the
    histogram p of high-quality samples. A perfect sampler in the plane has 1 - exp(-9/2) = 98.89 % of high quality
    and, with N samples, a reverse KL of about (K - 1) / (2 N).

    Args:
      samples: [N, D] points, D = 2 for the published tables (N = 2,500 there).
      centres: [K, D] the modes.
      std: standard deviation of each mode along each axis, > 0.
      within: radius of high quality in units of std, > 0; 3 in two dimensions.
    Returns:
      ModeCoverage.
    Raises:
      ValueError: shapes do not fit, there is no sample or centre, values are not finite, or std or within is not > 0.
    References:
      Srivastava et al. VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning. 2017, section 4.1.
      Lin et al. PacGAN: The power of two samples in generative adversarial networks. 2018, section 4.1.
    """
    x, c = np.asarray(samples, np.float64), np.asarray(centres, np.float64)
    if x.ndim != 2 or c.ndim != 2 or x.shape[1] != c.shape[1] or not x.size or not c.size:
        raise ValueError(f"need samples [N, D] and centres [K, D], neither empty; got {x.shape} and {c.shape}")
    if not (np.isfinite(x).all() and np.isfinite(c).all()):
        raise ValueError("samples and centres must be finite")
    if not (std > 0.0 and within > 0.0):
        raise ValueError(f"std and within must be > 0; got {std} and {within}")
    distance = np.stack([np.linalg.norm(x - centre[None], axis=1) for centre in c], axis=1)
    nearest = distance.argmin(axis=1)
    good = distance.min(axis=1) <= within * std
    histogram = np.bincount(nearest[good], minlength=len(c))
    p = histogram[histogram > 0] / max(1, good.sum())
    reverse_kl = float(np.sum(p * np.log(p * len(c)))) if p.size else math.inf
    return ModeCoverage(p.size, float(good.mean()), reverse_kl, histogram)
