"""The two halves of a convolutional autoencoder: pictures to a small map of vectors, and back.

References:
  Esser, Rombach, Ommer. Taming Transformers for High-Resolution Image Synthesis. CVPR 2021, section 3.1 and table 7.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_strides
from jaxgan.networks.layers import Conv, StridedConv

MOST = 8  # times as many channels as the first map's, at most


class Encoder(nn.Module):
    """Pictures [B, H, W, C] -> vectors [B, H / 2^layers, W / 2^layers, width]: 4x4 convolutions of stride 2, SiLU.

    With residual blocks and many features it is VQGAN's, but for attention; without, small enough for a CPU.
    """

    width: int  # D: of a normal law's means and log variances, twice that
    features: int = 64  # of the first map; doubled by every layer up to 8 times as many
    layers: int = 2  # halvings
    blocks: int = 0  # residual ones, with group normalisation, after every layer
    output: Callable[[Array], Array] | None = None  # such as `jnp.tanh`, before signs
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Encodes every place of x."""
        step = 2**self.layers
        check_strides(f"coders.Encoder(layers={self.layers})", x, step, least=step)
        for layer in range(self.layers):
            x = nn.silu(StridedConv(_wide(self.features, layer), dtype=self.dtype)(x))
            x = _blocks(x, self.blocks, self.dtype)
        x = nn.silu(Conv(_wide(self.features, self.layers - 1), dtype=self.dtype)(x))
        z = Conv(self.width, (1, 1), dtype=self.dtype)(x).astype(jnp.float32)
        return z if self.output is None else self.output(z)


class Decoder(nn.Module):
    """Vectors [B, h, w, D] -> pictures [B, 2^layers h, 2^layers w, channels]: maps doubled by copies, then convolved.

    Its last convolution is called "last", so that "last/kernel" is where adaptive weights look. Without an `output`
    pixels may leave [-1, 1], which a discriminator sees and a picture does not show.
    """

    channels: int = 3
    features: int = 64
    layers: int = 2  # doublings
    blocks: int = 0
    output: Callable[[Array], Array] | None = None  # such as `jnp.tanh`; the public codes have none
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """Decodes vectors."""
        if z.ndim != 4:
            raise ValueError(f"coders.Decoder takes a map of vectors [B, h, w, D]; got shape {z.shape}")
        x = nn.silu(Conv(_wide(self.features, self.layers - 1), dtype=self.dtype)(z))
        for layer in reversed(range(self.layers)):
            x = _blocks(x, self.blocks, self.dtype)
            x = nn.silu(Conv(_wide(self.features, layer), up=2, dtype=self.dtype)(x))
        x = Conv(self.channels, dtype=self.dtype, name="last")(x).astype(jnp.float32)
        return x if self.output is None else self.output(x)


def _wide(features: int, layer: int) -> int:
    return features * min(2 ** max(layer, 0), MOST)


def _blocks(x: Array, count: int, dtype: DTypeLike | None) -> Array:
    """Applies residual blocks inside a compact method: twice normalised, SiLU and a 3x3 convolution."""
    for _ in range(count):
        h = x
        for _ in range(2):
            h = nn.GroupNorm(num_groups=None, group_size=min(h.shape[-1], 8), dtype=dtype)(h)
            h = Conv(x.shape[-1], dtype=dtype)(nn.silu(h))
        x = x + h
    return x
