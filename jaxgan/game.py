"""The game: networks + system + dynamics become `init`, `train_step` and `generate`, three pure functions.

A player's gradient is taken with respect to the networks it owns, and its turn changes nothing else: parameters and
model state of the others stay bit for bit as they were. So no loss needs `stop_gradient`.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxgan.dynamics import alternating
from jaxgan.types import (
    Batch,
    Dynamics,
    Game,
    Inputs,
    Metrics,
    Minibatches,
    Network,
    PyTree,
    Rules,
    Schedule,
    System,
    TrainState,
    Turn,
    name_index,
)


class Net(NamedTuple):
    """A network with its variables, called like the module; lives for one evaluation of a loss.

    What the network remembers (batch statistics, image pools) passes from call to call through `state`.
    """

    network: Network
    params: PyTree
    state: dict[str, PyTree]  # by collection; updated by every call that trains
    key: Array  # [] typed PRNG key of this network in this update
    axis_name: str | None  # the mapped axis, over whose devices plain dropout must not repeat
    train: bool
    calls: Iterator[int]  # numbers the calls, so that each draws its own dropout and noise

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """Applies the network; `settings` go to its `apply` (`method="features"` calls another method of a module)."""
        outputs, updated = _apply(self, next(self.calls), inputs, settings)
        self.state.update(updated)
        return outputs


def frozen(net: Net) -> Callable[..., Any]:
    """Returns a pure view of a network inside a loss: same variables, and calls leave no trace in the model state.

    Penalties differentiate this view with respect to its input. Differentiating `nets[...]` itself would carry the
    updated batch statistics out of the inner `jax.grad`, and JAX raises `UnexpectedTracerError`; the remedy is
    `critic = frozen(nets["discriminator"])`. (Under `jax_debug_key_reuse` the same mistake reads "safe_zip() argument 1
    has length ...".)

    Args:
      net: an entry of the `nets` that a loss receives.
    Returns:
      (*inputs, **settings) -> outputs.
    """
    call, snapshot = next(net.calls), net._replace(state=dict(net.state))
    return lambda *inputs, **settings: _apply(snapshot, call, inputs, settings)[0]


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
        that does not divide by k, with the wrong rank or dtype, or with labels out of range.
    """
    ema, dynamics = dict(ema or {}), dynamics or alternating()
    _check_system(networks, system, ema)
    if microbatches < 1:
        raise ValueError(f"a game needs microbatches >= 1; got {microbatches}")
    updates = max(player.updates for player in system.players.values())
    owners = {name: [p for p, player in system.players.items() if name in player.owns] for name in networks}

    def nets(params: PyTree, model_state: dict[str, PyTree], key: Array, train: bool) -> dict[str, Net]:
        def net(name: str) -> Net:
            trains = train and (name not in system.frozen or not params[name])  # a pool has no params, yet remembers
            own_key = jax.random.fold_in(key, name_index(f"network {name}"))
            state = dict(model_state[name])
            return Net(networks[name], params[name], state, own_key, axis_name, trains, itertools.count())

        return {name: net(name) for name in networks}

    def init(key: Array, batch: Batch | Minibatches) -> TrainState:
        if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            raise ValueError(f"init takes a typed key, jax.random.key(seed); got {key.dtype}{list(key.shape)}")
        minibatch = _minibatches(batch, updates)[-1]
        _check_labels(minibatch, networks)
        return initialise(key, minibatch)

    @jax.jit
    def initialise(key: Array, batch: Batch) -> TrainState:
        inputs = system.inputs(batch)
        if missing := sorted(set(networks) - set(inputs)):
            raise ValueError(f"system.inputs names no initial arguments for networks {missing}; have {sorted(inputs)}")
        variables = {
            name: _init(name, network, jax.random.fold_in(key, name_index(name)), inputs[name])
            for name, network in networks.items()
        }
        params = {name: v.get("params", {}) for name, v in variables.items()}
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            key=key,
            params=params,
            model_state={name: {c: v[c] for c in v if c != "params"} for name, v in variables.items()},
            opt_state={
                name: player.optimizer.init({n: params[n] for n in player.owns})
                for name, player in system.players.items()
            },
            ema={name: jax.tree.map(jnp.copy, params[name]) for name in ema},
        )

    def gradient(name: str, update: int, state: TrainState, batch: Batch) -> tuple[PyTree, dict[str, PyTree], Metrics]:
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), name_index(f"player {name}"))
        turn = Turn(jax.random.fold_in(key, update), state.step, _global_index(batch, axis_name))
        found = []
        for part, cut in enumerate(_parts({"batch": batch, "examples": turn.examples}, microbatches)):
            gradient, model_state, observed = evaluate(
                name, part, state, cut["batch"], turn._replace(examples=cut["examples"])
            )
            state = state._replace(model_state=model_state)
            found.append((gradient, observed))
        gradient, observed = jax.tree.map(lambda *x: sum(x) / microbatches, *found) if microbatches > 1 else found[0]
        return _average((gradient, state.model_state, observed), axis_name)

    def evaluate(
        name: str, part: int, state: TrainState, batch: Batch, turn: Turn
    ) -> tuple[PyTree, dict[str, PyTree], Metrics]:
        player = system.players[name]
        key = turn.key if part == 0 else jax.random.fold_in(turn.key, part)  # networks draw anew for each part

        def objective(owned: PyTree) -> tuple[Array, tuple[dict[str, PyTree], Metrics]]:
            playing = nets(state.params | owned, state.model_state, key, train=True)
            loss, observed = player.loss(playing, batch, turn)
            if jnp.shape(loss) != ():
                raise ValueError(f"the loss of player {name!r} has shape {jnp.shape(loss)}; reduce it to a scalar")
            ours = {n: net.state for n, net in playing.items() if name in owners[n] or not owners[n]}
            return loss, (state.model_state | ours, {"loss": loss, **observed})

        owned = {n: state.params[n] for n in player.owns}
        (_, (model_state, observed)), gradient = player.gradient(objective, owned, turn.named("gradient"))
        return gradient, model_state, observed

    def move(name: str, gradient: PyTree, state: TrainState) -> TrainState:
        player = system.players[name]
        owned = {n: state.params[n] for n in player.owns}
        changes, opt_state = player.optimizer.update(gradient, state.opt_state[name], owned)
        return state._replace(
            params=state.params | optax.apply_updates(owned, changes), opt_state=state.opt_state | {name: opt_state}
        )

    rules = Rules(system.players, gradient, move)

    def train_step(state: TrainState, batch: Batch | Minibatches) -> tuple[TrainState, Metrics]:
        state, metrics = dynamics(rules, state, _minibatches(batch, updates))
        averages = {}
        for name, decay in ema.items():
            kept = decay(state.step) if callable(decay) else decay
            averages[name] = optax.incremental_update(state.params[name], state.ema[name], 1 - kept)
        return state._replace(step=state.step + 1, ema=averages), metrics

    def generate(state: TrainState, key: Array, inputs: Inputs) -> Any:
        return system.generate(nets(state.params | state.ema, state.model_state, key, train=False), key, inputs)

    return Game(init, train_step, generate, updates, axis_name)


def _apply(net: Net, call: int, inputs: tuple[Any, ...], settings: dict[str, Any]) -> tuple[Any, dict[str, PyTree]]:
    """Returns (outputs, updated collections), passing only the settings that the network knows."""
    variables = {"params": net.params, **net.state}
    linen = isinstance(net.network, nn.Module)
    settings = dict(settings)
    if _accepts(net.network, "train", settings.get("method")):
        settings = {"train": net.train} | settings
    if linen or _accepts(net.network, "rngs"):
        settings = {"rngs": _streams(jax.random.fold_in(net.key, call), net.axis_name)} | settings
    if net.train and net.state and (linen or _accepts(net.network, "mutable")):
        return net.network.apply(variables, *inputs, mutable=list(net.state), **settings)
    return net.network.apply(variables, *inputs, **settings), {}


def _init(name: str, network: Network, key: Array, inputs: tuple[Any, ...]) -> Mapping[str, PyTree]:
    settings: dict[str, Any] = {"train": True} if isinstance(network, nn.Module) and _accepts(network, "train") else {}
    variables = network.init(_streams(key, None) if isinstance(network, nn.Module) else key, *inputs, **settings)
    if not isinstance(variables, Mapping) or (not isinstance(network, nn.Module) and "params" not in variables):
        raise ValueError(
            f"init of network {name!r} returned {type(variables).__name__} without 'params'; "
            "return {'params': ...} and any further collections that the network updates"
        )
    return variables


def _streams(key: Array, axis_name: str | None) -> dict[str, Array]:
    """Returns a call's random streams.

    Linen falls back to "params" for any name, a bridged NNX module to "default": layers that know nothing of devices,
    such as `nn.Dropout`, must draw anew on each. "global" is the same everywhere: layers of this library draw for the
    whole batch from it and take their part, so that the device count does not matter.
    """
    local = key if axis_name is None else jax.random.fold_in(key, jax.lax.axis_index(axis_name))
    return {"params": local, "default": jax.random.fold_in(local, 1), "global": jax.random.fold_in(key, 2)}


def _accepts(network: Network, argument: str, method: str | None = None) -> bool:
    """Tells whether calling the network takes an argument of this name (of an NNX module: the bridged class's call)."""
    if isinstance(network, nn.Module):
        function = getattr(getattr(network, "nnx_class", type(network)), method or "__call__")
    else:
        function = network.apply
    return argument in inspect.signature(function).parameters


def _minibatches(batch: Batch | Minibatches, updates: int) -> Minibatches:
    """Checks a batch of updates * B examples and cuts it into minibatches of B, in order, unless it is cut already."""
    if isinstance(batch, tuple):
        if len(batch) != updates:
            raise ValueError(f"the batch is a tuple of {len(batch)} minibatches; expected {updates}, one an update")
        for minibatch in batch:
            _check_batch(minibatch, 1)
        return batch
    _check_batch(batch, updates)
    return tuple(_parts(batch, updates))


def _parts(tree: PyTree, count: int) -> list[PyTree]:
    """Cuts every array of a tree into equal runs of its leading axis."""
    size = jax.tree.leaves(tree)[0].shape[0]
    if size % count:
        raise ValueError(f"a minibatch of {size} does not divide into {count} microbatches")
    length = size // count
    return [jax.tree.map(lambda x, k=k: x[k * length : (k + 1) * length], tree) for k in range(count)]


def _global_index(batch: Batch, axis_name: str | None) -> Array:
    """Returns the examples' indices [B] in the batch over all devices."""
    size = jax.tree.leaves(batch)[0].shape[0]
    index = jnp.arange(size, dtype=jnp.int32)
    return index if axis_name is None else index + size * jax.lax.axis_index(axis_name)


def _average(tree: PyTree, axis_name: str | None) -> PyTree:
    """Averages every floating leaf over the devices; counters are equal on all of them."""
    if axis_name is None:
        return tree
    return jax.tree.map(lambda x: jax.lax.pmean(x, axis_name) if jnp.issubdtype(x.dtype, jnp.inexact) else x, tree)


def _check_system(networks: Mapping[str, Network], system: System, ema: Mapping[str, Any]) -> None:
    have = sorted(networks)
    if not system.players:
        raise ValueError("the system has no players; give it at least one")
    for name, player in system.players.items():
        if isinstance(player.owns, str):
            raise ValueError(f"player {name!r} owns {player.owns!r}, a string; write owns=({player.owns!r},)")
        if unknown := sorted(set(player.owns) - set(networks)):
            raise ValueError(f"player {name!r} owns unknown networks {unknown}; have {have}")
        if not player.owns:
            raise ValueError(f"player {name!r} owns no network; name at least one of {have}")
        if player.updates < 1:
            raise ValueError(f"player {name!r} has updates={player.updates}; it must be at least 1")
    owned = {n for player in system.players.values() for n in player.owns}
    if unknown := sorted(set(system.frozen) - set(networks)):
        raise ValueError(f"the system freezes unknown networks {unknown}; have {have}")
    if both := sorted(owned & set(system.frozen)):
        raise ValueError(f"networks {both} are both owned and frozen; drop one of the two")
    if orphans := sorted(set(networks) - owned - set(system.frozen)):
        raise ValueError(f"networks {orphans} are owned by no player; give each an owner or list it in system.frozen")
    if unknown := sorted(set(ema) - owned):
        raise ValueError(f"ema averages {unknown}, which no player trains; have {sorted(owned)}")
    if outside := {n: d for n, d in ema.items() if not _is_decay(d)}:
        raise ValueError(f"ema decays must lie in [0, 1]; got {outside}")


def _is_decay(decay: Any) -> bool:
    """Tells whether a number lies in [0, 1]; schedules, and values that a sweep traces, are known only when used."""
    return callable(decay) or isinstance(decay, jax.core.Tracer) or 0 <= decay <= 1


def _check_batch(batch: Batch, updates: int) -> None:
    """Raises what shapes and dtypes can tell at trace time."""
    shapes = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(batch)}
    if not isinstance(batch, Mapping) or not shapes:
        raise ValueError(f"a batch is a mapping such as {{'x': [B, ...]}}; got {type(batch).__name__} without arrays")
    for path, leaf in shapes.items():
        if not hasattr(leaf, "shape") or not leaf.shape:
            raise ValueError(f"batch{path} must be an array [B, ...]; got {leaf!r}")
        if leaf.dtype in (jnp.uint8, jnp.float64, jnp.bool_):
            raise ValueError(
                f"batch{path} is {leaf.dtype}; expected float32 in [-1, 1] for data (x / 127.5 - 1 from bytes), "
                "int32 for labels"
            )
    x: Any = batch.get("x")
    if hasattr(x, "ndim") and x.ndim < 2:
        raise ValueError(f"batch['x'] has shape {x.shape}; expected [B, ...] with at least one feature axis")
    if hasattr(x, "dtype") and not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"batch['x'] is {x.dtype}; expected float32 in [-1, 1]")
    sizes = {path: leaf.shape[0] for path, leaf in shapes.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"arrays of a batch must share their leading size; got {sizes}")
    size = next(iter(sizes.values()))
    if size == 0 or size % updates:
        raise ValueError(
            f"batch size {size} does not divide by {updates} updates (n_critic); "
            f"use a multiple, such as {max(1, size // updates) * updates}"
        )


def _check_labels(batch: Batch, networks: Mapping[str, Network]) -> None:
    """Raises for labels that no embedding has: JAX itself would read NaN or the last row, silently."""
    classes = {name: n for name, network in networks.items() if (n := getattr(network, "classes", 0))}
    y = batch.get("y")
    if not classes or y is None:
        return
    if y.ndim != 1 or not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(f"batch['y'] has shape {y.shape} and dtype {y.dtype}; expected class labels [B] int32")
    if isinstance(y, jax.core.Tracer):
        return
    for name, count in classes.items():
        if bad := [int(label) for label in y if not 0 <= label < count]:
            raise ValueError(
                f"batch['y'] holds label {bad[0]}, but network {name!r} has {count} classes, 0..{count - 1}"
            )
