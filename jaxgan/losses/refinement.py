"""Self-regularisation: what a refiner pays for changing its input."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.losses.pairs import wide


def self_regularization(refined: ArrayLike, x: ArrayLike) -> Array:
    """How far a refiner moves its input: E ||R(x) - x||_1, summed over pixels and channels.

    A mean over pixels would be H W C times weaker at the same weight: of the paper's 35 x 55 pixels 1,925 times.

    Args:
      refined: R(x), [B, ...].
      x: [B, ...].
    Returns:
      [], mean over B of sums, in units of the pixels.
    Raises:
      ValueError: the shapes differ.
    References:
      Shrivastava et al. Learning from Simulated and Unsupervised Images through Adversarial Training. CVPR 2017, eq. 3
      with the identity as its features.
    """
    one, other = wide(refined), wide(x)
    if one.shape != other.shape:
        raise ValueError(f"self_regularization compares images of one shape; got {one.shape} and {other.shape}")
    return jnp.sum(jnp.abs(one - other)) / one.shape[0]
