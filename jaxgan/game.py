"""The game: networks + system + dynamics become `init`, `train_step` and `generate`, three pure functions.

A player's gradient is taken with respect to the networks it owns, and its turn changes nothing else: parameters and
model state of the others stay bit for bit as they were. So no loss needs `stop_gradient`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import PartitionSpec

from jaxgan.checks import check_labels, check_shapes, check_system
from jaxgan.dynamics import alternating
from jaxgan.nets import Net, frozen, initial_variables
from jaxgan.precision import loss_scale, through_scale
from jaxgan.types import (
    BATCH_AXIS,
    Batch,
    Dynamics,
    Game,
    Inputs,
    Metrics,
    Minibatches,
    Network,
    Objective,
    PyTree,
    Rules,
    Schedule,
    System,
    TrainState,
    Turn,
    name_index,
)

__all__ = ["frozen", "game"]


def game(
    networks: Mapping[str, Network],
    system: System,
    *,
    ema: Mapping[str, float | Schedule] | None = None,
    dynamics: Dynamics | None = None,
    axis_name: str | None = None,
    microbatches: int = 1,
) -> Game:
    """Compiles networks, a system and a dynamics into three pure functions.

    Args:
      networks: by name; each owned by a player of the system, or declared frozen by it.
      system: who plays, from `jaxgan.systems` or made by hand.
      ema: by network, the decay per train step in [0, 1], or a schedule of the step: `generate` uses the average.
      dynamics: how the turns are played; `alternating()` if None.
      axis_name: the mapped axis over which gradients, model state and metrics are averaged (`pmap`, `shard_map`).
      microbatches: parts that a minibatch is cut into to save memory; their gradients are averaged. The result is that
        of the whole minibatch where examples do not see each other; batch statistics are those of the parts.
    Returns:
      Game. `train_step` takes one batch of k * B examples, where k is the largest number of updates of a player, or the
      tuple of its k minibatches.
    Raises:
      ValueError: networks, players, owners or averages do not fit together; from `init` and at trace time, a batch
        that does not divide by k, with the wrong rank or dtype, or with labels out of range, or an optimizer that has
        `precision.scaled` inside another transformation.
    """
    ema, dynamics = dict(ema or {}), dynamics or alternating()
    check_system(networks, system, ema)
    if microbatches < 1:
        raise ValueError(f"a game needs microbatches >= 1; got {microbatches}")
    updates = max(player.updates for player in system.players.values())
    owners = {name: [p for p, player in system.players.items() if name in player.owns] for name in networks}

    def nets(
        params: PyTree, model_state: dict[str, PyTree], key: Array, train: bool, mapped: str | None
    ) -> dict[str, Net]:
        def net(name: str) -> Net:
            trains = train and (name not in system.frozen or not params[name])  # a pool has no params, yet remembers
            own_key = jax.random.fold_in(key, name_index(f"network {name}"))
            return Net(
                networks[name], params[name], dict(model_state[name]), own_key, mapped, trains, itertools.count()
            )

        return {name: net(name) for name in networks}

    def init(key: Array, batch: Batch | Minibatches) -> TrainState:
        if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            raise ValueError(f"init takes a typed key, jax.random.key(seed); got {key.dtype}{list(key.shape)}")
        minibatch = _minibatches(batch, updates)[-1]
        check_labels(minibatch, networks)
        return initialise(key, minibatch)

    @jax.jit
    def initialise(key: Array, batch: Batch) -> TrainState:
        inputs = system.inputs(batch)
        if missing := sorted(set(networks) - set(inputs)):
            raise ValueError(f"system.inputs names no initial arguments for networks {missing}; have {sorted(inputs)}")
        variables = {
            name: initial_variables(name, network, jax.random.fold_in(key, name_index(name)), inputs[name])
            for name, network in networks.items()
        }
        params = {name: v.get("params", {}) for name, v in variables.items()}
        opt_state = {
            name: player.optimizer.init({n: params[n] for n in player.owns}) for name, player in system.players.items()
        }
        for name in opt_state:
            loss_scale(name, opt_state[name])  # refuses one that stands where the game cannot see it
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            key=key,
            params=params,
            model_state={name: {c: v[c] for c in v if c != "params"} for name, v in variables.items()},
            opt_state=opt_state,
            ema={name: jax.tree.map(jnp.copy, params[name]) for name in ema},
        )

    def turn_of(name: str, update: int, state: TrainState, batch: Batch, together: bool) -> Turn:
        use = "players" if together else f"player {name}"
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), name_index(use))
        return Turn(jax.random.fold_in(key, update), state.step, _global_index(batch, axis_name))

    def gradient(
        name: str, update: int, state: TrainState, batch: Batch, together: bool = False
    ) -> tuple[PyTree, dict[str, PyTree], Metrics]:
        player, turn = system.players[name], turn_of(name, update, state, batch, together)
        estimate = through_scale(player.gradient, loss_scale(name, state.opt_state[name]))
        owned = {n: state.params[n] for n in player.owns}
        found, before = [], state.model_state
        for part, cut in enumerate(_parts({"batch": batch, "examples": turn.examples}, microbatches)):
            here = turn._replace(examples=cut["examples"])
            drawn = jax.random.fold_in(turn.key, part) if part else turn.key  # networks draw anew for each part
            part_objective = objective(name, state, cut["batch"], here, drawn)
            (_, (model_state, observed)), part_gradient = estimate(part_objective, owned, turn.named("gradient"))
            state = state._replace(model_state=model_state)
            found.append((part_gradient, observed))
        gradient, observed = jax.tree.map(lambda *x: sum(x) / microbatches, *found) if microbatches > 1 else found[0]
        gradient, averaged, observed = _average((gradient, state.model_state, observed), axis_name)
        return gradient, _unless_untouched(before, state.model_state, averaged), observed

    def objective(name: str, state: TrainState, batch: Batch, turn: Turn, key: Array) -> Objective:
        player, scale = system.players[name], loss_scale(name, state.opt_state[name])

        def of(owned: PyTree) -> tuple[Array, tuple[dict[str, PyTree], Metrics]]:
            playing = nets(state.params | owned, state.model_state, key, train=True, mapped=axis_name)
            loss, observed = player.loss(playing, batch, turn)
            if jnp.shape(loss) != ():
                raise ValueError(f"the loss of player {name!r} has shape {jnp.shape(loss)}; reduce it to a scalar")
            ours = {n: net.state for n, net in playing.items() if name in owners[n] or not owners[n]}
            told = {"loss": loss} if scale is None else {"loss": loss, "loss_scale": scale}
            return loss, (state.model_state | ours, told | observed)

        return of

    def loss(
        name: str, update: int, state: TrainState, batch: Batch
    ) -> tuple[Array, tuple[dict[str, PyTree], Metrics]]:
        turn = turn_of(name, update, state, batch, together=False)
        owned = {n: state.params[n] for n in system.players[name].owns}
        return objective(name, state, batch, turn, turn.key)(owned)

    def move(name: str, gradient: PyTree, state: TrainState) -> TrainState:
        player = system.players[name]
        owned = {n: state.params[n] for n in player.owns}
        changes, opt_state = player.optimizer.update(gradient, state.opt_state[name], owned)
        return state._replace(
            params=state.params | optax.apply_updates(owned, changes), opt_state=state.opt_state | {name: opt_state}
        )

    rules = Rules(system.players, gradient, loss, move, lambda tree: _average(tree, axis_name))

    def train_step(state: TrainState, batch: Batch | Minibatches) -> tuple[TrainState, Metrics]:
        state, metrics = dynamics(rules, state, _minibatches(batch, updates))
        averages = {}
        for name, decay in ema.items():
            kept = decay(state.step) if callable(decay) else decay
            averages[name] = optax.incremental_update(state.params[name], state.ema[name], 1 - kept)
        return state._replace(step=state.step + 1, ema=averages), metrics

    def generate(state: TrainState, key: Array, inputs: Inputs) -> Any:
        playing = nets(state.params | state.ema, state.model_state, key, train=False, mapped=None)  # outside the axis
        return system.generate(playing, key, inputs)

    def rehearse(state: TrainState, key: Array, inputs: Inputs) -> tuple[Any, dict[str, PyTree]]:
        playing = nets(state.params | state.ema, state.model_state, key, train=True, mapped=None)
        samples = system.generate(playing, key, inputs)
        return samples, {name: net.state for name, net in playing.items()}

    return Game(init, train_step, generate, updates, axis_name, rehearse, networks, system)


def _minibatches(batch: Batch | Minibatches, updates: int) -> Minibatches:
    """Checks a batch of updates * B examples and cuts it into minibatches of B, in order, unless it is cut already."""
    if isinstance(batch, tuple):
        if len(batch) != updates:
            raise ValueError(f"the batch is a tuple of {len(batch)} minibatches; expected {updates}, one an update")
        for minibatch in batch:
            check_shapes(minibatch, 1)
        return batch
    check_shapes(batch, updates)
    return tuple(_parts(batch, updates))


def _parts(tree: PyTree, count: int) -> list[PyTree]:
    """Cuts every array of a tree into equal runs of its leading axis."""
    size = jax.tree.leaves(tree)[0].shape[0]
    if size % count:
        raise ValueError(f"a minibatch of {size} does not divide into {count} microbatches")
    length = size // count
    return [jax.tree.map(lambda x, k=k: x[k * length : (k + 1) * length], tree) for k in range(count)]


def _global_index(batch: Batch, axis_name: str | None) -> Array:
    """Returns the examples' indices [B] in the batch over all devices; all that is drawn for examples starts here."""
    size = jax.tree.leaves(batch)[0].shape[0]
    index = jnp.arange(size, dtype=jnp.int32)
    if axis_name is not None:
        return index + size * jax.lax.axis_index(axis_name)
    if BATCH_AXIS not in jax.sharding.get_abstract_mesh().auto_axes:
        return index
    # Latents follow their indices: else every device would generate the fake images of the whole batch.
    return jax.lax.with_sharding_constraint(index, PartitionSpec(BATCH_AXIS))


def _average(tree: PyTree, axis_name: str | None) -> PyTree:
    """Averages every floating leaf over the devices; counters are equal on all of them."""
    if axis_name is None:
        return tree
    return jax.tree.map(lambda x: jax.lax.pmean(x, axis_name) if jnp.issubdtype(x.dtype, jnp.inexact) else x, tree)


def _unless_untouched(before: PyTree, after: PyTree, averaged: PyTree) -> PyTree:
    """Returns the averages, but for leaves that no call replaced: the mean of equal numbers may lose a bit."""
    untouched = {id(leaf) for leaf in jax.tree.leaves(before)}
    return jax.tree.map(lambda x, mean: x if id(x) in untouched else mean, after, averaged)
