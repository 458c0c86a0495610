"""Feature matching: the generator reproduces the data's statistics in a layer of the discriminator."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.losses.pairs import wide


def feature_matching(real_features: ArrayLike, fake_features: ArrayLike, *, covariances: bool = False) -> Array:
    """Squared distance of mean features: ||E f(x) - E f(G(z))||^2, and of their covariances where asked for.

    The generator's loss; its discriminator keeps one of the pairs.

    Args:
      real_features: [B, ...], of any layer.
      fake_features: [B', ...] of the same layer; the batches may differ in size.
      covariances: adds ||Cov f(x) - Cov f(G(z))||_F^2, over features flattened to [B, F], with 1/B.
    Returns:
      [], summed over features.
    Raises:
      ValueError: the features of one example differ in shape.
    References:
      Salimans et al. Improved Techniques for Training GANs. NeurIPS 2016, section 3.1.
      Mroueh, Sercu, Goel. McGan: Mean and Covariance Feature Matching GAN. ICML 2017 (covariances; by the nuclear
      norm, where this is Frobenius' squared).
    """
    real, fake = wide(real_features), wide(fake_features)
    if real.ndim < 2 or real.shape[1:] != fake.shape[1:]:
        raise ValueError(f"feature_matching takes features [B, ...] of one layer; got {real.shape} and {fake.shape}")
    real, fake = real.reshape(real.shape[0], -1), fake.reshape(fake.shape[0], -1)
    distance = jnp.sum(jnp.square(jnp.mean(real, axis=0) - jnp.mean(fake, axis=0)))
    if covariances:
        distance = distance + jnp.sum(jnp.square(_covariance(real) - _covariance(fake)))
    return distance


def _covariance(x: Array) -> Array:
    centred = x - jnp.mean(x, axis=0, keepdims=True)
    return centred.T @ centred / x.shape[0]
