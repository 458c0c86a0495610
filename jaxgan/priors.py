"""Priors: where latents come from. A prior is a function (key, n, index=None) -> z [n, dimension] float32.

Every example draws from its own key, folded from its index in the global batch. So the first 8 of 16 latents are the
8 latents, and a batch split over devices holds the latents of the whole batch: randomness does not know the device
count.
"""

from __future__ import annotations

from typing import Protocol

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.types import example_keys


class Prior(Protocol):
    """A distribution of latents."""

    def __call__(self, key: Array, n: int, index: Array | None = None) -> Array:
        """Draws latents.

        Args:
          key: [] typed PRNG key.
          n: how many.
          index: [n] int32, the examples' indices in the global batch; None means 0..n-1.
        Returns:
          z, [n, dimension] float32.
        """


def normal(dimension: int) -> Prior:
    """Standard normal latents: z ~ N(0, I).

    Args:
      dimension: width of z, >= 1.
    Returns:
      Prior, (key, n, index) -> [n, dimension].
    Raises:
      ValueError: dimension is not positive.
    """
    _check_dimension(dimension)
    return lambda key, n, index=None: jax.vmap(lambda k: jax.random.normal(k, (dimension,)))(
        example_keys(key, n, index)
    )


def uniform(dimension: int, low: float = -1.0, high: float = 1.0) -> Prior:
    """Uniform latents, each coordinate in [low, high): the prior of DCGAN.

    Args:
      dimension: width of z, >= 1.
      low: lower end.
      high: upper end, > low.
    Returns:
      Prior, (key, n, index) -> [n, dimension].
    Raises:
      ValueError: dimension is not positive, or low >= high.
    References:
      Radford, Metz, Chintala. Unsupervised Representation Learning with DCGANs. ICLR 2016, section 4.
    """
    _check_dimension(dimension)
    if not low < high:
        raise ValueError(f"uniform prior needs low < high; got low={low}, high={high}")
    return lambda key, n, index=None: jax.vmap(lambda k: jax.random.uniform(k, (dimension,), minval=low, maxval=high))(
        example_keys(key, n, index)
    )


def truncated_normal(dimension: int, truncation: float = 2.0) -> Prior:
    """Normal latents of which each coordinate is redrawn until its magnitude is below the truncation.

    A smaller truncation trades variety for quality.

    Args:
      dimension: width of z, >= 1.
      truncation: threshold on |z_i|, > 0, in standard deviations of the untruncated normal.
    Returns:
      Prior, (key, n, index) -> [n, dimension], every coordinate in [-truncation, truncation].
    Raises:
      ValueError: dimension or truncation is not positive.
    References:
      Brock, Donahue, Simonyan. Large Scale GAN Training for High Fidelity Natural Image Synthesis. ICLR 2019,
      section 3.1 (the truncation trick).
    """
    _check_dimension(dimension)
    if not truncation > 0:
        raise ValueError(f"truncated_normal needs truncation > 0; got {truncation}")
    return lambda key, n, index=None: jax.vmap(
        lambda k: jax.random.truncated_normal(k, -truncation, truncation, (dimension,), jnp.float32)
    )(example_keys(key, n, index))


def _check_dimension(dimension: int) -> None:
    if dimension < 1:
        raise ValueError(f"a prior needs dimension >= 1; got {dimension}")
