"""Distances of directions, such as the normals of surfaces."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.losses.pairs import wide

EPSILON = 1e-6  # of a length, below which a vector has no direction


def misalignment(directions: ArrayLike, vectors: ArrayLike) -> Array:
    """How far vectors point away from directions: E (1 - cos), over all places.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.losses.misalignment(jnp.array([[0.0, 0.0, 1.0]]), jnp.array([[0.0, 3.0, 0.0]])))
      1.0

    Args:
      directions: [..., 3] of unit length.
      vectors: [..., 3] of any length.
    Returns:
      [], in [0, 2]; 0 where all agree, with a gradient of zero there.
    Raises:
      ValueError: shapes differ.
    """
    n, v = wide(directions), wide(vectors)
    if n.shape != v.shape or n.ndim < 2:
        raise ValueError(f"misalignment compares directions [..., 3] of one shape; got {n.shape} and {v.shape}")
    length = jnp.sqrt(jnp.sum(jnp.square(v), axis=-1) + EPSILON**2)
    return jnp.mean(1 - jnp.sum(n * v, axis=-1) / length)
