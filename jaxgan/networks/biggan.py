"""BigGAN and BigGAN-deep: residual networks whose batch normalisations are told the latent and the class.

The class is one embedding, shared by all layers. BigGAN cuts the latent into chunks, the first of which makes the
smallest map, and each other, beside the embedding, the scales and offsets of one block; BigGAN-deep gives all of the
latent to every block, and has two bottleneck blocks a stage, whose shortcuts drop or append features where their number
changes. Both networks are normalised spectrally, attend to themselves at one height, and start orthogonal.

    BigGAN at 128 pixels        latents of 120, Generator(size=128, classes=1000), Discriminator(size=128, classes=1000)
    BigGAN-deep at 128 pixels   latents of 128, the same with deep=True and features=128

Parameters at 128 pixels with 1000 classes: 70,433,988 and 87,982,370 (BigGAN); 50,244,484 and 34,590,210
(BigGAN-deep).

References:
  Brock, Donahue, Simonyan. Large Scale GAN Training for High Fidelity Natural Image Synthesis. ICLR 2019, appendix B.
"""

from __future__ import annotations

import functools

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_condition, check_images, check_latents, halvings
from jaxgan.networks.layers.attention import SelfAttention
from jaxgan.networks.layers.calling import call_block
from jaxgan.networks.layers.embedding import Embedding
from jaxgan.networks.layers.normalization import BatchNorm, SpectralNorm
from jaxgan.networks.layers.resampled import Conv
from jaxgan.networks.residual import (
    Convolve,
    DownBlock,
    FirstBlock,
    Normalize,
    UpBlock,
    check_attention,
    downsample,
    head,
    pooled,
    upsample,
)

# Widths in multiples of `features`, by how often the images are halved down to the smallest map: 3 at 32 pixels, 5 at
# 128. The generator's maps from the smallest on; the discriminator's blocks (BigGAN-deep: its first convolution, then
# its stages) from the first on.
_GENERATOR = {
    2: (4, 4, 4),
    3: (4, 4, 4, 4),
    4: (16, 16, 8, 4, 2),
    5: (16, 16, 8, 4, 2, 1),
    6: (16, 16, 8, 8, 4, 2, 1),
    7: (16, 16, 8, 8, 4, 2, 1, 1),
}
_DISCRIMINATOR = {
    2: (4, 4, 4, 4),
    3: (4, 4, 4, 4),
    4: (1, 2, 4, 8, 16),
    5: (1, 2, 4, 8, 16, 16),
    6: (1, 2, 4, 8, 8, 16, 16),
    7: (1, 1, 2, 4, 8, 8, 16, 16),
}
_orthogonal = nn.initializers.orthogonal()


class Generator(nn.Module):
    """z [B, Z] (and labels or vectors y) -> images [B, H, W, channels] in [-1, 1].

    Unless `deep`, Z is a multiple of the number of chunks, which is one more than that of the blocks: 4 at 32 pixels, 6
    at 128. Without classes the batch normalisations are told the latent alone.
    """

    channels: int = 3
    size: int | tuple[int, ...] = 32  # of the images: a side, or (H, W); multiples of 4, from 16 on
    features: int = 96  # "ch" of the paper: of the largest map at 128 pixels
    deep: bool = False  # BigGAN-deep
    attention: int | None = None  # height of the map that looks at itself; None: 64, or half the images'; 0: none
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    embedding: int = 128  # of a class
    epsilon: float = 1e-6  # of spectral normalisation
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics over all devices of this axis
    dtype: DTypeLike | None = None
    remat: bool = False  # activations inside the blocks are computed again for gradients, and not kept

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None, train: bool = True) -> Array:
        """Generates one image per latent; batch statistics come from the batch if `train`, else from the average."""
        check_condition(self, y)
        check_latents(self, z)
        sides, doublings = _stages(self)
        attention = _attention(self, sides, [sides[0] >> stage for stage in range(doublings)])
        convolve = functools.partial(_convolve, epsilon=self.epsilon, dtype=self.dtype, train=train)
        first, *codes = self._codes(z, y, doublings)
        widths = [multiple * self.features for multiple in _GENERATOR[doublings]]
        height, width = sides[0] >> doublings, sides[1] >> doublings
        dense = nn.Dense(height * width * widths[0], kernel_init=_orthogonal, dtype=self.dtype)
        x = SpectralNorm(dense, epsilon=self.epsilon)(first, train).reshape(-1, height, width, widths[0])
        for features, code in zip(widths[1:], codes, strict=True):
            normalize = functools.partial(_coded, self, code, train)
            if self.deep:
                x = call_block(DeepUpBlock(x.shape[-1], False, normalize, convolve), x, remat=self.remat)
                x = call_block(DeepUpBlock(features, True, normalize, convolve), x, remat=self.remat)
            else:
                x = call_block(UpBlock(features, normalize, convolve), x, remat=self.remat)
            if x.shape[1] == attention:
                layer = SelfAttention(True, self.epsilon, _orthogonal, self.dtype)
                x = call_block(layer, x, remat=self.remat, train=train)
        x = BatchNorm(not train, momentum=self.momentum, axis_name=self.axis_name, dtype=self.dtype)(x)
        return jnp.tanh(convolve(nn.relu(x), self.channels, 3).astype(jnp.float32))

    def _codes(self, z: Array, y: Array | None, doublings: int) -> list[Array]:
        """Returns what the smallest map is made of, and what each stage's batch normalisations are told."""
        embedding = []
        if y is not None:
            embed = Embedding(self.classes, self.embedding, embedding_init=_orthogonal, name="shared")
            embedding = [embed(y)]
        if self.deep:
            return [jnp.concatenate([z, *embedding], axis=-1)] * (doublings + 1)
        chunks, width = doublings + 1, z.shape[-1]
        if width % chunks:
            near = sorted({max(1, width // chunks) * chunks, -(-width // chunks) * chunks})
            raise ValueError(
                f"biggan.Generator(size={self.size}) cuts latents into {chunks} chunks of one width; got latents of "
                f"{width}, and the nearest that divide are {' or '.join(map(str, near))}"
            )
        first, *others = jnp.split(z, chunks, axis=-1)
        return [first, *(jnp.concatenate([*embedding, chunk], axis=-1) for chunk in others)]


class Discriminator(nn.Module):
    """Images x [B, H, W, C] (and labels or vectors y) -> logits [B]; labels enter by projection."""

    size: int | tuple[int, ...] = 32  # of the images: a side, or (H, W); multiples of 4, from 16 on
    features: int = 96  # "ch" of the paper: of the first block at 128 pixels
    deep: bool = False  # BigGAN-deep
    attention: int | None = None  # height of the map that looks at itself; None: 64, or half the images'; 0: none
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    epsilon: float = 1e-6  # of spectral normalisation
    dtype: DTypeLike | None = None
    remat: bool = False  # activations inside the blocks are computed again for gradients, and not kept

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None, train: bool = True) -> Array:
        """Scores every image, before any sigmoid."""
        check_condition(self, y)
        sides, doublings = _stages(self)
        check_images(self, x, sides)
        halved = doublings if doublings > 3 else 2  # at 32 pixels the last two blocks keep the size
        attention = _attention(self, sides, [sides[0] >> block for block in range(1, halved + 1)])
        convolve = functools.partial(_convolve, epsilon=self.epsilon, dtype=self.dtype, train=train)
        first, *widths = [multiple * self.features for multiple in _DISCRIMINATOR[doublings]]
        if self.deep:
            x, done = convolve(x, first, 3), 0
        else:
            x, done = call_block(FirstBlock(first, convolve), x, remat=self.remat), 1
            x = self._attend(x, attention, train)
        for block, features in enumerate(widths, start=done):
            if self.deep:
                x = call_block(DeepDownBlock(features, block < halved, convolve), x, remat=self.remat)
                x = call_block(DeepDownBlock(features, False, convolve), x, remat=self.remat)
            else:
                made = DownBlock(features, features, block < halved, lambda x: x, convolve)
                x = call_block(made, x, remat=self.remat)
            if block < halved:
                x = self._attend(x, attention, train)

        def normalize(layer: nn.Module, x: Array) -> Array:
            return SpectralNorm(layer, epsilon=self.epsilon)(x, train)

        h = pooled(nn.relu(x), "sum")
        return head(h, y, self.classes, normalize=normalize, kernel_init=_orthogonal)

    def _attend(self, x: Array, attention: int, train: bool) -> Array:
        if x.shape[1] != attention:
            return x
        layer = SelfAttention(True, self.epsilon, _orthogonal, self.dtype)
        return call_block(layer, x, remat=self.remat, train=train)


class DeepUpBlock(nn.Module):
    """BigGAN-deep's block of a generator: a bottleneck of a quarter of the features; the shortcut drops features."""

    features: int  # not more than come in
    double: bool  # the map
    normalize: Normalize
    convolve: Convolve

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x [B, H, W, C] with `features` of it, doubled if it does."""
        hidden = max(1, x.shape[-1] // 4)
        h = self.convolve(nn.relu(self.normalize(x)), hidden, 1)
        h = self.convolve(nn.relu(self.normalize(h)), hidden, 3, up=2 if self.double else 1)
        h = self.convolve(nn.relu(self.normalize(h)), hidden, 3)
        h = self.convolve(nn.relu(self.normalize(h)), self.features, 1)
        x = x[..., : self.features]
        return h + (upsample(x) if self.double else x)


class DeepDownBlock(nn.Module):
    """BigGAN-deep's block of a discriminator; the shortcut appends features that a 1x1 convolution makes."""

    features: int  # not fewer than come in
    halve: bool  # the map
    convolve: Convolve

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x [B, H, W, C] with `features`, halved if it does."""
        hidden = max(1, self.features // 4)
        resize = downsample if self.halve else lambda x: x
        h = self.convolve(nn.relu(x), hidden, 1)
        h = self.convolve(nn.relu(h), hidden, 3)
        h = self.convolve(nn.relu(h), hidden, 3)
        h = self.convolve(resize(nn.relu(h)), self.features, 1)
        x = resize(x)
        more = self.features - x.shape[-1]
        return h + (jnp.concatenate([x, self.convolve(x, more, 1)], axis=-1) if more else x)


def _stages(module: Generator | Discriminator) -> tuple[tuple[int, int], int]:
    sides, doublings = halvings(module.size, None, f"biggan.{type(module).__name__}")
    return sides, min(doublings, max(_GENERATOR))


def _attention(module: Generator | Discriminator, sides: tuple[int, int], heights: list[int]) -> int:
    if module.attention is None:
        return max((height for height in heights if height <= 64 and height < sides[0]), default=min(heights))
    check_attention(module, module.attention, heights)
    return module.attention


def _convolve(
    x: Array,
    features: int,
    side: int,
    up: int = 1,
    down: int = 1,
    *,
    epsilon: float,
    train: bool,
    dtype: DTypeLike | None = None,
) -> Array:
    conv = Conv(features, (side, side), up, down, kernel_init=_orthogonal, dtype=dtype)
    return SpectralNorm(conv, epsilon=epsilon)(x, train)


def _coded(module: Generator, code: Array, train: bool, x: Array) -> Array:
    """Batch normalisation, scaled and moved by linear functions of a code [B, K]: around 1, and around 0."""
    x = BatchNorm(
        not train,
        momentum=module.momentum,
        use_bias=False,
        use_scale=False,
        axis_name=module.axis_name,
        dtype=module.dtype,
    )(x)

    def linear() -> Array:
        dense = nn.Dense(x.shape[-1], use_bias=False, kernel_init=_orthogonal, dtype=module.dtype)
        return SpectralNorm(dense, epsilon=module.epsilon)(code, train)[:, None, None]

    scale, offset = linear().astype(jnp.float32), linear().astype(jnp.float32)
    return (x * (1 + scale) + offset).astype(x.dtype)  # in float32: neither x nor its scale is bounded
