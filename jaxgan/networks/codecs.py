"""Networks of sound codecs: strided convolutions to frames and back, and HiFi-GAN's generator from spectra.

All of them are convolutions of signals [B, L, C], so that sounds of any length go through, in whole frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers import BlockedConv, SignalConv, SignalConvTranspose
from jaxgan.networks.layers.calling import Initializer

Activation = Literal["snake", "elu"]


def snake(x: Array, alpha: Array) -> Array:
    """X + sin(alpha x)^2 / alpha: rises like x, and repeats itself, so that a network can go on with a period.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxgan.networks.codecs import snake
      >>> [round(float(v), 4) for v in snake(jnp.array([0.0, jnp.pi / 2, jnp.pi]), jnp.ones((1,)))]
      [0.0, 2.5708, 3.1416]

    References:
      Ziyin, Hartwig, Ueda. Neural Networks Fail to Learn Periodic Functions and How to Fix It. NeurIPS 2020, eq. 3.
    """
    return x + jnp.square(jnp.sin(alpha * x)) / (alpha + 1e-9)


class _Bent(nn.Module):
    """The activation: a snake with an alpha of each channel, 1 at the start, or an ELU."""

    kind: Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        if self.kind == "elu":
            return nn.elu(x)
        alpha = self.param("alpha", nn.initializers.ones, (x.shape[-1],), jnp.float32)
        return snake(x, alpha.astype(x.dtype).reshape((1,) * (x.ndim - 1) + (-1,)))


class _Unit(nn.Module):
    """A residual unit: seven samples far apart, then one."""

    dilation: int
    activation: Activation
    dtype: DTypeLike | None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        features = x.shape[-1]
        h = BlockedConv(features, (7, 1), (1, 1), (self.dilation, 1), dtype=self.dtype)(_Bent(self.activation)(x))
        return x + BlockedConv(features, (1, 1), dtype=self.dtype)(_Bent(self.activation)(h))


class Encoder(nn.Module):
    """Sounds [B, L, C] -> frames [B, L / prod(strides), width], as of DAC and, with "elu", EnCodec without its LSTM."""

    width: int = 64  # of a frame
    features: int = 64  # of the first map; doubled at every stride
    strides: Sequence[int] = (2, 4, 8, 8)
    dilations: Sequence[int] = (1, 3, 9)  # of the residual units before each stride
    activation: Activation = "snake"
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Encodes x, whose length the strides' product divides."""
        _check_activation("Encoder", self.activation)
        hop = math.prod(self.strides)
        if x.ndim != 3 or x.shape[1] % hop:
            raise ValueError(f"Encoder takes sounds [B, L, C] in whole frames of {hop} samples; got shape {x.shape}")
        h = BlockedConv(self.features, (7, 1), dtype=self.dtype)(x)
        for place, stride in enumerate(self.strides, 1):
            for dilation in self.dilations:
                h = _Unit(dilation, self.activation, self.dtype)(h)
            h = _Bent(self.activation)(h)
            h = SignalConv(self.features * 2**place, 2 * stride, stride, kernel_init=_spread(1.0), dtype=self.dtype)(h)
        return BlockedConv(self.width, (3, 1), dtype=self.dtype)(_Bent(self.activation)(h)).astype(jnp.float32)


class Decoder(nn.Module):
    """Frames [B, n, D] -> sounds [B, n prod(strides), channels] in [-1, 1]: the encoder backwards."""

    channels: int = 1
    features: int = 1536  # of the first map; halved at every stride
    strides: Sequence[int] = (8, 8, 4, 2)
    dilations: Sequence[int] = (1, 3, 9)  # of the residual units behind each stride
    activation: Activation = "snake"
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """Decodes z."""
        _check_activation("Decoder", self.activation)
        if z.ndim != 3 or self.features % 2 ** len(self.strides):
            raise ValueError(
                f"Decoder takes frames [B, n, D] and features that can be halved {len(self.strides)} times; got shape "
                f"{z.shape} and features={self.features}"
            )
        h = BlockedConv(self.features, (7, 1), dtype=self.dtype)(z)
        for place, stride in enumerate(self.strides, 1):
            h = _Bent(self.activation)(h)
            init = _spread(stride)
            h = SignalConvTranspose(self.features // 2**place, 2 * stride, stride, kernel_init=init, dtype=self.dtype)(
                h
            )
            for dilation in self.dilations:
                h = _Unit(dilation, self.activation, self.dtype)(h)
        last = BlockedConv(self.channels, (7, 1), dtype=self.dtype)
        return jnp.tanh(last(_Bent(self.activation)(h)).astype(jnp.float32))


class HiFiGenerator(nn.Module):
    """HiFi-GAN's generator: spectra [B, frames, bands] -> sounds [B, frames prod(rates), channels] in [-1, 1].

    Spectra are logarithms of mel spectrograms. Behind each enlargement is the mean of residual blocks of several widths
    and dilations. As it is, the paper's first of three, for frames of 256 samples and 80 bands: 13,926,017 parameters.

    References:
      Kong, Kim, Bae. HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis.
      NeurIPS 2020, section 2.2 and table 5.
    """

    channels: int = 1
    features: int = 512  # of the first map; halved at every enlargement
    rates: Sequence[int] = (8, 8, 2, 2)  # of the enlargements; kernels are twice as wide
    widths: Sequence[int] = (3, 7, 11)  # of the residual blocks
    dilations: Sequence[int] = (1, 3, 5)  # of the layers of each
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, mel: Array) -> Array:
        """Makes sounds of spectra."""
        if mel.ndim != 3 or self.features % 2 ** len(self.rates):
            raise ValueError(
                f"HiFiGenerator takes spectra [B, frames, bands] and features that can be halved {len(self.rates)} "
                f"times; got shape {mel.shape} and features={self.features}"
            )
        h = BlockedConv(self.features, (7, 1), dtype=self.dtype)(mel)
        for place, rate in enumerate(self.rates, 1):
            init, features = _spread(rate), self.features // 2**place
            h = nn.leaky_relu(h, 0.1)
            h = SignalConvTranspose(features, 2 * rate, rate, kernel_init=init, dtype=self.dtype)(h)
            h = jnp.mean(jnp.stack([self._block(h, width) for width in self.widths]), axis=0)
        last = BlockedConv(self.channels, (7, 1), dtype=self.dtype)(nn.leaky_relu(h, 0.01))
        return jnp.tanh(last.astype(jnp.float32))

    def _block(self, h: Array, width: int) -> Array:
        for dilation in self.dilations:
            inner = h
            for each in (dilation, 1):
                conv = BlockedConv(h.shape[-1], (width, 1), (1, 1), (each, 1), dtype=self.dtype)
                inner = conv(nn.leaky_relu(inner, 0.1))
            h = h + inner
        return h


def _spread(stride: float) -> Initializer:
    """Returns an initializer that keeps the scale of what it enlarges: of 2 s taps two meet each sample."""
    return nn.initializers.variance_scaling(stride, "fan_in", "truncated_normal")


def _check_activation(network: str, activation: str) -> None:
    if activation not in get_args(Activation):
        raise ValueError(f"{network}: activation={activation!r} is unknown; choose one of {get_args(Activation)}")
