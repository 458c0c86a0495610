"""The game: networks + system + dynamics become `init`, `train_step` and `generate`, three pure functions.

A player's gradient is taken with respect to the networks it owns, and its turn changes nothing else: parameters and
model state of the others stay bit for bit as they were. So no loss needs `stop_gradient`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.checks import (
    check_averages,
    check_function,
    check_inputs,
    check_key,
    check_labels,
    check_shapes,
    check_system,
)
from jaxgan.data.check import check_units
from jaxgan.dynamics import alternating
from jaxgan.nets import CALL, averaged, frozen, initial_variables
from jaxgan.networks.pretrained import Pretrained
from jaxgan.precision import loss_scale
from jaxgan.recording import initial_key, recorded
from jaxgan.rules import Board, cuts, finished, nets, rules
from jaxgan.types import (
    SCHEDULED,
    Batch,
    Dynamics,
    Game,
    Inputs,
    Metrics,
    Minibatches,
    Network,
    PyTree,
    Schedule,
    System,
    TrainState,
    averages_in_place,
    explained,
)

__all__ = ["averaged", "frozen", "game"]


_SUMS = re.compile(r"stablehlo\.(reduce|dot|convolution|custom_call|scatter|fft)")  # of a lowered program
# What `help` says of a game's functions.
_INIT = """Draws the initial train state.

Args:
  key: [] typed key, jax.random.key(seed): the root of the run.
  batch: as `train_step` takes it; the networks are initialised for its shapes.
Raises:
  ValueError: the key is no typed one, or the batch has the wrong form, labels or units.
"""
_TRAIN_STEP = """Plays one round: every player takes its turns. Compile it: jax.jit(game.train_step).

Args:
  state: from `init`, or from the step before.
  batch: {"x": [k * B, ...] float32 in [-1, 1], ...}, with k the largest number of updates of a player, or the
    tuple of its k minibatches.
Returns:
  (state after it, metrics {"<player>/<quantity>": scalar}).
Raises:
  ValueError: at trace time, a batch that does not divide by k or has the wrong form.
"""
_GENERATE = """Generates, by averages where they are kept and without batch statistics; `jg.sample` does so in chunks.

Args:
  state: a train state.
  key: [] typed key.
  inputs: "index" [n] int32, the samples' numbers, or "z" [n, Z]; and what the system asks for, "y" [n].
Returns:
  Samples [n, ...], or any pytree of such that the system makes.
Raises:
  ValueError: the key is no typed one, or the system takes other inputs.
"""
_REHEARSE = (
    """Generates as `generate` does, but as in training, by batch statistics: (samples, model state after them)."""
)


def game(
    networks: Mapping[str, Network],
    system: System,
    *,
    ema: Mapping[str, float | Schedule] | None = None,
    dynamics: Dynamics | None = None,
    axis_name: str | None = None,
    microbatches: int = 1,
    own_units: bool = False,
) -> Game:
    """Compiles networks, a system and a dynamics into three pure functions.

    Args:
      networks: by name; each owned by a player of the system, or declared frozen by it.
      system: who plays, from `jaxgan.systems` or made by hand.
      ema: by network, the decay per train step in [0, 1], or a schedule of the step: `generate` uses the average,
        of parameters and model state. A number d < 1 is warmed up: after n steps it is min(d, (1 + n) / (10 + n)).
      dynamics: how the turns are played; `alternating()` if None.
      axis_name: the mapped axis over which gradients, model state and metrics are averaged (`pmap`, `shard_map`).
      microbatches: parts that a minibatch is cut into to save memory; their gradients are averaged. The result is that
        of the whole minibatch where examples do not see each other; batch statistics are those of the parts.
      own_units: data are in units of your own; else `init` refuses numbers that are not finite, signals of rank 3 or
        more outside [-1, 1], and images "x" that look as if they were in [0, 1].
    Returns:
      Game. `train_step` takes one batch of k * B examples, where k is the largest number of updates of a player, or the
      tuple of its k minibatches.
    Raises:
      ValueError: networks, players, owners or averages do not fit together; from `init` and at trace time, a batch
        that does not divide by k, with the wrong rank or dtype, or with labels out of range, or an optimizer that has
        `precision.scaled` inside another transformation.
    """
    ema, dynamics = check_averages(ema), alternating() if dynamics is None else dynamics
    check_system(networks, system, ema)
    check_function("dynamics", dynamics, "Dynamics", ("rules", "state", "minibatches"), "jg.dynamics.alternating()")
    if microbatches < 1:
        raise ValueError(f"a game needs microbatches >= 1; got {microbatches}")
    given = {name: network.variables for name, network in networks.items() if isinstance(network, Pretrained)}
    networks = {name: net.network if isinstance(net, Pretrained) else net for name, net in networks.items()}
    board = Board(networks, system, axis_name, microbatches)
    updates = max(player.updates for player in system.players.values())
    initialise = _compiled_once(functools.partial(_initial, board, tuple(ema)))

    def init(key: Array, batch: Batch | Minibatches) -> TrainState:
        check_key("init", key)
        minibatches = _minibatches(batch, updates)
        minibatch = minibatches[-1]
        check_labels(minibatch, networks)
        for each in () if own_units else minibatches:
            check_units(each)
        return initialise(key, minibatch, given)  # an argument: as a constant it would be compiled

    def train_step(state: TrainState, batch: Batch | Minibatches) -> tuple[TrainState, Metrics]:
        state, metrics = dynamics(rules(board), state, _minibatches(batch, updates))
        return finished(state, metrics, ema, system), metrics

    def generate(state: TrainState, key: Array, inputs: Inputs) -> Any:
        check_inputs(system, inputs)
        check_key("generate", key)
        state = averages_in_place(state)
        playing = nets(board, state, state.params, key, train=False, axis_name=None)  # outside the axis
        return system.generate(playing, key, inputs)

    def rehearse(state: TrainState, key: Array, inputs: Inputs) -> tuple[Any, dict[str, PyTree]]:
        state = averages_in_place(state)
        playing = nets(board, state, state.params, key, train=True, axis_name=None)
        samples = system.generate(playing, key, inputs)
        return samples, {name: net.state for name, net in playing.items()}

    stays = {name: given[name] for name in given if name in system.frozen}
    init, train_step = explained(init, _INIT), explained(train_step, _TRAIN_STEP)
    generate, rehearse = explained(generate, _GENERATE), explained(rehearse, _REHEARSE)
    return Game(init, train_step, generate, updates, axis_name, rehearse, networks, system, stays)


def _compiled_once(function: Callable[..., TrainState]) -> Callable[..., TrainState]:
    """Compiles what runs a single time, for which a compiler should not work longer than that saves.

    To draw a convolution's kernel takes the CPU's compiler five times as long at its highest level as at its first, to
    the same bits. Only sums, as of a spectral norm's first power iteration, are rounded in an order of the level's.
    """
    plain = jax.jit(function)
    quick = jax.jit(function, compiler_options={"xla_backend_optimization_level": 1})

    def compiled(*given: Any) -> TrainState:
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((jnp.zeros(()), given)))
        if traced:  # then the outermost `jit` alone says how all is compiled
            return plain(*given)
        full = jax.default_backend() != "cpu" or jax.config.read("jax_disable_most_optimizations")
        return (plain if full or _SUMS.search(plain.lower(*given).as_text()) else quick)(*given)

    return compiled


def _initial(
    board: Board, averages: tuple[str, ...], key: Array, batch: Batch, given: Mapping[str, PyTree]
) -> TrainState:
    networks, system = board.networks, board.system
    if system.inputs is None:
        drawn = recorded(networks, system, key, batch, given=given)
    else:
        inputs = system.inputs(batch)
        if missing := sorted(set(networks) - set(inputs) - set(given)):
            raise ValueError(f"system.inputs names no initial arguments for networks {missing}; have {sorted(inputs)}")
        drawn = {
            name: initial_variables(name, network, initial_key(key, name), {CALL: inputs[name]})
            for name, network in networks.items()
            if name not in given
        }
    variables = {name: given[name] if name in given else drawn[name] for name in networks}
    params = {name: v.get("params", {}) for name, v in variables.items()}
    opt_state = {
        name: player.optimizer.init({n: params[n] for n in player.owns}) for name, player in system.players.items()
    }
    for name in opt_state:
        loss_scale(name, opt_state[name])  # refuses one that stands where the game cannot see it
    model_state = {name: {c: v[c] for c in v if c != "params"} for name, v in variables.items()}
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=key,
        params=params,
        model_state=model_state,
        opt_state=opt_state,
        ema={name: jax.tree.map(jnp.copy, params[name]) for name in averages},
        ema_state={name: jax.tree.map(jnp.copy, _unscheduled(model_state[name])) for name in averages},
    )


def _unscheduled(collections: Mapping[str, PyTree]) -> dict[str, PyTree]:
    return {name: kept for name, kept in collections.items() if name != SCHEDULED}


def _minibatches(batch: Batch | Minibatches, updates: int) -> Minibatches:
    """Checks a batch of updates * B examples and cuts it into minibatches of B, in order, unless it is cut already."""
    if isinstance(batch, tuple):
        if len(batch) != updates:
            raise ValueError(f"the batch is a tuple of {len(batch)} minibatches; expected {updates}, one an update")
        for minibatch in batch:
            check_shapes(minibatch, 1)
        return batch
    check_shapes(batch, updates)
    return tuple(cuts(batch, updates))
