"""Convolutions with strides and dilations of either axis, as plain ones of blocks; images are [B, H, W, C].

A stride s puts s neighbours side by side as the features of one place; a dilation d puts every d-th place into an image
of its own. What is left is `convolutions.conv`, whose derivatives of every order are on the fast path.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers.calling import Initializer
from jaxgan.networks.layers.convolutions import Pads, conv

Pair = tuple[int, int]  # of height and width
_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")  # as discriminators of sounds are published


def blocked_conv(x: Array, kernel: Array, strides: Pair = (1, 1), dilations: Pair = (1, 1)) -> Array:
    """Convolution with d (k - 1) / 2 zeros at every end, of odd kernels.

    Args:
      x: [B, H, W, I].
      kernel: [k, l, I, O], of odd sides.
      strides: of height and width, >= 1.
      dilations: of height and width, >= 1; an axis has a stride or a dilation, not both.
    Returns:
      [B, ceil(H / stride), ceil(W / stride), O].
    Raises:
      ValueError: an even side, or a stride and a dilation of one axis.
    """
    k, l, inputs, outputs = kernel.shape
    if k % 2 == 0 or l % 2 == 0 or any(s > 1 < d for s, d in zip(strides, dilations, strict=True)):
        raise ValueError(
            "blocked_conv takes kernels of odd sides, and a stride or a dilation of each axis; got "
            f"{kernel.shape[:2]}, strides {strides} and dilations {dilations}"
        )
    (b, height, width, _), (down, across), (d, e) = x.shape, strides, dilations
    x = jnp.pad(x, ((0, 0), (0, -height % (down * d)), (0, -width % (across * e)), (0, 0)))
    rows, columns = x.shape[1] // d, x.shape[2] // e
    if d * e > 1:  # each phase is an image of its own
        x = x.reshape(b, rows, d, columns, e, inputs).transpose(0, 2, 4, 1, 3, 5).reshape(-1, rows, columns, inputs)
    (kernel, vertical), horizontal = _blocks(kernel, 0, down), (l // 2, l // 2)
    if across > 1:
        kernel, horizontal = _blocks(kernel, 1, across)
    taps = kernel.shape[0] // down, kernel.shape[1] // across
    kernel = kernel.reshape(taps[0], down, taps[1], across, inputs, outputs).transpose(0, 2, 1, 3, 4, 5)
    kernel = kernel.reshape(*taps, down * across * inputs, outputs)
    x = x.reshape(-1, rows // down, down, columns // across, across, inputs).transpose(0, 1, 3, 2, 4, 5)
    pads: Pads = (vertical, horizontal)
    y = conv(x.reshape(x.shape[0], rows // down, columns // across, -1), kernel, pads)
    if d * e > 1:
        y = y.reshape(b, d, e, y.shape[1], y.shape[2], outputs).transpose(0, 3, 1, 4, 2, 5)
        y = y.reshape(b, y.shape[1] * d, y.shape[3] * e, outputs)
    return y[:, : -(-height // down), : -(-width // across)]


def _blocks(kernel: Array, axis: int, stride: int) -> tuple[Array, Pair]:
    """Returns the kernel with zeros around, so that blocks of this axis divide it, and the blocks before and after."""
    low, size = kernel.shape[axis] // 2, kernel.shape[axis]
    before, after = -(-low // stride), (size - 1 - low) // stride
    front = before * stride - low
    around = [(0, 0)] * kernel.ndim
    around[axis] = (front, (before + 1 + after) * stride - front - size)
    return jnp.pad(kernel, around), (before, after)


class BlockedConv(nn.Module):
    """Layer of `blocked_conv`: [B, H, W, I], or signals [B, L, I] with a kernel of one width; odd kernels."""

    features: int
    kernel: Pair  # height and width; of signals (k, 1)
    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    kernel_init: Initializer = _init
    dtype: DTypeLike | None = None  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns the map of x."""
        kernel = self.param("kernel", self.kernel_init, (*self.kernel, x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = blocked_conv(x[:, :, None] if x.ndim == 3 else x, kernel, self.strides, self.dilations)
        y = y + bias.reshape(1, 1, 1, -1)
        return y[:, :, 0] if x.ndim == 3 else y
