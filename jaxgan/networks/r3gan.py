"""R3GAN: residual blocks of grouped convolutions without any normalisation, for the game of RpGAN + R1 + R2.

Images have sides 4, 5, 6 or 7 times a power of two, not necessarily square, and any number of channels. The published
CIFAR-10 and Stacked-MNIST networks are the defaults at size 32. Train them by `systems.gan` with `losses.relativistic`
and `penalties.total(r1(gamma), r2(gamma))`; float16 is known to break them, bfloat16 not.

References:
  Huang, Gokaslan, Kuleshov, Tompkin. The GAN is Dead; Long Live the GAN! A Modern GAN Baseline. NeurIPS 2024.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_condition, check_images, check_latents
from jaxgan.networks.layers.calling import call_block
from jaxgan.networks.layers.embedding import Embedding
from jaxgan.networks.layers.resampled import Conv
from jaxgan.networks.layers.resampling import downsample, resolutions, upsample

_GAIN = math.sqrt(2 / (1 + 0.2**2))  # keeps the variance through a leaky ReLU of slope 0.2


class Generator(nn.Module):
    """z [B, Z] (and labels or vectors y) -> images [B, H, W, channels], not bounded; y is embedded beside z."""

    channels: int = 3
    size: int | tuple[int, ...] = 32  # 4, 5, 6 or 7 times a power of two; (height, width) if not square
    features: int | Sequence[int] = 768  # of every map, or of each from the smallest to the largest
    blocks: int = 2  # residual blocks at each size
    expansion: int = 2  # of the features inside a block
    group: int = 16  # features of a group of the 3 x 3 convolutions; of fewer features all are one group
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    dtype: DTypeLike | None = None
    remat: bool = False  # activations inside the blocks are computed again for gradients, and not kept

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None) -> Array:
        """Generates one image per latent."""
        check_condition(self, y)
        check_latents(self, z)
        levels, widths = _levels(self)
        if y is not None:
            z = jnp.concatenate([z, _embedding(self.classes, z.shape[1], 1.0)(y)], axis=-1)
        basis = self.param("basis", nn.initializers.normal(1.0), (1, *levels[0], widths[0]), jnp.float32)
        scale = nn.Dense(widths[0], use_bias=False, kernel_init=_fan_in(1.0), dtype=self.dtype, name="latent")(z)
        x = basis.astype(scale.dtype) * scale[:, None, None]
        for level, width in enumerate(widths):
            if level:
                x = upsample(_pointwise(x, width, self.dtype))
            for _ in range(self.blocks):
                x = call_block(self._block(len(widths)), x, remat=self.remat)
        return _conv(self.channels, 1, 1.0, self.dtype, name="image")(x).astype(jnp.float32)

    def _block(self, levels: int) -> Block:
        return Block(self.expansion, self.group, self.blocks * levels, self.dtype)


class Discriminator(nn.Module):
    """Images x [B, H, W, C] (and labels or vectors y) -> logits [B]; y enters by a product with its embedding."""

    size: int | tuple[int, ...] = 32
    features: int | Sequence[int] = 768  # as the generator's: of each map from the smallest to the largest
    blocks: int = 2
    expansion: int = 2
    group: int = 16
    classes: int = 0
    dtype: DTypeLike | None = None
    remat: bool = False  # activations inside the blocks are computed again for gradients, and not kept

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None) -> Array:
        """Scores every image, before any sigmoid."""
        check_condition(self, y)
        levels, widths = _levels(self)
        check_images(self, x, levels[-1])
        h = _conv(widths[-1], 1, 1.0, self.dtype, name="image")(x)
        for level in range(len(widths) - 1, -1, -1):
            for _ in range(self.blocks):
                block = Block(self.expansion, self.group, self.blocks * len(widths), self.dtype)
                h = call_block(block, h, remat=self.remat)
            if level:
                h = _pointwise(downsample(h), widths[level - 1], self.dtype)
        basis = self.param(
            "basis", nn.initializers.normal(1 / math.sqrt(math.prod(levels[0]))), h.shape[1:], jnp.float32
        )
        h = jnp.sum(h.astype(jnp.float32) * basis[None], axis=(1, 2))
        outputs = widths[0] if self.classes else 1
        h = nn.Dense(outputs, use_bias=False, kernel_init=_fan_in(1.0), name="logits")(h)
        if y is not None:
            return jnp.sum(h * _embedding(self.classes, outputs, 1 / math.sqrt(outputs))(y), axis=-1)
        return h[:, 0]


class Block(nn.Module):
    """x + f(x): 1 x 1 expansion, grouped 3 x 3, 1 x 1 back; the last starts at zero, the others by depth (Fixup)."""

    expansion: int
    group: int
    depth: int  # residual blocks of the network
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps x [B, H, W, C] to the same shape."""
        features = x.shape[-1] * self.expansion
        groups = max(features // self.group, 1)
        if features % groups:
            raise ValueError(
                f"a block of {x.shape[-1]} x {self.expansion} features does not split into groups of {self.group}; "
                "choose features that it divides"
            )
        gain = _GAIN * self.depth ** (-1 / 4)  # three linear layers in a block
        h = self._activate(_conv(features, 1, gain, self.dtype)(x), "first_bias")
        h = self._activate(_conv(features, 3, gain, self.dtype, groups)(h), "second_bias")
        return x + _conv(x.shape[-1], 1, 0.0, self.dtype)(h)

    def _activate(self, x: Array, name: str) -> Array:
        bias = self.param(name, nn.initializers.zeros, x.shape[-1:], jnp.float32)
        return nn.leaky_relu(x + bias.reshape(1, 1, 1, -1).astype(x.dtype), 0.2)


def _conv(
    features: int, side: int, gain: float, dtype: DTypeLike | None, groups: int = 1, name: str | None = None
) -> Conv:
    start = _fan_in(gain) if gain else nn.initializers.zeros
    return Conv(features, (side, side), groups=groups, use_bias=False, kernel_init=start, dtype=dtype, name=name)


def _pointwise(x: Array, features: int, dtype: DTypeLike | None) -> Array:
    return x if x.shape[-1] == features else _conv(features, 1, 1.0, dtype)(x)


def _embedding(classes: int, features: int, gain: float) -> Embedding:
    """A linear layer on one-hot labels, whose fan-in is the number of classes."""
    return Embedding(classes, features, embedding_init=nn.initializers.normal(gain / math.sqrt(classes)), name="labels")


def _fan_in(gain: float) -> nn.initializers.Initializer:
    return nn.initializers.variance_scaling(gain**2, "fan_in", "normal")


def _levels(module: Generator | Discriminator) -> tuple[tuple[tuple[int, int], ...], list[int]]:
    """Sides and features of every level, from the smallest."""
    levels = resolutions(module.size)
    given = module.features
    widths = [given] * len(levels) if isinstance(given, int) else list(given)
    if len(widths) != len(levels):
        raise ValueError(
            f"{type(module).__name__} of size {module.size} has {len(levels)} maps, {levels[0]} to {levels[-1]}; "
            f"features={tuple(widths)} are for {len(widths)}"
        )
    return levels, widths
