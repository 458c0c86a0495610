"""Laplacian pyramids: an image as its details at every scale, and what is left when all of them are taken away."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)  # the 5-tap kernel of Burt and Adelson with a = 3/8


def laplacian_pyramid(x: Array, levels: int) -> tuple[Array, ...]:
    """Splits images into levels - 1 bands of detail and a small remainder.

    Each band is a level minus its blurred, halved and enlarged self; the last entry is the remainder. Borders are
    mirrored without repeating the edge, so that a constant image has no detail anywhere. Differentiable.

    Args:
      x: [N, H, W, C], any range.
      levels: how many entries, >= 1; each halves the sides of the one before, rounding up.
    Returns:
      bands from fine to coarse, [N, H, W, C], [N, ceil(H/2), ceil(W/2), C], ...; `reconstruct` undoes it.
    Raises:
      ValueError: x has another rank, levels < 1, or a side that must be halved has fewer than 3 pixels.
    References:
      Burt, Adelson. The Laplacian Pyramid as a Compact Image Code. 1983.
    """
    if x.ndim != 4 or levels < 1:
        raise ValueError(f"need images [N, H, W, C] and levels >= 1; got shape {x.shape} and {levels}")
    bands = []
    for _ in range(levels - 1):
        smaller = downsample(x)
        bands.append(x - upsample(smaller, x.shape[1], x.shape[2]))
        x = smaller
    return (*bands, x)


def reconstruct(pyramid: Sequence[Array]) -> Array:
    """Returns the images [N, H, W, C] whose Laplacian pyramid this is; exact up to the rounding of one sum a level."""
    x = pyramid[-1]
    for band in reversed(pyramid[:-1]):
        x = band + upsample(x, band.shape[1], band.shape[2])
    return x


def downsample(x: Array) -> Array:
    """Blurs with the binomial kernel and keeps every other row and column.

    Args:
      x: [N, H, W, C].
    Returns:
      [N, ceil(H/2), ceil(W/2), C].
    Raises:
      ValueError: a side has fewer than 3 pixels.
    """
    if min(x.shape[1:3]) < 3:
        raise ValueError(f"images of {x.shape[1]}x{x.shape[2]} pixels cannot be halved; ask for fewer levels")
    return _blurred(x)[:, ::2, ::2]


def upsample(x: Array, height: int, width: int) -> Array:
    """Enlarges to twice the size by inserting zeros and blurring with twice the kernel along each axis.

    Args:
      x: [N, h, w, C].
      height: rows of the result; h is its half, rounded up.
      width: columns of the result, likewise.
    Returns:
      [N, height, width, C].
    """
    spread = jnp.zeros((x.shape[0], height, width, x.shape[3]), x.dtype).at[:, ::2, ::2].set(x)
    return 4.0 * _blurred(spread)


def _blurred(x: Array) -> Array:
    """Returns x [N, H, W, C] under the binomial kernel along both spatial axes, borders mirrored."""
    for axis in (1, 2):
        size = x.shape[axis]
        padded = jnp.pad(x, [(2, 2) if a == axis else (0, 0) for a in range(4)], mode="reflect")
        shifted = [w * lax.slice_in_dim(padded, i, i + size, axis=axis) for i, w in enumerate(BINOMIAL)]
        x = sum(shifted[1:], shifted[0])
    return x
