"""Resampling by finite impulse responses, alone and fused with convolutions; images are [B, H, W, C].

All filters are separable. Along each axis one is a banded matrix, known when the program is built: every derivative of
a matrix product is again one, and on CPU the gradient is several times faster than that of a depthwise convolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxgan.networks.layers.convolutions import conv_transpose, strided_conv

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
        _matrix(x.shape[1 + axis], np.asarray(taps[axis], np.float32), up, down, pads[axis]) for axis in range(2)
    )
    x = jnp.einsum("oh,bhwc->bowc", jnp.asarray(rows, x.dtype), x)
    return jnp.einsum("ow,bhwc->bhoc", jnp.asarray(columns, x.dtype), x)


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


def resampled_conv(x: Array, kernel: Array, up: int = 1, down: int = 1, taps: Filter = BILINEAR) -> Array:
    """Convolution with "SAME" padding of the upsampled image, or downsampling of the convolved one.

    Zeros are padded once, before both operations. Convolution and filter commute, and are done in the cheaper order:
    the convolution looks at no zero of the upsampled image, and makes no pixel that is then thrown away.

    Args:
      x: [B, H, W, I].
      kernel: [k, k, I, O] as of `nn.Conv`; k is 1 or 3 where the image is resampled, and odd elsewhere.
      up: 1 or 2.
      down: 1 or 2, not both.
      taps: [K], the filter.
    Returns:
      [B, H up / down, W up / down, O].
    Raises:
      ValueError: sizes that are not offered.
    References:
      Karras et al. Analyzing and Improving the Image Quality of StyleGAN. CVPR 2020.
    """
    side = kernel.shape[0]
    if (up, down) not in ((1, 1), (2, 1), (1, 2)) or side % 2 == 0 or (up * down > 1 and side > 3):
        raise ValueError(f"resampled_conv cannot do up={up}, down={down} with a kernel of shape {kernel.shape}")
    if (up, down) == (1, 1) or side == 1:
        x = downsample(x, taps) if down == 2 else x
        y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return upsample(y, taps) if up == 2 else y
    size, (_, height, width, _) = len(taps), x.shape
    if up == 2:
        # A row and a column of zeros at the end make the "SAME" result hold the full one.
        whole = conv_transpose(_append(x), jnp.flip(kernel, (0, 1)).swapaxes(2, 3), 2)
        return upfirdn(
            whole[:, : 2 * height + 1, : 2 * width + 1], fir(taps, 2), pad=((size + 1) // 2 - 1, size // 2 - 1)
        )
    if height % 2 or width % 2:
        raise ValueError(f"resampled_conv with down=2 takes even sides; got shape {x.shape}")
    blurred = upfirdn(x, fir(taps), pad=((size - 1) // 2 + 1, (size - 2) // 2 + 1))
    return strided_conv(_append(blurred), kernel, 2)[:, : height // 2, : width // 2]


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


def _append(x: Array) -> Array:
    return jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))


def _matrix(size: int, taps: np.ndarray, up: int, down: int, pad: Pad) -> np.ndarray:
    """Upsampling, padding, filtering and downsampling of a signal [size], as a matrix [outputs, size]."""
    outputs = -(-(up * size + sum(pad) - len(taps) + 1) // down)
    if outputs < 1:
        raise ValueError(f"nothing is left of {size} pixels, up={up}, down={down}, pad={pad}, {len(taps)} taps")
    tap = np.arange(outputs)[:, None] * down + len(taps) - 1 - up * np.arange(size)[None] - pad[0]
    inside = (tap >= 0) & (tap < len(taps))
    return np.where(inside, taps[np.clip(tap, 0, len(taps) - 1)], 0)
