"""Denoisers of diffusion models, D(x; sigma) ~ E[x_0 | x_0 + sigma epsilon = x], and what is distilled from them.

A denoiser is called D(x, sigma), or D(x, sigma, y), with one noise level for each example. It returns the denoised
examples, or a mapping with them as "denoised": a `Denoiser` also gives the "features" of its backbone's bottleneck, and
with a head "logits", by which a discriminator on these features is made. `OneStep` is a generator of the same backbone,
with its parameters under the same names: `jg.carry` starts it, and a score network with a head, from a teacher's.

References:
  Karras, Aittala, Aila, Laine. Elucidating the Design Space of Diffusion-Based Generative Models. NeurIPS 2022.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.networks.inputs import check_condition, check_strides
from jaxgan.networks.layers import Embedding, downsample, upsample

SIGMA_DATA = 0.5  # of pictures in [-1, 1], as in EDM


def denoised_of(outputs: Any) -> Array:
    """Returns the denoised examples [B, ...] of a denoiser's outputs, an array or a mapping."""
    denoised: Array = outputs["denoised"] if isinstance(outputs, Mapping) else outputs
    return denoised


def preconditioning(sigma: Array, sigma_data: float) -> tuple[Array, Array, Array, Array]:
    """Returns EDM's (c_skip, c_out, c_in, c_noise) of noise levels, [B] each: D = c_skip x + c_out F(c_in x, c_noise).

    So the inputs of F and the targets of its training have unit variance at every level, and F's errors are amplified
    as little as can be.

    Args:
      sigma: standard deviations of the noise, > 0, [B].
      sigma_data: standard deviation of a coordinate of the data, > 0.
    References:
      Karras et al. 2022, table 1 and appendix B.6.
    """
    total = jnp.square(sigma) + sigma_data**2
    return sigma_data**2 / total, sigma * sigma_data / jnp.sqrt(total), 1 / jnp.sqrt(total), jnp.log(sigma) / 4


class Denoiser(nn.Module):
    """(x [B, ...], sigma [B], y) -> {"denoised": [B, ...], "features": [B, ...]}, and "logits" where it has a head."""

    network: nn.Module  # (c_in x [B, ...], c_noise [B], y) -> (F [B, ...], features [B, ...])
    sigma_data: float = SIGMA_DATA  # standard deviation of a coordinate of the data
    head: nn.Module | None = None  # features [B, ...] -> logits [B], such as `mlp.Discriminator((64,))`

    @nn.compact
    def __call__(self, x: Array, sigma: Array, y: Array | None = None) -> dict[str, Array]:
        """Denoises examples, each at its level."""
        denoised, features = _preconditioned(self.network, x, sigma, self.sigma_data, y)
        logits = {} if self.head is None else {"logits": self.head(features)}
        return {"denoised": denoised, "features": features, **logits}


class OneStep(nn.Module):
    """z [B, Z] (and y) -> samples [B, *shape]: a denoiser's backbone, which denoises sigma z at this one level.

    References:
      Yin et al. Improved Distribution Matching Distillation for Fast Image Synthesis. NeurIPS 2024, section 3.
    """

    network: nn.Module  # as of `Denoiser`
    shape: Sequence[int]  # of one sample; Z is the product of its sides
    sigma: float = 80.0  # noise level at which samples are pure noise to the teacher
    sigma_data: float = SIGMA_DATA

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None) -> Array:
        """Generates one sample per latent, z ~ N(0, I)."""
        noise = self.sigma * z.reshape(z.shape[0], *self.shape)
        level = jnp.full((z.shape[0],), self.sigma, jnp.float32)
        return _preconditioned(self.network, noise, level, self.sigma_data, y)[0]


class GaussianMixture(nn.Module):
    """(x [B, N], sigma [B]) -> E[x_0 | x] [B, N] for a mixture of K equal Gaussians: a teacher without parameters.

    With v = std^2 + sigma^2, x belongs to the mode k with probability softmax_k(-|x - mu_k|^2 / 2v), and given that its
    denoised mean is mu_k + (std^2 / v)(x - mu_k).
    """

    means: Sequence[Sequence[float]]  # K of N coordinates
    std: float  # of every coordinate of a mode, >= 0

    @nn.compact
    def __call__(self, x: Array, sigma: Array) -> Array:
        """Denoises points, each at its level."""
        means = jnp.asarray(self.means, jnp.float32)
        if x.shape[1:] != means.shape[1:]:
            raise ValueError(f"GaussianMixture has means of {means.shape[1]} coordinates; got points {x.shape}")
        v = self.std**2 + jnp.square(sigma)[:, None]
        away = x[:, None] - means[None]
        weight = jax.nn.softmax(-0.5 * jnp.sum(jnp.square(away), axis=-1) / v, axis=-1)
        return jnp.einsum("bk,bkn->bn", weight, means[None] + (self.std**2 / v)[..., None] * away)


class PointBackbone(nn.Module):
    """(x [B, N], noise [B], y) -> (F [B, N], features [B, width]): residual layers, for points in the plane."""

    width: int = 128
    depth: int = 3  # hidden layers
    waves: int = (
        0  # of each scaled coordinate, sine and cosine of pi, 2 pi, 4 pi, ... times it: for densities with detail
    )
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional

    @nn.compact
    def __call__(self, x: Array, noise: Array, y: Array | None = None) -> tuple[Array, Array]:
        """Maps scaled points and their level's c_noise."""
        check_condition(self, y)
        angles = [math.pi * 2**k * x for k in range(self.waves)]
        parts = [x, _waves(noise, 8), *map(jnp.sin, angles), *map(jnp.cos, angles)]
        if y is not None:
            parts.append(Embedding(self.classes, self.width, name="labels")(y))
        h = nn.silu(nn.Dense(self.width)(jnp.concatenate(parts, axis=-1)))
        for _ in range(self.depth - 1):
            h = h + nn.silu(nn.Dense(self.width)(h))
        return nn.Dense(x.shape[-1], name="output")(h), h


class ImageBackbone(nn.Module):
    """(x [B, H, W, C], noise [B], y) -> (F like x, features [B, h, w, F] of its smallest map): a small U-Net.

    One residual block at each size on the way down and one on the way up, with group normalisation, scaled and shifted
    by the embedded level and label. H and W are multiples of 2^stages. It starts at F = 0.
    """

    features: int = 16  # of the largest map; twice as many in all others
    stages: int = 2  # halvings
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional

    @nn.compact
    def __call__(self, x: Array, noise: Array, y: Array | None = None) -> tuple[Array, Array]:
        """Maps scaled images and their level's c_noise."""
        check_condition(self, y)
        check_strides(f"ImageBackbone with stages={self.stages}", x, 2**self.stages, least=2**self.stages)
        width = 4 * self.features
        level = nn.Dense(width, name="level")(_waves(noise, self.features))
        if y is not None:
            level = level + Embedding(self.classes, width, name="labels")(y)
        level = nn.silu(nn.Dense(width)(nn.silu(level)))
        sizes = [self.features] + [2 * self.features] * self.stages
        h = nn.Conv(self.features, (3, 3), name="input")(x)
        skips = []
        for size in sizes[:-1]:
            h = _Block(size)(h, level)
            skips.append(h)
            h = downsample(h)
        h = bottleneck = _Block(sizes[-1])(h, level)
        for size, skip in zip(reversed(sizes[:-1]), reversed(skips), strict=True):
            h = _Block(size)(jnp.concatenate([upsample(h), skip], axis=-1), level)
        h = nn.silu(nn.GroupNorm(num_groups=_groups(h.shape[-1]))(h))
        output = nn.Conv(x.shape[-1], (3, 3), kernel_init=nn.initializers.zeros, name="output")(h)
        return output, bottleneck


class _Block(nn.Module):
    """Two convolutions and a shortcut; a vector scales and shifts what is between them."""

    features: int

    @nn.compact
    def __call__(self, x: Array, level: Array) -> Array:
        h = nn.Conv(self.features, (3, 3))(nn.silu(nn.GroupNorm(num_groups=_groups(x.shape[-1]))(x)))
        scale, shift = jnp.split(nn.Dense(2 * self.features)(level)[:, None, None], 2, axis=-1)
        h = nn.GroupNorm(num_groups=_groups(self.features))(h) * (1 + scale) + shift
        h = nn.Conv(self.features, (3, 3), kernel_init=nn.initializers.zeros)(nn.silu(h))
        return h + (x if x.shape[-1] == self.features else nn.Conv(self.features, (1, 1))(x))


def _groups(channels: int) -> int:
    """Returns the largest number of groups of 4 channels or more, up to 8."""
    return max(n for n in range(1, 9) if channels % n == 0 and (channels // n >= 4 or n == 1))


def _waves(noise: Array, count: int) -> Array:
    """Returns sines and cosines [B, 2 count] of c_noise [B], from one wave over the levels' range to many."""
    angle = noise[:, None] * jnp.exp2(jnp.linspace(-1, 4, count, dtype=jnp.float32))[None]
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


def _preconditioned(
    network: nn.Module, x: Array, sigma: Array, sigma_data: float, y: Array | None
) -> tuple[Array, Array]:
    """Returns the denoised examples [B, ...] and the backbone's features."""
    if sigma.shape != x.shape[:1]:
        raise ValueError(f"a denoiser takes one noise level for each example, sigma [{x.shape[0]}]; got {sigma.shape}")
    skip, out, scale, noise = preconditioning(sigma, sigma_data)
    skip, out, scale = (factor.reshape(-1, *(1,) * (x.ndim - 1)) for factor in (skip, out, scale))
    output, features = network(scale * x, noise, *(() if y is None else (y,)))
    return skip * x + out * output, features
