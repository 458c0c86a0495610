"""What can happen in a turn: how networks are called, what a player minimises, its gradient, its move.

Functions of a `Board`, the few things that are fixed for a whole game.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import PartitionSpec

from jaxgan.checks import missing_names
from jaxgan.nets import Net, frozen, net
from jaxgan.precision import loss_scale, through_scale
from jaxgan.types import (
    BATCH_AXIS,
    Batch,
    Metrics,
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

ModelState = dict[str, PyTree]


class Board(NamedTuple):
    """What a game is played with; fixed for its whole length."""

    networks: Mapping[str, Network]
    system: System
    axis_name: str | None = None  # the mapped axis over which gradients, model state and metrics are averaged
    microbatches: int = 1  # parts of a minibatch


def rules(board: Board) -> Rules:
    """Returns what a dynamics may use."""
    return Rules(
        players=board.system.players,
        gradient=functools.partial(gradient, board),
        loss=functools.partial(loss, board),
        move=functools.partial(move, board),
        average=functools.partial(_average, axis_name=board.axis_name),
    )


def nets(
    board: Board, state: TrainState, params: PyTree, key: Array, train: bool, axis_name: str | None
) -> dict[str, Net]:
    """Returns the networks as losses see them, with these parameters, for one evaluation."""

    def called(name: str, network: Network) -> Net:
        trains = train and (name not in board.system.frozen or not params[name])  # a pool has no params, yet remembers
        own = jax.random.fold_in(key, name_index(f"network {name}"))
        kept = state.model_state[name]
        average: dict[str, PyTree] | None = None
        if name in state.ema:
            average = {"params": state.ema[name], **kept, **state.ema_state[name]}
        return net(name, network, params[name], kept, key=own, train=trains, average=average, axis_name=axis_name)

    playing = {name: called(name, network) for name, network in board.networks.items()}
    through = {name: frozen(playing[features]) for name, features in (board.system.through or {}).items()}
    return {name: each._replace(through=through.get(name)) for name, each in playing.items()}


def turn(board: Board, name: str, update: int, state: TrainState, batch: Batch, together: bool = False) -> Turn:
    """Returns the key, the step and the examples of one update; `together`: all players draw from the same key."""
    use = "players" if together else f"player {name}"
    key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), name_index(use))
    return Turn(jax.random.fold_in(key, update), state.step, global_index(batch, board.axis_name), board.axis_name)


def objective(board: Board, name: str, state: TrainState, batch: Batch, now: Turn, key: Array) -> Objective:
    """Returns what a player minimises, as a function of what it owns; beside it the model state and metrics."""
    players = board.system.players
    scale = loss_scale(name, state.opt_state[name])
    owners = {n: [p for p, player in players.items() if n in player.owns] for n in board.networks}

    def minimised(owned: PyTree) -> tuple[Array, tuple[ModelState, Metrics]]:
        playing = nets(board, state, state.params | owned, key, True, board.axis_name)
        with missing_names(f"the loss of player {name!r}", {"batch": batch, "networks": playing}):
            value, observed = players[name].loss(playing, batch, now)
        if jnp.shape(value) != ():
            raise ValueError(f"the loss of player {name!r} has shape {jnp.shape(value)}; reduce it to a scalar")
        ours = {n: net.state for n, net in playing.items() if name in owners[n] or not owners[n]}
        metrics = {"loss": value} if scale is None else {"loss": value, "loss_scale": scale}
        return value, (state.model_state | ours, metrics | observed)

    return minimised


def gradient(
    board: Board, name: str, update: int, state: TrainState, batch: Batch, together: bool = False
) -> tuple[PyTree, ModelState, Metrics]:
    """Returns a player's gradient, the model state after it and its metrics: means over microbatches and devices."""
    now, before, parts = turn(board, name, update, state, batch, together), state.model_state, []
    estimate = through_scale(board.system.players[name].gradient, loss_scale(name, state.opt_state[name]))
    for part, cut in enumerate(cuts({"batch": batch, "examples": now.examples}, board.microbatches)):
        here = now._replace(examples=cut["examples"])
        drawn = jax.random.fold_in(now.key, part) if part else now.key  # networks draw anew for each part
        minimised = objective(board, name, state, cut["batch"], here, drawn)
        (_, (model_state, metrics)), slope = estimate(minimised, owned_by(board, name, state), now.named("gradient"))
        state = state._replace(model_state=model_state)
        parts.append((slope, metrics))
    slope, metrics = parts[0] if len(parts) == 1 else jax.tree.map(lambda *x: sum(x) / len(x), *parts)
    slope, averaged, metrics = _average((slope, state.model_state, metrics), board.axis_name)
    return slope, _unless_untouched(before, state.model_state, averaged), metrics


def loss(
    board: Board, name: str, update: int, state: TrainState, batch: Batch
) -> tuple[Array, tuple[ModelState, Metrics]]:
    """Returns a player's loss on this device, to be differentiated by a dynamics."""
    now = turn(board, name, update, state, batch)
    return objective(board, name, state, batch, now, now.key)(owned_by(board, name, state))


def move(board: Board, name: str, slope: PyTree, state: TrainState, value: Array | None = None) -> TrainState:
    """Moves what a player owns, by its optimizer, which may want to know the value of the loss."""
    owned = owned_by(board, name, state)
    optimizer = optax.with_extra_args_support(board.system.players[name].optimizer)
    known = {} if value is None else {"value": value, "grad": slope}
    try:
        changes, opt_state = optimizer.update(slope, state.opt_state[name], owned, **known)
    except TypeError as error:
        raise ValueError(
            f"the optimizer of player {name!r} wants more than its gradient: {error}. The value of the loss is known "
            "under alternating and simultaneous dynamics, and nothing else is"
        ) from error
    return state._replace(
        params=state.params | optax.apply_updates(owned, changes), opt_state=state.opt_state | {name: opt_state}
    )


def owned_by(board: Board, name: str, state: TrainState) -> PyTree:
    """Returns the parameters that a player owns, by network."""
    return {network: state.params[network] for network in board.system.players[name].owns}


def cuts(tree: PyTree, count: int) -> list[PyTree]:
    """Cuts every array of a tree into equal runs of its leading axis."""
    size = jax.tree.leaves(tree)[0].shape[0]
    if size % count:
        raise ValueError(f"a minibatch of {size} does not divide into {count} microbatches")
    length = size // count
    return [jax.tree.map(lambda x, k=k: x[k * length : (k + 1) * length], tree) for k in range(count)]


def global_index(batch: Batch, axis_name: str | None) -> Array:
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


def finished(state: TrainState, metrics: Metrics, ema: Mapping[str, float | Schedule], system: System) -> TrainState:
    """Returns the state after a step: counted, and averaged, but where no owner of a network has moved (`gated`)."""
    averages = {}
    for name, decay in ema.items():
        old = (state.ema[name], state.ema_state[name])
        now = {collection: state.model_state[name][collection] for collection in state.ema_state[name]}
        moved = _averaged((state.params[name], now), old, _decay(decay, state.step))
        owners = [owner for owner, player in system.players.items() if name in player.owns]
        if all(f"{owner}/skipped" in metrics for owner in owners):
            stays = jnp.all(jnp.stack([metrics[f"{owner}/skipped"] for owner in owners]) == 1)
            moved = jax.tree.map(lambda before, after, stays=stays: jnp.where(stays, before, after), old, moved)
        averages[name] = moved
    params, states = ({name: pair[k] for name, pair in averages.items()} for k in (0, 1))
    return state._replace(step=state.step + 1, ema=params, ema_state=states)


def _decay(decay: float | Schedule, step: Array) -> float | Array:
    """Returns the decay of this step: a number is warmed up, so that an average does not remember the first weights."""
    if callable(decay):
        return decay(step)
    if decay == 1:  # keeps the initial weights
        return 1.0
    return jnp.minimum(decay, (1 + step) / (10 + step))


def _averaged(new: PyTree, old: PyTree, decay: float | Array) -> PyTree:
    """Returns the moving average; what is no floating number, such as counts, is that of now."""

    def leaf(now: Array, before: Array) -> Array:
        if not jnp.issubdtype(now.dtype, jnp.inexact):
            return now
        moved = optax.incremental_update(now, before, 1 - decay)
        return jnp.where(now == before, before, moved)  # exactly so: the noise that a network keeps is a constant

    return jax.tree.map(leaf, new, old)
