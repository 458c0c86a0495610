"""Resampling by finite impulse responses; images are [B, H, W, C].

All filters are separable and known when the program is built, so that each is a sum of a few shifted images, which the
compiler makes in one pass. The adjoint of one is another, with its two factors exchanged: so is every derivative.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

Filter = Sequence[float] | np.ndarray  # taps of one axis
Pad = tuple[int, int]  # zeros before and after; negative: cropped
BILINEAR = (1.0, 3.0, 3.0, 1.0)  # bilinear interpolation between pixel centres, the filter of StyleGAN2 and R3GAN
NEAREST = (1.0, 1.0)  # repetition upwards, averaging downwards


def fir(taps: Filter = BILINEAR, gain: float = 1.0) -> np.ndarray:
    """Normalises the taps of a filter so that they sum to `gain`.

    Args:
      taps: [K], with a sum that is not zero.
      gain: of a constant signal.
    Returns:
      [K] float32.
    Raises:
      ValueError: taps are no filter.
    """
    kernel = np.asarray(taps, np.float64)
    if kernel.ndim != 1 or not kernel.size or not np.isfinite(kernel).all() or kernel.sum() == 0:
        raise ValueError(f"a filter is a row of finite numbers whose sum is not zero; got {taps}")
    return (kernel * (gain / kernel.sum())).astype(np.float32)


def upfirdn(
    x: Array, kernel: Filter | tuple[Filter, Filter], up: int = 1, down: int = 1, pad: Pad | tuple[Pad, Pad] = (0, 0)
) -> Array:
    """Upsamples by zeros, pads, filters by a true convolution, and keeps every down-th pixel, along H and along W.

    With u the padded signal, in which `up - 1` zeros follow every pixel, and K taps f:
    y[n] = sum over k of f[k] u[n down + K - 1 - k].

    Args:
      x: [B, H, W, C].
      kernel: [K] taps for both axes, or a pair of such for H and W.
      up: factor, >= 1.
      down: factor, >= 1.
      pad: zeros before and after, in pixels of the upsampled image, or a pair of such for H and W; negative: cropped.
    Returns:
      [B, H', W', C] of the dtype of x, with H' = ceil((up H + before + after - K + 1) / down).
    Raises:
      ValueError: x is not of rank 4, a factor is not positive, or nothing is left.
    References:
      Karras et al. Analyzing and Improving the Image Quality of StyleGAN. CVPR 2020 (its name for the operation).
    """
    if x.ndim != 4 or up < 1 or down < 1:
        raise ValueError(f"upfirdn takes x [B, H, W, C], up >= 1, down >= 1; got shape {x.shape}, up={up}, down={down}")
    taps = kernel if isinstance(kernel, tuple) and np.ndim(kernel[0]) == 1 else (kernel, kernel)
    pads = pad if isinstance(pad[0], tuple) else (pad, pad)
    rows, columns = (
        _Axis(x.shape[1 + axis], tuple(map(float, np.asarray(taps[axis], np.float32))), up, down, pads[axis])
        for axis in range(2)
    )
    for axis in (rows, columns):
        if axis.outputs < 1:
            raise ValueError(
                f"nothing is left of {axis.size} pixels, up={up}, down={down}, pad={axis.pad}, {len(axis.taps)} taps"
            )
    return _filtered(x, rows, columns)


def upsample(x: Array, taps: Filter = BILINEAR, factor: int = 2) -> Array:
    """Upsamples [B, H, W, C] -> [B, factor H, factor W, C]; constants stay, beyond a margin of the filter's width."""
    size = len(taps)
    return upfirdn(x, fir(taps, factor), up=factor, pad=((size + factor - 1) // 2, (size - factor) // 2))


def downsample(x: Array, taps: Filter = BILINEAR, factor: int = 2) -> Array:
    """Filters and downsamples [B, H, W, C] -> [B, H / factor, W / factor, C]; the factor must divide both sides."""
    if x.shape[1] % factor or x.shape[2] % factor:
        raise ValueError(f"downsample by {factor} takes sides that it divides; got shape {x.shape}")
    size = len(taps)
    return upfirdn(x, fir(taps), down=factor, pad=((size - factor + 1) // 2, (size - factor) // 2))


def pixel_shuffle(x: Array, factor: int = 2) -> Array:
    """Lays channels out as pixels: out[b, f i + k, f j + l, c] = x[b, i, j, (f k + l) C + c], f the factor.

    Args:
      x: [B, H, W, f f C].
      factor: f, >= 1.
    Returns:
      [B, f H, f W, C].
    Raises:
      ValueError: f f does not divide the channels.
    References:
      Shi et al. Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
      Network. CVPR 2016, eq. 4.
    """
    batch, height, width, features = x.shape
    if factor < 1 or features % factor**2:
        raise ValueError(f"pixel_shuffle by {factor} takes channels that {factor**2} divides; got shape {x.shape}")
    blocks = x.reshape(batch, height, width, factor, factor, features // factor**2)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, factor * height, factor * width, -1)


def pixel_unshuffle(x: Array, factor: int = 2) -> Array:
    """Lays pixels out as channels, [B, f H, f W, C] -> [B, H, W, f f C]: the inverse of `pixel_shuffle`.

    Raises:
      ValueError: f does not divide the sides.
    """
    batch, height, width, features = x.shape
    if factor < 1 or height % factor or width % factor:
        raise ValueError(f"pixel_unshuffle by {factor} takes sides that it divides; got shape {x.shape}")
    blocks = x.reshape(batch, height // factor, factor, width // factor, factor, features)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // factor, width // factor, -1)


def height_and_width(size: int | tuple[int, ...]) -> tuple[int, int]:
    """The two sides of an image, of which one number means both.

    Args:
      size: one number, or (H, W).
    Returns:
      (H, W).
    Raises:
      ValueError: there are not two sides, as where a whole shape [H, W, C] is given.
    """
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2:
        raise ValueError(f"size={size} is not a side or (height, width); of a shape [H, W, C] pass shape[:2]")
    return int(sides[0]), int(sides[1])


def resolutions(size: int | tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """The sides (H, W) of a pyramid of maps, from the smallest to the image; each is twice the one before.

    The smaller side of the smallest map has 4 to 7 pixels: sizes 4..7 times a power of two, not necessarily square.

    Args:
      size: of the image, one number or (H, W).
    Returns:
      One (H, W) for each level.
    Raises:
      ValueError: the size is not reached by doubling, and the nearest that are reached are named; or it has not one or
        two sides.
    """
    height, width = height_and_width(size)
    factor = 1
    while height % (2 * factor) == width % (2 * factor) == 0 and min(height, width) // (2 * factor) >= 4:
        factor *= 2
    base = min(height, width) // factor
    if not 4 <= base <= 7:
        sides = [b * 2**k for b in range(4, 8) for k in range(12)]
        near = sorted(sorted(sides, key=lambda s: (abs(s - min(height, width)), s))[:2])
        raise ValueError(
            f"size={size} is not 4, 5, 6 or 7 times a power of two along its smaller side, with a larger side that "
            f"halves as often; the nearest square sizes are {near[0]} and {near[1]}"
        )
    return tuple((height // 2**k, width // 2**k) for k in range(factor.bit_length() - 1, -1, -1))


class _Axis(NamedTuple):
    """What `upfirdn` does along one axis: y[n] = sum over k of taps[k] u[n down + K - 1 - k]."""

    size: int  # of the image
    taps: tuple[float, ...]
    up: int
    down: int
    pad: Pad

    @property
    def outputs(self) -> int:
        return -(-(self.up * self.size + sum(self.pad) - len(self.taps) + 1) // self.down)

    @property
    def adjoint(self) -> _Axis:
        before = len(self.taps) - 1 - self.pad[0]
        after = self.up * (self.size - 1) + len(self.taps) - self.down * self.outputs - before
        return _Axis(self.outputs, self.taps[::-1], self.down, self.up, (before, after))

    @property
    def phases(self) -> list[list[tuple[float, int]]]:
        """For outputs n = 0, 1, ... up to where the pattern repeats: (tap, index of its pixel), without zeros of u."""
        phases = []
        for n in range(self.period):
            places = [n * self.down + len(self.taps) - 1 - k - self.pad[0] for k in range(len(self.taps))]
            pairs = zip(self.taps, places, strict=True)
            phases.append([(tap, place // self.up) for tap, place in pairs if place % self.up == 0])
        return phases

    @property
    def period(self) -> int:
        return self.up // math.gcd(self.up, self.down)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _filtered(x: Array, rows: _Axis, columns: _Axis) -> Array:
    x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), _reach(rows), _reach(columns), (0, 0, 0)))
    return _along(2, _along(1, x, rows), columns)


_filtered.defvjp(
    lambda x, rows, columns: (_filtered(x, rows, columns), None),
    lambda rows, columns, _, g: (_filtered(g, rows.adjoint, columns.adjoint),),
)


def _reach(axis: _Axis) -> tuple[int, int, int]:
    """Zeros before and after, with which every tap meets a pixel; negative: no tap meets the first or last."""
    first, last = _ends(axis)
    return -first, last - axis.size + 1, 0


def _ends(axis: _Axis) -> tuple[int, int]:
    """Index of the first and of the last pixel that a tap meets."""
    places = [place for phase in axis.phases for _, place in phase] or [0]  # none: only zeros are filtered
    repeats = -(-axis.outputs // axis.period)
    return min(places), max(places) + (repeats - 1) * axis.period * axis.down // axis.up


def _along(number: int, x: Array, axis: _Axis) -> Array:
    """Filters along one axis of x, which has been padded by `_reach`."""
    first, _ = _ends(axis)
    repeats, stride = -(-axis.outputs // axis.period), axis.period * axis.down // axis.up
    shape = (*x.shape[:number], repeats, *x.shape[number + 1 :])
    phases = []
    for taps in axis.phases:
        total = jnp.zeros(shape, x.dtype)
        for tap, place in taps:
            start = place - first
            part = lax.slice_in_dim(x, start, start + (repeats - 1) * stride + 1, stride, number)
            total = total + jnp.asarray(tap, x.dtype) * part
        phases.append(total)
    if len(phases) == 1:
        return phases[0]
    mixed = jnp.stack(phases, axis=number + 1)
    mixed = mixed.reshape(*x.shape[:number], repeats * axis.period, *x.shape[number + 1 :])
    return lax.slice_in_dim(mixed, 0, axis.outputs, axis=number)
