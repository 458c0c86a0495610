"""Negative log-likelihoods of data under a decoder's output: what an autoencoder pays for a reconstruction.

In nats and summed over an example's entries, so that they weigh what they must beside a divergence in nats.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.nn import softplus
from jax.typing import ArrayLike

from jaxgan.losses.pairs import wide


def unit_gaussian(x: ArrayLike, mean: ArrayLike) -> Array:
    """Half the squared error, 1/2 ||x - mean||^2: -log N(x; mean, I) but for its constant.

    Args:
      x: [B, ...], data or their features.
      mean: the same shape, as decoded.
    Returns:
      [] >= 0, summed over an example's entries, mean over B.
    Raises:
      ValueError: shapes differ, or there is nothing but a batch axis.
    References:
      Kingma, Welling. Auto-Encoding Variational Bayes. ICLR 2014, appendix C.2.
    """
    data, decoded = _compared("unit_gaussian", x, mean)
    return 0.5 * _mean_of_sums(jnp.square(data - decoded))


def bernoulli(x: ArrayLike, logits: ArrayLike) -> Array:
    """Cross-entropy of data in [0, 1] with independent coins: softplus(l) - x l, which is -log p(x) for x of 0 and 1.

    Args:
      x: [B, ...] in [0, 1].
      logits: the same shape, as decoded: log odds of a 1.
    Returns:
      [] >= 0, summed over an example's entries, mean over B, in nats.
    Raises:
      ValueError: shapes differ, or there is nothing but a batch axis.
    References:
      Kingma, Welling. Auto-Encoding Variational Bayes. ICLR 2014, appendix C.1.
    """
    data, decoded = _compared("bernoulli", x, logits)
    return _mean_of_sums(softplus(decoded) - data * decoded)


def _compared(function: str, x: ArrayLike, decoded: ArrayLike) -> tuple[Array, Array]:
    data, other = wide(x), wide(decoded)
    if data.ndim < 2 or data.shape != other.shape:
        raise ValueError(
            f"{function} takes data [B, ...] and what was decoded in the same shape; got {data.shape} and "
            f"{other.shape}: give the decoder the data's shape"
        )
    return data, other


def _mean_of_sums(entries: Array) -> Array:
    return jnp.mean(jnp.sum(entries.reshape(entries.shape[0], -1), axis=1))
