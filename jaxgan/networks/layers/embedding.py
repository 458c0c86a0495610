"""Conditions as features: a label is a row of a table, a vector a weighted sum of its rows."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers.calling import Initializer

_unit = nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)  # as that of nn.Embed


class Embedding(nn.Module):
    """Labels y [B] int32 in 0..classes-1, or vectors y [B, classes] float32 -> [B, features].

    A vector (attributes, a code, a caption's embedding, a box) gets the sum of the rows, weighted by its entries: the
    label k is the vector with a one at k and zeros elsewhere.
    """

    classes: int
    features: int
    embedding_init: Initializer = _unit
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, y: Array) -> Array:
        """Looks every condition up."""
        table = self.param("embedding", self.embedding_init, (self.classes, self.features), jnp.float32)
        table = table.astype(self.dtype or table.dtype)
        return jnp.take(table, y, axis=0) if y.ndim == 1 else jnp.matmul(y.astype(table.dtype), table)


def inner(embedded: Array, h: Array) -> Array:
    """Inner products <embedded, h> over the last axis, [...] float32, of arrays [..., F] that broadcast.

    Products and sum are float32: of two narrow maps that nothing bounds, float16 would hold neither.
    """
    return jnp.sum(embedded.astype(jnp.float32) * h.astype(jnp.float32), axis=-1)


def as_vectors(y: Array, classes: int) -> Array:
    """Returns a condition as vectors [B, classes] float32: labels [B] one hot, vectors as they are."""
    return nn.one_hot(y, classes, dtype=jnp.float32) if y.ndim == 1 else y.astype(jnp.float32)
