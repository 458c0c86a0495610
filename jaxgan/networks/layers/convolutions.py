"""Convolutions with derivatives of every order on the fast path; images are [B, H, W, C].

A convolution, its input's gradient and its kernel's are the three partial derivatives of one trilinear form, so that
any derivative of one is another of the three, to every order: `conv` and `conv_kernel_gradient` with stride 1,
`strided_conv`, `conv_transpose` and `kernel_gradient` with any. Autodiff of `lax` convolutions gives the same values,
in forms that may take tens of times as long on a CPU; which form each product has where is the matter of this file, and
measured in docs/decisions/convolutions.md.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike

from jaxgan.networks.layers.calling import Initializer

Pads = tuple[tuple[int, int], tuple[int, int]]  # zeros before and after, of height and of width
_DIMENSIONS = ("NHWC", "HWIO", "NHWC")
_FEW = 4  # outputs up to which one matrix product and shifted sums are quicker than a convolution, on CPU
_PARTS, _LONG, _MANY = 4, 1024, 4096  # parts of a batch; examples x places and inputs x outputs from which they pay


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv(x: Array, kernel: Array, pads: Pads, groups: int = 1) -> Array:
    """Convolution with stride 1.

    Reverse-mode differentiable to any order; forward mode is refused by JAX (`custom_vjp`), as by all that follow.

    Args:
      x: [B, H, W, I].
      kernel: [k, l, I / groups, O].
      pads: zeros before and after; `same(kernel.shape)` keeps height and width.
      groups: of the features; output o sees the inputs of its own group.
    Returns:
      [B, H + pads - k + 1, W + pads - l + 1, O].
    """
    if _on_cpu() and groups == 1 and kernel.shape[3] <= _FEW and x.dtype.itemsize >= 4:  # sums of half digits lose some
        return _summed(x, kernel, pads)
    if _on_cpu() and groups > 1:
        return _in_turn(lambda x, kernel: _plain(x, kernel, pads, 1), x, kernel, groups)
    return _plain(x, kernel, pads, groups)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_kernel_gradient(x: Array, g: Array, pads: Pads, groups: int = 1) -> Array:
    """Gradient of <g, conv(x, kernel, pads, groups)> w.r.t. the kernel [k, l, I / groups, O]."""
    if groups > 1 and _on_cpu():
        return _in_turn(lambda x, g: _over_batch(x, g, pads, 1), x, g, groups)
    if groups > 1:
        size = [x.shape[axis + 1] + sum(pads[axis]) - g.shape[axis + 1] + 1 for axis in range(2)]
        kernel = jax.ShapeDtypeStruct((*size, x.shape[3] // groups, g.shape[3]), x.dtype)
        (gradient,) = jax.linear_transpose(lambda kernel: _plain(x, kernel, pads, groups), kernel)(g)
        return gradient
    return _over_batch(x, g, pads, 1)


conv.defvjp(
    lambda x, kernel, pads, groups: (conv(x, kernel, pads, groups), (x, kernel)),
    lambda pads, groups, saved, g: (
        conv(g, turned(saved[1], groups), _adjoint(pads, saved[1].shape), groups),
        conv_kernel_gradient(saved[0], g, pads, groups),
    ),
)
conv_kernel_gradient.defvjp(
    lambda x, g, pads, groups: (conv_kernel_gradient(x, g, pads, groups), (x, g)),
    lambda pads, groups, saved, kernel: (
        conv(saved[1], turned(kernel, groups), _adjoint(pads, kernel.shape), groups),
        conv(saved[0], kernel, pads, groups),
    ),
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv_transpose(x: Array, kernel: Array, stride: int) -> Array:
    """Transposed convolution with "SAME" padding: the adjoint of `strided_conv` with the same kernel.

    Args:
      x: [B, H, W, I].
      kernel: [k, k, O, I] (height, width, output features, input features: as the convolution it transposes).
      stride: upsampling factor.
    Returns:
      [B, stride H, stride W, O].
    """
    if _on_cpu() and kernel.shape[2] > _FEW and min(kernel.shape[:2]) >= stride > 1:
        return _interleaved(x, turned(kernel), stride)
    pads = [_transposed_pad(k, stride) for k in kernel.shape[:2]]
    return lax.conv_general_dilated(
        x, turned(kernel), (1, 1), pads, lhs_dilation=(stride, stride), dimension_numbers=_DIMENSIONS
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def strided_conv(g: Array, kernel: Array, stride: int) -> Array:
    """Strided convolution with "SAME" padding: [B, stride H, stride W, O] with kernel [k, k, O, I] -> [B, H, W, I]."""
    pads = [_pad(k, stride) for k in kernel.shape[:2]]
    return lax.conv_general_dilated(g, kernel, (stride, stride), pads, dimension_numbers=_DIMENSIONS)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def kernel_gradient(g: Array, x: Array, stride: int, size: tuple[int, int]) -> Array:
    """Gradient of <g, conv_transpose(x, kernel)> w.r.t. the kernel [k, k, O, I]: a convolution, right side dilated."""
    return _over_batch(g, x, (_pad(size[0], stride), _pad(size[1], stride)), stride)


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


def same(shape: tuple[int, ...]) -> Pads:
    """Padding with which a convolution of stride 1 with a kernel of shape [k, l, ...] keeps height and width."""
    return _pad(shape[0], 1), _pad(shape[1], 1)


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


def _plain(x: Array, kernel: Array, pads: Pads, groups: int) -> Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), pads, dimension_numbers=_DIMENSIONS, feature_group_count=groups)


def _over_batch(x: Array, g: Array, pads: Pads, dilation: int) -> Array:
    """Contracts x [B, H, W, I] with g [B, h, w, O] over batch and places: a convolution of I images -> [k, l, I, O].

    XLA's CPU compiler puts a convolution's axes into the order of its quick kernels only outside of loops and
    conditions; elsewhere a kernel's gradient takes 70 times as long. So they are put in order here. What is long to
    contract is contracted in parts there, each of which stays in the processor's caches; not on several devices, which
    would exchange what every part comes to.
    """
    features, contracted = x.shape[3] * g.shape[3], g.shape[0] * g.shape[1] * g.shape[2]
    long = features >= _MANY and contracted >= _LONG and x.shape[0] % _PARTS == 0
    if long and x.dtype.itemsize >= 4 and _on_cpu() and jax.device_count() == 1:  # sums of half digits lose some
        return _in_parts(x, g, pads, dilation)
    return _in_order(x, g, pads, dilation)


def _in_parts(x: Array, g: Array, pads: Pads, dilation: int) -> Array:
    parts = [a.reshape(_PARTS, -1, *a.shape[1:]) for a in (x, g)]

    def part(number: Array | int) -> Array:
        own = [lax.dynamic_index_in_dim(a, number, 0, False) for a in parts]
        return _in_order(own[0], own[1], pads, dilation)

    return lax.fori_loop(1, _PARTS, lambda number, total: total + part(number), part(0))


def _in_order(x: Array, g: Array, pads: Pads, dilation: int) -> Array:
    x, g = x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3)
    kernel = lax.conv_general_dilated(
        x, g, (1, 1), pads, rhs_dilation=(dilation, dilation), dimension_numbers=_DIMENSIONS
    )
    return kernel.transpose(1, 2, 0, 3)


def _in_turn(product: Callable[[Array, Array], Array], x: Array, other: Array, groups: int) -> Array:
    """A product of each group's part of the last axes, in a loop, [..., groups F]; on CPU, XLA's own take longer.

    A convolution in groups is up to four times as slow there, its kernel's gradient a hundred times.
    """
    inputs, outputs = x.shape[3] // groups, other.shape[3] // groups

    def one(group: Array) -> Array:
        part = lax.dynamic_slice_in_dim(x, group * inputs, inputs, 3)
        return product(part, lax.dynamic_slice_in_dim(other, group * outputs, outputs, 3))

    parts = jnp.moveaxis(lax.map(one, jnp.arange(groups, dtype=jnp.int32)), 0, -2)
    return parts.reshape(*parts.shape[:-2], -1)


def _summed(x: Array, kernel: Array, pads: Pads) -> Array:
    """A convolution as one matrix product, [B H W, I] by [I, k l O], and the sum of its shifted parts."""
    k, l = kernel.shape[:2]
    parts = jnp.einsum("bhwi,klio->bhwklo", x, kernel)
    zero = jnp.zeros((), x.dtype)

    def moved(row: int, column: int) -> Array:
        (top, bottom), (left, right) = pads
        edges = ((0, 0, 0), (top - row, bottom - (k - 1 - row), 0), (left - column, right - (l - 1 - column), 0))
        return lax.pad(parts[:, :, :, row, column], zero, (*edges, (0, 0, 0)))

    return functools.reduce(jnp.add, [moved(row, column) for row in range(k) for column in range(l)])


def _interleaved(x: Array, kernel: Array, stride: int) -> Array:
    """A transposed convolution as stride^2 plain ones, each of which makes every stride-th pixel."""
    (b, height, width, _), features = x.shape, kernel.shape[3]

    def phase(axis: int, offset: int) -> tuple[slice, tuple[int, int]]:
        """The taps that meet pixels, and not the zeros between them, at outputs `offset` of each stride."""
        low, _ = _transposed_pad(kernel.shape[axis], stride)
        first = (low - offset) % stride
        taps = len(range(first, kernel.shape[axis], stride))
        before = (low - offset - first) // stride
        return slice(first, None, stride), (before, taps - 1 - before)

    rows = []
    for row in range(stride):
        down, vertical = phase(0, row)
        columns = []
        for column in range(stride):
            across, horizontal = phase(1, column)
            columns.append(conv(x, kernel[down, across], (vertical, horizontal)))
        rows.append(jnp.stack(columns, axis=3))
    return jnp.stack(rows, axis=2).reshape(b, stride * height, stride * width, features)


def turned(kernel: Array, groups: int = 1) -> Array:
    """The kernel of a convolution's adjoint: turned by 180 degrees, inputs and outputs of each group exchanged."""
    k, l, inputs, outputs = kernel.shape
    kernel = jnp.flip(kernel, (0, 1))
    if groups == 1:
        return kernel.swapaxes(2, 3)
    kernel = kernel.reshape(k, l, inputs, groups, outputs // groups).transpose(0, 1, 4, 3, 2)
    return kernel.reshape(k, l, outputs // groups, groups * inputs)


def _adjoint(pads: Pads, shape: tuple[int, ...]) -> Pads:
    """The padding of the adjoint of a convolution with this padding and a kernel of this shape."""
    (top, bottom), (left, right) = pads
    k, l = shape[0] - 1, shape[1] - 1
    return (k - top, k - bottom), (l - left, l - right)


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
