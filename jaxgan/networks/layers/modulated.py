"""Convolutions whose kernel each example scales for itself, and noise by example: how a style enters StyleGAN2."""

from __future__ import annotations

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike

from jaxgan.networks.layers.batch import global_draw
from jaxgan.networks.layers.equalized import EqualizedDense
from jaxgan.networks.layers.resampled import resampled_conv
from jaxgan.networks.layers.resampling import BILINEAR, Filter


def modulated_conv(
    x: Array,
    kernel: Array,
    style: Array,
    *,
    demodulate: bool = True,
    up: int = 1,
    taps: Filter = BILINEAR,
    grouped: bool = False,
) -> Array:
    """Convolves each example with its own kernel w[:, :, i, o] s[i], whose outputs are scaled back to unit size.

    Demodulation divides by sigma[o] = sqrt(sum over window and i of (w s)^2 + 1e-8). A style scales the inputs of a
    convolution and sigma its outputs, so one convolution with the common kernel is enough; that is the fast form on
    CPU, and the one that a batch shares memory in. `grouped` makes the kernels and convolves in groups instead: the
    same function, with scales that never enter the activations.

    Where x is float16, kernel and style are first divided by their largest entries (the kernel's, of each output, also
    by sqrt(k k I)), and the result is multiplied back in float32: the same function, whose products stay below
    sqrt(k k I) times the largest of x, whatever the style.

    Args:
      x: [B, H, W, I].
      kernel: [k, k, I, O], k = 1 or 3.
      style: [B, I].
      demodulate: divide by sigma.
      up: 1, or 2 to upsample by the filter.
      taps: [K], the filter.
      grouped: one kernel for each example.
    Returns:
      [B, up H, up W, O].
    Raises:
      ValueError: shapes do not fit.
    References:
      Karras et al. Analyzing and Improving the Image Quality of StyleGAN. CVPR 2020, section 2.2, eq. 1 and 3.
      Karras et al. Training Generative Adversarial Networks with Limited Data. NeurIPS 2020, appendix D.1 (float16).
    """
    if x.ndim != 4 or kernel.ndim != 4 or style.shape != (x.shape[0], x.shape[3]) or kernel.shape[2] != x.shape[3]:
        raise ValueError(
            f"modulated_conv takes x [B, H, W, I], kernel [k, k, I, O] and style [B, I]; got {x.shape}, "
            f"{kernel.shape} and {style.shape}"
        )
    wide = jnp.promote_types(x.dtype, jnp.float32)
    kernel, style = kernel.astype(wide), style.astype(wide)
    scale, epsilon = None, jnp.asarray(1e-8, wide)
    if x.dtype == jnp.float16:
        kernel, style, scale = _normalised(kernel, style)
        epsilon = epsilon / jnp.square(scale)
    if demodulate:
        scale = lax.rsqrt(jnp.square(style) @ jnp.sum(jnp.square(kernel), axis=(0, 1)) + epsilon)
    if grouped:
        kernels = kernel[None] * style[:, None, None, :, None]
        if scale is not None:
            kernels = kernels * scale[:, None, None, None, :]
        one = jax.vmap(lambda x, kernel: resampled_conv(x[None], kernel, up, taps=taps)[0])
        return one(x, kernels.astype(x.dtype))
    y = resampled_conv((x * style[:, None, None]).astype(x.dtype), kernel.astype(x.dtype), up, taps=taps)
    return y if scale is None else (y * scale[:, None, None]).astype(x.dtype)


def _normalised(kernel: Array, style: Array) -> tuple[Array, Array, Array]:
    """Divides both by constants that bound what they multiply, and returns the product of these, [B, O].

    The function does not depend on the constants, so no gradient passes through them.
    """
    floor = 1e-15  # where all are zero, and the outputs with them; its square times that of the other is a float32
    largest = math.sqrt(math.prod(kernel.shape[:3])) * jnp.max(jnp.abs(kernel), axis=(0, 1, 2))
    largest = lax.stop_gradient(jnp.maximum(largest, floor))
    strongest = lax.stop_gradient(jnp.maximum(jnp.max(jnp.abs(style), axis=1, keepdims=True), floor))
    return kernel / largest[None, None, None], style / strongest, strongest * largest[None]


class ModulatedConv(nn.Module):
    """Modulated convolution with equalised learning rate; w becomes the style by a dense layer that starts at one."""

    features: int
    kernel_size: int = 3
    up: int = 1
    demodulate: bool = True
    taps: Filter = BILINEAR
    grouped: bool = False
    dtype: DTypeLike | None = None  # of the convolution; styles and parameters stay float32

    @nn.compact
    def __call__(self, x: Array, w: Array) -> Array:
        """Maps x [B, H, W, I] with w [B, W] to [B, up H, up W, features]; there is no bias."""
        style = EqualizedDense(x.shape[-1], bias_init=1.0, name="style")(w)
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(1.0), shape, jnp.float32) / math.sqrt(math.prod(shape[:3]))
        x, _ = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        return modulated_conv(
            x, kernel, style, demodulate=self.demodulate, up=self.up, taps=self.taps, grouped=self.grouped
        )


class Noise(nn.Module):
    """Adds a map of normal noise to all features, with a strength that is learned and starts at zero.

    In training every example of the global batch draws its own. Otherwise the map is one that was drawn when the
    network was initialised (collection "noise"), so that a sample depends on its latent alone.

    References:
      Karras, Laine, Aila. A Style-Based Generator Architecture for GANs. CVPR 2019, section 2.
      Karras et al. Analyzing and Improving the Image Quality of StyleGAN. CVPR 2020, section 2 (one strength a layer).
    """

    axis_name: str | None = None  # the mapped axis that the batch is split over

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Adds noise to x [B, H, W, C]."""
        strength = self.param("strength", nn.initializers.zeros, (), jnp.float32)
        first = self.is_initializing()
        fixed = self.variable(
            "noise", "map", lambda: jax.random.normal(self.make_rng("params"), (1, *x.shape[1:3], 1), jnp.float32)
        ).value
        if train and not first:
            key = self.make_rng("global")
            shape = (x.shape[0], *x.shape[1:3], 1)
            fixed = global_draw(lambda shape: jax.random.normal(key, shape, jnp.float32), shape, self.axis_name)
        return x + (strength * fixed).astype(x.dtype)
