"""Convolutions of which the image is resampled by a filter before or after; images are [B, H, W, C]."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers.calling import Initializer
from jaxgan.networks.layers.convolutions import Pads, conv, conv_transpose, same, strided_conv, turned
from jaxgan.networks.layers.resampling import BILINEAR, NEAREST, Filter, downsample, fir, upfirdn, upsample


def resampled_conv(
    x: Array, kernel: Array, up: int = 1, down: int = 1, taps: Filter = BILINEAR, groups: int = 1
) -> Array:
    """Convolution with "SAME" padding of the upsampled image, or downsampling of the convolved one.

    Zeros are padded once, before both operations. These are linear and commute, and are done in the cheapest order:

    - 1x1 kernels at the lower resolution;
    - 3x3 kernels beside a filter of two taps (copies upwards, means downwards) as one 4x4 kernel of stride 2, the sum
      of four shifted kernels: 2.25 times fewer operations than one after the other;
    - beside longer filters one after the other, the convolution with stride 2: it looks at no zero of the upsampled
      image, and makes no pixel that is then thrown away.

    Args:
      x: [B, H, W, I].
      kernel: [k, k, I / groups, O] as of `nn.Conv`; k is 1 or 3 where the image is resampled, and odd elsewhere. It is
        folded in its own dtype, and used in that of x.
      up: 1 or 2.
      down: 1 or 2, not both.
      taps: [K], the filter.
      groups: of the features, where the image is not resampled.
    Returns:
      [B, H up / down, W up / down, O].
    Raises:
      ValueError: sizes that are not offered.
    References:
      Karras et al. Analyzing and Improving the Image Quality of StyleGAN. CVPR 2020.
      Gulrajani et al. Improved Training of Wasserstein GANs. NeurIPS 2017 (its code's means of convolutions).
    """
    side, resampled = kernel.shape[0], up * down > 1
    if (
        (up, down) not in ((1, 1), (2, 1), (1, 2))
        or side % 2 == 0
        or (resampled and side > 3)
        or (resampled and groups > 1)
    ):
        raise ValueError(
            f"resampled_conv cannot do up={up}, down={down}, groups={groups} with a kernel of shape {kernel.shape}"
        )
    if not resampled or side == 1:
        x = downsample(x, taps) if down == 2 else x
        y = conv(x, kernel.astype(x.dtype), same(kernel.shape), groups)
        return upsample(y, taps) if up == 2 else y
    if down == 2 and (x.shape[1] % 2 or x.shape[2] % 2):
        raise ValueError(f"resampled_conv with down=2 takes even sides; got shape {x.shape}")
    if len(taps) == 2:
        return _folded(x, kernel, up, taps)
    return _upsampled(x, kernel.astype(x.dtype), taps) if up == 2 else _downsampled(x, kernel.astype(x.dtype), taps)


def _folded(x: Array, kernel: Array, up: int, taps: Filter) -> Array:
    """Convolution and filter of two taps by one kernel of 4x4."""
    filtered = fir(taps, up)
    wide = jnp.zeros((4, 4, *kernel.shape[2:]), kernel.dtype)
    for row, column in np.ndindex(2, 2):
        share = float(filtered[1 - row] * filtered[1 - column])
        wide = wide + share * jnp.pad(kernel, ((row, 1 - row), (column, 1 - column), (0, 0), (0, 0)))
    wide = wide.astype(x.dtype)
    if up == 2:  # the adjoint of a strided convolution by the turned kernel
        return conv_transpose(x, turned(wide), 2)
    return strided_conv(x, wide, 2)


def _upsampled(x: Array, kernel: Array, taps: Filter) -> Array:
    size, (_, height, width, _) = len(taps), x.shape
    # A row and a column of zeros at the end make the "SAME" result hold the full one.
    whole = conv_transpose(_append(x), turned(kernel), 2)
    return upfirdn(whole[:, : 2 * height + 1, : 2 * width + 1], fir(taps, 2), pad=((size + 1) // 2 - 1, size // 2 - 1))


def _downsampled(x: Array, kernel: Array, taps: Filter) -> Array:
    size, (_, height, width, _) = len(taps), x.shape
    blurred = upfirdn(x, fir(taps), pad=((size - 1) // 2 + 1, (size - 2) // 2 + 1))
    return strided_conv(_append(blurred), kernel, 2)[:, : height // 2, : width // 2]


def _append(x: Array) -> Array:
    return jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))


class Conv(nn.Module):
    """Convolution with stride 1, whose image may be doubled by copies before, or halved by means over 2x2 after.

    Same parameters as `nn.Conv`, and same values as with `upsample` or `downsample` by `NEAREST` beside it, in fewer
    operations (`resampled_conv`) and with fast derivatives of every order (`convolutions`).
    """

    features: int
    kernel_size: tuple[int, int] = (3, 3)
    up: int = 1  # 2: doubled before
    down: int = 1  # 2: halved after
    groups: int = 1  # of the features
    padding: Pads | None = None  # zeros before and after; None: as many as keep the size
    use_bias: bool = True
    kernel_init: Initializer = nn.initializers.lecun_normal()
    dtype: DTypeLike | None = None  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps x [B, H, W, I] to [B, H up / down, W up / down, features].

        Raises:
          ValueError: the groups do not divide the features, or sizes that `resampled_conv` does not offer.
        """
        if self.groups < 1 or x.shape[-1] % self.groups or self.features % self.groups:
            raise ValueError(
                f"Conv with groups={self.groups} takes inputs and features that they divide; got {x.shape[-1]} inputs "
                f"and features={self.features}"
            )
        shape = (*self.kernel_size, x.shape[-1] // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32) if self.use_bias else None
        x, bias, _ = nn.dtypes.promote_dtype(x, bias, kernel, dtype=self.dtype)
        if self.up * self.down > 1:
            y = resampled_conv(x, kernel, self.up, self.down, NEAREST, self.groups)
        else:
            y = conv(x, kernel.astype(x.dtype), self.padding or same(shape), self.groups)
        return y if bias is None else y + bias.reshape(1, 1, 1, -1)
