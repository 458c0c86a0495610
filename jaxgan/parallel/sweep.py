"""Many runs in one call: seeds, and scalar hyper-parameters, along a leading axis of everything.

A sweep is used like a game, on states and batches with one more axis in front, [members, ...]. Three modes compute the
same runs (measured in docs/decisions/sweep.md):

- "map": one program that loops over the members. Bit for bit the solo runs, but for convolutions on CPU, which a loop
  makes slow and rounds differently.
- "vmap": one program of which every operation has all members. Fills an accelerator; equal to rounding.
- "unrolled": the solo step, compiled once and dispatched for each member. Bit for bit the solo runs, always.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgan import data
from jaxgan.data import Source
from jaxgan.parallel.segments import convolves, stack
from jaxgan.types import Batch, Game, Inputs, Metrics, PyTree, TrainState, by_path, html_table

AXIS = "member"  # of the mesh
MODES = ("map", "unrolled", "vmap")
SHOWN, LISTED = 10, 100  # members that a sweep names in a line each, and in a table
Shapes = tuple[tuple[tuple[int, ...], Any], ...]  # (shape, dtype) of each leaf
Solo = Callable[[TrainState, PyTree, PyTree], Any]  # (state, what differs by member, what all share) -> results


class Choice(NamedTuple):
    """How the members of a sweep are computed, and why so."""

    mode: str  # "map", "unrolled" or "vmap"
    reason: str


class Sweep(NamedTuple):
    """Many runs of a game, used like the game; every array of states and batches is [members, ...]."""

    init: Callable[[Batch], TrainState]  # batch -> states
    train_step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]]  # compiled; donates the states
    generate: Callable[[TrainState, Array, Inputs], Any]  # (states, one key, inputs for all) -> [members, n, ...]
    choose: Callable[[Batch], Choice]  # from a batch's shapes, the mode that `train_step` takes
    members: tuple[dict[str, float], ...]  # what each run is: its "seed" and its hyper-parameters

    def __repr__(self) -> str:
        """Says what its first members are."""
        rows = [", ".join(f"{name} {value}" for name, value in each.items()) for each in self.members[:SHOWN]]
        left = [f"... and {len(self.members) - SHOWN} more"] if len(self.members) > SHOWN else []
        rows = [f"{number}: {row}" for number, row in enumerate(rows)] + left
        return "\n  ".join([f"Sweep of {len(self.members)} runs, used like their game", *rows])

    def _repr_html_(self) -> str:
        """Shows it in a notebook: a row for each member."""
        rows = [(str(n), *(str(value) for value in each.values())) for n, each in enumerate(self.members[:LISTED])]
        left = f"<p>and {len(self.members) - LISTED} more</p>" if len(self.members) > LISTED else ""
        head = ("member", *self.members[0])
        return f"<p>Sweep of {len(self.members)} runs</p>{html_table(head, rows)}{left}"


def sweep(
    game: Game | Callable[..., Game],
    seeds: Iterable[int],
    hyperparameters: Mapping[str, Sequence[float]] | None = None,
    *,
    mode: str = "auto",
    devices: Sequence[jax.Device] | None = None,
) -> Sweep:
    """Trains many runs at once, each as if it ran alone.

    Member m is the run `game.init(jax.random.key(seeds[m]), batch)` and then `game.train_step`; `batches` gives each
    member the data of its seed. With hyper-parameters the game is a function of them, and gets them as scalar arrays:
    "map" and "unrolled" are then bit for bit a solo step that gets arrays too. Written into the program as numbers,
    they agree to rounding, since the compiler folds constants together.

    Args:
      game: a game; or a function of scalar hyper-parameters that returns one, `lambda learning_rate, gamma:
        jg.game(...)`, with `optax.adam(learning_rate)` and `jg.penalties.r1(gamma)` inside.
      seeds: one for each member, >= 0.
      hyperparameters: by argument of `game`, one value for each member (`product` makes a grid).
      mode: "map", "unrolled", "vmap", or "auto", whichever is fastest: "unrolled" where the step has convolutions and
        runs on a single CPU device, "vmap" everywhere else. `Sweep.choose` says which, and why.
      devices: the members are shared out over these, and each device computes its own; None: the default device.
    Returns:
      Sweep.
    Raises:
      ValueError: no seeds, lengths that differ, two equal members, an unknown mode, devices that do not divide the
        members or that meet mode "unrolled", a game made with `axis_name`, or numbers that `game` itself refuses.
    """
    members = _members(list(seeds), {} if hyperparameters is None else hyperparameters)
    count = len(members)
    _check(mode, devices, count)
    make = functools.partial(_make, game)
    made = [make(**{name: value for name, value in each.items() if name != "seed"}) for each in members]
    values = {name: jnp.asarray([each[name] for each in members]) for name in members[0] if name != "seed"}
    sharding = NamedSharding(Mesh(np.array(devices), (AXIS,)), PartitionSpec(AXIS)) if devices else None

    @jax.jit
    def solo_init(values: PyTree, key: Array, batch: Batch) -> TrainState:
        return make(**values).init(key, batch)

    @functools.partial(jax.jit, donate_argnums=0)
    def solo_step(state: TrainState, mine: PyTree, shared: PyTree) -> tuple[TrainState, Metrics]:
        values, batch = mine
        return make(**values).train_step(state, batch)

    @jax.jit
    def solo_generate(state: TrainState, values: PyTree, shared: PyTree) -> Any:
        return make(**values).generate(state, *shared)

    step: dict[str, Solo] = {"unrolled": functools.partial(_unrolled_step, solo_step)}
    step |= {how: jax.jit(_spread(solo_step, how, sharding), donate_argnums=0) for how in ("map", "vmap")}
    platform = devices[0].platform if devices else jax.default_backend()
    samples = _generator(solo_generate, mode, platform, sharding)
    choose_for = functools.cache(
        functools.partial(_choice_for, mode, platform, bool(devices), _convolves(solo_init, solo_step, values))
    )

    def init(batch: Batch) -> TrainState:
        _check_batch(batch, count)
        # A game's init checks labels that it can see; those of `solo_init` are traced.
        everything: Any = jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), dict(batch))
        jax.eval_shape(lambda key: made[0].init(key, everything), jax.random.key(0))
        keys = [jax.random.key(int(each["seed"])) for each in members]
        states = [solo_init(member(values, m), key, member(batch, m)) for m, key in enumerate(keys)]
        return _placed(stack(states), sharding)

    def choose(batch: Batch) -> Choice:
        _check_batch(batch, count)
        leaves, form = jax.tree.flatten(dict(batch))
        return choose_for(form, tuple((x.shape, x.dtype) for x in leaves))

    def train_step(states: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        return step[choose(batch).mode](states, (values, _placed(batch, sharding)), ())

    def generate(states: TrainState, key: Array, inputs: Inputs) -> Any:
        return samples(states, values, (key, inputs))

    return Sweep(init, train_step, generate, choose, members)


def product(seeds: Iterable[int], **values: Sequence[float]) -> tuple[list[int], dict[str, list[float]]]:
    """Makes a grid: every seed with every combination of values; the seeds of one combination are neighbours.

    Args:
      seeds: of each combination.
      **values: by hyper-parameter.
    Returns:
      (seeds, hyperparameters) of all members, for `sweep(game, *product(...))`.
    """
    rows = [(seed, row) for row, seed in itertools.product(itertools.product(*values.values()), seeds)]
    return [seed for seed, _ in rows], {name: [row[i] for _, row in rows] for i, name in enumerate(values)}


def batches(source: Source, batch_size: int, seeds: Iterable[int], start: int = 0) -> Iterator[Batch]:
    """Endless batches for a sweep: those that `data.batches` gives to the solo run of each seed.

    Args:
      source: where examples come from.
      batch_size: examples for each member.
      seeds: one for each member; a seed that returns is read once.
      start: the first step; `int(states.step[0])` to go on.
    Returns:
      Iterator of {"x": [members, batch_size, ...], "y": [members, batch_size] if labelled}.
    Raises:
      ValueError: as for `data.batches`, at once.
    """
    rows = list(seeds)
    streams = {seed: data.batches(source, batch_size, seed, start) for seed in dict.fromkeys(rows)}

    def draw() -> Iterator[Batch]:
        while True:
            drawn = {seed: next(stream) for seed, stream in streams.items()}
            yield stack([drawn[seed] for seed in rows])

    return draw()


def member(states: PyTree, index: int) -> Any:
    """Returns one member's part of anything [members, ...]; of states, the state of its solo run, to sample or save."""
    return _take(states, np.int32(index))


def _make(game: Game | Callable[..., Game], **values: Any) -> Game:
    if isinstance(game, Game) and values:
        raise ValueError(f"hyper-parameters {sorted(values)} need a function of them that returns a game; got a game")
    made = game if isinstance(game, Game) else game(**values)
    if made.axis_name is not None:
        raise ValueError(f"the members of a sweep average nothing; make the game without axis_name={made.axis_name!r}")
    return made


def _generator(solo: Solo, mode: str, platform: str, sharding: NamedSharding | None) -> Solo:
    """Compiles the generation of samples, without the check for convolutions that a step is worth."""
    chosen = mode if mode != "auto" else "unrolled" if platform == "cpu" and sharding is None else "vmap"
    return functools.partial(_unrolled, solo) if chosen == "unrolled" else jax.jit(_spread(solo, chosen, sharding))


def _convolves(init: Callable[..., TrainState], step: Solo, values: PyTree) -> Callable[[Batch], bool]:
    """Returns whether the first member's step on a batch, abstract, has convolutions."""

    def convolutions(batch: Batch) -> bool:
        mine = member(values, 0)
        return convolves(step, jax.eval_shape(init, mine, jax.random.key(0), batch), (mine, batch), ())

    return convolutions


def _choice_for(
    mode: str, platform: str, sharded: bool, convolutions: Callable[[Batch], bool], form: Any, shapes: Shapes
) -> Choice:
    """Returns the choice for batches of a form (a tree) and its leaves' shapes and dtypes."""
    if mode != "auto":
        return Choice(mode, "as was asked")
    batch = form.unflatten(jax.ShapeDtypeStruct(shape[1:], dtype) for shape, dtype in shapes)
    return _choice(platform, convolutions(batch), sharded)


def _choice(platform: str, convolutions: bool, sharded: bool) -> Choice:
    if platform != "cpu":
        return Choice("vmap", f"one batched program fills the {platform}; equal to solo runs to rounding")
    if not convolutions:
        return Choice("vmap", "fastest on CPU without convolutions; equal to solo runs to rounding, mode='map' exactly")
    if sharded:
        return Choice("vmap", "convolutions on several CPU devices: slow as a batch, slower in a loop")
    return Choice("unrolled", "convolutions on CPU: slow as a batch or in a loop; bit for bit the solo runs")


def _spread(solo: Solo, mode: str, sharding: NamedSharding | None) -> Solo:
    """Makes one program for all members; on devices, one without any exchange between them."""
    spread = jax.vmap(solo, in_axes=(0, 0, None)) if mode == "vmap" else functools.partial(_mapped, solo)
    if sharding is None:
        return spread
    ours, whole = sharding.spec, PartitionSpec()
    return jax.shard_map(spread, mesh=sharding.mesh, in_specs=(ours, ours, whole), out_specs=ours, check_vma=False)


def _mapped(solo: Solo, states: TrainState, mine: PyTree, shared: PyTree) -> Any:
    """Loops over the members.

    A step that cuts its state out of an array and pastes it back is compiled, and rounds, differently from a solo one
    (docs/decisions/sweep.md). A branch that is always taken, as the compiler cannot know, keeps the step by itself.
    """

    def one(each: tuple[TrainState, PyTree]) -> Any:
        shapes = jax.eval_shape(solo, *each, shared)
        return lax.cond(each[0].step >= 0, solo, lambda *_: jax.tree.map(_blank, shapes), *each, shared)

    return lax.map(one, (states, mine))


def _blank(shape: jax.ShapeDtypeStruct) -> Array:
    return jnp.zeros(shape.shape, shape.dtype)


def _unrolled_step(solo: Solo, states: TrainState, mine: PyTree, shared: PyTree) -> tuple[TrainState, Metrics]:
    """Steps one member after the other, each back into its place: a single solo state more in memory."""
    observed = []
    for m in range(states.step.shape[0]):
        state, metrics = solo(member(states, m), member(mine, m), shared)
        states = TrainState(key=states.key, **_put(_unkeyed(states), np.int32(m), _unkeyed(state)))
        observed.append(metrics)
    return states, stack(observed)


def _unrolled(solo: Solo, states: TrainState, mine: PyTree, shared: PyTree) -> Any:
    return stack([solo(member(states, m), member(mine, m), shared) for m in range(states.step.shape[0])])


def _unkeyed(state: TrainState) -> dict[str, PyTree]:
    """All but the key, which no step changes."""
    return {name: value for name, value in state._asdict().items() if name != "key"}


@jax.jit
def _take(tree: PyTree, index: Array) -> PyTree:
    return jax.tree.map(lambda x: lax.dynamic_index_in_dim(x, index, keepdims=False), tree)


@functools.partial(jax.jit, donate_argnums=0)
def _put(tree: PyTree, index: Array, part: PyTree) -> PyTree:
    return jax.tree.map(lambda x, y: lax.dynamic_update_index_in_dim(x, y, index, 0), tree, part)


def _placed(tree: PyTree, sharding: NamedSharding | None) -> PyTree:
    return tree if sharding is None else jax.device_put(tree, sharding)


def _members(seeds: list[int], values: Mapping[str, Sequence[float]]) -> tuple[dict[str, float], ...]:
    if not seeds:
        raise ValueError("a sweep needs at least one seed")
    if lengths := {name: len(column) for name, column in values.items() if len(column) != len(seeds)}:
        raise ValueError(f"a sweep of {len(seeds)} seeds needs as many values; got {lengths}; `product` makes a grid")
    if "seed" in values:
        raise ValueError("a hyper-parameter may not be called 'seed'; the seeds are the second argument")
    members = tuple({"seed": seed} | {name: values[name][m] for name in values} for m, seed in enumerate(seeds))
    for m, settings in enumerate(members):
        if (first := members.index(settings)) < m:
            raise ValueError(f"members {first} and {m} are the same run, {settings}: twice the weight in any mean")
    return members


def _check(mode: str, devices: Sequence[jax.Device] | None, members: int) -> None:
    if mode not in (*MODES, "auto"):
        raise ValueError(f"unknown mode {mode!r}; choose one of {(*MODES, 'auto')}")
    if devices is not None and (not len(devices) or members % len(devices)):
        raise ValueError(f"{members} members cannot be shared out equally over {len(devices)} devices")
    if devices is not None and mode == "unrolled":
        raise ValueError("mode 'unrolled' runs its members on one device; with devices choose 'map' or 'vmap'")


def _check_batch(batch: Batch, members: int) -> None:
    if wrong := {name: x.shape for name, x in by_path(batch).items() if x.ndim < 2 or x.shape[0] != members}:
        raise ValueError(f"a sweep of {members} members takes batches [{members}, B, ...]; got {wrong}")
