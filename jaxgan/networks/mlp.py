"""Fully connected networks, for points in the plane and for small images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_condition
from jaxgan.networks.layers.embedding import Embedding, inner


class Generator(nn.Module):
    """z [B, Z] (and labels or vectors y) -> samples [B, *shape]; they enter as an embedding beside z.

    References:
      Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014, section 5.
    """

    shape: Sequence[int] = (2,)  # of one sample
    hidden: Sequence[int] = (128, 128)
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    activation: Callable[[Array], Array] = nn.relu
    output: Callable[[Array], Array] | None = None  # jnp.tanh for images in [-1, 1]; None: linear
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None) -> Array:
        """Generates one sample [*shape] per latent."""
        check_condition(self, y)
        if y is not None:
            z = jnp.concatenate([z, Embedding(self.classes, z.shape[-1], name="labels")(y)], axis=-1)
        for width in self.hidden:
            z = self.activation(nn.Dense(width, dtype=self.dtype)(z))
        x = nn.Dense(math.prod(self.shape), dtype=self.dtype)(z).astype(jnp.float32)
        x = x if self.output is None else self.output(x)
        return x.reshape(-1, *self.shape)


class Discriminator(nn.Module):
    """x [B, ...] (and labels or vectors y) -> logits [B]; they enter by projection."""

    hidden: Sequence[int] = (128, 128)
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    activation: Callable[[Array], Array] = lambda x: nn.leaky_relu(x, 0.2)
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None) -> Array:
        """Scores every example, before any sigmoid."""
        check_condition(self, y)
        h = x.reshape(x.shape[0], -1)
        for width in self.hidden:
            h = self.activation(nn.Dense(width, dtype=self.dtype)(h))
        return project(h, y, self.classes, self.dtype)


def project(h: Array, y: Array | None, classes: int, dtype: DTypeLike | None = None) -> Array:
    """Projection head: w . h + b, plus <embedding(y), h> where there is a condition. Called inside a compact module.

    Args:
      h: features, [B, F].
      y: labels, [B] int32 in 0..classes-1, or vectors [B, classes] float32, or None.
      classes: number of labels, or of a vector's entries.
      dtype: of the computation.
    Returns:
      logits, [B] float32.
    References:
      Miyato, Koyama. cGANs with Projection Discriminator. ICLR 2018, eq. 3.
    """
    logits = nn.Dense(1, dtype=dtype, name="logits")(h)[:, 0].astype(jnp.float32)
    if y is not None:
        logits = logits + inner(Embedding(classes, h.shape[-1], dtype=dtype, name="projection")(y), h)
    return logits
