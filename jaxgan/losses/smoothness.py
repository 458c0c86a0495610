"""Smoothness of pictures: what neighbouring pixels differ by."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.losses.pairs import wide


def total_variation(x: ArrayLike) -> Array:
    """Mean squared difference of neighbours, down and across: E (x[i+1, j] - x[i, j])^2 + E (x[i, j+1] - x[i, j])^2.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> ramp = jnp.broadcast_to(jnp.arange(5.0)[None, None, :, None], (2, 4, 5, 1))
      >>> float(jg.losses.total_variation(0.5 * ramp))
      0.25

    Args:
      x: [B, H, W, C], sides of two or more.
    Returns:
      [], means over examples, pairs of neighbours and channels.
    Raises:
      ValueError: x is of another rank or smaller.
    References:
      Li, Wand. Precomputed Real-Time Texture Synthesis with Markovian Generative Adversarial Networks. ECCV 2016,
      eq. 4 (the smoothness prior; a sum there).
    """
    images = wide(x)
    if images.ndim != 4 or min(images.shape[1:3]) < 2:
        raise ValueError(f"total_variation takes images [B, H, W, C] with sides >= 2; got shape {images.shape}")
    down, across = images[:, 1:] - images[:, :-1], images[:, :, 1:] - images[:, :, :-1]
    return jnp.mean(jnp.square(down)) + jnp.mean(jnp.square(across))
