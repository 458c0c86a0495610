"""What initialises each network need not be written down: the losses say it, when they are played on the first batch.

The play ends as soon as every network has been called, and what it computes besides is dead code to the compiler.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import get_opaque_trace_state

from jaxgan.checks import missing_names
from jaxgan.nets import CALL, Net, frozen, initial_call, initial_variables, net
from jaxgan.types import Batch, Network, PyTree, System, Turn, name_index


class _CompleteError(Exception):
    """Every network has been called: the rest of the losses says nothing new."""


class _Recording(NamedTuple):
    """The play so far."""

    key: Array
    level: Any  # JAX's transformation in which the losses are played
    needed: frozenset[str]  # networks of which a call must be known
    calls: dict[str, dict[str, tuple[Any, ...]]]  # by network and method, the arguments of the first call
    born: dict[str, dict[str, Mapping[str, PyTree]]]  # likewise, the variables that this call gave it

    def variables(self, name: str, network: Network) -> Mapping[str, PyTree]:
        """Returns those that a network begins with."""
        born = self.born.get(name, {})
        return (
            born[CALL]
            if CALL in born
            else initial_variables(name, network, initial_key(self.key, name), self.calls[name])
        )


class _Unborn(NamedTuple):
    """A network that has no variables yet: its first call is noted and initialises it; every call is answered."""

    name: str
    network: Network
    recording: _Recording

    def init(self, key: Any, /, *inputs: Any) -> Any:
        """Returns nothing: variables come from the calls."""
        return {}

    def apply(self, variables: Any, /, *inputs: Any, **settings: Any) -> Any:
        """Notes the call, and returns the outputs that the new network gives."""
        recording, method = self.recording, settings.pop("method", None) or CALL
        calls = recording.calls.setdefault(self.name, {})
        outside = get_opaque_trace_state() == recording.level  # a value of a loop inside the loss cannot leave it
        first = method not in calls
        if first:
            calls[method] = inputs if outside else jax.tree.map(_like, inputs)
        if all(CALL in recording.calls.get(name, {}) for name in recording.needed):
            raise _CompleteError
        key = initial_key(recording.key, self.name)
        outputs, variables = initial_call(self.name, self.network, key, method, inputs, settings)
        if first and outside:
            recording.born.setdefault(self.name, {})[method] = variables
        return outputs


class _Nets(Mapping[str, Net]):
    """All networks of a game, as a loss finds them while it is recorded."""

    def __init__(
        self, networks: Mapping[str, Network], recording: _Recording, through: Mapping[str, str], given: PyTree
    ) -> None:
        self.networks, self.recording, self.through, self.given = networks, recording, through, given

    def __getitem__(self, name: str) -> Net:
        variables = next(iter(self.recording.born.get(name, {}).values()), {})
        params = variables.get("params", {})
        state = {collection: value for collection, value in variables.items() if collection != "params"}
        unborn = _Unborn(name, self.networks[name], self.recording)
        # As it averages itself, a loss may look at the average of a network that nobody has called yet.
        called = net(name, unborn, params, state, key=self.recording.key, train=True, average=params)
        return called._replace(through=self._features(self.through[name]) if name in self.through else None)

    def _features(self, name: str) -> Callable[..., Any]:
        """Returns a view of what another network sees through: the given one, or a new one."""
        if name not in self.given:
            return frozen(self[name])
        network = self.networks[name]
        return lambda *inputs: network.apply(self.given[name], *inputs)

    def __iter__(self) -> Iterator[str]:
        return iter(self.networks)

    def __len__(self) -> int:
        return len(self.networks)


def recorded(
    networks: Mapping[str, Network],
    system: System,
    key: Array,
    batch: Batch,
    *,
    given: Mapping[str, PyTree] = MappingProxyType({}),
) -> dict[str, Mapping[str, PyTree]]:
    """Plays every player's loss once, and returns the variables that each network's first call gives it.

    A network that is called by methods alone gets what all of them make. Arguments are those of the first batch, so
    that what depends on data at initialisation (a reference batch) is taken from it; only what a loop inside a loss
    calls a network with is known by its shape alone.

    Args:
      networks: by name.
      system: whose losses are played, in order.
      key: [] typed key.
      batch: one minibatch.
      given: by network, variables that are known; these networks need no call.
    Returns:
      By network that is not given, its variables.
    Raises:
      ValueError: no loss calls a network.
    """
    needed = frozenset(networks) - frozenset(given)
    recording = _Recording(key, get_opaque_trace_state(), needed, {}, {})
    examples = jnp.arange(jax.tree.leaves(batch)[0].shape[0], dtype=jnp.int32)
    turn = Turn(key, jnp.zeros((), jnp.int32), examples)
    with contextlib.suppress(_CompleteError):
        for name, player in system.players.items():
            playing = _Nets(networks, recording, system.through or {}, given)
            with missing_names(f"the loss of player {name!r}", {"batch": batch, "networks": playing}):
                player.loss(playing, batch, turn)
    if missing := sorted(needed - set(recording.calls)):
        raise ValueError(
            f"no player's loss calls networks {missing}, so nothing says what initialises them; leave them out, or "
            "give the system `inputs`"
        )
    return {name: recording.variables(name, networks[name]) for name in networks if name in needed}


def initial_key(key: Array, name: str) -> Array:
    """Returns the key [] that initialises a network, whatever other networks there are."""
    return jax.random.fold_in(key, name_index(name))


def _like(leaf: Any) -> Any:
    """Keeps the form of an array: zeros, or keys, of no transformation."""
    if not hasattr(leaf, "dtype"):
        return leaf
    with jax.ensure_compile_time_eval():
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jnp.broadcast_to(jax.random.key(0), leaf.shape)
        return jnp.zeros(leaf.shape, leaf.dtype)
