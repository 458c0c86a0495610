"""How a player's loss becomes a gradient without being differentiated: `Player(..., gradient=...)`.

`types.autodiff` differentiates. Here the loss is only evaluated, so it may be made of steps, samples and counts. Where
samples are discrete but their probabilities are known, `losses.policy_gradient` is the better way.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.types import Estimator, Objective, PyTree, explains


@explains
def evolution_strategies(std: float = 0.02, population: int = 32, ranked: bool = False) -> Estimator:
    """Estimates the gradient of the loss, smoothed by normal noise on the parameters, from evaluations in pairs.

    mean over pairs of (L(theta + std e) - L(theta - std e)) e / (2 std): the score function of a normal distribution of
    parameters, with antithetic draws. Evaluations are made one after the other, in the memory of one.

    Args:
      std: of the noise, > 0, in units of the parameters.
      population: evaluations, an even number >= 2, besides one for the metrics.
      ranked: use centred ranks in [-1/2, 1/2] of the losses for the losses: robust against outliers, and then an ascent
        direction rather than a gradient.
    Returns:
      Estimator; all devices draw the same noise, and the average over them is that of the whole batch unless `ranked`.
    Raises:
      ValueError: std is not positive, or population no even number >= 2.
    References:
      Salimans, Ho, Chen, Sidor, Sutskever. Evolution Strategies as a Scalable Alternative to Reinforcement Learning.
      2017, algorithm 1.
    """
    if not std > 0 or population < 2 or population % 2:
        raise ValueError(f"evolution_strategies needs std > 0, an even population >= 2; got {std} and {population}")
    pairs = population // 2

    def estimate(objective: Objective, owned: PyTree, key: Array) -> tuple[tuple[Array, Any], PyTree]:
        leaves, structure = jax.tree.leaves(owned), jax.tree.structure(owned)

        def noise(pair: Array) -> list[Array]:
            keys = jax.random.split(jax.random.fold_in(key, pair), len(leaves))
            return [jax.random.normal(k, leaf.shape, leaf.dtype) for k, leaf in zip(keys, leaves, strict=True)]

        def losses(pair: Array) -> Array:
            drawn = noise(pair)
            moved = [[w + sign * std * e for w, e in zip(leaves, drawn, strict=True)] for sign in (1, -1)]
            return jnp.stack([objective(jax.tree.unflatten(structure, each))[0] for each in moved])

        values = jax.lax.map(losses, jnp.arange(pairs))  # [pairs, 2]
        if ranked:
            order = jnp.argsort(jnp.argsort(values.reshape(-1)))
            values = (order / (population - 1) - 0.5).reshape(values.shape).astype(jnp.float32)
        weights = (values[:, 0] - values[:, 1]) / (2 * std * pairs)

        def add(total: list[Array], pair: Array) -> tuple[list[Array], None]:
            return [t + weights[pair] * e for t, e in zip(total, noise(pair), strict=True)], None

        gradient, _ = jax.lax.scan(add, [jnp.zeros_like(leaf) for leaf in leaves], jnp.arange(pairs))
        return objective(owned), jax.tree.unflatten(structure, gradient)

    return estimate
