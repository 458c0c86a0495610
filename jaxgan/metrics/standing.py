"""Standing statistics: the batch normalisation of a generator, estimated anew for the parameters it samples with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.checks import check_key, check_labels
from jaxgan.sample import conditions
from jaxgan.types import Game, Inputs, PyTree, TrainState

COLLECTION = "batch_stats"  # where Linen keeps the running mean and variance of each normalisation


def standing_statistics(
    game: Game, state: TrainState, key: Array, *, batches: int = 16, batch_size: int = 64, y: PyTree = None
) -> TrainState:
    """Replaces running batch statistics by those of fresh samples, made by the parameters that samples are made with.

    Running averages were collected under parameters of the past, and are averaged with them where `ema` is kept. Here
    every normalisation gets the mean and the variance over `batches` * `batch_size` samples, each batch normalised by
    its own statistics on the way, as in training: E[var] + Var[mean] over the batches, so that the size of the batches
    does not bias it. Networks without such statistics, and all parameters, stay as they are.

    Example:
      >>> import flax.linen as nn, jax, numpy as np, optax, jaxgan as jg
      >>> class Generator(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, z, train):
      ...         return nn.BatchNorm(use_running_average=not train)(3.0 + z)
      >>> system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(2), optimizer=optax.sgd(0.1))
      >>> game = jg.game({"generator": Generator(), "discriminator": jg.networks.mlp.Discriminator((4,))}, system)
      >>> state = game.init(jax.random.key(0), {"x": np.ones((4, 2), np.float32)})
      >>> state = jg.metrics.standing_statistics(game, state, jax.random.key(1), batches=2)
      >>> state.model_state["generator"]["batch_stats"]["BatchNorm_0"]["mean"].round().tolist()  # of 3 + z
      [3.0, 3.0]

    Args:
      game: from `jg.game`, with a system that generates from "index" (and "y"); its networks have no `axis_name`.
      state: its train state.
      key: [] typed PRNG key of the latents; use another one than for the samples that are judged.
      batches: how many, >= 1.
      batch_size: samples in each, >= 2.
      y: conditions of the batches * batch_size samples, as in `jaxgan.sample`, for a conditional game.
    Returns:
      The state with other `model_state` and `ema_state`, to sample from.
    Raises:
      ValueError: the game cannot rehearse, the numbers do not fit, or a label is out of range.
    References:
      Brock, Donahue, Simonyan. Large Scale GAN Training for High Fidelity Natural Image Synthesis. 2019, section 3.1.
    """
    check_key("standing_statistics", key)
    if game.rehearse is None:
        raise ValueError("standing_statistics needs a game made by jg.game; this one has no `rehearse`")
    if batches < 1 or batch_size < 2:
        raise ValueError(f"standing_statistics needs batches >= 1 and batch_size >= 2; got {batches}, {batch_size}")
    n = batches * batch_size
    asked = {} if y is None else {"y": conditions("standing_statistics", y, n)}
    check_labels(asked, game.networks or {})
    # A running average moves to m * old + (1 - m) * seen. From zeros it tells (1 - m) * seen; from ones, m as well.
    started = {value: _with_statistics(state, functools.partial(_filled, value)) for value in (0.0, 1.0)}
    rehearse = game.rehearse
    run = jax.jit(lambda state, key, inputs: rehearse(state, key, inputs)[1])

    def statistics(start: float, part: int) -> dict[str, PyTree]:
        rows = slice(part * batch_size, (part + 1) * batch_size)
        inputs: Inputs = {"index": np.arange(n, dtype=np.int32), **asked}
        after = run(started[start], key, jax.tree.map(lambda leaf: leaf[rows], inputs))
        return {name: collections.get(COLLECTION, {}) for name, collections in after.items()}

    share = jax.tree.map(lambda one, zero: 1 - (one - zero), statistics(1.0, 0), statistics(0.0, 0))
    moments = [jax.tree.map(jnp.divide, statistics(0.0, part), share) for part in range(batches)]
    standing = _pooled(jax.tree.map(lambda *parts: jnp.stack(parts), *moments))

    def replaced(
        name: str, old: PyTree
    ) -> PyTree:  # where samples went: a discriminator that none passed keeps its own
        return jax.tree.map(lambda part, new, x: jnp.where(part > 0, new, x), share[name], standing[name], old)

    return _with_statistics(state, replaced)


def _with_statistics(state: TrainState, changed: Callable[[str, PyTree], PyTree]) -> TrainState:
    """Returns the state with other running batch statistics of each network, both the plain and the averaged."""

    def states(old: dict[str, PyTree]) -> dict[str, PyTree]:
        moved = {
            name: {COLLECTION: changed(name, kept[COLLECTION])} for name, kept in old.items() if COLLECTION in kept
        }
        return {name: kept | moved.get(name, {}) for name, kept in old.items()}

    return state._replace(model_state=states(state.model_state), ema_state=states(state.ema_state))


def _filled(value: float, name: str, statistics: PyTree) -> PyTree:
    return jax.tree.map(lambda x: jnp.full_like(x, value), statistics)


def _pooled(moments: Any) -> Any:
    """Returns {"mean", "var"} of all examples from those of each batch, [batches, C], at every depth of the tree."""
    if not isinstance(moments, Mapping):
        raise ValueError(f"batch statistics should be named 'mean' and 'var'; got a leaf of shape {moments.shape}")
    if set(moments) == {"mean", "var"}:
        mean, var = moments["mean"], moments["var"]
        return {"mean": jnp.mean(mean, axis=0), "var": jnp.mean(var, axis=0) + jnp.var(mean, axis=0)}
    return {name: _pooled(inner) for name, inner in moments.items()}
