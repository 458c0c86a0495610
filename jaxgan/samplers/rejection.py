"""Discriminator rejection sampling: samples that the discriminator thinks too common are thrown away."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.checks import check_key

Propose = Callable[[Array, int], Array]  # (key, n) -> samples [n, ...]
LogRatio = Callable[[Array], Array]  # samples [n, ...] -> log p_data / p_G, [n]


class Accepted(NamedTuple):
    """Samples that were kept."""

    samples: np.ndarray  # [n, ...]
    rate: float  # share of the proposals that were kept, in (0, 1]
    largest: float  # the largest log ratio that was met, log M


def acceptance(log_ratio: Array, largest: Array, gamma: Array, epsilon: float = 1e-8) -> Array:
    """Probability that a proposal is kept: sigmoid(F - gamma) with F = d - log(1 - e^(d - epsilon)).

    Here d = log_ratio - largest. At gamma = 0 (and epsilon 0) it is e^d, that of exact rejection sampling; a larger
    gamma keeps fewer, a smaller one more.

    Args:
      log_ratio: [n].
      largest: [] log M, an upper bound of all log ratios.
      gamma: [].
      epsilon: > 0, so that the best proposal has a finite F.
    Returns:
      [n] in [0, 1].
    References:
      Azadi, Olsson, Darrell, Goodfellow, Odena. Discriminator Rejection Sampling. ICLR 2019, section 3.3.
    """
    return jax.nn.sigmoid(_score(log_ratio, largest, epsilon) - gamma)


def rejection(
    propose: Propose,
    log_ratio: LogRatio,
    key: Array,
    *,
    n: int,
    burn_in: int = 10000,
    percentile: float | None = None,
    batch_size: int = 1000,
    limit: int = 1000,
) -> Accepted:
    """Draws n samples of the data's density from a generator's, as far as the ratio between them is known.

    Args:
      propose: the generator's samples.
      log_ratio: their log density ratios, such as calibrated logits.
      key: [] typed key.
      n: samples, >= 1.
      burn_in: proposals that are drawn first to find the largest ratio, >= 1; it grows when a larger one is met.
      percentile: None for exact rejection; else gamma is this percentile of F over every batch of proposals, which
        keeps about 1 - percentile / 100 of them where exact rejection would keep too few.
      batch_size: proposals in a call, >= 1.
      limit: calls after which it gives up, >= 1.
    Returns:
      Accepted.
    Raises:
      ValueError: an argument is out of range, a ratio is not finite, or too few were kept within the limit.
    References:
      Azadi, Olsson, Darrell, Goodfellow, Odena. Discriminator Rejection Sampling. ICLR 2019, algorithm 1.
    """
    check_key("rejection", key)
    if min(n, burn_in, batch_size, limit) < 1 or (percentile is not None and not 0 <= percentile <= 100):
        raise ValueError(
            "rejection needs n, burn_in, batch_size and limit >= 1 and a percentile in [0, 100]; "
            f"got {n}, {burn_in}, {batch_size}, {limit} and {percentile}"
        )

    @jax.jit
    def draw(key: Array) -> tuple[Array, Array]:
        x = propose(key, batch_size)
        return x, log_ratio(x)

    @jax.jit
    def keep(key: Array, ratio: Array, largest: Array) -> Array:
        score = _score(ratio, largest)
        gamma = 0.0 if percentile is None else jnp.percentile(score, percentile)
        return jax.random.uniform(key, ratio.shape, jnp.float32) < jax.nn.sigmoid(score - gamma)

    first, then = jax.random.split(key)
    largest = jnp.float32(-jnp.inf)
    for number in range(-(-burn_in // batch_size)):
        largest = jnp.maximum(largest, jnp.max(_finite(draw(jax.random.fold_in(first, number))[1])))
    kept: list[np.ndarray] = []
    for number in range(limit):
        proposal, choice = jax.random.split(jax.random.fold_in(then, number))
        x, ratio = draw(proposal)
        largest = jnp.maximum(largest, jnp.max(_finite(ratio)))
        kept.append(np.asarray(x)[np.asarray(keep(choice, ratio, largest))])
        count = sum(map(len, kept))
        if count >= n:
            return Accepted(np.concatenate(kept)[:n], count / (batch_size * (number + 1)), float(largest))
    raise ValueError(
        f"only {sum(map(len, kept))} of {limit * batch_size} proposals were kept, not {n}: the largest ratio is "
        f"e^{float(largest):.1f}; set a percentile, or calibrate the logits"
    )


def _score(log_ratio: Array, largest: Array, epsilon: float = 1e-8) -> Array:
    """Returns F without its gamma, [n]."""
    d = log_ratio - largest
    return d - jnp.log(-jnp.expm1(jnp.minimum(d, 0.0) - epsilon))


def _finite(ratio: Array) -> Array:
    if not bool(jnp.all(jnp.isfinite(ratio))):
        raise ValueError("a log ratio is not finite; has the discriminator diverged?")
    return ratio
