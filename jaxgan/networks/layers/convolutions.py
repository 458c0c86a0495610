"""Strided and transposed convolutions with derivatives of every order on the fast path; images are [B, H, W, C]."""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike

from jaxgan.networks.layers.calling import Initializer

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


# Transposed convolution, strided convolution and the kernel's gradient are the three partial derivatives of one
# trilinear form <g, transpose(x, k)>, so that any derivative of one is another of the three, to every order. Left to
# autodiff, the gradient of `lax.conv_transpose` w.r.t. its kernel is a convolution with a dilated left side, which has
# no fast path on CPU (docs/decisions/convolutions.md).


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv_transpose(x: Array, kernel: Array, stride: int) -> Array:
    """Transposed convolution with "SAME" padding: the adjoint of `strided_conv` with the same kernel.

    Reverse-mode differentiable to any order; forward mode is refused by JAX (`custom_vjp`).

    Args:
      x: [B, H, W, I].
      kernel: [k, k, O, I] (height, width, output features, input features: as the convolution it transposes).
      stride: upsampling factor.
    Returns:
      [B, stride H, stride W, O].
    """
    pads = [_transposed_pad(k, stride) for k in kernel.shape[:2]]
    flipped = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    return lax.conv_general_dilated(
        x, flipped, (1, 1), pads, lhs_dilation=(stride, stride), dimension_numbers=_DIMENSIONS
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def strided_conv(g: Array, kernel: Array, stride: int) -> Array:
    """Strided convolution with "SAME" padding: [B, stride H, stride W, O] with kernel [k, k, O, I] -> [B, H, W, I]."""
    pads = [_pad(k, stride) for k in kernel.shape[:2]]
    return lax.conv_general_dilated(g, kernel, (stride, stride), pads, dimension_numbers=_DIMENSIONS)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def kernel_gradient(g: Array, x: Array, stride: int, size: tuple[int, int]) -> Array:
    """Gradient of <g, conv_transpose(x, kernel)> w.r.t. the kernel [k, k, O, I]: a convolution, right side dilated."""
    pads = [_pad(k, stride) for k in size]
    return lax.conv_general_dilated(
        g,
        x,
        window_strides=(1, 1),
        padding=pads,
        rhs_dilation=(stride, stride),
        dimension_numbers=lax.ConvDimensionNumbers((3, 0, 1, 2), (3, 0, 1, 2), (2, 3, 0, 1)),
    )


conv_transpose.defvjp(
    lambda x, kernel, stride: (conv_transpose(x, kernel, stride), (x, kernel)),
    lambda stride, saved, g: (
        strided_conv(g, saved[1], stride),
        kernel_gradient(g, saved[0], stride, saved[1].shape[:2]),
    ),
)
strided_conv.defvjp(
    lambda g, kernel, stride: (strided_conv(g, kernel, stride), (g, kernel)),
    lambda stride, saved, x: (
        conv_transpose(x, saved[1], stride),
        kernel_gradient(saved[0], x, stride, saved[1].shape[:2]),
    ),
)
kernel_gradient.defvjp(
    lambda g, x, stride, size: (kernel_gradient(g, x, stride, size), (g, x)),
    lambda stride, size, saved, kernel: (
        conv_transpose(saved[1], kernel, stride),
        strided_conv(saved[0], kernel, stride),
    ),
)


def _pad(size: int, stride: int) -> tuple[int, int]:
    """Padding of a "SAME" convolution whose stride divides the input; negative: the end that no window reaches."""
    total = size - stride
    return max(total // 2, 0), total - max(total // 2, 0)


def _transposed_pad(size: int, stride: int) -> tuple[int, int]:
    """Padding of the dilated input that makes the transposed convolution the adjoint of the "SAME" one."""
    low, _ = _pad(size, stride)
    return size - 1 - low, stride - 1 + low


class ConvTranspose(nn.Module):
    """Transposed convolution layer, [B, H, W, I] -> [B, stride H, stride W, features], with fast gradients on CPU."""

    features: int
    kernel_size: tuple[int, int] = (4, 4)
    stride: int = 2
    use_bias: bool = True
    kernel_init: Initializer = nn.initializers.lecun_normal(in_axis=-1, out_axis=-2)
    dtype: DTypeLike | None = None  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Upsamples x [B, H, W, I] by the stride."""
        kernel = self.param("kernel", self.kernel_init, (*self.kernel_size, self.features, x.shape[-1]), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32) if self.use_bias else None
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = conv_transpose(x, kernel, self.stride)
        return y if bias is None else y + bias.reshape(1, 1, 1, -1)


class StridedConv(nn.Module):
    """Strided convolution layer, [B, H, W, I] -> [B, H / stride, W / stride, features], with fast second derivatives.

    Same values and parameters as `nn.Conv` with "SAME" padding. A gradient penalty differentiates the gradient of a
    discriminator's convolutions w.r.t. their kernels, which is where autodiff of `nn.Conv` leaves the fast path.
    """

    features: int
    kernel_size: tuple[int, int] = (4, 4)
    stride: int = 2
    use_bias: bool = True
    kernel_init: Initializer = nn.initializers.lecun_normal()
    dtype: DTypeLike | None = None  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Downsamples x [B, H, W, I]; the stride must divide H and W."""
        if x.shape[1] % self.stride or x.shape[2] % self.stride:
            raise ValueError(f"StridedConv with stride {self.stride} takes sides that it divides; got shape {x.shape}")
        kernel = self.param("kernel", self.kernel_init, (*self.kernel_size, x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32) if self.use_bias else None
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = strided_conv(x, kernel, self.stride)
        return y if bias is None else y + bias.reshape(1, 1, 1, -1)
