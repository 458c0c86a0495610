"""Convolutions of signals [B, L, C], and the shuffle of their phases.

A convolution with a stride s is one of stride 1 of blocks: s samples side by side are one place with s C features. So
both layers are `convolutions.conv`, whose derivatives of every order are on the fast path.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers.calling import Initializer
from jaxgan.networks.layers.convolutions import Pads, conv, turned

_glorot = nn.initializers.glorot_uniform()


def strided_conv_1d(x: Array, kernel: Array, stride: int) -> Array:
    """Strided convolution with "SAME" padding: x [B, L, I] with kernel [k, I, O], k >= stride -> [B, L / stride, O]."""
    n, length, features = x.shape
    blocks = x.reshape(n, length // stride, 1, stride * features)
    kernel, pads = _blocked(kernel, stride)
    return conv(blocks, kernel, pads)[:, :, 0]


def conv_transpose_1d(x: Array, kernel: Array, stride: int) -> Array:
    """The adjoint of `strided_conv_1d` with the same kernel [k, O, I]: x [B, L, I] -> [B, stride L, O]."""
    n, length, _ = x.shape
    kernel, (pads, none) = _blocked(kernel, stride)
    before, after = (kernel.shape[0] - 1 - pad for pad in pads)
    return conv(x[:, :, None], turned(kernel), ((before, after), none)).reshape(n, stride * length, -1)


def phase_shuffle(x: Array, shift: Array) -> Array:
    """Moves each signal by a number of places of its own; what is missing at an end is reflected.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxgan.networks.layers import phase_shuffle
      >>> phase_shuffle(jnp.arange(8.0).reshape(1, 8, 1), jnp.array([2]))[0, :, 0].astype(int).tolist()
      [2, 1, 0, 1, 2, 3, 4, 5]

    Args:
      x: [B, L, C].
      shift: [B] int32, places to the right, of magnitude < L.
    Returns:
      [B, L, C].
    References:
      Donahue, McAuley, Puckette. Adversarial Audio Synthesis. ICLR 2019, section 3.3 and figure 3.
    """
    last = x.shape[1] - 1
    place = jnp.abs(jnp.arange(last + 1, dtype=jnp.int32)[None] - shift[:, None])
    return jnp.take_along_axis(x, (last - jnp.abs(last - place))[:, :, None], axis=1)


def _blocked(kernel: Array, stride: int) -> tuple[Array, Pads]:
    """Returns the kernel [taps, 1, stride I, O] of blocks for one [k, I, O] of samples, and its padding with zeros."""
    width, inputs, outputs = kernel.shape
    low = (width - stride) // 2  # zeros that "SAME" puts before the first sample
    before, after = -(-low // stride), (width - 1 - low) // stride
    front = before * stride - low
    whole = jnp.pad(kernel, ((front, (before + 1 + after) * stride - front - width), (0, 0), (0, 0)))
    return whole.reshape(before + 1 + after, 1, stride * inputs, outputs), ((before, after), (0, 0))


class SignalConv(nn.Module):
    """Strided convolution layer, [B, L, I] -> [B, L / stride, features]; values and parameters as of `nn.Conv`."""

    features: int
    width: int = 25  # of the kernel, >= stride
    stride: int = 4
    use_bias: bool = True
    kernel_init: Initializer = _glorot
    dtype: DTypeLike | None = None  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Shortens x [B, L, I]; the stride must divide L."""
        if x.ndim != 3 or x.shape[1] % self.stride:
            raise ValueError(
                f"SignalConv with stride {self.stride} takes signals [B, L, C] whose length it divides; got {x.shape}"
            )
        kernel = self.param("kernel", self.kernel_init, (self.width, x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32) if self.use_bias else None
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = strided_conv_1d(x, kernel, self.stride)
        return y if bias is None else y + bias.reshape(1, 1, -1)


class SignalConvTranspose(nn.Module):
    """Transposed convolution layer, [B, L, I] -> [B, stride L, features]."""

    features: int
    width: int = 25  # of the kernel, >= stride
    stride: int = 4
    use_bias: bool = True
    kernel_init: Initializer = _glorot
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Lengthens x [B, L, I] by the stride."""
        kernel = self.param("kernel", self.kernel_init, (self.width, self.features, x.shape[-1]), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32) if self.use_bias else None
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = conv_transpose_1d(x, kernel, self.stride)
        return y if bias is None else y + bias.reshape(1, 1, -1)
