"""StyleGAN2: a latent becomes a style, and styles scale the convolutions of every resolution.

Images have sides 4, 5, 6 or 7 times a power of two, not necessarily square, and any number of channels. `Generator` is
used like any other, and in two halves by `systems.stylegan2`: methods "mapping" (z, y -> w of every layer) and
"synthesis" (w -> images). Samples of training are noisy; otherwise one map of noise is used for all of them.

Published settings, as features / hidden: 256 x 256 "paper256" 64 / 8 layers of 512; 1024 x 1024 32 / the same;
CIFAR-10 512 / 2 layers of 512, with `architecture="plain"` of the discriminator.

References:
  Karras, Laine, Aila. A Style-Based Generator Architecture for Generative Adversarial Networks. CVPR 2019.
  Karras et al. Analyzing and Improving the Image Quality of StyleGAN. CVPR 2020.
  Karras et al. Training Generative Adversarial Networks with Limited Data. NeurIPS 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_choice, check_condition, check_images, check_latents
from jaxgan.networks.layers.batch import global_draw, minibatch_stddev
from jaxgan.networks.layers.calling import call_block
from jaxgan.networks.layers.embedding import as_vectors
from jaxgan.networks.layers.equalized import EqualizedConv, EqualizedDense, clamped, pixel_norm, scaled_leaky_relu
from jaxgan.networks.layers.modulated import ModulatedConv, Noise
from jaxgan.networks.layers.resampling import downsample, resolutions, upsample

Architecture = Literal["skip", "residual", "plain"]


class Mapping(nn.Module):
    """z [B, Z] or labels y [B], or both -> w [B, hidden[-1]]; both are normalised first, layers learn at 0.01."""

    hidden: Sequence[int] = (512,) * 8
    classes: int = 0  # number of labels; 0: none
    embedding: int = 0  # width of the labels' embedding; 0: that of w
    lr_multiplier: float = 0.01

    @nn.compact
    def __call__(self, z: Array | None, y: Array | None = None) -> Array:
        """Maps a latent, a label, or a latent beside a label."""
        parts = [] if z is None else [pixel_norm(z.astype(jnp.float32))]
        if y is not None:
            embed = EqualizedDense(self.embedding or self.hidden[-1], name="labels")
            parts.append(pixel_norm(embed(as_vectors(y, self.classes))))
        w = jnp.concatenate(parts, axis=-1)
        for width in self.hidden:
            w = scaled_leaky_relu(EqualizedDense(width, lr_multiplier=self.lr_multiplier)(w))
        return w


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias and leaky ReLU."""

    features: int
    up: int = 1
    noise: bool = True
    axis_name: str | None = None
    dtype: DTypeLike | None = None
    conv_clamp: float | None = None

    @nn.compact
    def __call__(self, x: Array, w: Array, train: bool) -> Array:
        """Maps x [B, H, W, I] and w [B, W] to [B, up H, up W, features]."""
        x = ModulatedConv(self.features, up=self.up, dtype=self.dtype)(x, w)
        if self.noise:
            x = Noise(self.axis_name)(x, train)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        return scaled_leaky_relu(x + bias.reshape(1, 1, 1, -1).astype(x.dtype), self.conv_clamp)


class ToImage(nn.Module):
    """Features to channels: a modulated convolution of one pixel without demodulation, and a bias; float32."""

    channels: int
    dtype: DTypeLike | None = None
    conv_clamp: float | None = None

    @nn.compact
    def __call__(self, x: Array, w: Array) -> Array:
        """Maps x [B, H, W, I] and w [B, W] to [B, H, W, channels]."""
        x = ModulatedConv(self.channels, kernel_size=1, demodulate=False, dtype=self.dtype)(x, w)
        bias = self.param("bias", nn.initializers.zeros, (self.channels,), jnp.float32)
        return clamped(x.astype(jnp.float32) + bias.reshape(1, 1, 1, -1), self.conv_clamp)


class Synthesis(nn.Module):
    """w of every layer [B, layers, W] -> images [B, H, W, channels], not bounded."""

    channels: int = 3
    size: int | tuple[int, ...] = 256
    features: int = 64
    max_features: int = 512
    architecture: Architecture = "skip"
    noise: bool = True
    axis_name: str | None = None
    dtype: DTypeLike | None = None
    conv_clamp: float | None = None
    remat: bool = False

    @nn.compact
    def __call__(self, w: Array, train: bool) -> Array:
        """Draws images; two layers a resolution (one in the first), then one for the image."""
        levels, widths = _levels(self)
        last = len(levels) - 1
        style = [w[:, k] for k in range(w.shape[1])]
        constant = self.param("constant", nn.initializers.normal(1.0), (1, *levels[0], widths[0]), jnp.float32)
        x = jnp.broadcast_to(constant, (w.shape[0], *constant.shape[1:]))
        image = None
        for level, width in enumerate(widths):
            before, first = x, 2 * level - 1  # number of the level's first layer
            if level:
                x = self._layer(x, style[first], train, width, 2)
            x = self._layer(x, style[first + 1], train, width, 1)
            if level and self.architecture == "residual":
                skip = EqualizedConv(width, 1, up=2, use_bias=False, dtype=self.dtype)(before)
                x = (x + skip.astype(x.dtype)) * math.sqrt(0.5)
            if self.architecture == "skip" or level == last:
                drawn = ToImage(self.channels, self.dtype, self.conv_clamp)(x, style[first + 2])
                image = drawn if image is None else upsample(image) + drawn
        return image  # type: ignore[return-value]  # the last level always draws

    def _layer(self, x: Array, w: Array, train: bool, width: int, up: int) -> Array:
        layer = StyledConv(width, up, self.noise, self.axis_name, self.dtype, self.conv_clamp)
        return call_block(layer, x, w, train=train, remat=self.remat)


class Generator(nn.Module):
    """z [B, Z] (and labels or vectors y) -> images [B, H, W, channels], about in [-1, 1] once trained, not bounded.

    While it trains, styles of two latents meet in a share of the images (style mixing), and the mean of w is tracked
    (collection "average"). Samples are drawn towards that mean by `truncation`: a trained game samples at another one
    by a game of the same networks with `generator.clone(truncation=0.7)` in place.
    """

    channels: int = 3
    size: int | tuple[int, ...] = 256  # 4, 5, 6 or 7 times a power of two; (height, width) if not square
    features: int = 64  # of the largest maps; doubled at every halving of the side
    max_features: int = 512
    hidden: Sequence[int] = (512,) * 8  # widths of the mapping's layers; the last is that of w
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    architecture: Architecture = "skip"  # images of all resolutions summed; or of the last one, with or without skips
    noise: bool = True
    mixing: float = 0.9  # probability of style mixing in training, for each image
    truncation: float = 1.0  # samples use mean + truncation (w - mean); less than 1 trades variety for quality
    decay: float = 0.995  # of the tracked mean of w, per call in training
    axis_name: str | None = None  # the mapped axis that the batch is split over
    dtype: DTypeLike | None = None  # of the synthesis; the mapping and the images stay float32
    truncation_cutoff: int | None = None  # how many layers, the first ones, are truncated; None: all
    conv_clamp: float | None = None  # bound of every layer's activations; 256 in the authors' runs, for float16
    remat: bool = False  # activations inside the blocks are computed again for gradients, and not kept

    def setup(self) -> None:
        """Makes the two halves."""
        self.map = Mapping(self.hidden, self.classes)
        self.draw = Synthesis(
            self.channels,
            self.size,
            self.features,
            self.max_features,
            self.architecture,
            self.noise,
            self.axis_name,
            self.dtype,
            self.conv_clamp,
            self.remat,
        )
        self.average = self.variable("average", "w", jnp.zeros, (self.hidden[-1],), jnp.float32)
        self.lengths = self.variable(
            "path", "mean", jnp.zeros, (), jnp.float32
        )  # of path lengths; kept for `systems.stylegan2`

    def __call__(self, z: Array, y: Array | None = None, train: bool = True) -> Array:
        """Generates one image per latent."""
        return self.synthesis(self.mapping(z, y, train), train)

    def mapping(self, z: Array, y: Array | None = None, train: bool = True) -> Array:
        """Maps latents to the styles of every layer, [B, layers, W], mixed if `train` and truncated if not."""
        check_condition(self, y)
        check_latents(self, z)
        layers = 2 * len(_levels(self)[0])
        w = self.map(z, y)
        mean = self.average.value
        if train and not self.is_initializing():
            self.average.value = self.decay * mean + (1 - self.decay) * jnp.mean(jax.lax.stop_gradient(w), axis=0)
        styles = jnp.broadcast_to(w[:, None], (w.shape[0], layers, w.shape[1]))
        if not train and self.truncation != 1:
            near = mean[None] + self.truncation * (w - mean[None])
            truncated = jnp.arange(layers) < (layers if self.truncation_cutoff is None else self.truncation_cutoff)
            styles = jnp.where(truncated[None, :, None], near[:, None], styles)
        if not train or self.mixing == 0 or self.is_initializing():
            return styles
        other, crossed = self._mixing(z, layers)
        return jnp.where(crossed[:, :, None], self.map(other, y)[:, None], styles)

    def synthesis(self, w: Array, train: bool = True) -> Array:
        """Draws images from the styles of every layer, [B, layers, W]."""
        layers = 2 * len(_levels(self)[0])
        if w.ndim != 3 or w.shape[1:] != (layers, self.hidden[-1]):
            raise ValueError(f"synthesis takes styles [B, {layers}, {self.hidden[-1]}]; got shape {w.shape}")
        return self.draw(w, train)

    def _mixing(self, z: Array, layers: int) -> tuple[Array, Array]:
        """Draws other latents [B, Z], and where they rule, [B, layers]: from a layer of each image's own on."""
        keys = jax.random.split(self.make_rng("global"), 3)

        def drawn(number: int, sampler: str, *shape: int, **settings: Any) -> Array:
            draw = getattr(jax.random, sampler)
            return global_draw(lambda s: draw(keys[number], s, **settings), (z.shape[0], *shape), self.axis_name)

        start = drawn(1, "randint", 1, minval=1, maxval=layers, dtype=jnp.int32)
        start = jnp.where(drawn(2, "uniform", 1, dtype=jnp.float32) < self.mixing, start, layers)
        return drawn(0, "normal", z.shape[1], dtype=jnp.float32), jnp.arange(layers)[None] >= start


class Discriminator(nn.Module):
    """Images x [B, H, W, C] (and labels or vectors y) -> logits [B].

    Labels enter by projection on a mapped embedding. A minibatch's standard deviation is seen before the last layers.
    """

    size: int | tuple[int, ...] = 256
    features: int = 64  # of the largest maps; doubled at every halving of the side
    max_features: int = 512
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    architecture: Architecture = "residual"
    group: int = 4  # examples of which a standard deviation is taken; 0: none
    mapping_layers: int = 8  # of the labels' mapping
    axis_name: str | None = None  # groups reach over the devices of this axis
    dtype: DTypeLike | None = None  # of the layers before the last map
    group_channels: int = 1  # how many channels hold standard deviations, each of its share of the features
    conv_clamp: float | None = None  # bound of every convolution's activations; 256 in the authors' runs, for float16
    remat: bool = False  # activations inside the blocks are computed again for gradients, and not kept

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None) -> Array:
        """Scores every image, before any sigmoid."""
        levels, widths = _levels(self)
        check_condition(self, y)
        check_images(self, x, levels[-1])
        h = self._block(x, widths[-1], 1)
        for level in range(len(widths) - 1, 0, -1):
            if self.architecture == "skip" and level < len(widths) - 1:
                h = h + self._block(x, widths[level], 1)
            widening = {"width": widths[level], "next_width": widths[level - 1]}
            h = call_block(self, h, remat=self.remat, method="_level", **widening)
            if self.architecture == "skip":
                x = downsample(x)
        if self.architecture == "skip" and len(widths) > 1:
            h = h + self._block(x, widths[0], 1)
        h = h.astype(jnp.float32)
        if self.group:
            across = None if self.is_initializing() else self.axis_name
            h = minibatch_stddev(h, self.group, across, self.group_channels)
        h = scaled_leaky_relu(EqualizedConv(widths[0], name="last_conv")(h), self.conv_clamp)
        h = scaled_leaky_relu(EqualizedDense(widths[0], name="last_dense")(h.reshape(h.shape[0], -1)))
        if y is None:
            return EqualizedDense(1, name="logits")(h)[:, 0]
        mapped = Mapping((widths[0],) * self.mapping_layers, self.classes, name="labels")(None, y)
        return jnp.sum(EqualizedDense(widths[0], name="logits")(h) * mapped, axis=-1) / math.sqrt(widths[0])

    def _level(self, h: Array, width: int, next_width: int) -> Array:
        """Two convolutions of a map, [B, H, W, width] -> [B, H / 2, W / 2, next_width], and what leads past them."""
        before = h
        h = self._block(h, width, 3)
        h = self._block(h, next_width, 3, down=2)
        if self.architecture != "residual":
            return h
        skip = EqualizedConv(next_width, 1, down=2, use_bias=False, dtype=self.dtype)(before)
        return (h + skip) * math.sqrt(0.5)

    def _block(self, x: Array, features: int, kernel_size: int, down: int = 1) -> Array:
        conv = EqualizedConv(features, kernel_size, down=down, dtype=self.dtype)
        return scaled_leaky_relu(conv(x), self.conv_clamp)


def _levels(module: Synthesis | Generator | Discriminator) -> tuple[tuple[tuple[int, int], ...], list[int]]:
    """Sides and features of every level, from the smallest."""
    check_choice(module, "architecture", get_args(Architecture))
    levels = resolutions(module.size)
    return levels, [min(module.features * 2**k, module.max_features) for k in range(len(levels) - 1, -1, -1)]
