"""Translators: images to images of the same size, by an encoder-decoder with skips or by residual blocks.

References:
  Isola, Zhu, Zhou, Efros. Image-to-Image Translation with Conditional Adversarial Networks. CVPR 2017, section 3.2.1
  and appendix 6.1.1 (`UNet`).
  Zhu, Park, Isola, Efros. Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks. ICCV 2017,
  appendix 7.2 (`ResNet`).
"""

from __future__ import annotations

from typing import Literal, get_args

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_choice, check_strides
from jaxgan.networks.layers import BatchNorm, Conv, ConvTranspose, Dropout, StridedConv

Normalization = Literal["instance", "batch", "none"]
_init = nn.initializers.normal(0.02)  # both papers', for every weight


class UNet(nn.Module):
    """pix2pix's generator: images [B, H, W, C] -> [B, H, W, channels] in (-1, 1), with dropout as its noise.

    `depth` convolutions of 4x4 and stride 2 go down and as many up; each map going up has beside it the one of its size
    that went down. H and W are multiples of 2^depth. With 3 channels, depth 8 and normalization "batch" it is the
    paper's of 256 pixels, 54.41 million parameters. DiscoGAN's encoder-decoder is, up to the normalisation of its
    smallest map, `UNet(depth=4, normalization="batch", dropout=0.0, skips=False)`.

    The paper normalises by the batch also at test time, and has batches of one image: that is "instance", each image by
    its own statistics, with a scale and an offset, in training and afterwards. "batch" takes running averages when it
    does not train; `game.rehearse` generates by the statistics of the images at hand.

    The dropout of the first decoder blocks stays at test time: an image has several translations. With `index` each
    example's masks are those of its number, whatever is translated beside it.
    """

    channels: int = 3  # of the output
    features: int = 64  # of the first map; 2, 4, 8, 8, ... times as many in further ones
    depth: int = 8  # halvings
    normalization: Normalization = "instance"  # of all maps but the first, the smallest and the output
    dropout: float = 0.5  # share of units dropped in the first three maps going up, in training and at test time
    skips: bool = True  # False: a plain encoder-decoder
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics and dropout over all devices of this axis
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, train: bool = True, index: Array | None = None) -> Array:
        """Translates images x; `index` [B] int32 are their numbers among all that will ever be drawn by one key."""
        self._check(x)
        widths = [self.features * min(2**stage, 8) for stage in range(self.depth)]
        maps = list[Array]()
        for stage, width in enumerate(widths):
            bare = stage in (0, self.depth - 1)
            biased = bare or self.normalization == "none"
            conv = StridedConv(width, use_bias=biased, kernel_init=_init, dtype=self.dtype)
            h = conv(nn.leaky_relu(maps[-1], 0.2) if maps else x)
            maps.append(h if bare else self._normalised(h, train))
        h = maps.pop()
        for number, width in enumerate(reversed(widths[:-1])):
            up = ConvTranspose(width, use_bias=self.normalization == "none", kernel_init=_init, dtype=self.dtype)
            h = self._normalised(up(nn.relu(h)), train)
            if number < 3:
                h = Dropout(self.dropout, self.axis_name)(h, True, index)
            h = jnp.concatenate([h, maps.pop()], axis=-1) if self.skips else h
        last = ConvTranspose(self.channels, kernel_init=_init, dtype=self.dtype, name="image")
        return jnp.tanh(last(nn.relu(h)).astype(jnp.float32))

    def _normalised(self, x: Array, train: bool) -> Array:
        if self.normalization == "none":
            return x
        if self.normalization == "instance":
            return nn.InstanceNorm(dtype=self.dtype)(x)
        return BatchNorm(not train, momentum=self.momentum, axis_name=self.axis_name, dtype=self.dtype)(x)

    def _check(self, x: Array) -> None:
        check_choice(self, "normalization", get_args(Normalization))
        if self.depth < 2:
            raise ValueError(f"a UNet needs depth >= 2; got {self.depth}")
        check_strides(f"a UNet with depth={self.depth}", x, 2**self.depth, least=2**self.depth)


class ResNet(nn.Module):
    """CycleGAN's generator: images [B, H, W, C] -> [B, H, W, channels] in (-1, 1); it draws nothing.

    A 7x7 convolution, two 3x3 ones of stride 2, residual blocks of two 3x3 ones, two transposed ones and a 7x7 one;
    those of stride 1 see the image mirrored beyond its border. Each map is normalised by its own statistics, without
    scale or offset, in training and afterwards. H and W are multiples of 4. With 3 channels and 9 blocks, for 256
    pixels or more, it has 11,378,179 parameters; the paper takes 6 blocks for 128.
    """

    channels: int = 3  # of the output
    features: int = 64  # of the first map; 4 times as many in the blocks
    blocks: int = 9  # residual ones
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Translates images x."""
        if self.blocks < 1:
            raise ValueError(f"a ResNet translator needs blocks >= 1; got {self.blocks}")
        check_strides("a ResNet translator", x, 4, least=8)
        h = self._active(self._reflected(x, self.features, 7))
        for factor in (2, 4):
            h = self._active(StridedConv(factor * self.features, (3, 3), kernel_init=_init, dtype=self.dtype)(h))
        for _ in range(self.blocks):
            inner = self._active(self._reflected(h, 4 * self.features, 3))
            h = h + self._normalised(self._reflected(inner, 4 * self.features, 3))
        for factor in (2, 1):
            h = self._active(ConvTranspose(factor * self.features, (3, 3), kernel_init=_init, dtype=self.dtype)(h))
        return jnp.tanh(self._reflected(h, self.channels, 7, name="image").astype(jnp.float32))

    def _reflected(self, x: Array, features: int, side: int, name: str | None = None) -> Array:
        """A convolution whose border sees the image mirrored."""
        width, none = side // 2, ((0, 0), (0, 0))
        x = jnp.pad(x, ((0, 0), (width, width), (width, width), (0, 0)), mode="reflect")
        return Conv(features, (side, side), padding=none, kernel_init=_init, dtype=self.dtype, name=name)(x)

    def _normalised(self, x: Array) -> Array:
        return nn.InstanceNorm(use_bias=False, use_scale=False, dtype=self.dtype)(x)

    def _active(self, x: Array) -> Array:
        return nn.relu(self._normalised(x))
