"""How ADA moves images: whole-pixel moves without any interpolation, and one affine resampling with a low-pass filter.

Places are (row, column); images are reflected at their borders, without repeating the outermost pixels.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.augment.draws import column

TAPS = 12  # of the low-pass filter


def blit(x: Array, flip: Array, turns: Array, shift: Array) -> Array:
    """Mirrors, then turns by right angles, then moves by whole pixels; no pixel's value changes.

    Args:
      x: images, [B, H, W, C].
      flip: [B] bool: left becomes right.
      turns: [B] int32, quarter turns counter-clockwise in 0..3; only 0 and 2 unless H = W.
      shift: [B, 2] int32, pixels down and to the right.
    Returns:
      [B, H, W, C].
    """
    height, width = x.shape[1:3]
    shape = (x.shape[0], height, width)
    i = jnp.broadcast_to(reflect(jnp.arange(height)[None] - shift[:, :1], height)[:, :, None], shape)
    j = jnp.broadcast_to(reflect(jnp.arange(width)[None] - shift[:, 1:], width)[:, None, :], shape)
    k = turns[:, None, None]
    if height == width:
        i, j = jnp.where(k % 2 == 1, j, i), jnp.where(k % 2 == 1, height - 1 - i, j)
    i, j = jnp.where(k >= 2, height - 1 - i, i), jnp.where(k >= 2, width - 1 - j, j)
    j = jnp.where(flip[:, None, None], width - 1 - j, j)
    return jax.vmap(lambda image, i, j: image[i, j])(x, i, j)


def resample(x: Array, matrix: Array, shift: Array) -> Array:
    """Draws each image anew at affinely moved places: out(q) = in(matrix (q - shift)), with q from the image's centre.

    Images are enlarged twice by a low-pass filter, read there by bilinear interpolation, and reduced by the same
    filter, so that a rotation neither blurs nor aliases much.

    Args:
      x: images, [B, H, W, C].
      matrix: [B, 2, 2], from places in the result to places in x.
      shift: [B, 2], pixels down and to the right, whole or not.
    Returns:
      [B, H, W, C].
    References:
      Karras et al. Training Generative Adversarial Networks with Limited Data. NeurIPS 2020, appendix B.
    """
    height, width = x.shape[1:3]
    up = [jnp.asarray(enlarging(side), x.dtype) for side in (height, width)]
    down = [jnp.asarray(reducing(side), x.dtype) for side in (height, width)]
    large = jnp.einsum("ih,bhwc,jw->bijc", up[0], x, up[1])
    places = [_subpixels(side) - (side - 1) / 2 for side in (height, width)]
    q = [places[0][None, :, None] - column(shift[:, 0], 3), places[1][None, None, :] - column(shift[:, 1], 3)]
    rows, columns = (
        2 * (column(matrix[:, a, 0], 3) * q[0] + column(matrix[:, a, 1], 3) * q[1] + (side - 1) / 2) + 0.5
        for a, side in ((0, height), (1, width))
    )
    moved = jax.vmap(_bilinear)(large, rows, columns)
    return jnp.einsum("hi,bijc,wj->bhwc", down[0], moved, down[1])


def reflect(index: Array, side: int) -> Array:
    """Folds indices of any size into 0..side-1, as a row of mirrors does: -1 is 1, side is side - 2."""
    folded = index % (2 * (side - 1))
    return jnp.where(folded >= side, 2 * (side - 1) - folded, folded)


@functools.lru_cache(maxsize=1)
def low_pass() -> np.ndarray:
    """A symmetric low-pass filter of 12 taps that halves the band, [12], sum 1.

    Its two phases have equal sums, so that a constant image stays as it is.
    """
    offset = np.arange(TAPS) - (TAPS - 1) / 2
    taps = 0.5 * np.sinc(0.5 * offset) * np.kaiser(TAPS, 4.0)
    return taps / taps.sum()


@functools.lru_cache(maxsize=32)
def enlarging(side: int) -> np.ndarray:
    """Doubles a signal that is reflected at its ends: [2 side, side] float32; sample k lies at k/2 - 1/4."""
    matrix = np.zeros((2 * side, side))
    mirrored = np.pad(np.arange(side), TAPS, mode="reflect")
    for k in range(2 * side):
        for tap, weight in enumerate(low_pass()):
            place = k + TAPS // 2 - 1 - tap  # among the samples with a zero after each
            if place % 2 == 0:
                matrix[k, mirrored[place // 2 + TAPS]] += 2 * weight
    return matrix.astype(np.float32)


@functools.lru_cache(maxsize=32)
def reducing(side: int) -> np.ndarray:
    """Halves a signal with five more samples at either end: [side, 2 side + 10] float32, the adjoint of doubling."""
    matrix = np.zeros((side, 2 * side + TAPS - 2))
    for i in range(side):
        matrix[i, 2 * i : 2 * i + TAPS] = low_pass()
    return matrix.astype(np.float32)


def _subpixels(side: int) -> Array:
    """Places, in pixels, of the samples that `reducing` reads."""
    margin = TAPS // 2 - 1
    return jnp.arange(-margin, 2 * side + margin, dtype=jnp.float32) / 2 - 0.25


def _bilinear(large: Array, rows: Array, columns: Array) -> Array:
    """Reads an enlarged image [2 H, 2 W, C] at places given in its own samples, [h, w] each -> [h, w, C]."""
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, right = (rows - top)[..., None].astype(large.dtype), (columns - left)[..., None].astype(large.dtype)
    i, j = top.astype(jnp.int32), left.astype(jnp.int32)

    def pixel(i: Array, j: Array) -> Array:
        return large[_mirror(i, large.shape[0]), _mirror(j, large.shape[1])]

    above = (1 - right) * pixel(i, j) + right * pixel(i, j + 1)
    below = (1 - right) * pixel(i + 1, j) + right * pixel(i + 1, j + 1)
    return (1 - down) * above + down * below


def _mirror(index: Array, samples: int) -> Array:
    """Folds indices of a doubled signal between the centres of its outermost pixels, at 1/2 and samples - 3/2."""
    length = samples - 2
    folded = (index - 1) % (2 * length)
    return jnp.where(folded >= length, 2 * length - 1 - folded, folded) + 1
