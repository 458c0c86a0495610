"""Deep convolutional networks, for images whose sides are multiples of 4 from 16 on, not necessarily square.

The smallest map has a side of 4, or of up to 7 where the size is no power of two: 28 is 7 doubled twice, 64 is 4
doubled four times, and 48 by 64 is 6 by 8 doubled three times.

References:
  Radford, Metz, Chintala. Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks.
  ICLR 2016, section 3.
"""

from __future__ import annotations

from typing import Literal, get_args

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_choice, check_condition, check_images, check_latents, halvings
from jaxgan.networks.layers import BatchNorm, ConditionalBatchNorm, ConvTranspose, SpectralNorm, StridedConv
from jaxgan.networks.mlp import project

Normalization = Literal["batch", "spectral", "none"]
_init = nn.initializers.normal(0.02)  # the paper's, for every weight; here for all but the discriminator's head


class Generator(nn.Module):
    """z [B, Z] (and labels or vectors y) -> images [B, H, W, channels] in [-1, 1].

    They choose the scale and offset of every batch normalisation.
    """

    channels: int = 1
    size: int | tuple[int, ...] = 32  # a side, or (height, width)
    features: int = 64  # of the largest map; doubled at every halving of the side
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics over all devices of this axis
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None, train: bool = True) -> Array:
        """Generates one image per latent; batch statistics come from the batch if `train`, else from the average."""
        sides, stages = halvings(self.size, None, "dcgan.Generator")
        check_condition(self, y)
        check_latents(self, z)
        height, width, widest = sides[0] >> stages, sides[1] >> stages, self.features * 2 ** (stages - 1)
        x = nn.Dense(height * width * widest, use_bias=False, kernel_init=_init, dtype=self.dtype)(z)
        x = nn.relu(self._norm(x.reshape(-1, height, width, widest), y, train))
        for stage in range(stages - 1):
            features = widest // 2 ** (stage + 1)
            x = ConvTranspose(features, use_bias=False, kernel_init=_init, dtype=self.dtype)(x)
            x = nn.relu(self._norm(x, y, train))
        x = ConvTranspose(self.channels, kernel_init=_init, dtype=self.dtype)(x)
        return jnp.tanh(x.astype(jnp.float32))

    def _norm(self, x: Array, y: Array | None, train: bool) -> Array:
        if y is not None:
            return ConditionalBatchNorm(self.classes, self.momentum, self.axis_name, self.dtype)(x, y, train)
        return _batch_norm(self.momentum, self.axis_name, self.dtype, train)(x)


class Discriminator(nn.Module):
    """Images x [B, H, W, C] (and labels or vectors y) -> logits [B]; they enter by projection."""

    size: int | tuple[int, ...] = 32  # a side, or (height, width)
    features: int = 64  # of the first map; doubled at every halving of the side
    normalization: Normalization = "batch"  # gradient penalties want "none": no mixing of examples
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    momentum: float = 0.9
    axis_name: str | None = None
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None, train: bool = True) -> Array:
        """Scores every image, before any sigmoid."""
        sides, stages = halvings(self.size, None, "dcgan.Discriminator")
        check_choice(self, "normalization", get_args(Normalization))
        check_condition(self, y)
        check_images(self, x, sides)
        for stage in range(stages):
            x = nn.leaky_relu(self._convolve(x, self.features * 2**stage, train, first=stage == 0), 0.2)
        return project(x.reshape(x.shape[0], -1), y, self.classes, self.dtype)

    def _convolve(self, x: Array, features: int, train: bool, first: bool) -> Array:
        batch = self.normalization == "batch" and not first  # the paper leaves the input layer unnormalised
        conv = StridedConv(features, use_bias=not batch, kernel_init=_init, dtype=self.dtype)
        if self.normalization == "spectral":
            return SpectralNorm(conv)(x, train)
        return _batch_norm(self.momentum, self.axis_name, self.dtype, train)(conv(x)) if batch else conv(x)


def _batch_norm(momentum: float, axis_name: str | None, dtype: DTypeLike | None, train: bool) -> BatchNorm:
    scale = nn.initializers.normal(0.02)
    return BatchNorm(
        not train, momentum=momentum, axis_name=axis_name, dtype=dtype, scale_init=lambda *args: 1 + scale(*args)
    )
