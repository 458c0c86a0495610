"""What does not fit together, said at build or trace time: one `ValueError` each, with the value and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.types import Batch, Inputs, Network, System, by_path


def check_system(networks: Mapping[str, Network], system: System, ema: Mapping[str, Any]) -> None:
    """Raises unless every network has an owner or is frozen, and players, owners and averages name networks."""
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
    if twice := sorted(owned & set(system.frozen)):
        raise ValueError(f"networks {twice} are both owned and frozen; drop one of the two")
    if orphans := sorted(set(networks) - owned - set(system.frozen)):
        raise ValueError(f"networks {orphans} are owned by no player; give each an owner or list it in system.frozen")
    if unknown := sorted(set(ema) - owned):
        raise ValueError(f"ema averages {unknown}, which no player trains; have {sorted(owned)}")
    if outside := {n: d for n, d in ema.items() if not _is_decay(d)}:
        raise ValueError(f"ema decays must lie in [0, 1]; got {outside}")


def _is_decay(decay: Any) -> bool:
    """Tells whether a number lies in [0, 1]; schedules, and values that a sweep traces, are known only when used."""
    return callable(decay) or isinstance(decay, jax.core.Tracer) or 0 <= decay <= 1


def check_shapes(batch: Batch, updates: int) -> None:
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
