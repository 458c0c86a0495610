"""Discriminators of patches: a map of logits, each of which sees a part of the image; and several at several scales.

References:
  Isola, Zhu, Zhou, Efros. Image-to-Image Translation with Conditional Adversarial Networks. CVPR 2017, section 3.2.2
  and appendix 6.1.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_choice, check_condition, check_strides
from jaxgan.networks.layers import BatchNorm, Conv, Embedding, SpectralNorm, StridedConv, call, inner

Normalization = Literal["batch", "instance", "spectral", "none"]
_init = nn.initializers.normal(0.02)  # the paper's, for every weight


class Discriminator(nn.Module):
    """PatchGAN: images x [B, H, W, C] (and labels or vectors y) -> logits [B, h, w], each of a square patch.

    `layers` convolutions of stride 2 and two of stride 1, all 4x4: h = H / 2^layers - 2. With 3 layers and 64 features
    it is the paper's of 70x70 pixels, of 256 pixels a side it makes 30 x 30 logits; 1 layer sees 16x16 pixels, 5 see
    286x286. Labels enter by projection at every place of the map; for a conditional image, concatenate it with x.
    """

    features: int = 64  # of the first map; doubled by every layer up to 8 times as many
    layers: int = 3  # of stride 2
    normalization: Normalization = "batch"  # of all layers but the first and the last; "spectral" has all of them
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics over all devices of this axis
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None, train: bool = True) -> Array:
        """Scores every patch, before any sigmoid."""
        check_condition(self, y)
        self._check(x)
        for layer in range(self.layers):
            conv = StridedConv(self._width(layer), use_bias=self._biased(layer), kernel_init=_init, dtype=self.dtype)
            x = nn.leaky_relu(self._normalised(conv, x, train, layer), 0.2)
        x = nn.leaky_relu(self._normalised(self._narrow(self._width(self.layers)), x, train, self.layers), 0.2)
        last = self._narrow(1, use_bias=True, name="logits")
        logits = (SpectralNorm(last)(x, train) if self.normalization == "spectral" else last(x))[..., 0]
        logits = logits.astype(jnp.float32)
        if y is not None:
            embedded = Embedding(self.classes, x.shape[-1], dtype=self.dtype, name="projection")(y)
            # Over the same windows of 4x4 as the last convolution, so that both maps have one size.
            averages = nn.avg_pool(x, (4, 4), (1, 1), ((1, 1), (1, 1)))
            logits = logits + inner(embedded[:, None, None], averages)
        return logits

    def _width(self, layer: int) -> int:
        return self.features * min(2**layer, 8)

    def _biased(self, layer: int) -> bool:
        return layer == 0 or self.normalization != "batch"

    def _narrow(self, features: int, use_bias: bool | None = None, name: str | None = None) -> Conv:
        """A convolution of stride 1 whose map is one smaller than its input."""
        biased = self._biased(self.layers) if use_bias is None else use_bias
        padding = ((1, 1), (1, 1))
        return Conv(features, (4, 4), padding=padding, use_bias=biased, kernel_init=_init, dtype=self.dtype, name=name)

    def _normalised(self, conv: nn.Module, x: Array, train: bool, layer: int) -> Array:
        if self.normalization == "spectral":
            return SpectralNorm(conv)(x, train)
        x = conv(x)
        if layer == 0 or self.normalization == "none":
            return x
        if self.normalization == "instance":
            return nn.InstanceNorm(use_bias=False, use_scale=False, dtype=self.dtype)(x)
        return BatchNorm(not train, momentum=self.momentum, axis_name=self.axis_name, dtype=self.dtype)(x)

    def _check(self, x: Array) -> None:
        check_choice(self, "normalization", get_args(Normalization))
        if self.layers < 1:
            raise ValueError(f"a patch discriminator needs layers >= 1; got {self.layers}")
        step = 2**self.layers
        check_strides(f"a patch discriminator with layers={self.layers}", x, step, least=3 * step)


class MultiScale(nn.Module):
    """Copies of a discriminator, each with weights of its own, at several scales: logits [B, n], of all of them.

    The image is averaged down by each factor, so that the same network sees details at 1 and the whole at 4.

    References:
      Wang, Liu, Zhu, Tao, Kautz, Catanzaro. High-Resolution Image Synthesis and Semantic Manipulation with Conditional
      GANs. CVPR 2018, section 3.2 (multi-scale discriminators).
    """

    network: nn.Module  # x (and labels) -> logits [B, ...], such as `patch.Discriminator()`
    scales: Sequence[int] = (1, 2, 4)  # factors by which images are reduced

    @property
    def classes(self) -> int:
        """Labels that the network is conditioned on; 0: none."""
        return getattr(self.network, "classes", 0)

    @nn.compact
    def __call__(self, x: Array, *conditions: Array, train: bool = True) -> Array:
        """Scores images x [B, H, W, C] at all scales, flattened and side by side in the order of the scales."""
        if not self.scales or min(self.scales) < 1:
            raise ValueError(f"MultiScale takes scales >= 1; got scales={self.scales}")
        maps = []
        for scale in self.scales:
            check_strides(f"MultiScale with scale {scale}", x, scale, least=scale)
            small = nn.avg_pool(x, (scale, scale), (scale, scale)) if scale > 1 else x
            network = self.network.copy(name=f"scale_{scale}")
            maps.append(call(network, small, *conditions, train=train).reshape(x.shape[0], -1))
        return jnp.concatenate(maps, axis=1)


def receptive_field(layers: int) -> int:
    """Side in pixels of the patch that one logit of `Discriminator(layers=...)` sees: 16, 34, 70, 142, 286 for 1 to 5.

    Args:
      layers: convolutions of stride 2, >= 0; two of stride 1 follow.
    Returns:
      Pixels.
    Raises:
      ValueError: layers is negative.
    """
    if layers < 0:
        raise ValueError(f"receptive_field needs layers >= 0; got {layers}")
    side = 7  # of the two 4x4 convolutions of stride 1
    for _ in range(layers):
        side = 2 * (side - 1) + 4
    return side
