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


@explains
def selection(parents: int, *, crossover: bool = True, least: float = 1e-3) -> Estimator:
    """Puts a (mu + lambda) evolution strategy with self-adaptive mutation in a gradient's place.

    What a player owns is a population, `networks.populations`: {"members": leaves [P, ...], "strengths": likewise}. The
    loss is evaluated for every member alone, as a population of one. The `parents` of lowest loss stay; each of the
    other P - parents is a child: of two parents drawn at random every entry is from one or the other, and its strength
    the mean of theirs; then

        strength <- strength exp(N(0, 1) / sqrt(2 n) + N_i(0, 1) / sqrt(2 sqrt n)),  entry <- entry + strength N_i(0, 1)

    with n entries, the first draw common to all of them. The result is the old population minus the new one, so that
    `optax.sgd(1.0)` moves there; a smaller rate goes a part of the way.

    Args:
      parents: mu, in 1..P-1.
      crossover: False: a child has one parent.
      least: strengths do not fall below it, > 0.
    Returns:
      Estimator; all devices draw alike, and where the loss is averaged over them, as that of
      `systems.turing_learning` is, they select alike.
    Raises:
      ValueError: a number is out of range; at trace time, what is owned is no population.
    References:
      Beyer, Schwefel. Evolution strategies: a comprehensive introduction. Natural Computing 2002, section 4.2.
      Li, Gauci, Gross. Turing learning: a metric-free approach to inferring behavior and its application to swarms.
      Swarm Intelligence 2016, section 3.1.3.
    """
    if parents < 1 or not least > 0:
        raise ValueError(f"selection needs parents >= 1 and least > 0; got {parents} and {least}")

    def estimate(objective: Objective, owned: PyTree, key: Array) -> tuple[tuple[Array, Any], PyTree]:
        size = _population_size(owned, parents)
        alone = jax.vmap(lambda k: objective(jax.tree.map(lambda leaf: leaf[k][None], owned))[0])
        losses = alone(jnp.arange(size, dtype=jnp.int32))
        best = jax.tree.map(lambda leaf: leaf[jnp.argsort(losses)[:parents]], owned)
        children = _children(best, size - parents, key, crossover, least)
        after = jax.tree.map(lambda old, new: jnp.concatenate([old, new]), best, children)
        return objective(owned), jax.tree.map(lambda old, new: old - new, owned, after)

    return estimate


def _population_size(owned: PyTree, parents: int) -> int:
    """Returns how many members all owned populations have."""
    for name, population in owned.items():
        if set(population) != {"members", "strengths"}:
            raise ValueError(
                f"selection moves populations; network {name!r} is none: put it in a networks.populations.Crowd or Jury"
            )
    sizes = {leaf.shape[0] for leaf in jax.tree.leaves(owned)}
    if len(sizes) > 1 or min(sizes) <= parents:
        raise ValueError(f"selection of {parents} parents needs one larger population; there are sizes {sorted(sizes)}")
    return int(sizes.pop())


def _children(best: PyTree, count: int, key: Array, crossover: bool, least: float) -> PyTree:
    """Returns mutated children of these parents, in the same form."""
    mate, common, single, move = jax.random.split(key, 4)
    parents = jax.tree.leaves(best)[0].shape[0]
    pair = jax.random.randint(mate, (2 if crossover else 1, count), 0, parents, jnp.int32)
    members, structure = jax.tree.flatten({name: population["members"] for name, population in best.items()})
    strengths = jax.tree.leaves({name: population["strengths"] for name, population in best.items()})
    entries = sum(leaf[0].size for leaf in members)
    shared = jax.random.normal(common, (count,), jnp.float32) / (2 * entries) ** 0.5
    moved, spread = [], []
    for k, (member, strength) in enumerate(zip(members, strengths, strict=True)):
        one, two = (jax.random.fold_in(base, k) for base in (single, move))
        shape = (count, *member.shape[1:])
        own = jax.random.normal(one, shape, jnp.float32) / (2 * entries**0.5) ** 0.5
        wide = shared.reshape(count, *[1] * (member.ndim - 1))
        scale = jnp.maximum(jnp.mean(strength[pair], axis=0) * jnp.exp(wide + own), least)
        chosen = jax.random.bernoulli(jax.random.fold_in(two, 1), 0.5, shape)
        inherited = jnp.where(chosen, member[pair[0]], member[pair[-1]])
        moved.append(inherited + scale * jax.random.normal(jax.random.fold_in(two, 0), shape, jnp.float32))
        spread.append(scale)
    trees = [jax.tree.unflatten(structure, leaves) for leaves in (moved, spread)]
    return {name: {"members": trees[0][name], "strengths": trees[1][name]} for name in best}
