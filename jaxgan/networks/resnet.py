"""Residual networks for images: those of WGAN-GP, SNGAN and SAGAN, by their settings.

Blocks are pre-activated. A generator's upsamples to the nearest before its first convolution, a discriminator's takes
means over 2x2 pixels after its second; its first block, which sees pixels, takes them first on the shortcut.

    WGAN-GP at 32 pixels   Generator(features=128), Discriminator(normalization="none" or "layer", pool="mean")
    SNGAN at 32 pixels     Generator(), Discriminator()
    SNGAN at 64, 128       Generator(size, features=1024), Discriminator(size, features=1024)
    SAGAN                  the same with spectral=True in the generator, and attention=(a height) in both

Parameters without labels, 3 channels, latents of 128: SNGAN at 32 pixels 4,276,739 and 1,053,825; at 64 pixels
12,220,675 and 10,141,441; at 128 pixels 32,150,787 and 29,017,857. WGAN-GP at 32 pixels 1,204,483 and 1,053,825.

All weights start uniform with Glorot's deviation sqrt(2 / (fan in + fan out)), but for the 3x3 convolutions of the
blocks, which are followed or preceded by a ReLU and start at sqrt(2) times that.

References:
  Gulrajani et al. Improved Training of Wasserstein GANs. NeurIPS 2017, section 5 and appendix (architectures).
  Miyato, Kataoka, Koyama, Yoshida. Spectral Normalization for Generative Adversarial Networks. ICLR 2018, appendix.
  Zhang, Goodfellow, Metaxas, Odena. Self-Attention Generative Adversarial Networks. ICML 2019.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_choice, check_condition, check_images, check_latents, halvings
from jaxgan.networks.layers.attention import SelfAttention
from jaxgan.networks.layers.calling import call_block
from jaxgan.networks.layers.normalization import BatchNorm, ConditionalBatchNorm, SpectralNorm
from jaxgan.networks.layers.resampled import Conv
from jaxgan.networks.residual import (
    DownBlock,
    FirstBlock,
    UpBlock,
    check_attention,
    head,
    pooled,
)


class Generator(nn.Module):
    """z [B, Z] (and labels or vectors y) -> images [B, H, W, channels] in [-1, 1].

    Labels choose the scale and offset of the batch normalisations, but for the last.
    """

    channels: int = 3
    size: int | tuple[int, ...] = 32  # of the images: a side, or (H, W); multiples of 4, from 16 on
    features: int | Sequence[int] = 256  # of the widest map; or of every map, the smallest first
    normalization: Literal["batch", "none"] = "batch"
    spectral: bool = False  # spectral normalisation of every layer
    attention: int = 0  # height of the map that looks at itself; 0: none
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics over all devices of this axis
    dtype: DTypeLike | None = None
    remat: bool = False  # activations inside the blocks are computed again for gradients, and not kept
    upsampling: Literal["nearest", "bilinear"] = "nearest"  # by copies, as the papers; or as mimicry's SNGAN

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None, train: bool = True) -> Array:
        """Generates one image per latent; batch statistics come from the batch if `train`, else from the average."""
        check_condition(self, y)
        check_choice(self, "normalization", ("batch", "none"))
        check_choice(self, "upsampling", ("nearest", "bilinear"))
        if y is not None and self.normalization != "batch":
            raise ValueError("resnet.Generator takes labels through its batch normalisation; set normalization='batch'")
        check_latents(self, z)
        widths, (height, width) = self._maps()
        convolve = functools.partial(_convolve, spectral=self.spectral, dtype=self.dtype, train=train)
        normalize = functools.partial(_normalize, self.normalization, self, None, train)
        conditional = functools.partial(_normalize, self.normalization, self, y, train)
        dense = nn.Dense(height * width * widths[0], kernel_init=_glorot, dtype=self.dtype)
        x = SpectralNorm(dense)(z, train) if self.spectral else dense(z)
        x = x.reshape(-1, height, width, widths[0])
        for features in widths[1:]:
            block = UpBlock(features, conditional, convolve, self.upsampling == "bilinear")
            x = call_block(block, x, remat=self.remat)
            if x.shape[1] == self.attention:
                x = call_block(SelfAttention(self.spectral, dtype=self.dtype), x, remat=self.remat, train=train)
        x = convolve(nn.relu(normalize(x)), self.channels, 3, kernel_init=_glorot)
        return jnp.tanh(x.astype(jnp.float32))

    def _maps(self) -> tuple[list[int], tuple[int, int]]:
        """Returns the maps' widths, and height and width of the smallest."""
        if isinstance(self.features, int):
            sides, doublings = halvings(self.size, None, "resnet.Generator")
            # Up to three doublings all maps are equally wide; beyond, from 64 pixels on, they narrow as the paper's.
            narrowing = [max(0, stage - doublings + 4) if doublings > 3 else 0 for stage in range(doublings + 1)]
            widths = [max(1, self.features >> n) for n in narrowing]
        else:
            widths = list(self.features)
            sides, doublings = halvings(self.size, len(widths) - 1, "resnet.Generator")
        smallest = sides[0] >> doublings, sides[1] >> doublings
        check_attention(self, self.attention, [smallest[0] << stage for stage in range(1, doublings + 1)])
        return widths, smallest


class Discriminator(nn.Module):
    """Images x [B, H, W, C] (and labels or vectors y) -> logits [B]; labels enter by projection."""

    size: int | tuple[int, ...] = 32  # of the images: a side, or (H, W); multiples of 4, from 16 on
    features: int | Sequence[int] = 128  # of the widest block; or of every block
    # "spectral" is of every layer; "layer" suits gradient penalties, which "batch" does not: it mixes examples
    normalization: Literal["spectral", "layer", "batch", "none"] = "spectral"
    # How many of the blocks, the first ones, halve the map. None: two at 32 pixels, five at 64 and at 128, as the
    # authors'; of other sizes from 64 on, down to 4 to 7 pixels.
    halved: int | None = None
    pool: Literal["sum", "mean"] = "sum"  # over the last map
    attention: int = 0  # height of the map that looks at itself; 0: none
    iterations: int = 1  # of spectral normalisation's power iteration, in a call that trains
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    momentum: float = 0.9
    axis_name: str | None = None
    dtype: DTypeLike | None = None
    remat: bool = False  # activations inside the blocks are computed again for gradients, and not kept
    rectified: bool = False  # the blocks' shortcuts see max(x, 0), as mimicry's do: its ReLU works in place

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None, train: bool = True) -> Array:
        """Scores every image, before any sigmoid."""
        check_condition(self, y)
        check_choice(self, "normalization", ("spectral", "layer", "batch", "none"))
        check_choice(self, "pool", ("sum", "mean"))
        sides, widths, halved = self._maps()
        check_images(self, x, sides)
        spectral = self.normalization == "spectral"
        convolve = functools.partial(
            _convolve, spectral=spectral, iterations=self.iterations, dtype=self.dtype, train=train
        )
        normalize = functools.partial(_normalize, self.normalization, self, None, train)
        for block, features in enumerate(widths):
            if block == 0:
                x = call_block(FirstBlock(features, convolve), x, remat=self.remat)
            else:
                made = DownBlock(features, x.shape[-1], block < halved, normalize, convolve, self.rectified)
                x = call_block(made, x, remat=self.remat)
            if x.shape[1] == self.attention and block < halved:
                x = call_block(SelfAttention(spectral, dtype=self.dtype), x, remat=self.remat, train=train)

        def normalized(layer: nn.Module, x: Array) -> Array:
            return SpectralNorm(layer, self.iterations)(x, train)

        h = pooled(nn.relu(x), self.pool)
        return head(h, y, self.classes, normalize=normalized if spectral else None)

    def _maps(self) -> tuple[tuple[int, int], list[int], int]:
        """Returns the images' sides, the blocks' widths, and how many of the blocks halve the map."""
        sides, halved = halvings(self.size, self.halved, "resnet.Discriminator")
        if self.halved is None and halved <= 3:
            halved = min(halved, 2)
        elif self.halved is None and halved == 4 and all(side % 32 == 0 for side in sides):
            halved = 5  # at 64 pixels the last block halves too
        if not isinstance(self.features, int):
            widths = list(self.features)
        elif halved <= 2:
            widths = [self.features] * 4
        else:  # doubled from block to block; then one that keeps the size, unless the map is smaller than 4 pixels
            widths = [max(1, self.features >> (halved - 1 - block)) for block in range(halved)]
            widths += [self.features] if min(sides) >> halved >= 4 else []
        if not 1 <= halved <= len(widths):
            raise ValueError(f"resnet.Discriminator has {len(widths)} blocks; halved={halved} of them cannot be")
        check_attention(self, self.attention, [sides[0] >> block for block in range(1, halved + 1)])
        return sides, widths, halved


_glorot = nn.initializers.xavier_uniform()
_he = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")  # of the blocks' convolutions of 3x3


def _convolve(
    x: Array, features: int, side: int, *, spectral: bool, train: bool, iterations: int = 1, **settings: Any
) -> Array:
    """Convolves, with further settings of `Conv`."""
    start = {"kernel_init": _he if side > 1 else _glorot}
    conv = Conv(features, (side, side), **(start | settings))
    return SpectralNorm(conv, iterations)(x, train) if spectral else conv(x)


def _normalize(kind: str, module: Generator | Discriminator, y: Array | None, train: bool, x: Array) -> Array:
    if kind == "batch" and y is not None:
        return ConditionalBatchNorm(module.classes, module.momentum, module.axis_name, module.dtype)(x, y, train)
    if kind == "batch":
        return BatchNorm(not train, momentum=module.momentum, axis_name=module.axis_name, dtype=module.dtype)(x)
    if kind == "layer":  # over the whole example, with a scale and offset for each feature
        return nn.LayerNorm(reduction_axes=(1, 2, 3), feature_axes=-1, dtype=module.dtype)(x)
    return x
