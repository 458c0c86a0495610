"""One train step on many devices: mapped over them (`pmap`), or one program with a sharded batch (`sharded`).

Both take the same global batch and give the same result as one device, to rounding: gradients, batch statistics and
metrics are means over the global batch, and nothing random depends on the number of devices.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgan.types import BATCH_AXIS, Batch, Game, Inputs, Metrics, Minibatches, TrainState

SMALL = 4096  # elements: a leaf below this costs less to keep whole than to gather


class Parallel(NamedTuple):
    """A game on several devices; used like the game."""

    init: Callable[[Array, Batch], TrainState]  # (key, global batch) -> state, on the devices
    train_step: Callable[[TrainState, Batch | Minibatches], tuple[TrainState, Metrics]]  # compiled; donates the state
    generate: Callable[[TrainState, Array, Inputs], Any]  # as the game's
    place: Callable[[Mapping[str, Any]], Minibatches]  # this process's rows of a batch -> minibatches on the devices
    replicate: Callable[[TrainState], TrainState]  # a state -> the same, on the devices as a step wants it
    local: Callable[[TrainState], TrainState]  # a state -> the same on this process's first device, to sample from
    sharding: Callable[[TrainState], TrainState]  # a state, abstract or not -> the sharding of each of its leaves
    step: Any  # the compiled function behind `train_step`, (state, minibatches): has `.lower` to look into
    mode: str
    devices: tuple[jax.Device, ...]


def data_parallel(
    game: Game,
    mode: Literal["pmap", "sharded"] = "pmap",
    *,
    devices: Sequence[jax.Device] | None = None,
    shard_state: bool = False,
) -> Parallel:
    """Spreads a game's train step over devices; the state stays whole on each of them, or is split as well.

    `train_step` takes the batch from the host, cut and placed on the way, or already placed by `place`. With several
    processes, each gives its own rows of every minibatch (`local_rows`).

    Args:
      game: made with `axis_name` for "pmap" (and its BatchNorms too), without it for "sharded", where batch statistics
        are global as they are.
      mode: "pmap" maps the step over devices and averages explicitly; "sharded" compiles one program for the global
        batch and lets XLA place the collectives.
      devices: which ones; all of all processes if None.
      shard_state: for networks that outgrow one device, in mode "sharded": every device keeps its part of all large
        arrays of the state (parameters, moments, averages), and XLA gathers what a layer needs when it needs it. With
        several processes `local` then takes all of them.
    Returns:
      Parallel. The train state has no device axis in either mode: a checkpoint of one is a checkpoint of the other.
    Raises:
      ValueError: unknown mode, a game of the other kind, or `shard_state` with "pmap"; at the first step, a batch that
        does not divide.
    References:
      Rajbhandari, Rasley, Ruwase, He. ZeRO: Memory Optimizations Toward Training Trillion Parameter Models. SC 2020
      (what `shard_state` does by annotation alone).
    """
    _check(game, mode, shard_state)
    chosen = tuple(jax.devices() if devices is None else devices)
    mesh = Mesh(np.array(chosen), (BATCH_AXIS,))
    whole = NamedSharding(mesh, PartitionSpec())
    split = NamedSharding(mesh, PartitionSpec(BATCH_AXIS))

    def sharding(state: TrainState) -> TrainState:
        """Returns where each leaf of a state lies, in its place."""
        return jax.tree.map(lambda x: _largest_axis(x, mesh) if shard_state else whole, state)

    def init(key: Array, batch: Batch) -> TrainState:
        """Draws the initial train state from a key [] and the global batch, as `Game.init`, and puts it in place."""
        if not shard_state:
            return replicate(game.init(key, batch))
        shapes = jax.eval_shape(lambda key: game.init(key, batch), key)  # checks the batch's labels too
        return jax.jit(game.init, out_shardings=sharding(shapes))(key, batch)  # no device ever holds the whole

    def replicate(state: TrainState) -> TrainState:
        """Puts a state of one device, equal in all processes, on all devices."""
        # A process can put arrays on its own devices only; equal host arrays of all of them are one global array.
        kept = sharding(state)
        return jax.device_put(state, kept) if jax.process_count() == 1 else _through_host(state, kept)

    def local(state: TrainState) -> TrainState:
        """Returns the whole state on one device of this process."""
        gathered = jax.jit(lambda s: s, out_shardings=whole)(state) if shard_state else state
        return _through_host(gathered, jax.sharding.SingleDeviceSharding(jax.local_devices()[0]))

    place = functools.partial(_minibatches, game.updates, split, mode)
    step = _mapped(game, chosen) if mode == "pmap" else _sharded(game, sharding if shard_state else None, whole, split)

    def train_step(state: TrainState, batch: Batch | Minibatches) -> tuple[TrainState, Metrics]:
        """Plays one round, as `Game.train_step`, with the minibatches split over all devices; compiled."""
        if not isinstance(batch, tuple):
            return step(state, place(batch))
        parts = {np.shape(leaf)[0] for leaf in jax.tree.leaves(batch)}
        if mode == "pmap" and parts != {len(chosen)}:  # JAX would leave out the other devices in silence
            raise ValueError(f"a placed batch has {sorted(parts)} parts for {len(chosen)} devices; use `place`")
        return step(state, batch)

    return Parallel(
        init=init,
        train_step=train_step,
        generate=game.generate,
        place=place,
        replicate=replicate,
        local=local,
        sharding=sharding,
        step=step,
        mode=mode,
        devices=chosen,
    )


def local_rows(batch_size: int, updates: int = 1) -> np.ndarray:
    """Tells which rows of a global batch this process reads: its part of each of the minibatches, in order.

    Args:
      batch_size: rows of the global batch, updates * B.
      updates: minibatches in it.
    Returns:
      [batch_size / processes] int64, for `data.batches(..., rows=...)`.
    Raises:
      ValueError: the batch does not divide by updates times processes.
    """
    processes, process = jax.process_count(), jax.process_index()
    if batch_size % (updates * processes):
        raise ValueError(f"batch size {batch_size} does not divide by {updates} updates times {processes} processes")
    rows = np.arange(batch_size, dtype=np.int64).reshape(updates, processes, -1)
    return rows[:, process].reshape(-1)


def _through_host(state: TrainState, sharding: Any) -> TrainState:
    """Returns a state that is whole on this process, by way of host arrays, as the sharding says."""
    implementation = jax.random.key_impl(state.key)
    data = jax.jit(jax.random.key_data)(state.key)
    host = jax.tree.map(np.asarray, state._replace(key=data))
    return jax.jit(
        lambda s: s._replace(key=jax.random.wrap_key_data(s.key, impl=implementation)), out_shardings=sharding
    )(host)


def _mapped(game: Game, devices: tuple[jax.Device, ...]) -> Callable[..., tuple[TrainState, Metrics]]:
    return jax.pmap(
        game.train_step,
        axis_name=game.axis_name,
        in_axes=(None, 0),
        out_axes=None,
        devices=devices,
        donate_argnums=0,
    )


def _sharded(
    game: Game, sharding: Callable[[TrainState], TrainState] | None, whole: NamedSharding, split: NamedSharding
) -> Callable[..., tuple[TrainState, Metrics]]:
    """Compiles the step; a state without `sharding` is whole, another comes and leaves as that says."""

    def step(state: TrainState, batch: Minibatches) -> tuple[TrainState, Metrics]:
        with jax.sharding.use_abstract_mesh(whole.mesh.abstract_mesh):  # the game splits what it draws for examples
            state, metrics = game.train_step(state, batch)
        return (jax.lax.with_sharding_constraint(state, sharding(state)) if sharding else state), metrics

    kept = None if sharding else whole
    return jax.jit(step, in_shardings=(kept, split), out_shardings=(kept, whole), donate_argnums=0)


def _largest_axis(leaf: Any, mesh: Mesh) -> NamedSharding:
    """Splits a leaf along its longest axis that the devices divide; small leaves stay whole on each."""
    axes = [axis for axis, size in enumerate(leaf.shape) if size % mesh.size == 0]
    if not axes or leaf.size < SMALL:
        return NamedSharding(mesh, PartitionSpec())
    longest = max(axes, key=lambda axis: leaf.shape[axis])
    return NamedSharding(mesh, PartitionSpec(*(None,) * longest, BATCH_AXIS))


def _check(game: Game, mode: str, shard_state: bool) -> None:
    if mode not in ("pmap", "sharded"):
        raise ValueError(f"unknown mode {mode!r}; choose 'pmap' or 'sharded'")
    if (mode == "pmap") != (game.axis_name is not None):
        remedy = (
            "pass axis_name='batch' to game(...) and to its BatchNorms" if mode == "pmap" else "leave axis_name out"
        )
        raise ValueError(f"mode {mode!r} does not fit a game with axis_name={game.axis_name!r}; {remedy}")
    if shard_state and mode != "sharded":
        raise ValueError(f"shard_state=True needs mode 'sharded'; {mode!r} keeps the state whole on every device")


def _minibatches(updates: int, split: NamedSharding, mode: str, batch: Mapping[str, Any]) -> Minibatches:
    def place(path: Any, x: Any, part: int) -> Array:
        return _placed(jax.tree_util.keystr(path), np.asarray(x), part, updates, split, mode)

    return tuple(
        jax.tree_util.tree_map_with_path(functools.partial(place, part=part), dict(batch)) for part in range(updates)
    )


def _placed(name: str, x: np.ndarray, part: int, updates: int, split: NamedSharding, mode: str) -> Array:
    """Cuts this process's rows of one minibatch out of a batch and puts them on its devices."""
    local = len(split.mesh.local_devices)
    if len(x) % (updates * local):
        raise ValueError(
            f"batch{name} has {len(x)} examples, which {updates} minibatches on {local} devices do not divide; "
            f"use a multiple of {updates * local}, such as {max(1, len(x) // (updates * local)) * updates * local}"
        )
    size = len(x) // updates
    rows = x[part * size : (part + 1) * size]
    if mode == "pmap":
        rows = rows.reshape(local, size // local, *x.shape[1:])
    return jax.make_array_from_process_local_data(split, rows)
