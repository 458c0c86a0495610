"""What ADA does to the colours and frequencies of images; every function takes its parameters by example."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.augment.draws import column

BANDS = 4  # of the filter bank, from low to high frequencies; the split is at 1/8, 1/4 and 1/2 of the highest one
POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)  # what a natural image (spectrum 1/f) is expected to have in each band
# Low-pass filter of the symlet with two vanishing moments: Daubechies. Ten Lectures on Wavelets. 1992.
_SYM2 = np.array([1 - 3**0.5, 3 - 3**0.5, 3 + 3**0.5, 1 + 3**0.5]) / (4 * 2**0.5)


def recolour(x: Array, brightness: Array, contrast: Array, flip: Array, hue: Array, saturation: Array) -> Array:
    """Brightness, contrast, luma flip, hue and saturation, in this order, as one affine map of each pixel's channels.

    The luma of a pixel is its component along the grey axis, the chroma is the rest: with C channels the grey axis is
    (1, ..., 1) / sqrt(C), so that one channel is all luma.

    Args:
      x: images, [B, H, W, C].
      brightness: [B], added to all channels.
      contrast: [B], factor of all channels.
      flip: [B] bool: luma changes its sign.
      hue: [B], angle in radians by which chroma turns around the grey axis; only three channels have a hue.
      saturation: [B], factor of chroma.
    Returns:
      [B, H, W, C].
    References:
      Karras et al. Training Generative Adversarial Networks with Limited Data. NeurIPS 2020, appendix B.
    """
    brightness, contrast, hue, saturation = (
        column(value, 4).astype(x.dtype) for value in (brightness, contrast, hue, saturation)
    )
    grey = jnp.mean(x, axis=3, keepdims=True)
    chroma = x - grey
    if x.shape[3] == 3:  # Rodrigues' formula around (1, 1, 1) / sqrt(3)
        across = (jnp.roll(chroma, 1, axis=3) - jnp.roll(chroma, -1, axis=3)) / 3**0.5
        chroma = jnp.cos(hue) * chroma + jnp.sin(hue) * across
    luma = jnp.where(column(flip, 4), -1, 1).astype(x.dtype) * (grey + brightness)
    return contrast * (luma + saturation * chroma)


def filter_bands(x: Array, gains: Array) -> Array:
    """Amplifies each frequency band, along rows and columns, images reflected at their borders.

    Args:
      x: images, [B, H, W, C].
      gains: [B, 4], of the bands from low to high; all 1 is the identity.
    Returns:
      [B, H, W, C].
    References:
      Karras et al. Training Generative Adversarial Networks with Limited Data. NeurIPS 2020, appendix B.
    """
    rows, columns = (
        jnp.einsum("bk,kij->bij", gains.astype(x.dtype), jnp.asarray(band_matrices(side), x.dtype))
        for side in x.shape[1:3]
    )
    return jnp.einsum("bij,bjwc,bvw->bivc", rows, x, columns)


def erase(x: Array, rows: Array, columns: Array) -> Array:
    """Sets a box to 0.

    Args:
      x: images, [B, H, W, C].
      rows: [B, H] bool, the box's.
      columns: [B, W] bool, the box's.
    Returns:
      [B, H, W, C].
    """
    inside = rows[:, :, None, None] & columns[:, None, :, None]
    return jnp.where(inside, 0, x)


def filter_bank() -> np.ndarray:
    """Four symmetric band-pass filters that add up to the identity, [4, 43]: a cascade of two-channel splits.

    Each round stretches the filters so far to half their frequencies and puts the upper half above them.
    """
    high = _SYM2 * (-1.0) ** np.arange(_SYM2.size)
    low_pass, high_pass = (np.convolve(h, h[::-1]) / 2 for h in (_SYM2, high))
    bank = np.eye(BANDS, 1)
    for band in range(1, BANDS):
        stretched = np.zeros((BANDS, 2 * bank.shape[1] - 1))
        stretched[:, ::2] = bank
        bank = np.stack([np.convolve(row, low_pass) for row in stretched])
        middle = bank.shape[1] // 2
        reach = high_pass.size // 2
        bank[band, middle - reach : middle + reach + 1] += high_pass
    return bank


@functools.lru_cache(maxsize=32)
def band_matrices(side: int) -> np.ndarray:
    """The filter bank as matrices on signals of a length, reflected at both ends: [4, side, side] float32."""
    bank = filter_bank()
    reach = bank.shape[1] // 2
    matrices = np.zeros((BANDS, side, side))
    for place in range(side):
        source = np.pad(np.arange(side), reach, mode="reflect")[place : place + bank.shape[1]]
        for tap, index in enumerate(source):  # several taps may meet in one pixel
            matrices[:, place, index] += bank[:, tap]
    return matrices.astype(np.float32)
