"""Fully connected networks, for points in the plane and for small images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike


class Generator(nn.Module):
    """z [B, Z] (and labels y [B]) -> samples [B, *shape]; labels enter as an embedding beside z.

    References:
      Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014, section 5.
    """

    shape: Sequence[int] = (2,)  # of one sample
    hidden: Sequence[int] = (128, 128)
    classes: int = 0  # number of labels; 0: unconditional
    activation: Callable[[Array], Array] = nn.relu
    output: Callable[[Array], Array] | None = None  # jnp.tanh for images in [-1, 1]; None: linear
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None) -> Array:
        """Generates one sample [*shape] per latent."""
        check_labels(self, y)
        if y is not None:
            z = jnp.concatenate([z, nn.Embed(self.classes, z.shape[-1], name="labels")(y)], axis=-1)
        for width in self.hidden:
            z = self.activation(nn.Dense(width, dtype=self.dtype)(z))
        x = nn.Dense(math.prod(self.shape), dtype=self.dtype)(z).astype(jnp.float32)
        x = x if self.output is None else self.output(x)
        return x.reshape(-1, *self.shape)


class Discriminator(nn.Module):
    """x [B, ...] (and labels y [B]) -> logits [B]; labels enter by projection."""

    hidden: Sequence[int] = (128, 128)
    classes: int = 0  # number of labels; 0: unconditional
    activation: Callable[[Array], Array] = lambda x: nn.leaky_relu(x, 0.2)
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None) -> Array:
        """Scores every example, before any sigmoid."""
        check_labels(self, y)
        h = x.reshape(x.shape[0], -1)
        for width in self.hidden:
            h = self.activation(nn.Dense(width, dtype=self.dtype)(h))
        return project(h, y, self.classes, self.dtype)


def project(h: Array, y: Array | None, classes: int, dtype: DTypeLike | None = None) -> Array:
    """Projection head: w . h + b, plus <embedding(y), h> where there are labels. Called inside a compact module.

    Args:
      h: features, [B, F].
      y: labels, [B] int32 in 0..classes-1, or None.
      classes: number of labels.
      dtype: of the computation.
    Returns:
      logits, [B] float32.
    References:
      Miyato, Koyama. cGANs with Projection Discriminator. ICLR 2018, eq. 3.
    """
    logits = nn.Dense(1, dtype=dtype, name="logits")(h)[:, 0]
    if y is not None:
        logits = logits + jnp.sum(nn.Embed(classes, h.shape[-1], dtype=dtype, name="projection")(y) * h, axis=-1)
    return logits.astype(jnp.float32)


def check_labels(module: nn.Module, y: Array | None) -> None:
    """Raises ValueError unless labels are given exactly where the network has classes."""
    classes, name = module.classes, type(module).__name__
    if y is None and classes:
        raise ValueError(f"{name} has classes={classes} but was called without labels; pass y [B] (batch['y'])")
    if y is not None and not classes:
        raise ValueError(f"{name} was called with labels but has classes=0; set classes, or leave 'y' out of the batch")
    if y is not None and (y.ndim != 1 or not jnp.issubdtype(y.dtype, jnp.integer)):
        raise ValueError(f"{name} takes class labels [B] int32; got shape {y.shape}, dtype {y.dtype}")
