"""Layers that GANs need and Flax lacks, or has in a form that is slow here; images are [B, H, W, C]."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike

Initializer = Callable[..., Array]
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
        kernel = self.param("kernel", self.kernel_init, (*self.kernel_size, self.features, x.shape[-1]))
        bias = self.param("bias", nn.initializers.zeros, (self.features,)) if self.use_bias else None
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
        kernel = self.param("kernel", self.kernel_init, (*self.kernel_size, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,)) if self.use_bias else None
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = strided_conv(x, kernel, self.stride)
        return y if bias is None else y + bias.reshape(1, 1, 1, -1)


class SpectralNorm(nn.Module):
    """Divides a layer's kernel by its largest singular value, followed by one power iteration per training call.

    A convolution kernel [k, k, I, O] is the matrix [k k I, O]. The wrapped layer must keep its weights in "kernel".

    References:
      Miyato, Kataoka, Koyama, Yoshida. Spectral Normalization for Generative Adversarial Networks. ICLR 2018, alg. 1.
    """

    layer: nn.Module  # nn.Dense, nn.Conv, ConvTranspose: any layer called with one array

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Applies the layer to x with its normalised kernel; the singular vectors advance only if `train`."""
        return nn.SpectralNorm(self.layer, collection_name="spectral")(x, update_stats=train)


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose scale and offset are looked up by class.

    References:
      Dumoulin, Shlens, Kudlur. A Learned Representation for Artistic Style. ICLR 2017, eq. 5.
    """

    classes: int
    momentum: float = 0.9
    axis_name: str | None = None  # statistics over all devices of this axis: global, as on one device
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array, train: bool) -> Array:
        """Normalises x [B, ..., C] over all axes but the last, then scales it for labels y [B] in 0..classes-1."""
        x = nn.BatchNorm(
            use_running_average=not train,
            momentum=self.momentum,
            use_bias=False,
            use_scale=False,
            axis_name=self.axis_name,
            dtype=self.dtype,
        )(x)
        shape = (x.shape[0],) + (1,) * (x.ndim - 2) + (x.shape[-1],)
        scale = nn.Embed(self.classes, x.shape[-1], embedding_init=nn.initializers.ones, name="scale")(y)
        offset = nn.Embed(self.classes, x.shape[-1], embedding_init=nn.initializers.zeros, name="offset")(y)
        return x * scale.reshape(shape).astype(x.dtype) + offset.reshape(shape).astype(x.dtype)


def minibatch_stddev(x: Array, group: int = 4, axis_name: str | None = None) -> Array:
    """Appends a channel that holds the mean standard deviation over a group of examples: D sees how varied a batch is.

    Groups are strided: with G groups, example i belongs to group i mod G, as in the reference implementation.

    Args:
      x: features, [B, H, W, C].
      group: examples per group; the largest divisor of the batch size not above it is used.
      axis_name: gather the batch over the devices of this axis first, so that groups do not know the device count; a
        module passes None while `self.is_initializing()`, since a state is made outside the mapped axis.
    Returns:
      [B, H, W, C + 1].
    Raises:
      ValueError: group is not positive, or x is not of rank 4.
    References:
      Karras, Aila, Laine, Lehtinen. Progressive Growing of GANs. ICLR 2018, section 3.
    """
    if group < 1 or x.ndim != 4:
        raise ValueError(f"minibatch_stddev needs group >= 1 and x [B, H, W, C]; got group={group}, shape {x.shape}")
    whole = x if axis_name is None else lax.all_gather(x, axis_name, tiled=True)
    size = max(divisor for divisor in range(1, group + 1) if len(whole) % divisor == 0)
    grouped = whole.reshape(size, -1, *whole.shape[1:])
    spread = jnp.sqrt(jnp.var(grouped.astype(jnp.float32), axis=0) + 1e-8)
    statistic = jnp.tile(jnp.mean(spread, axis=(1, 2, 3)), size)
    if axis_name is not None:
        statistic = lax.dynamic_slice_in_dim(statistic, lax.axis_index(axis_name) * len(x), len(x))
    channel = jnp.broadcast_to(statistic.reshape(-1, 1, 1, 1), (*x.shape[:3], 1))
    return jnp.concatenate([x, channel.astype(x.dtype)], axis=-1)


class Dropout(nn.Module):
    """Dropout whose masks belong to examples of the global batch: the same on one device, eight, or a pod.

    (`nn.Dropout` draws anew on each device of a mapped axis, so its masks depend on their number.)

    References:
      Srivastava et al. Dropout: A Simple Way to Prevent Neural Networks from Overfitting. JMLR 2014, section 4.
    """

    rate: float  # share of units that are dropped, in [0, 1)
    axis_name: str | None = None  # the mapped axis that the batch is split over

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Drops units of x [B, ...] and scales the others by 1 / (1 - rate); the identity unless `train`."""
        if not 0 <= self.rate < 1:
            raise ValueError(f"Dropout has rate={self.rate}; it must lie in [0, 1)")
        if not train or self.rate == 0:
            return x
        axis_name = None if self.is_initializing() else self.axis_name  # nothing is mapped while a state is made
        key = self.make_rng("global")
        kept = global_draw(lambda shape: jax.random.bernoulli(key, 1 - self.rate, shape), x.shape, axis_name)
        return jnp.where(kept, x / (1 - self.rate), 0)


def global_draw(
    draw: Callable[[tuple[int, ...]], Array], shape: tuple[int, ...], axis_name: str | None = None
) -> Array:
    """Draws for the whole batch and returns this device's part, so that the draw does not know the device count.

    Args:
      draw: shape -> array of that shape, by a key that is the same on all devices (a module's "global" stream).
      shape: [B, ...] of this device's part.
      axis_name: the mapped axis that the batch is split over; None: the whole batch is here.
    Returns:
      [B, ...].
    """
    if axis_name is None:
        return draw(shape)
    whole = draw((shape[0] * lax.axis_size(axis_name), *shape[1:]))
    return lax.dynamic_slice_in_dim(whole, lax.axis_index(axis_name) * shape[0], shape[0])


def call(network: nn.Module, *inputs: Array, train: bool) -> Array:
    """Calls a network inside another, with `train` if it takes that."""
    takes = "train" in inspect.signature(type(network).__call__).parameters
    return network(*inputs, **({"train": train} if takes else {}))
