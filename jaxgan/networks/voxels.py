"""Networks of 3D-GAN, for volumes of voxels: cubes of a side of 8, 16, 32, 64, ...

The smallest map has a side of 4. Of the paper's size, with 200 latents, side 64 and 64 features, the discriminator has
11,048,769 parameters and the generator 17,569,665.

References:
  Wu, Zhang, Xue, Freeman, Tenenbaum. Learning a Probabilistic Latent Space of Object Shapes via 3D
  Generative-Adversarial Modeling. NeurIPS 2016, section 3.1 and supplement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_choice, check_condition, check_latents
from jaxgan.networks.layers import BatchNorm, ConditionalBatchNorm, DoublingConv, HalvingConv, call
from jaxgan.networks.mlp import project

Normalization = Literal["batch", "none"]
_SMALLEST = 4  # side of the smallest map
_init = nn.initializers.normal(0.02)


class Generator(nn.Module):
    """z [B, Z] (and labels or vectors y) -> volumes [B, S, S, S, channels] in [-1, 1]: 2 occupancy - 1.

    The paper ends in a sigmoid, which is this tanh in units of 0 and 1. Labels choose the scale and offset of every
    batch normalisation.
    """

    channels: int = 1
    size: int = 16  # side of the volumes; the paper's is 64
    features: int = 64  # of the largest map; doubled at every halving of the side
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    output: Callable[[Array], Array] | None = jnp.tanh  # None: linear, as of log odds
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics over all devices of this axis
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None, train: bool = True) -> Array:
        """Generates one volume per latent; batch statistics come from the batch if `train`, else from the average."""
        stages = _halvings("Generator", self.size)
        check_condition(self, y)
        check_latents(self, z)
        widest = self.features * 2 ** (stages - 1)
        x = nn.Dense(_SMALLEST**3 * widest, use_bias=False, kernel_init=_init, dtype=self.dtype)(z)
        x = nn.relu(self._norm(x.reshape(-1, _SMALLEST, _SMALLEST, _SMALLEST, widest), y, train))
        for stage in range(1, stages):
            x = DoublingConv(widest // 2**stage, use_bias=False, kernel_init=_init, dtype=self.dtype)(x)
            x = nn.relu(self._norm(x, y, train))
        x = DoublingConv(self.channels, kernel_init=_init, dtype=self.dtype)(x).astype(jnp.float32)
        return x if self.output is None else self.output(x)

    def _norm(self, x: Array, y: Array | None, train: bool) -> Array:
        if y is not None:
            return ConditionalBatchNorm(self.classes, self.momentum, self.axis_name, self.dtype)(x, y, train)
        return BatchNorm(not train, momentum=self.momentum, axis_name=self.axis_name, dtype=self.dtype)(x)


class Convolutional(nn.Module):
    """Volumes [B, S, S, S, C] -> features [B, F], of the smallest map: what classifiers and encoders are made of."""

    size: int = 16  # side of the volumes
    features: int = 64  # of the first map; doubled at every halving of the side
    normalization: Normalization = "batch"  # gradient penalties want "none": no mixing of examples
    momentum: float = 0.9
    axis_name: str | None = None
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Describes every volume."""
        stages = _halvings("Discriminator", self.size)
        check_choice(self, "normalization", get_args(Normalization))
        if x.ndim != 5 or x.shape[1:4] != (self.size,) * 3:
            sides = ", ".join([str(self.size)] * 3)
            raise ValueError(f"voxels.Discriminator takes volumes [B, {sides}, C]; got shape {x.shape}: set its size")
        for stage in range(stages):
            batch = self.normalization == "batch" and stage > 0  # the input layer is left unnormalised, as in DCGAN
            x = HalvingConv(self.features * 2**stage, use_bias=not batch, kernel_init=_init, dtype=self.dtype)(x)
            if batch:
                x = BatchNorm(not train, momentum=self.momentum, axis_name=self.axis_name, dtype=self.dtype)(x)
            x = nn.leaky_relu(x, 0.2)
        return x.reshape(x.shape[0], -1)


class Discriminator(nn.Module):
    """Volumes [B, S, S, S, C] (and labels or vectors y) -> logits [B]; they enter by projection."""

    size: int = 16  # side of the volumes; the paper's is 64
    features: int = 64  # of the first map; doubled at every halving of the side
    normalization: Normalization = "batch"  # gradient penalties want "none": no mixing of examples
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    momentum: float = 0.9
    axis_name: str | None = None
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None, train: bool = True) -> Array:
        """Scores every volume, before any sigmoid."""
        check_condition(self, y)
        body = Convolutional(
            self.size, self.features, self.normalization, self.momentum, self.axis_name, self.dtype, name="body"
        )
        return project(call(body, x, train=train), y, self.classes, self.dtype)


def _halvings(name: str, size: int) -> int:
    """Returns how often a side is halved down to the smallest map."""
    stages = max(size // _SMALLEST, 1).bit_length() - 1
    if stages < 1 or size != _SMALLEST << stages:
        larger = next(_SMALLEST << k for k in range(1, 32) if _SMALLEST << k >= size)
        raise ValueError(f"voxels.{name} takes cubes of side 8, 16, 32, and so on; got {size}: pad to {larger}")
    return stages
