"""Progressive growing: networks of one resolution after another, the newest of which fades in.

Layers are named after their level, the smallest map being level 0, so that the parameters of a network carry over to
the next larger one by their names (`grow`). The share alpha of the newest level is kept in the collection "fade"; a
network starts with alpha = 1, and `systems.fading` moves it. With alpha = 0 a generator makes, bit for bit, the image
of the smaller generator with every pixel doubled, and a discriminator scores the averaged image as the smaller one.

References:
  Karras, Aila, Laine, Lehtinen. Progressive Growing of GANs for Improved Quality, Stability, and Variation. ICLR 2018.
"""

from __future__ import annotations

import math

import flax.linen as nn
import jax.numpy as jnp
from flax import traverse_util
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_condition, check_images, check_latents
from jaxgan.networks.layers.batch import minibatch_stddev
from jaxgan.networks.layers.embedding import as_vectors, inner
from jaxgan.networks.layers.equalized import EqualizedConv, EqualizedDense, pixel_norm
from jaxgan.networks.layers.resampling import NEAREST, downsample, resolutions, upsample
from jaxgan.types import PyTree

_GAIN = math.sqrt(2)  # of layers before a leaky ReLU


class Generator(nn.Module):
    """z [B, Z] (and labels or vectors y) -> images [B, H, W, channels], not bounded; the condition stands beside z."""

    channels: int = 3
    size: int | tuple[int, ...] = 32  # 4, 5, 6 or 7 times a power of two; (height, width) if not square
    features: int = 512  # of the smallest map
    flat: int = 4  # levels of that width; further ones halve it
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None) -> Array:
        """Generates one image per latent."""
        check_condition(self, y)
        check_latents(self, z)
        levels, alpha = resolutions(self.size), _alpha(self)
        z = pixel_norm(z.astype(jnp.float32))
        if y is not None:
            z = jnp.concatenate([z, as_vectors(y, self.classes)], axis=-1)
        (height, width), features = levels[0], _width(self, 0)
        # The paper's gain is a quarter of the others': the rows of this matrix are pixels of a convolution of 4 x 4.
        x = EqualizedDense(height * width * features, gain=_GAIN / 4, dtype=self.dtype, name="latent")(z)
        x = pixel_norm(nn.leaky_relu(x.reshape(-1, height, width, features), 0.2))
        x = self._layer(x, 0, "level_0_conv")
        before = x
        for level in range(1, len(levels)):
            before = x
            x = self._layer(x, level, f"level_{level}_first", up=2)
            x = self._layer(x, level, f"level_{level}_second")
        image = self._image(x, len(levels) - 1)
        if len(levels) == 1:
            return image
        coarse = upsample(self._image(before, len(levels) - 2), NEAREST)
        return (1 - alpha) * coarse + alpha * image

    def _layer(self, x: Array, level: int, name: str, up: int = 1) -> Array:
        conv = EqualizedConv(_width(self, level), up=up, taps=NEAREST, gain=_GAIN, dtype=self.dtype, name=name)
        return pixel_norm(nn.leaky_relu(conv(x), 0.2))

    def _image(self, x: Array, level: int) -> Array:
        image = EqualizedConv(self.channels, 1, dtype=self.dtype, name=f"level_{level}_image")(x)
        return image.astype(jnp.float32)


class Discriminator(nn.Module):
    """Images x [B, H, W, C] (and labels or vectors y) -> logits [B]; its end sees a minibatch's standard deviation."""

    size: int | tuple[int, ...] = 32
    features: int = 512  # of the smallest map
    flat: int = 4  # levels of that width; further ones halve it
    classes: int = 0  # number of labels, which enter by projection; 0: unconditional
    group: int = 4  # examples of which a standard deviation is taken; 0: none
    axis_name: str | None = None  # groups reach over the devices of this axis
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None) -> Array:
        """Scores every image, before any sigmoid."""
        check_condition(self, y)
        levels, alpha = resolutions(self.size), _alpha(self)
        check_images(self, x, levels[-1])
        last = len(levels) - 1
        h = self._layer(x, _width(self, last), 1, f"level_{last}_image")
        for level in range(last, 0, -1):
            h = self._layer(h, _width(self, level), 3, f"level_{level}_first")
            h = downsample(self._layer(h, _width(self, level - 1), 3, f"level_{level}_second"), NEAREST)
            if level == last:
                coarse = self._layer(downsample(x, NEAREST), _width(self, level - 1), 1, f"level_{level - 1}_image")
                h = (1 - alpha).astype(h.dtype) * coarse + alpha.astype(h.dtype) * h
        if self.group:
            h = minibatch_stddev(h, self.group, None if self.is_initializing() else self.axis_name)
        width = _width(self, 0)
        h = self._layer(h, width, 3, "level_0_conv")
        dense = EqualizedDense(width, gain=_GAIN, dtype=self.dtype, name="dense")
        h = nn.leaky_relu(dense(h.reshape(h.shape[0], -1)), 0.2)
        logits = EqualizedDense(1, dtype=self.dtype, name="logits")(h)[:, 0].astype(jnp.float32)
        if y is not None:
            embedded = EqualizedDense(width, use_bias=False, dtype=self.dtype, name="labels")(
                as_vectors(y, self.classes)
            )
            logits = logits + inner(embedded, h) / math.sqrt(width)
        return logits

    def _layer(self, x: Array, features: int, kernel_size: int, name: str) -> Array:
        conv = EqualizedConv(features, kernel_size, gain=_GAIN, dtype=self.dtype, name=name)
        return nn.leaky_relu(conv(x), 0.2)


def grow(small: PyTree, large: PyTree) -> PyTree:
    """Parameters of a larger network: those that the smaller one has too, by name, and the rest as they are.

    Args:
      small: parameters of the network of one level less.
      large: parameters of the larger one, newly drawn.
    Returns:
      Like large.
    Raises:
      ValueError: nothing carries over, or a parameter of one name has two shapes.
    """
    before = traverse_util.flatten_dict(small, sep="/")
    after = traverse_util.flatten_dict(large, sep="/")
    shared = [name for name in after if name in before]
    if not shared:
        raise ValueError("grow finds no parameter of the smaller network in the larger one")
    for name in shared:
        if before[name].shape != after[name].shape:
            raise ValueError(
                f"grow cannot carry {name!r} over, from shape {before[name].shape} to {after[name].shape}: "
                "the networks must differ in size alone, by doubling"
            )
    return traverse_util.unflatten_dict(after | {name: before[name] for name in shared}, sep="/")


def _width(module: Generator | Discriminator, level: int) -> int:
    return max(module.features >> max(0, level - module.flat + 1), 1)


def _alpha(module: Generator | Discriminator) -> Array:
    return module.variable("fade", "alpha", jnp.ones, ()).value
