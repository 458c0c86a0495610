"""What many runs say together: means over members, with confidence intervals, as numbers and as bands."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike


class Interval(NamedTuple):
    """A mean over members, and where the mean of endlessly many such members is expected."""

    mean: np.ndarray  # [...] float64
    low: np.ndarray  # [...] float64, lower end of the confidence interval
    high: np.ndarray  # [...] float64, its upper end


def interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean over the members with a confidence interval of Student's t: mean -+ t(n - 1) s / sqrt(n).

    Exact for normal values, an approximation otherwise. A member that is not finite makes its mean and interval NaN:
    leaving out the runs that diverged would flatter the rest.

    Args:
      values: [members, ...], one figure (or a curve of them) for each member.
      confidence: probability in (0, 1) that such an interval holds the true mean.
    Returns:
      Interval of arrays [...].
    Raises:
      ValueError: fewer than two members, or confidence outside (0, 1).
    References:
      Student. The Probable Error of a Mean. Biometrika 1908.
    """
    from scipy.special import stdtrit  # a tenth of a second of start-up for whoever does not come here

    x = np.asarray(values, np.float64)
    if x.ndim < 1 or len(x) < 2 or not 0 < confidence < 1:
        raise ValueError(
            f"interval needs values [members >= 2, ...], confidence in (0, 1); got {x.shape}, {confidence}"
        )
    x = np.where(np.isfinite(x), x, np.nan)
    mean, error = x.mean(axis=0), x.std(axis=0, ddof=1) / math.sqrt(len(x))
    margin = stdtrit(len(x) - 1, 0.5 + confidence / 2) * error
    return Interval(mean, mean - margin, mean + margin)


def draw_band(path: str | os.PathLike[str], steps: ArrayLike, curves: Mapping[str, ArrayLike], label: str) -> Path:
    """Draws each curve's mean over the members as a line inside the band of its `interval`.

    Args:
      path: of the PNG to write.
      steps: [T], along the horizontal axis.
      curves: by name, [members, T]; gaps are left where a member is not finite.
      label: what the vertical axis measures, with its unit.
    Returns:
      The picture's path.
    Raises:
      ValueError: as for `interval`.
      ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("bands are drawn by matplotlib: pip install 'jaxgan[experiments]'") from error
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for name, values in curves.items():
        mean, low, high = interval(values)
        (line,) = axes.plot(np.asarray(steps), mean, label=name, linewidth=1.2)
        axes.fill_between(np.asarray(steps), low, high, color=line.get_color(), alpha=0.25, linewidth=0)
    axes.set(xlabel="step", ylabel=label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110, format="png")
    return Path(path)
