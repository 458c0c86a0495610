"""What does not fit together, said at build or trace time: one `ValueError` each, with the value and the remedy."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.types import Batch, Inputs, Network, System, by_path


def check_system(networks: Mapping[str, Network], system: System, ema: Mapping[str, Any]) -> None:
    """Raises unless every network has an owner or is frozen, and players, owners and averages name networks."""
    have = sorted(networks)
    for name, network in networks.items():
        _check_network(name, network)
    if not isinstance(system, System):
        raise ValueError(f"a game is played by a System, such as jg.systems.gan(...); got {_described(system)}")
    if not system.players:
        raise ValueError("the system has no players; give it at least one")
    for name, player in system.players.items():
        if isinstance(player.owns, str):
            raise ValueError(f"player {name!r} owns {player.owns!r}, a string; write owns=({player.owns!r},)")
        if unknown := sorted(set(player.owns) - set(networks)):
            raise ValueError(f"player {name!r} owns unknown networks {unknown}; have {have}")
        if not player.owns:
            raise ValueError(f"player {name!r} owns no network; name at least one of {have}")
        if not isinstance(player.updates, int | np.integer) or player.updates < 1:
            raise ValueError(f"player {name!r} has updates={player.updates!r}; it must be at least 1, and an integer")
        check_function(f"the loss of player {name!r}", player.loss, "LossFn", ("nets", "batch", "turn"))
        check_optimizer(f"the optimizer of player {name!r}", player.optimizer)
    owned = {n for player in system.players.values() for n in player.owns}
    if unknown := sorted(set(system.frozen) - set(networks)):
        raise ValueError(f"the system freezes unknown networks {unknown}; have {have}")
    if twice := sorted(owned & set(system.frozen)):
        raise ValueError(f"networks {twice} are both owned and frozen; drop one of the two")
    if loose := sorted(set((system.through or {}).values()) - set(system.frozen)):
        raise ValueError(f"networks see through {loose}, which the system does not freeze; have {list(system.frozen)}")
    if orphans := sorted(set(networks) - owned - set(system.frozen)):
        raise ValueError(f"networks {orphans} are owned by no player; give each an owner or list it in system.frozen")
    if unknown := sorted(set(ema) - owned):
        raise ValueError(f"ema averages {unknown}, which no player trains; have {sorted(owned)}")
    if outside := {n: d for n, d in ema.items() if not _is_decay(d)}:
        raise ValueError(f"ema decays must lie in [0, 1]; got {outside}")


def _is_decay(decay: Any) -> bool:
    """Tells whether a number lies in [0, 1]; schedules, and values that a sweep traces, are known only when used."""
    if callable(decay) or isinstance(decay, jax.core.Tracer):
        return True
    return isinstance(decay, float | int | np.number | np.ndarray | jax.Array) and bool(0 <= decay <= 1)


def check_averages(ema: Any) -> dict[str, Any]:
    """Returns the decays by network; raises for a bare number, which says of no network that it is averaged."""
    if ema is not None and not isinstance(ema, Mapping):
        raise ValueError(f"ema={ema!r} names no network; write ema={{'generator': {ema!r}}}")
    return dict(ema or {})


def _check_network(name: str, network: Any) -> None:
    """Raises for what cannot be a network: a class, an NNX module, or an object without `init` and `apply`."""
    nnx = getattr(sys.modules.get("flax.nnx"), "Module", None)  # who has such a module has imported it
    kind = network if isinstance(network, type) else type(network)
    if nnx is not None and issubclass(kind, nnx):
        raise ValueError(
            f"network {name!r} is {_described(network)}, of NNX; games play pure functions: bridge its class, "
            f"flax.nnx.bridge.to_linen({kind.__name__}, ...)"
        )
    if isinstance(network, type):
        raise ValueError(f"network {name!r} is {_described(network)}; make an instance, {network.__name__}(...)")
    if not (callable(getattr(network, "init", None)) and callable(getattr(network, "apply", None))):
        raise ValueError(
            f"network {name!r} is {_described(network)}; it needs `init` and `apply`, as a flax.linen.Module has them"
        )


def check_function(name: str, value: Any, kind: str, arguments: tuple[str, ...], example: str = "") -> None:
    """Raises unless a value is a function that can be called with these arguments.

    Args:
      name: of the argument, for the error.
      value: what was given.
      kind: the type's name in `jaxgan.types`; a function of the library that *returns* one is not called yet.
      arguments: names of what it is called with, by place.
      example: what to write instead.
    """
    remedy = f"; write {example}" if example else ""
    form = f"a function ({', '.join(arguments)}) -> ..."
    if not callable(value) or isinstance(value, type):
        raise ValueError(f"{name} is {_described(value)}; it must be {form}{remedy}")
    if not inspect.isroutine(value):
        return  # an object that can be called, of a form of its own
    try:
        signature = inspect.signature(value)
    except ValueError:  # of some functions written in C
        return
    ours = (value.__module__ or "").startswith("jaxgan.") and "<locals>" not in value.__qualname__  # itself not made
    if ours and signature.return_annotation == kind:
        raise ValueError(f"{name} is the function {value.__name__}, which makes one; call it, {value.__name__}(...)")
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise ValueError(
            f"{name} is the function {value.__name__}{signature}, which cannot be called as {form} ({error}){remedy}"
        ) from None


def check_penalty(name: str, value: Any) -> None:
    """Raises unless a value is a penalty: a function (critic, real, fake, turn) -> scalar."""
    check_function(name, value, "Penalty", ("critic", "real", "fake", "turn"), "jg.penalties.r1(gamma), or another")


def check_optimizer(name: str, value: Any) -> None:
    """Raises unless a value is an optimizer of Optax: a pair of functions `init` and `update`."""
    if callable(getattr(value, "init", None)) and callable(getattr(value, "update", None)):
        return
    if inspect.isroutine(value):
        raise ValueError(f"{name} is the function {value.__name__}; call it, {value.__name__}(learning_rate)")
    rate = value if isinstance(value, float | int) else 1e-3
    raise ValueError(f"{name} is {_described(value)}; it must be an optax optimizer, such as optax.adam({rate})")


@contextlib.contextmanager
def missing_names(who: str, have: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Says in words which entry of a batch, or which network, a function asked for that is not there."""
    try:
        yield
    except KeyError as error:
        asked = error.args[0] if error.args else None
        if any(asked in names for names in have.values()) or not isinstance(asked, str):
            raise  # an error of the function's own
        there = ", ".join(f"{what} {sorted(names)}" for what, names in have.items())
        raise ValueError(f"{who} asks for {asked!r}, which is not there; it is given {there}") from error


def check_key(function: str, key: Any) -> None:
    """Raises unless a key is a typed one."""
    if not jnp.issubdtype(getattr(key, "dtype", None) or np.dtype(object), jax.dtypes.prng_key):
        seed = key if isinstance(key, int) else "seed"
        raise ValueError(f"{function} takes a typed key, jax.random.key({seed}); got {_described(key)}")


def _described(value: Any) -> str:
    """Returns a value in few words."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.isroutine(value):
        return f"the function {value.__name__}"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype}{list(value.shape)}"
    return repr(value) if isinstance(value, str | float | int | None) else f"a {type(value).__name__}"


def check_shapes(batch: Batch, updates: int) -> None:
    """Raises what shapes and dtypes can tell at trace time."""
    shapes = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(batch)}
    if not isinstance(batch, Mapping) or not shapes:
        raise ValueError(f"a batch is a mapping such as {{'x': [B, ...]}}; got {type(batch).__name__} without arrays")
    for path, leaf in shapes.items():
        if not hasattr(leaf, "shape") or not leaf.shape:
            raise ValueError(f"batch{path} must be an array [B, ...]; got {leaf!r}")
        if leaf.dtype in (jnp.uint8, jnp.float64, jnp.bool_) or getattr(leaf.dtype, "kind", "") in "OSUT":
            raise ValueError(
                f"batch{path} is {leaf.dtype}; expected float32 in [-1, 1] for data (x / 127.5 - 1 from bytes), "
                "int32 for labels"
            )
    x: Any = batch.get("x")
    if hasattr(x, "ndim") and x.ndim < 2:
        raise ValueError(f"batch['x'] has shape {x.shape}; expected [B, ...] with at least one feature axis")
    if hasattr(x, "dtype") and x.ndim > 2 and not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"batch['x'] is {x.dtype} {x.shape}; expected float32 in [-1, 1], or tokens [B, T] int32")
    sizes = {path: leaf.shape[0] for path, leaf in shapes.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"arrays of a batch must share their leading size; got {sizes}")
    size = next(iter(sizes.values()))
    if size == 0 or size % updates:
        raise ValueError(
            f"batch size {size} does not divide by {updates} updates (n_critic); "
            f"use a multiple, such as {max(1, size // updates) * updates}"
        )


def check_inputs(system: System, inputs: Inputs) -> None:
    """Raises for inputs to generate from that the system does not take, or needs and was not given.

    Latents are drawn from "index" or given as "z", whatever the system; one that says neither `asks` nor `takes` is
    passed all that is asked.
    """
    if system.asks is None and system.takes is None:
        return
    asks, takes = dict(system.asks or {}), dict(system.takes or {})
    given = set(inputs) - {"index", "z"}
    if given - set(asks) - set(takes) or set(asks) - set(inputs):
        words = "; ".join(f"{name!r}: {what}" for name, what in (asks | takes).items()) or "no others"
        raise ValueError(
            f"this system is asked with inputs {sorted(given)}; it needs {sorted(asks)} and takes "
            f"{sorted(takes)} ({words})"
        )


def _read_by_heads(network: Network) -> int:
    """Returns how many classes the heads of a classifier tell apart, whose labels its loss looks up; 0: none."""
    heads = getattr(network, "heads", {})
    return max((getattr(head, "classes", 0) for head in heads.values()), default=0) if isinstance(heads, Mapping) else 0


def check_labels(batch: Batch, networks: Mapping[str, Network]) -> None:
    """Raises for labels that no embedding has: JAX itself would read NaN or the last row, silently.

    `batch["y"]` is one array or any pytree; a network's `classes` is the number of labels, or by entry of the pytree.
    """
    for name, network in networks.items():
        classes = getattr(network, "classes", 0)
        for entry, y in by_path(batch.get("y")).items():
            count = classes.get(entry, 0) if isinstance(classes, Mapping) else classes or _read_by_heads(network)
            if not count or isinstance(y, jax.core.Tracer) or not jnp.issubdtype(y.dtype, jnp.integer):
                continue  # a vector's width is checked by the network
            if (wrong := np.ravel((np.asarray(y) < 0) | (np.asarray(y) >= count))).any():
                label = np.ravel(y)[wrong][0]
                raise ValueError(
                    f"y{[entry] if entry else ''} holds label {label}, but network {name!r} has {count} "
                    f"classes, 0..{count - 1}"
                )
