"""Layers of the style-based family: equalised learning rate, pixel norm, adaptive instance norm."""

from __future__ import annotations

import math

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike

from jaxgan.networks.layers.resampled import resampled_conv
from jaxgan.networks.layers.resampling import BILINEAR, Filter


class EqualizedDense(nn.Module):
    """Dense layer whose weights are drawn from N(0, 1) and scaled when they are used: all learn at the same rate.

    References:
      Karras et al. Progressive Growing of GANs for Improved Quality, Stability, and Variation. ICLR 2018, section 4.1.
      Karras, Laine, Aila. A Style-Based Generator Architecture for GANs. CVPR 2019 (rate multiplier).
    """

    features: int
    use_bias: bool = True
    bias_init: float = 0.0  # of the bias as it is used
    gain: float = 1.0  # standard deviation of outputs for inputs of unit variance
    lr_multiplier: float = 1.0  # what is stored is larger by its inverse, so that Adam moves what is used by less
    dtype: DTypeLike | None = None  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps x [..., I] to [..., features]."""
        kernel = self.param(
            "kernel", nn.initializers.normal(1 / self.lr_multiplier), (x.shape[-1], self.features), jnp.float32
        )
        kernel = kernel * (self.gain * self.lr_multiplier / math.sqrt(x.shape[-1]))
        bias = None
        if self.use_bias:
            start = nn.initializers.constant(self.bias_init / self.lr_multiplier)
            bias = self.param("bias", start, (self.features,), jnp.float32) * self.lr_multiplier
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = x @ kernel
        return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + (-1,))


class EqualizedConv(nn.Module):
    """Convolution with equalised learning rate, which may resample the image by a filter (`resampled_conv`).

    References:
      Karras et al. Progressive Growing of GANs for Improved Quality, Stability, and Variation. ICLR 2018, section 4.1.
    """

    features: int
    kernel_size: int = 3
    up: int = 1
    down: int = 1
    taps: Filter = BILINEAR
    use_bias: bool = True
    gain: float = 1.0
    dtype: DTypeLike | None = None  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps x [B, H, W, I] to [B, H up / down, W up / down, features]."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(1.0), shape, jnp.float32)
        kernel = kernel * (self.gain / math.sqrt(math.prod(shape[:3])))
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32) if self.use_bias else None
        x, bias, _ = nn.dtypes.promote_dtype(x, bias, kernel, dtype=self.dtype)
        y = resampled_conv(x, kernel, self.up, self.down, self.taps)
        return y if bias is None else y + bias.reshape(1, 1, 1, -1)


def scaled_leaky_relu(x: Array, clamp: float | None = None) -> Array:
    """Leaky ReLU of slope 0.2 times sqrt 2: a layer of unit gain then keeps the size of its activations.

    Args:
      x: any shape.
      clamp: bound of what is returned, [-clamp, clamp]; None: none.
    Returns:
      Like x.
    """
    return clamped(nn.leaky_relu(x, 0.2) * math.sqrt(2), clamp)


def clamped(x: Array, clamp: float | None) -> Array:
    """Returns x within [-clamp, clamp], or x itself where clamp is None; beyond the bounds no gradient passes.

    Raises:
      ValueError: clamp is not positive.
    References:
      Karras et al. Training Generative Adversarial Networks with Limited Data. NeurIPS 2020, appendix D.1 (256, for
      float16).
    """
    if clamp is None:
        return x
    if not clamp > 0:
        raise ValueError(f"activations are clamped to [-c, c] with c > 0, or None; got {clamp}")
    return jnp.clip(x, -clamp, clamp)


def pixel_norm(x: Array, epsilon: float = 1e-8) -> Array:
    """Divides every feature vector by the root of its mean square; computed in float32 at least.

    Args:
      x: [..., C].
      epsilon: added to the mean square.
    Returns:
      Like x.
    References:
      Karras et al. Progressive Growing of GANs for Improved Quality, Stability, and Variation. ICLR 2018, section 4.2.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    return (wide * lax.rsqrt(jnp.mean(jnp.square(wide), axis=-1, keepdims=True) + epsilon)).astype(x.dtype)


def adaptive_instance_norm(x: Array, scale: Array, offset: Array, epsilon: float = 1e-5) -> Array:
    """AdaIN: every map of every example is normalised by its own mean and variance, then scaled and moved.

    Args:
      x: [B, H, W, C].
      scale: [B, C].
      offset: [B, C].
      epsilon: added to the variance.
    Returns:
      Like x.
    Raises:
      ValueError: shapes do not fit.
    References:
      Huang, Belongie. Arbitrary Style Transfer in Real-Time with Adaptive Instance Normalization. ICCV 2017.
      Karras, Laine, Aila. A Style-Based Generator Architecture for GANs. CVPR 2019, eq. 1.
    """
    if x.ndim != 4 or scale.shape != (x.shape[0], x.shape[3]) or offset.shape != scale.shape:
        raise ValueError(
            f"adaptive_instance_norm takes x [B, H, W, C], scale and offset [B, C]; got {x.shape}, {scale.shape}, "
            f"{offset.shape}"
        )
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    centred = wide - jnp.mean(wide, axis=(1, 2), keepdims=True)
    normalised = centred * lax.rsqrt(jnp.mean(jnp.square(centred), axis=(1, 2), keepdims=True) + epsilon)
    return (normalised * scale[:, None, None] + offset[:, None, None]).astype(x.dtype)
