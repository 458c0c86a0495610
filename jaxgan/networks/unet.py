"""A discriminator that judges the whole image and every pixel of it: an encoder, and a decoder with skip connections.

References:
  Schönfeld, Schiele, Khoreva. A U-Net Based Discriminator for Generative Adversarial Networks. CVPR 2020, section 3.1.
"""

from __future__ import annotations

from typing import Literal, get_args

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_choice, check_condition, check_strides
from jaxgan.networks.layers import Conv, Embedding, SpectralNorm, call, inner
from jaxgan.networks.residual import downsample, upsample

Normalization = Literal["spectral", "none"]
_init = nn.initializers.orthogonal()


class Discriminator(nn.Module):
    """Images x [B, H, W, C] (and labels or vectors y) -> (logits [B], of images; logits [B, H, W], of their pixels).

    Residual blocks, as in BigGAN's discriminator, halve the image `stages` times; the sum over the smallest map gives
    the image's logit. As many blocks double it again, and the encoder's map of the same size is put beside each. The
    pixels' logits are a plain 1x1 convolution of the last map, neither rectified nor normalised, as in the authors'
    code. Labels enter both outputs by projection. H and W are any multiples of 2^stages, C any number of channels.

    Parameters of the published sizes, 64 features of 3 channels without labels: 31,481,602 at 128 pixels (5 stages)
    and 44,067,586 at 256 (6).
    """

    features: int = 64  # of the first map; 2, 4, 8, 8, ... times as many in further ones, in the fifth or later last 16
    stages: int = 3  # halvings; the paper has 5 for 128 pixels a side and 6 for 256
    normalization: Normalization = "spectral"  # of all weights but those of the pixels' logits
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    dtype: DTypeLike | None = None
    normalize_embeddings: bool = True  # of labels, as the other weights: so do the authors' networks

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None, train: bool = True) -> tuple[Array, Array]:
        """Scores every image and every pixel, before any sigmoid."""
        check_condition(self, y)
        self._check(x)
        widths = [self.features * min(2**stage, 8) for stage in range(self.stages)]
        widths[-1] = self.features * min(2 ** (self.stages - 1), 16)
        h, skips = x, []
        for stage, width in enumerate(widths):
            h = self._down(h, width, train, first=stage == 0)
            skips.append(h)
        whole = jnp.sum(nn.relu(h), axis=(1, 2), dtype=jnp.float32)
        logits = self._head(whole, y, train, "image", self.normalization)
        for stage in reversed(range(self.stages)):
            if stage < self.stages - 1:
                h = jnp.concatenate([h, skips[stage]], axis=-1)
            h = self._up(h, widths[max(stage - 1, 0)], train)
        return logits, self._head(h, y, train, "pixels", "none")

    def _down(self, x: Array, features: int, train: bool, first: bool) -> Array:
        """A residual block, and half the sides."""
        h = x if first else nn.relu(x)  # the image itself is not rectified
        h = self._conv(nn.relu(self._conv(h, features, 3, train)), features, 3, train, down=2)
        return h + self._conv(downsample(x), features, 1, train)  # means and a 1x1 convolution commute

    def _up(self, x: Array, features: int, train: bool) -> Array:
        """A residual block at twice the sides."""
        shortcut = upsample(self._conv(x, features, 1, train))  # 1x1: the same before and after doubling
        h = self._conv(nn.relu(x), features, 3, train, up=2)
        return self._conv(nn.relu(h), features, 3, train) + shortcut

    def _head(self, h: Array, y: Array | None, train: bool, name: str, normalization: Normalization) -> Array:
        """Logits [...] float32 of features [B, ..., F], the last axis gone."""
        dtype = self.dtype if name == "pixels" else None  # sums over a map are float32, and stay so
        dense = nn.Dense(1, kernel_init=_init, dtype=dtype, name=f"{name}_logits")
        logits = _applied(dense, h, normalization, train)[..., 0].astype(jnp.float32)
        if y is not None:
            table = Embedding(
                self.classes, h.shape[-1], embedding_init=_init, dtype=self.dtype, name=f"{name}_projection"
            )
            embedded = _applied(table, y, self.normalization if self.normalize_embeddings else "none", train)
            embedded = embedded.reshape(h.shape[0], *(1,) * (h.ndim - 2), h.shape[-1])
            logits = logits + inner(embedded, h)
        return logits

    def _conv(self, x: Array, features: int, side: int, train: bool, up: int = 1, down: int = 1) -> Array:
        conv = Conv(features, (side, side), up, down, kernel_init=_init, dtype=self.dtype)
        return _applied(conv, x, self.normalization, train)

    def _check(self, x: Array) -> None:
        check_choice(self, "normalization", get_args(Normalization))
        if self.stages < 1:
            raise ValueError(f"a U-Net discriminator needs stages >= 1; got {self.stages}")
        step = 2**self.stages
        check_strides(f"a U-Net discriminator with stages={self.stages}", x, step, least=step)


class Pixels(nn.Module):
    """Of a discriminator of images and of their pixels, the pixels' logits alone: [B, H, W], as in Real-ESRGAN.

    References:
      Wang, Xie, Dong, Shan. Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data. ICCVW
      2021, section 3.3.
    """

    network: nn.Module  # x -> (logits [B], logits [B, H, W]), such as `unet.Discriminator()`

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Scores every pixel, before any sigmoid."""
        return call(self.network, x, train=train)[1]


def _applied(layer: nn.Module, x: Array, normalization: Normalization, train: bool) -> Array:
    y: Array = SpectralNorm(layer)(x, train) if normalization == "spectral" else layer(x)
    return y
