"""How far a reconstruction or a translation is from what it should be: means over all entries."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.losses.pairs import wide


def absolute_error(x: ArrayLike, y: ArrayLike) -> Array:
    """E |x - y|, the L1 of translators: a mean over examples, pixels and channels, so that its weight knows no size.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.losses.absolute_error(jnp.zeros((2, 3)), jnp.ones((2, 3))))
      1.0

    Args:
      x: [B, ...].
      y: the same shape.
    Returns:
      [], the mean.
    Raises:
      ValueError: shapes differ, which would broadcast.
    References:
      Isola, Zhu, Zhou, Efros. Image-to-Image Translation with Conditional Adversarial Networks. CVPR 2017, eq. 3.
    """
    x, y = _alike("absolute_error", x, y)
    return jnp.mean(jnp.abs(x - y))


def squared_error(x: ArrayLike, y: ArrayLike) -> Array:
    """E (x - y)^2: a mean over examples, pixels and channels.

    Args:
      x: [B, ...].
      y: the same shape.
    Returns:
      [], the mean.
    Raises:
      ValueError: shapes differ, which would broadcast.
    References:
      Kim, Cha, Kim, Lee, Kim. Learning to Discover Cross-Domain Relations with Generative Adversarial Networks. ICML
      2017, eq. 3 (its distance d).
    """
    x, y = _alike("squared_error", x, y)
    return jnp.mean(jnp.square(x - y))


def _alike(name: str, x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    x, y = wide(x), wide(y)
    if x.shape != y.shape:
        raise ValueError(f"{name} compares arrays of one shape; got {x.shape} and {y.shape}")
    return x, y
