"""InfoGAN's bound: how much of its code can be read from a sample, I(c; G(z, c)) >= E log Q(c | x) + H(c).

The bound is in nats, and players maximise it: both, generator and Q, have -weight * bound in their loss. The gradient
runs through Q to the sample; a bound that is cut off from the generator teaches it nothing.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.nn import log_softmax
from jax.typing import ArrayLike

from jaxgan.losses.pairs import wide


def categorical_information(code_logits: ArrayLike, codes: ArrayLike) -> Array:
    """Lower bound on the information about a code drawn uniformly from K values: E log Q(c | x) + log K.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> codes, sure = jnp.array([0, 1]), 99.0 * jnp.eye(2)
      >>> [round(float(jg.losses.categorical_information(logits, codes)), 3) for logits in (0 * sure, sure)]
      [0.0, 0.693]

    Args:
      code_logits: of Q(c | x), [B, K] before the softmax.
      codes: [B] integers in 0..K-1, those that made the samples.
    Returns:
      [] <= log K, mean over B, in nats.
    Raises:
      ValueError: shapes or dtypes are others.
    References:
      Chen et al. InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets.
      NeurIPS 2016, eq. 5.
    """
    logits, c = wide(code_logits), jnp.asarray(codes)
    if logits.ndim != 2 or c.shape != logits.shape[:1] or not jnp.issubdtype(c.dtype, jnp.integer):
        raise ValueError(
            f"categorical_information takes logits [B, K] and integer codes [B]; got {logits.shape} and "
            f"{c.dtype}{c.shape}"
        )
    likelihoods = jnp.take_along_axis(log_softmax(logits), c[:, None], axis=1)
    return jnp.mean(likelihoods) + math.log(logits.shape[1])


def gaussian_information(
    mean: ArrayLike, log_std: ArrayLike, codes: ArrayLike, *, entropy: float = math.log(2)
) -> Array:
    """Lower bound on the information about continuous codes, with Q(c | x) = N(mean, exp(log_std)^2) in each dimension.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> read = jnp.zeros((1, 1))  # exactly the code
      >>> [round(float(jg.losses.gaussian_information(read, log_std, read)), 3) for log_std in (0.0, -2.0)]
      [-0.226, 1.774]

    Args:
      mean: [B, C].
      log_std: [B, C], or a number for a fixed width (0: the unit variance that many implementations fix).
      codes: [B, C], those that made the samples.
      entropy: H(c) of one dimension of the prior, in nats; log 2 for the paper's U(-1, 1), 1/2 log(2 pi e) for N(0, 1).
    Returns:
      [], mean over B, summed over C, in nats.
    Raises:
      ValueError: shapes differ.
    References:
      Chen et al. InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets.
      NeurIPS 2016, eq. 5 and section 6 (the factored Gaussian).
    """
    mu, c, log_sigma = wide(mean), wide(codes), wide(log_std)
    if mu.ndim != 2 or c.shape != mu.shape or log_sigma.shape not in ((), mu.shape):
        raise ValueError(
            f"gaussian_information takes mean, log_std and codes [B, C]; got {mu.shape}, {log_sigma.shape}, {c.shape}"
        )
    log_q = -0.5 * jnp.square((c - mu) * jnp.exp(-log_sigma)) - log_sigma - 0.5 * math.log(2 * math.pi)
    return jnp.mean(jnp.sum(log_q + entropy, axis=1))
