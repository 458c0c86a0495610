"""Mode coverage where the modes are known: mixtures of Gaussians, and labels such as those of stacked digits."""

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


class LabelCoverage(NamedTuple):
    """What became of labelled modes."""

    modes: int  # 0..K, modes with at least one sample; higher is better
    reverse_kl: float  # nats, >= log(K / modes): histogram against uniform; lower is better
    histogram: np.ndarray  # [K] int64, samples by mode


def mode_coverage(samples: ArrayLike, centres: ArrayLike, std: float, within: float = 3.0) -> ModeCoverage:
    """Modes covered, share of high-quality samples and reverse KL of a mixture of K equal isotropic Gaussians.

    A sample is of high quality when it lies within `within` standard deviations of its nearest mode (boundary
    included); a mode counts when a high-quality sample is nearest to it; the reverse KL is sum p log(p K) over the
    histogram p of high-quality samples. A perfect sampler in the plane has 1 - exp(-9/2) = 98.89 % of high quality
    and, with N samples, a reverse KL of about (K - 1) / (2 N).

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> centres = np.array([[0.0, 0.0], [9.0, 0.0]])
      >>> covered = jg.metrics.mode_coverage(np.array([[0.1, 0.0], [4.5, 0.0]]), centres, std=1.0)
      >>> covered.modes, covered.high_quality, round(covered.reverse_kl, 3)  # one of two, half of them far off; log 2
      (1, 0.5, 0.693)

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
    return ModeCoverage(int(np.count_nonzero(histogram)), float(good.mean()), _reverse_kl(histogram), histogram)


def label_coverage(labels: ArrayLike, modes: int = 1000) -> LabelCoverage:
    """Modes hit and reverse KL to uniform of samples whose mode a classifier told.

    A perfect sampler that draws N samples hits K (1 - (1 - 1/K)^N) modes on average and has a reverse KL of about
    (K - 1) / (2 N): 0.0192 for the 26,000 samples and 1000 modes of stacked digits. A mode counts from its first
    sample on, with no threshold on the classifier's confidence, so its mistakes count as coverage.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> covered = jg.metrics.label_coverage(np.array([0, 0, 3, 3]), modes=4)
      >>> covered.modes, round(covered.reverse_kl, 3)  # log 4/2
      (2, 0.693)

    Args:
      labels: [N] integers in 0..K-1, N >= 1.
      modes: K, >= 1; 1000 for stacks of three digits.
    Returns:
      LabelCoverage.
    Raises:
      ValueError: labels are not [N] integers, there is none, or some lie outside 0..K-1 (their count).
    References:
      Srivastava et al. VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning. 2017, section 4.2.
      Lin et al. PacGAN: The power of two samples in generative adversarial networks. 2018, section 4.2.
    """
    y = np.asarray(labels)
    if y.ndim != 1 or not y.size or y.dtype.kind not in "iu" or modes < 1:
        raise ValueError(f"need labels [N] of integers and modes >= 1; got {y.dtype} of shape {y.shape} and {modes}")
    outside = np.count_nonzero((y < 0) | (y >= modes))
    if outside:
        raise ValueError(f"{outside} of {y.size} labels lie outside 0..{modes - 1}")
    histogram = np.bincount(y, minlength=modes)
    return LabelCoverage(int(np.count_nonzero(histogram)), _reverse_kl(histogram), histogram)


def stacked_labels(digits: ArrayLike) -> np.ndarray:
    """Modes of stacked digits: 100 a + 10 b + c for the digits a, b, c that a classifier saw in the three channels.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> jg.metrics.stacked_labels(np.array([[4, 0, 7]])).tolist()
      [407]

    Args:
      digits: [N, 3] integers in 0..9.
    Returns:
      [N] int64 in 0..999.
    Raises:
      ValueError: not [N, 3] integers, or some lie outside 0..9 (their count).
    """
    y = np.asarray(digits)
    if y.ndim != 2 or y.shape[1] != 3 or y.dtype.kind not in "iu":
        raise ValueError(f"digits must be [N, 3] integers; got {y.dtype} of shape {y.shape}")
    outside = np.count_nonzero((y < 0) | (y > 9))
    if outside:
        raise ValueError(f"{outside} of {y.size} digits lie outside 0..9")
    return y.astype(np.int64) @ np.array([100, 10, 1])


def _reverse_kl(histogram: np.ndarray) -> float:
    """Returns sum p log(p K) in nats over the bins that are hit; inf if none is."""
    p = histogram[histogram > 0] / max(1, histogram.sum())
    return float(np.sum(p * np.log(p * len(histogram)))) if p.size else math.inf
