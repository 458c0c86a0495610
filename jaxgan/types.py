"""Every shared type: a GAN is a game of named networks and players who take turns.

The six nouns are network, player, system, dynamics, game and train state. All of them are plain functions or
NamedTuples of arrays and functions, so one `train_step` runs unchanged under `jit`, `pmap` and `vmap`.
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from html import escape
from types import FunctionType
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

Given = ParamSpec("Given")  # what a factory takes
Made = TypeVar("Made")  # what it makes
PyTree = Any
SCHEDULED = "fade"  # the collection of what a schedule sets in every turn: no statistic, and so never averaged
BATCH_AXIS = "batch"  # the mesh axis that a sharded batch is split over
Batch = Mapping[str, Any]  # any named arrays (or pytrees of such) that share their leading size B. By convention "x" is
# [B, ...] float32 in [-1, 1], and "y" its condition: labels [B] int32, vectors [B, K] float32, or a pytree of such
Metrics = dict[str, Array]  # "<player>/<quantity>" -> scalar
Inputs = Mapping[str, Any]  # what a system generates from, [n, ...] each: "index", "z", "y", "x", ...


class Network(Protocol):
    """A stateless function family: a `flax.linen.Module`, or any object with these two pure functions.

    `init` returns variables: a mapping with "params" and any further collections that the network updates. A network
    whose `__call__` (or, for a bare pair, whose `apply`) names an argument `train` is told whether it trains.
    """

    def init(self, key: Any, /, *inputs: Any) -> Any:
        """Returns the initial variables for inputs of these shapes."""

    def apply(self, variables: Any, /, *inputs: Any, **settings: Any) -> Any:
        """Returns the outputs; with `mutable=[...]` the pair (outputs, updated collections)."""


class TrainState(NamedTuple):
    """All that is carried from step to step; all of it is checkpointed, and nothing else is."""

    step: Array  # [] int32, number of completed train steps
    key: Array  # [] typed PRNG key: the root of the run, never changed
    params: dict[str, PyTree]  # by network
    model_state: dict[str, PyTree]  # by network: batch statistics, spectral vectors, image pools
    opt_state: dict[str, optax.OptState]  # by player
    ema: dict[str, PyTree]  # by network, only those averaged; starts as a copy of params
    ema_state: dict[str, PyTree] = {}  # noqa: RUF012 (never changed in place); likewise of model_state, but for what is
    # SCHEDULED: averaged parameters are used beside these, for statistics of the plain ones would not be theirs

    def __repr__(self) -> str:
        """Says how far it is and what it holds, not every number; of a sweep's states what each member holds."""
        members = self._members()
        networks = ", ".join(f"{name} {size_of(params) // members:,}" for name, params in self.params.items())
        averaged = f"; averages of {', '.join(self.ema)}" if self.ema else ""
        each = f"{members} members, " if members > 1 else ""
        return f"TrainState({each}step={_step(self.step)}, parameters: {networks or 'none'}{averaged})"

    def _repr_html_(self) -> str:
        """Shows it in a notebook: a row for each network; of a sweep's states, what each member has."""
        members = self._members()
        rows = [
            (
                name,
                f"{size_of(params) // members:,}",
                f"{size_of(self.model_state.get(name, {})) // members:,}",
                "yes" if name in self.ema else "",
            )
            for name, params in self.params.items()
        ]
        head = ("network", "parameters", "other numbers kept", "averaged")
        what = f"Train states of {members} members" if members > 1 else "Train state"
        return f"<p>{what} after step {escape(_step(self.step))}</p>{html_table(head, rows)}"

    def _members(self) -> int:
        """Returns how many runs these are the states of: those of a sweep have an axis of them in front."""
        return max(1, math.prod(getattr(self.step, "shape", ())))


class Turn(NamedTuple):
    """What a loss may know besides networks and data."""

    key: Array  # [] typed PRNG key, this update's own
    step: Array  # [] int32, for schedules (annealed noise, lazy penalties)
    examples: Array | None = None  # [B] int32, each one's index in the global batch; None: 0..B-1, all on one device
    axis_name: str | None = None  # the mapped axis over which the batch is split (`pmap`)

    def named(self, use: str) -> Array:
        """Returns the key [] of one named use ("latent", "interpolation", ...), so that no two uses share draws."""
        return jax.random.fold_in(self.key, name_index(use))

    def average(self, tree: PyTree) -> PyTree:
        """Returns the mean over devices of what was computed on this one's part of the batch.

        Losses that are means over examples need none of it: their gradients are averaged anyway. What is no mean, such
        as a ratio of two, must be taken of the averages, or it would be that of each device's part.
        """
        return tree if self.axis_name is None else jax.lax.pmean(tree, self.axis_name)


Nets = Mapping[str, Any]  # by network: called like the module, inside one loss evaluation (`nets.Net`)
LossFn = Callable[[Nets, Batch, Turn], tuple[Array, Metrics]]
Objective = Callable[[PyTree], tuple[Array, Any]]  # owned params -> (loss [], auxiliary)
Estimator = Callable[[Objective, PyTree, Array], tuple[tuple[Array, Any], PyTree]]  # (objective, owned, key) -> ...
Schedule = Callable[[Array], Array]  # step [] -> value []
Critic = Callable[[Any], Array]  # x [B, ...], or a pytree of such -> logits [B, ...], pure, already conditioned
Penalty = Callable[[Critic, Any, Any, Turn], Array]  # (critic, real, fake, turn) -> scalar
Augment = Callable[[Array, Turn, str], Array]  # (x [B, ...], turn, name of the use that draws) -> [B, ...]


def autodiff(objective: Objective, owned: PyTree, key: Array) -> tuple[tuple[Array, Any], PyTree]:
    """Estimates a player's gradient exactly, by reverse-mode differentiation; `key` is unused.

    Args:
      objective: owned params -> (loss [], auxiliary).
      owned: the parameters of the networks that the player owns, by network.
      key: [] typed key for estimators that draw.
    Returns:
      ((loss, auxiliary), gradient shaped like `owned`).
    """
    return jax.value_and_grad(objective, has_aux=True)(owned)


class Player(NamedTuple):
    """Who it is that minimises: the networks it owns, its loss, its optimizer, how often it moves."""

    owns: tuple[str, ...]  # the gradient is taken w.r.t. these networks only
    loss: LossFn  # (nets, batch, turn) -> (scalar, metrics)
    optimizer: optax.GradientTransformation
    updates: int = 1  # updates per train step (n_critic)
    gradient: Estimator = autodiff  # how the loss becomes a gradient; or evolution strategies, score function


class System(NamedTuple):
    """The players of one named GAN, and how its networks are initialised and used."""

    players: dict[str, Player]  # in the order of their turns
    inputs: Callable[[Batch], dict[str, tuple[Any, ...]]] | None  # batch -> {network: the arguments that initialise
    # it}; None: those of its first call, when the losses are played on the first batch (`recording`)
    generate: Callable[[Nets, Array, Inputs], Any]  # (nets, key, inputs) -> samples: how it is used once trained
    frozen: tuple[str, ...] = ()  # networks that nobody trains
    asks: Mapping[str, str] | None = None  # inputs that `generate` needs beside "index": name -> what it is, in words
    takes: Mapping[str, str] | None = None  # inputs that it may be given; both None: whatever is asked is passed on
    through: Mapping[str, str] | None = None  # network -> the frozen one that its first input passes through


class Rules(NamedTuple):
    """What a dynamics may use: the players, and what can happen in a turn. All of it can be differentiated."""

    players: dict[str, Player]  # in the order of their turns
    gradient: Callable[..., tuple[PyTree, dict[str, PyTree], Metrics]]
    # (player, update, state, minibatch, together=False) -> (gradient over what it owns, model_state after the
    # evaluation, metrics), means over all devices; `together`: all players of this update draw the same latents
    loss: Callable[[str, int, TrainState, Batch], tuple[Array, tuple[dict[str, PyTree], Metrics]]]
    # (player, update, state, minibatch) -> (loss [] of this device, (model_state, metrics))
    move: Callable[..., TrainState]  # (player, gradient, state, value=None) -> state, by its optimizer, which may want
    # the value [] of the loss that the gradient is of
    average: Callable[[PyTree], PyTree]  # what was computed on this device -> its mean over all of them


Minibatches = tuple[Batch, ...]  # one for each update of the player that moves most often
Dynamics = Callable[[Rules, TrainState, Minibatches], tuple[TrainState, Metrics]]  # a train step, but for step and ema


class Game(NamedTuple):
    """Networks + system + dynamics, compiled into three pure functions."""

    init: Callable[[Array, Batch], TrainState]  # (key, batch) -> state
    train_step: Callable[[TrainState, Batch | Minibatches], tuple[TrainState, Metrics]]
    generate: Callable[[TrainState, Array, Inputs], Any]  # (state, key, inputs) -> samples: ema where kept, train=False
    updates: int = 1  # minibatches in a batch: the largest number of updates of a player
    axis_name: str | None = None  # the mapped axis that the train step averages over, for `pmap`
    rehearse: Callable[[TrainState, Array, Inputs], tuple[Any, dict[str, PyTree]]] | None = None
    # (state, key, inputs) -> (samples, model_state after them): as `generate`, but train=True: by batch statistics
    networks: Mapping[str, Network] | None = None  # what it was made of, to be examined
    system: System | None = None  # likewise
    given: Mapping[str, PyTree] | None = None  # variables of frozen `networks.pretrained`: no need to store them

    def __repr__(self) -> str:
        """Says what it is, also where JAX is given it instead of one of its functions."""
        return (
            f"Game(networks={sorted(self.networks or {})}): three functions, of which one is compiled: "
            "jax.jit(game.train_step)"
        )

    def _repr_html_(self) -> str:
        """Shows it in a notebook: a row for each player, and the networks that stay as they are."""
        players = self.system.players if self.system else {}
        rows = [(name, ", ".join(self._owned(p)), str(p.updates)) for name, p in players.items()]
        rows += [("(nobody)", ", ".join(self._called(self.system.frozen if self.system else ())), "")]
        return html_table(("player", "moves", "updates a step"), [row for row in rows if row[1]])

    def _owned(self, player: Player) -> list[str]:
        return self._called(player.owns)

    def _called(self, names: Sequence[str]) -> list[str]:
        networks = self.networks or {}
        return [f"{name}: {type(networks[name]).__name__}" if name in networks else name for name in names]


class Loss(NamedTuple):
    """A pair of objectives; both players minimise."""

    discriminator: Callable[[Array, Array], Array]  # (real_logits, fake_logits) [B, ...] -> scalar
    generator: Callable[[Array, Array], Array]  # (real_logits, fake_logits) [B, ...] -> scalar


def size_of(tree: PyTree) -> int:
    """Returns how many numbers a pytree holds, also where its leaves are shapes alone."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree) if hasattr(leaf, "shape"))


def _step(step: Any) -> str:
    """Returns the step in words: of a state that is traced, abstract or on other hosts its form."""
    known = isinstance(step, jax.Array | np.ndarray) and not isinstance(step, jax.core.Tracer)
    if known and (isinstance(step, np.ndarray) or step.is_fully_addressable):
        steps = np.asarray(step)
        return f"{steps.min()}" if steps.min() == steps.max() else f"{steps.min()} to {steps.max()}"
    return f"[{', '.join(map(str, getattr(step, 'shape', ())))}]"


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in HTML; every text is escaped."""
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def averages_in_place(state: TrainState) -> TrainState:
    """Returns the state that samples are made by: averaged variables, where kept, for the plain ones."""
    averages = {name: kept for name, kept in state.ema_state.items() if name in state.ema}
    model_state = {name: {**kept, **averages.get(name, {})} for name, kept in state.model_state.items()}
    return state._replace(params=state.params | state.ema, model_state=model_state)


def explained(value: Any, doc: str) -> Any:
    """Returns a value that `help` explains by these words, not by those of its type: what is made has no docstring.

    A function without one is given them. A NamedTuple takes no attributes, so it becomes one of a subclass that has
    them, equal to what it was; other values stay as they are.
    """
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        base = next(kind for kind in type(value).__mro__ if "_fields" in vars(kind))
        words = {"__doc__": doc, "__slots__": (), "__module__": base.__module__}
        return type(base.__name__, (base,), words)(*value)
    if isinstance(value, functools.partial) or (isinstance(value, FunctionType) and not value.__doc__):
        value.__doc__ = doc
    return value


def explains(factory: Callable[Given, Made]) -> Callable[Given, Made]:
    """Decorates a function that makes penalties, priors, dynamics, ...: what it makes is explained by its docstring."""

    @functools.wraps(factory)
    def make(*args: Given.args, **settings: Given.kwargs) -> Made:
        made: Made = explained(factory(*args, **settings), factory.__doc__ or "")
        return made

    return make


def by_path(tree: PyTree) -> dict[str, Any]:
    """Returns the leaves of a pytree by what errors call them: `{"y": {"box": leaf}}` has a "y/box", a lone leaf ""."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def name_index(name: str) -> int:
    """Returns a fixed 31-bit integer for a name, to fold into a key: stable across processes, unlike `hash`."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF


def example_keys(key: Array, n: int, index: Array | None = None) -> Array:
    """Returns one key per example, from its index in the global batch: the draw does not know the device count.

    Args:
      key: [] typed key of one named use.
      n: how many examples are here.
      index: [n] int32, their indices in the global batch; None means 0..n-1.
    Returns:
      [n] typed keys.
    """
    index = jnp.arange(n, dtype=jnp.int32) if index is None else index
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, index)
