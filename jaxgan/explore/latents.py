"""Ways through a space of latents, by dials that a compiled program is given: every dial at rest leaves them as is."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erf, erfinv

from jaxgan.sample import spherical
from jaxgan.types import name_index

UNBOUNDED = 3.0  # bound of normal latents from which on they are left as they are


def truncated(z: Array, bound: Array) -> Array:
    """Moves normal latents to where `priors.truncated_normal` of this bound draws them from the same key.

    The truncated normal's quantile of the same probability, coordinate by coordinate: continuous in the bound.

    Args:
      z: [n, Z], from `priors.normal`.
      bound: [] > 0; from UNBOUNDED on, z stays as it is.
    Returns:
      [n, Z], within the bound.
    """
    half = jnp.sqrt(jnp.float32(2))
    near = half * erfinv(erf(bound / half) * erf(z / half))
    return jnp.where(bound >= UNBOUNDED, z, jnp.clip(near, -bound, bound))


def blended(start: Array, end: Array, time: Array, normal: bool) -> Array:
    """Goes from latents to others: on great circles between normal ones, on lines between others.

    Args:
      start: [n, ...].
      end: likewise.
      time: [] in [0, 1].
      normal: whether they are drawn from N(0, I), where circles stay in the shell that such latents lie in.
    Returns:
      [n, ...].
    """
    if not normal:
        return start + time * (end - start)
    return jnp.where(time == 0, start, jnp.where(time == 1, end, spherical(start, end, time)))


def on_plane(z: Array, place: Array, key: Array, normal: bool) -> Array:
    """Moves latents on a plane through them: two directions at right angles, drawn by the key.

    Args:
      z: [n, Z].
      place: [2]; 1 is as far as the latent is long.
      key: [] typed, of the directions.
      normal: brings latents back to their length, where normal ones lie.
    Returns:
      [n, Z].
    """
    if z.shape[1] < 2:
        return z
    one, other = jax.random.normal(jax.random.fold_in(key, name_index("plane")), (2, z.shape[1]), jnp.float32)
    one = one / jnp.linalg.norm(one)
    other = other - jnp.sum(other * one) * one
    other = other / jnp.linalg.norm(other)
    length = jnp.linalg.norm(z, axis=1, keepdims=True)
    moved = z + length * (place[0] * one + place[1] * other)[None]
    if normal:
        moved = moved * (length / jnp.maximum(jnp.linalg.norm(moved, axis=1, keepdims=True), 1e-12))
    return jnp.where(jnp.any(place != 0), moved, z)


def along(z: Array, directions: Array, dials: Array, centre: Array) -> Array:
    """Moves latents along directions; 1 is as far as they are from the centre.

    Args:
      z: [n, ..., Z].
      directions: [count, Z] of unit length.
      dials: [count].
      centre: broadcasts against z.
    Returns:
      [n, ..., Z].
    """
    length = jnp.linalg.norm(z - centre, axis=-1, keepdims=True)
    moved = z + length * (dials @ directions).reshape((1,) * (z.ndim - 1) + (-1,))
    return jnp.where(jnp.any(dials != 0), moved, z)
