"""From one game into another: phases of a training, fine-tuning, another number of classes, another resolution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.types import Batch, Game, PyTree, TrainState, by_path


class Carried(NamedTuple):
    """A state of the new game, and what became of each of its leaves, by "params/<network>/<path>" and so on."""

    state: TrainState
    carried: tuple[str, ...]  # leaves that the old state gave
    fresh: dict[str, str]  # the others, and why

    def __str__(self) -> str:
        """Says in a few lines what was carried, and what was not and why."""
        lines = [f"{len(self.carried)} leaves were carried, {len(self.fresh)} are fresh"]
        return "\n".join([*lines, *(f"  {path}: {reason}" for path, reason in self.fresh.items())])


def carry(
    old: TrainState,
    game: Game,
    key: Array,
    batch: Batch,
    *,
    networks: Mapping[str, str] | None = None,
    moments: bool = False,
) -> Carried:
    """Starts a game from the state of another with more, fewer or other networks.

    A leaf of the new game (parameters, averages, model state) is carried where the old state has one of the same path,
    shape and dtype, and is fresh where it has none. The step is 0.

    Example:
      >>> import flax.linen as nn, jax, jax.numpy as jnp, optax, jaxgan as jg
      >>> player = jg.Player(("net",), lambda nets, batch, turn: (nets["net"](batch["x"]).mean(), {}), optax.sgd(0.1))
      >>> system, batch, key = jg.System({"p": player}, None, print), {"x": jnp.ones((4, 5))}, jax.random.key(0)
      >>> old, new = (jg.game({"net": nn.Sequential([nn.Dense(4), nn.Dense(n)])}, system) for n in (2, 3))
      >>> carry(old.init(key, batch), new, key, batch).fresh["params/net/layers_1/bias"]
      'float32[2] there, float32[3] here'

    Args:
      old: state of the game that ends.
      game: the one that begins.
      key: [] typed key, the root of the new game and of what is fresh.
      batch: its first.
      networks: new network -> old network, where names differ; others keep theirs.
      moments: also the optimizers' states of players of the same name.
    Returns:
      Carried, with the list of what was carried, and what was fresh and why.
    Raises:
      ValueError: the games share nothing, or `networks` names one that a game does not have.
    """
    new = game.init(key, batch)
    for side, names, have in (("new", networks or {}, new.params), ("old", (networks or {}).values(), old.params)):
        if unknown := sorted(set(names) - set(have)):
            raise ValueError(f"carry: networks names {unknown}, which the {side} game has not; it has {sorted(have)}")
    renamed = {name: (networks or {}).get(name, name) for name in new.params}
    fields: dict[str, Any] = {}
    carried: list[str] = []
    fresh: dict[str, str] = {}
    begins = {"ema": old.params, "ema_state": old.model_state}  # an average that begins now: at what is averaged
    for field in ("params", "model_state", *begins):
        source = begins.get(field, {}) | getattr(old, field)
        source = {name: source.get(renamed[name]) for name in getattr(new, field)}
        fields[field] = _taken(source, getattr(new, field), field, carried, fresh)
    if not any(path.startswith("params/") for path in carried):
        raise ValueError(
            f"carry: the games share nothing: networks {sorted(old.params)} and {sorted(new.params)} have no parameter "
            "of one path and shape; their kinds or widths differ, or their names do: networks={new: old} pairs those"
        )
    if moments:
        fields["opt_state"] = _taken(old.opt_state, new.opt_state, "opt_state", carried, fresh)
    return Carried(new._replace(**fields), tuple(carried), fresh)


def _taken(old: PyTree, new: PyTree, field: str, carried: list[str], fresh: dict[str, str]) -> PyTree:
    """Returns the new tree with the old one's leaves where both have them, and notes which."""
    have = by_path(old)

    def leaf(path: Any, value: Array) -> Array:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        there = have.get(name)
        if there is None:
            fresh[f"{field}/{name}"] = "the old state has none of this path"
        elif (there.shape, there.dtype) != (value.shape, value.dtype):
            fresh[f"{field}/{name}"] = f"{there.dtype}{list(there.shape)} there, {value.dtype}{list(value.shape)} here"
        else:
            carried.append(f"{field}/{name}")
            return jnp.copy(there)
        return value

    return jax.tree_util.tree_map_with_path(leaf, new)


def adopt(
    game: Game,
    state: TrainState,
    player: str,
    params: PyTree,
    opt_state: PyTree | None = None,
    model_state: Mapping[str, PyTree] | None = None,
) -> TrainState:
    """Puts a model that was trained by a loop of one's own into the state of a game.

    The player goes on from these parameters and, where it is given, from the state of their optimizer: with the same
    optimizer, its next step is the one that the other loop would have made, but for what the game adds to the loss.
    Averages begin at the parameters. What is given is copied: a donated state leaves it alone.

    Example:
      >>> import flax.linen as nn, jax, jax.numpy as jnp, optax, jaxgan as jg
      >>> player = jg.Player(("net",), lambda nets, batch, turn: (nets["net"](batch["x"]).mean(), {}), optax.adam(0.1))
      >>> game, batch = jg.game({"net": nn.Dense(1)}, jg.System({"p": player}, None, print)), {"x": jnp.ones((4, 2))}
      >>> mine = {"kernel": jnp.full((2, 1), 3.0), "bias": jnp.zeros(1)}
      >>> state = adopt(game, game.init(jax.random.key(0), batch), "p", mine, optax.adam(0.1).init(mine))
      >>> float(state.params["net"]["kernel"][0, 0])
      3.0

    Args:
      game: in which the player owns the model.
      state: from its `init`.
      player: by name.
      params: of the only network that it owns; of several, {network: params}.
      opt_state: of the player's optimizer, made for `params`; None: it begins anew.
      model_state: further collections of the only network, such as {"batch_stats": ...}; of several, by network.
    Returns:
      The state. What comes back out is `state.params[network]`, and the optimizer's state in its own form by
      `jax.tree.unflatten(jax.tree.structure(opt_state), jax.tree.leaves(state.opt_state[player]))`.
    Raises:
      ValueError: there is no such player, or a tree does not fit the game's, by the first leaf that does not.
    """
    players = {} if game.system is None else game.system.players
    if player not in players:
        raise ValueError(f"adopt: no player is called {player!r}; the game has {sorted(players)}")
    owns = players[player].owns
    given, kept = ({owns[0]: tree} if len(owns) == 1 and tree is not None else tree for tree in (params, model_state))
    taken = _alike("params", given, {name: state.params[name] for name in owns})
    fields: dict[str, Any] = {"params": state.params | taken, "ema": _begun(state.ema, taken)}
    if kept is not None:
        remembered = _alike("model_state", kept, {name: state.model_state[name] for name in owns})
        fields |= {"model_state": state.model_state | remembered, "ema_state": _begun(state.ema_state, remembered)}
    if opt_state is not None:
        moved = _alike("opt_state", opt_state, state.opt_state[player], named=False)
        fields["opt_state"] = state.opt_state | {player: moved}
    return state._replace(**fields)


def _begun(averages: dict[str, PyTree], values: Mapping[str, PyTree]) -> dict[str, PyTree]:
    """Returns averages that begin at these values, where they are kept."""
    return averages | {name: jax.tree.map(jnp.copy, value) for name, value in values.items() if name in averages}


def _alike(what: str, given: PyTree, wanted: PyTree, named: bool = True) -> Any:
    """Returns copies of the given leaves in the wanted tree; an optimizer's has the same leaves in the same order."""
    here, there = by_path(wanted), by_path(given)
    if (named and set(here) != set(there)) or len(here) != len(there):
        odd = sorted(set(here) ^ set(there)) if named else f"{len(there)} leaves instead of {len(here)}"
        raise ValueError(f"adopt: {what} is not of the game's form: {odd}; is it of the same network and optimizer?")
    leaves = [there[path] for path in here] if named else list(there.values())
    for (path, leaf), mine in zip(here.items(), leaves, strict=True):
        if (jnp.shape(mine), jnp.result_type(mine)) != (leaf.shape, leaf.dtype):
            form = f"{jnp.result_type(mine)}{list(jnp.shape(mine))}, in the game {leaf.dtype}{list(leaf.shape)}"
            raise ValueError(f"adopt: {what}/{path} is {form}; is it of the same network and optimizer?")
    return jax.tree.unflatten(jax.tree.structure(wanted), [jnp.array(leaf) for leaf in leaves])
