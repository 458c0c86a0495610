"""A trained generator as a program of its own: StableHLO and named arrays, which need no code of its networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, export

from jaxgan.types import Game, PyTree, TrainState, averages_in_place, by_path

PLATFORMS = ("cpu", "cuda", "tpu")  # that a program is lowered for: one file serves all


class Program(NamedTuple):
    """What runs where there is JAX and nothing else: `jax.export.deserialize(module).call(weights, key, inputs)`."""

    module: bytearray  # of weights, key data [2] uint32 and inputs, in StableHLO
    weights: dict[str, np.ndarray]  # by "network/collection/path", those that it reads


def program(game: Game, state: TrainState, inputs: Mapping[str, Any]) -> Program:
    """Lowers a game's `generate` for any number of samples: averaged variables where they are kept, nothing trained.

    Args:
      game: any.
      state: its train state.
      inputs: what samples are asked with, for any number of them: arrays [n, ...] or pytrees of such, whose dtypes and
        further axes count; "index" [n] int32 among them, or "z" [n, Z].
    Returns:
      Program. Its key is the data of a threefry key, `jax.random.key_data(jax.random.key(seed))`.
    Raises:
      ValueError: the generator cannot be lowered for a number of samples that is not known.
    """
    state = averages_in_place(state)._replace(opt_state={}, ema={}, ema_state={}, step=jnp.zeros((), jnp.int32))
    networks = {name: {"params": state.params[name], **state.model_state[name]} for name in state.params}
    leaves, structure = jax.tree.flatten(networks)
    names = list(by_path(networks))

    def generate(weights: Mapping[str, Array], key: Array, inputs: Mapping[str, PyTree]) -> Any:
        # What the generator does not read may be anything of its shape: it is not there in the program.
        shapes = zip(names, leaves, strict=True)
        known = [weights[name] if name in weights else jnp.zeros(leaf.shape, leaf.dtype) for name, leaf in shapes]
        full = jax.tree.unflatten(structure, known)
        params = {name: collections["params"] for name, collections in full.items()}
        rest = {name: {c: v for c, v in kept.items() if c != "params"} for name, kept in full.items()}
        wrapped = jax.random.wrap_key_data(key, impl="threefry2x32")
        return game.generate(state._replace(params=params, model_state=rest), wrapped, inputs)

    everything = dict(zip(names, map(np.asarray, leaves), strict=True))
    used = _read_by(generate, everything, inputs)
    weights = {name: everything[name] for name in used}
    return Program(_lowered(generate, weights, inputs).serialize(), weights)


def _lowered(generate: Any, weights: Mapping[str, np.ndarray], inputs: Mapping[str, Any]) -> export.Exported:
    """Lowers for inputs [n, ...] with n a symbol."""
    n = export.symbolic_shape("n")[0]

    def any_number(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((n, *np.shape(leaf)[1:]), np.asarray(leaf).dtype)

    shapes = {name: jax.ShapeDtypeStruct(array.shape, array.dtype) for name, array in weights.items()}
    key = jax.ShapeDtypeStruct((2,), np.uint32)
    try:
        return export.export(jax.jit(generate), platforms=PLATFORMS)(shapes, key, jax.tree.map(any_number, inputs))
    except (TypeError, ValueError) as error:
        if not any(word in str(error) for word in ("_DimExpr", "symbolic", "dimension")):
            raise
        raise ValueError(
            f"this generator is written for a known number of samples, and cannot be lowered for any: {error}"
        ) from error


def _read_by(generate: Any, weights: Mapping[str, np.ndarray], inputs: Mapping[str, Any]) -> list[str]:
    """Returns the names of the weights that a generator reads: where the number is known, the others are left out."""
    made = export.export(jax.jit(generate))(dict(weights), np.zeros(2, np.uint32), dict(inputs))
    kept = set(made.module_kept_var_idx)
    return [name for place, name in enumerate(sorted(weights)) if place in kept]
