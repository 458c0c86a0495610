"""What initialises each network need not be written down: the losses say it, when they are played on the first batch.

Nothing is computed: the play is traced for shapes alone, and ends as soon as every network has been called.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.nets import Calls, Net, initial_variables, net
from jaxgan.types import Batch, Network, PyTree, System, Turn, name_index


class _CompleteError(Exception):
    """Every network has been called: the rest of the losses says nothing new."""


class _Unborn(NamedTuple):
    """A network that has no variables yet: every call is noted, and answered by those it would begin with."""

    name: str
    network: Network
    key: Array
    noted: dict[str, dict[str, tuple[Any, ...]]]  # of all networks
    needed: frozenset[str]  # networks of which a call must be known

    def init(self, key: Any, /, *inputs: Any) -> Any:
        """Returns nothing: variables come from the calls."""
        return {}

    def apply(self, variables: Any, /, *inputs: Any, **settings: Any) -> Any:
        """Notes the call, and returns the outputs that a new network would give."""
        calls = self.noted.setdefault(self.name, {})
        calls.setdefault(settings.get("method") or "__call__", jax.tree.map(_shape, inputs))
        if all("__call__" in self.noted.get(name, {}) for name in self.needed):
            raise _CompleteError
        return self.newborn(calls)(*inputs, **settings)

    def newborn(self, calls: Calls) -> Net:
        """Returns the network with variables of the right shapes, whatever their values."""
        abstract = jax.eval_shape(lambda: initial_variables(self.name, self.network, self.key, _like(calls)))
        variables = jax.tree.map(_zeros, abstract)
        state = {collection: value for collection, value in variables.items() if collection != "params"}
        params = variables.get("params", {})
        return net(self.name, self.network, params, state, key=self.key, train=True)


class _Nets(Mapping[str, Net]):
    """All networks of a game, as a loss finds them while it is recorded."""

    def __init__(self, unborn: Mapping[str, _Unborn]) -> None:
        self.unborn = unborn

    def __getitem__(self, name: str) -> Net:
        unborn = self.unborn[name]
        calls = unborn.noted.get(name)
        params, state = unborn.newborn(calls)[2:4] if calls else ({}, {})
        # As it averages itself, a loss may look at the average of a network that nobody has called yet.
        return net(name, unborn, params, state, key=unborn.key, train=True, average=params)

    def __iter__(self) -> Iterator[str]:
        return iter(self.unborn)

    def __len__(self) -> int:
        return len(self.unborn)


def recorded(
    networks: Mapping[str, Network],
    system: System,
    key: Array,
    batch: Batch,
    *,
    axis_name: str | None = None,
    given: frozenset[str] = frozenset(),
) -> dict[str, Calls]:
    """Plays every player's loss once for shapes, and returns the arguments of each network's first calls.

    Data-dependent initialisation needs values: say `System.inputs` for it.

    Args:
      networks: by name.
      system: whose losses are played, in order.
      key: [] typed key.
      batch: one minibatch.
      axis_name: the mapped axis that the networks know, if any.
      given: networks whose variables are known, which need no call.
    Returns:
      By network and method ("__call__": the call itself), arguments of the right shapes and types; arrays are zeros.
    Raises:
      ValueError: no loss calls a network.
    """
    noted: dict[str, dict[str, tuple[Any, ...]]] = {}
    needed = frozenset(networks) - given
    unborn = {name: _Unborn(name, network, key, noted, needed) for name, network in networks.items()}

    def play(batch: Batch) -> Array:
        examples = jnp.arange(jax.tree.leaves(batch)[0].shape[0], dtype=jnp.int32)
        turn = Turn(key, jnp.zeros((), jnp.int32), examples, axis_name)
        for player in system.players.values():
            player.loss(_Nets(unborn), batch, turn)
        return turn.step

    play_mapped = play if axis_name is None else jax.vmap(play, axis_name=axis_name)
    with contextlib.suppress(_CompleteError):
        jax.eval_shape(play_mapped, batch if axis_name is None else jax.tree.map(lambda x: x[None], batch))
    if missing := sorted(needed - set(noted)):
        raise ValueError(
            f"no player's loss calls networks {missing}, so nothing says what initialises them; leave them out, or "
            "give the system `inputs`"
        )
    return {name: _like(calls) for name, calls in noted.items()}


def initial_key(key: Array, name: str) -> Array:
    """Returns the key [] that initialises a network, whatever other networks there are."""
    return jax.random.fold_in(key, name_index(name))


def _shape(leaf: Any) -> Any:
    """Keeps of an array what initialisation looks at."""
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) if hasattr(leaf, "dtype") else leaf


def _like(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda x: _zeros(x) if isinstance(x, jax.ShapeDtypeStruct) else x, tree)


def _zeros(leaf: jax.ShapeDtypeStruct) -> Array:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0), leaf.shape)
    return jnp.zeros(leaf.shape, leaf.dtype)
