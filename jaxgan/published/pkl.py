"""The networks of a .pkl file: of StyleGAN2-ADA, StyleGAN3's repository and R3GAN."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np

from jaxgan.metrics.extractors import pth
from jaxgan.metrics.extractors.pickles import Object, Storage, Tensor, describe

PLAIN = (str, int, float, bool, type(None))  # what is kept of a module's attributes
MODULES, DEPTH = 20_000, 32  # how many a file may hold, and how deeply within each other


class Module(NamedTuple):
    """A network that a .pkl describes, and its parts by dotted names: "" is the network itself."""

    kinds: dict[str, str]  # names of classes
    attributes: dict[str, Any]  # by "part.attribute": those that are texts, numbers or None
    arrays: dict[str, np.ndarray]  # parameters and buffers, by "part.name"


def modules(data: bytes) -> dict[str, Module]:
    """Reads the networks of a .pkl file: StyleGAN2-ADA's, StyleGAN3's, R3GAN's.

    Args:
      data: the whole file, a dictionary that was pickled.
    Returns:
      The networks of the dictionary, by its keys ("G", "D", "G_ema"); what else it holds is left out.
    Raises:
      ValueError: a global or an instruction that is not on the list (named), a torn or inconsistent file, or none of a
        dictionary with networks.
    """
    storages: dict[str, bytes] = {}

    def load(file: bytes) -> Storage:
        storage, inner = pth.legacy(file)
        if not isinstance(storage, Storage):
            raise ValueError("refused: bytes that hold something else than one storage of numbers")
        storages[str(len(storages))] = inner[storage.key]
        return storage._replace(key=str(len(storages) - 1))

    try:
        root = describe(io.BytesIO(data), load=load)
        if not isinstance(root, dict):
            raise ValueError(f"the file holds a {type(root).__name__}, not a dictionary of networks")
        networks = {str(key): thing for key, thing in root.items() if isinstance(thing, Object) and _is_module(thing)}
        if not networks:
            raise ValueError(f"the file holds no network under {[str(key)[:40] for key in root][:10]}")
        count = [0]
        described = {key: _parts(network, count) for key, network in networks.items()}
        return {
            key: Module(kinds, attributes, pth.arrays(tensors, storages, len(data)))
            for key, (kinds, attributes, tensors) in described.items()
        }
    except pth.BROKEN as error:
        raise ValueError(f"not a readable .pkl file: {type(error).__name__}: {error}") from error


def _is_module(thing: Object) -> bool:
    return all(isinstance(thing.state.get(part), dict) for part in ("_parameters", "_buffers", "_modules"))


def _parts(
    network: Object, count: list[int], prefix: str = "", depth: int = 0
) -> tuple[dict[str, str], dict[str, Any], dict[str, Tensor]]:
    """Returns classes, plain attributes and tensors of a network and of all that is in it, by dotted names.

    A pickle may put one object in two places, or in itself: what it unfolds to is bounded.
    """
    count[0] += 1
    if count[0] > MODULES or depth > DEPTH:
        raise ValueError(f"refused: more than {MODULES} parts of networks, or more than {DEPTH} within each other")
    start = f"{prefix}." if prefix else ""
    state = network.state
    kinds = {prefix: network.name.split(" ")[-1]}
    attributes = {f"{start}{name}": value for name, value in state.items() if isinstance(value, PLAIN)}
    tensors = dict[str, Tensor]()
    for name, value in (state["_parameters"] | state["_buffers"]).items():
        if isinstance(value, Tensor):
            tensors[f"{start}{name}"] = value
    for name, part in state["_modules"].items():
        if isinstance(part, Object) and _is_module(part):
            inner = _parts(part, count, f"{start}{name}", depth + 1)
            for mine, theirs in zip((kinds, attributes, tensors), inner, strict=True):
                mine.update(theirs)  # type: ignore[attr-defined]
    return kinds, attributes, tensors
