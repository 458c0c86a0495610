"""Are volumes of voxels solids? Figures on the host, of volumes [N, D, H, W] or [N, D, H, W, 1] in [-1, 1].

A voxel is 2 occupancy - 1, and belongs to the solid where it is above 0: where more than half of it is filled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike


class Connected(NamedTuple):
    """What hangs together in volumes, by voxels that share a face."""

    components: np.ndarray  # [N] int64, how many; 0 of an empty volume
    largest: np.ndarray  # [N] float64 in [0, 1], the share of the solid's voxels in the largest; 0 of an empty volume


def connected(x: ArrayLike) -> Connected:
    """Counts the connected parts of every volume: a real object is one, and floating crumbs are further ones.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> x = np.full((1, 4, 4, 4), -1.0)
      >>> x[0, 0, 0, :3] = x[0, 3, 3, 3] = 1.0
      >>> parts = jg.metrics.connected(x)
      >>> int(parts.components[0]), float(parts.largest[0])
      (2, 0.75)

    Args:
      x: [N, D, H, W] or [N, D, H, W, 1] in [-1, 1].
    Returns:
      Connected.
    Raises:
      ValueError: not volumes, or none of them.
    """
    from scipy import ndimage

    counts, largest = [], []
    for solid in _volumes("connected", x) > 0:
        labels, count = ndimage.label(solid)
        sizes = np.bincount(labels.reshape(-1))[1:]
        counts.append(count)
        largest.append(sizes.max() / sizes.sum() if count else 0.0)
    return Connected(np.array(counts), np.array(largest))


def occupied(x: ArrayLike) -> np.ndarray:
    """The volume of every solid: the sum of its voxels' occupancy.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> x = np.full((1, 4, 4, 4), -1.0)
      >>> x[0, :2, 0, 0], x[0, 3, 3, 3] = 1.0, 0.0  # two voxels, and a half
      >>> jg.metrics.occupied(x).tolist()
      [2.5]

    Args:
      x: [N, D, H, W] or [N, D, H, W, 1] in [-1, 1].
    Returns:
      [N] float64, in voxels.
    Raises:
      ValueError: not volumes, or none of them.
    """
    return np.asarray(np.sum((_volumes("occupied", x) + 1) / 2, axis=(1, 2, 3), dtype=np.float64))


def volume_distance(real: ArrayLike, fake: ArrayLike) -> float:
    """Kolmogorov and Smirnov's distance of the laws of volumes: the largest difference of their distribution functions.

    Of N and M draws of one law it is about 0.87 sqrt(1 / N + 1 / M) in the mean.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> full, empty = np.ones((2, 4, 4, 4)), -np.ones((2, 4, 4, 4))
      >>> jg.metrics.volume_distance(full, full), jg.metrics.volume_distance(full, empty)
      (0.0, 1.0)

    Args:
      real: [N, D, H, W] or [N, D, H, W, 1] in [-1, 1].
      fake: [M, ...], likewise.
    Returns:
      Distance in [0, 1].
    Raises:
      ValueError: not volumes, or none of them.
    References:
      Smirnov. Table for Estimating the Goodness of Fit of Empirical Distributions. Annals of Math. Statistics 1948.
    """
    a, b = (np.sort(occupied(x)) for x in (real, fake))
    everywhere = np.concatenate([a, b])
    below = [np.searchsorted(each, everywhere, side="right") / len(each) for each in (a, b)]
    return float(np.max(np.abs(below[0] - below[1])))


def nearest_solid(x: ArrayLike, training: ArrayLike) -> np.ndarray:
    """How much every volume is like the nearest training solid: intersection over union; 1 is a copy.

    Compare it with that of held-out solids, which is what a sample of the law has.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> x, half = np.ones((1, 4, 4, 4)), np.ones((1, 4, 4, 4))
      >>> half[:, :2] = -1.0
      >>> jg.metrics.nearest_solid(x, np.concatenate([half, -x])).tolist(), jg.metrics.nearest_solid(x, x).tolist()
      ([0.5], [1.0])

    Args:
      x: [N, D, H, W] or [N, D, H, W, 1] in [-1, 1].
      training: [M, D, H, W], likewise.
    Returns:
      [N] float64 in [0, 1], of the most like of M; two empty volumes have 1.
    Raises:
      ValueError: not volumes, none of them, or other sides.
    """
    a, b = _volumes("nearest_solid", x) > 0, _volumes("nearest_solid: training", training) > 0
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(f"nearest_solid compares volumes of the same sides; got {a.shape[1:]} and {b.shape[1:]}")
    one, other = (solids.reshape(len(solids), -1).astype(np.float32) for solids in (a, b))
    common = one @ other.T
    union = one.sum(axis=1)[:, None] + other.sum(axis=1)[None] - common
    return np.max(np.where(union > 0, common / np.maximum(union, 1), 1.0), axis=1).astype(np.float64)


def _volumes(caller: str, x: ArrayLike) -> np.ndarray:
    """Returns volumes [N, D, H, W] float32."""
    volumes = np.asarray(x, np.float32)
    volumes = volumes[..., 0] if volumes.ndim == 5 and volumes.shape[4] == 1 else volumes
    if volumes.ndim != 4 or not volumes.size:
        raise ValueError(f"{caller} takes volumes [N, D, H, W] or [N, D, H, W, 1], N >= 1; got shape {np.shape(x)}")
    if not np.isfinite(volumes).all() or np.abs(volumes).max() > 1.001:
        raise ValueError(f"{caller} takes volumes in [-1, 1], 2 occupancy - 1, without NaN")
    return volumes
