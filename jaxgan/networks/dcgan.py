"""Deep convolutional networks for images of 28, 32 or 64 pixels a side.

References:
  Radford, Metz, Chintala. Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks.
  ICLR 2016, section 3.
"""

from __future__ import annotations

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers import ConditionalBatchNorm, ConvTranspose, SpectralNorm, StridedConv
from jaxgan.networks.mlp import check_labels, project

_STAGES = {28: (7, 2), 32: (4, 3), 64: (4, 4)}  # size: (side of the smallest map, number of stride-2 layers)
_init = nn.initializers.normal(0.02)  # the paper's, for every weight


class Generator(nn.Module):
    """z [B, Z] (and labels y [B]) -> images [B, size, size, channels] in [-1, 1].

    Labels choose the scale and offset of every batch normalisation.
    """

    channels: int = 1
    size: int = 32  # 28, 32 or 64
    features: int = 64  # of the widest map; doubled at every halving of the side
    classes: int = 0  # number of labels; 0: unconditional
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics over all devices of this axis
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None, train: bool = True) -> Array:
        """Generates one image per latent; batch statistics come from the batch if `train`, else from the average."""
        side, stages = _stages(self)
        check_labels(self, y)
        if z.ndim != 2:
            raise ValueError(f"Generator takes latents [B, Z]; got shape {z.shape}")
        width = self.features * 2 ** (stages - 1)
        x = nn.Dense(side * side * width, use_bias=False, kernel_init=_init, dtype=self.dtype)(z)
        x = nn.relu(self._norm(x.reshape(-1, side, side, width), y, train))
        for stage in range(stages - 1):
            features = width // 2 ** (stage + 1)
            x = ConvTranspose(features, use_bias=False, kernel_init=_init, dtype=self.dtype)(x)
            x = nn.relu(self._norm(x, y, train))
        x = ConvTranspose(self.channels, kernel_init=_init, dtype=self.dtype)(x)
        return jnp.tanh(x.astype(jnp.float32))

    def _norm(self, x: Array, y: Array | None, train: bool) -> Array:
        if y is not None:
            return ConditionalBatchNorm(self.classes, self.momentum, self.axis_name, self.dtype)(x, y, train)
        return _batch_norm(self.momentum, self.axis_name, self.dtype, train)(x)


class Discriminator(nn.Module):
    """Images x [B, size, size, channels] (and labels y [B]) -> logits [B]; labels enter by projection."""

    size: int = 32  # 28, 32 or 64
    features: int = 64  # of the first map; doubled at every halving of the side
    normalization: Literal["batch", "spectral", "none"] = (
        "batch"  # gradient penalties want "none": no mixing of examples
    )
    classes: int = 0  # number of labels; 0: unconditional
    momentum: float = 0.9
    axis_name: str | None = None
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None, train: bool = True) -> Array:
        """Scores every image, before any sigmoid."""
        _, stages = _stages(self)
        check_labels(self, y)
        if x.ndim != 4 or x.shape[1:3] != (self.size, self.size):
            raise ValueError(f"Discriminator(size={self.size}) takes images [B, size, size, C]; got shape {x.shape}")
        for stage in range(stages):
            x = nn.leaky_relu(self._convolve(x, self.features * 2**stage, train, first=stage == 0), 0.2)
        return project(x.reshape(x.shape[0], -1), y, self.classes, self.dtype)

    def _convolve(self, x: Array, features: int, train: bool, first: bool) -> Array:
        batch = self.normalization == "batch" and not first  # the paper leaves the input layer unnormalised
        conv = StridedConv(features, use_bias=not batch, kernel_init=_init, dtype=self.dtype)
        if self.normalization == "spectral":
            return SpectralNorm(conv)(x, train)
        return _batch_norm(self.momentum, self.axis_name, self.dtype, train)(conv(x)) if batch else conv(x)


def _batch_norm(momentum: float, axis_name: str | None, dtype: DTypeLike | None, train: bool) -> nn.BatchNorm:
    scale = nn.initializers.normal(0.02)
    return nn.BatchNorm(
        not train, momentum=momentum, axis_name=axis_name, dtype=dtype, scale_init=lambda *args: 1 + scale(*args)
    )


def _stages(module: Generator | Discriminator) -> tuple[int, int]:
    if module.size not in _STAGES:
        raise ValueError(f"{type(module).__name__} has size={module.size}; DCGAN makes sizes {sorted(_STAGES)}")
    known = ("batch", "spectral", "none")
    if getattr(module, "normalization", "none") not in known:
        raise ValueError(f"normalization={module.normalization!r} is unknown; choose one of {known}")
    return _STAGES[module.size]
