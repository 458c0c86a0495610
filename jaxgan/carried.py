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
            "of one path and shape; name the networks that belong together by networks={new: old}"
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
