"""A network that others published: settings of ours, and its variables by path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.networks import biggan, r3gan, resnet, stylegan2
from jaxgan.types import by_path

FAMILIES = {"stylegan2": stylegan2, "r3gan": r3gan, "biggan": biggan, "sngan": resnet}  # by name, the networks
Arrays = Mapping[str, np.ndarray]  # of a file, by name
Take = Callable[[str], np.ndarray]


class Network(NamedTuple):
    """Which network it is, and what it has learned."""

    settings: dict[str, Any]  # of the family's `Generator` or `Discriminator`: JSON values
    variables: dict[str, np.ndarray]  # by "collection/path"


def module(family: str, role: str, settings: Mapping[str, Any]) -> nn.Module:
    """Makes a network from settings as JSON has them.

    Args:
      family: a key of FAMILIES.
      role: "Generator" or "Discriminator".
      settings: its fields; lists become tuples.
    Returns:
      The module.
    Raises:
      ValueError: there is no such family, or it has no such settings.
    """
    if family not in FAMILIES or role not in ("Generator", "Discriminator"):
        raise ValueError(f"no published {role} of {family!r} is known; have {', '.join(FAMILIES)}")
    frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    try:
        made: nn.Module = getattr(FAMILIES[family], role)(**frozen)
    except TypeError as error:
        raise ValueError(f"no settings of a {role} of {family!r}: {error}") from error
    return made


def conv(weight: np.ndarray) -> np.ndarray:
    """Lays a convolution's kernel [O, I, h, w] out as [h, w, I, O]."""
    return weight.transpose(2, 3, 1, 0)


def dense(weight: np.ndarray) -> np.ndarray:
    """Lays a matrix [O, I] out as [I, O]."""
    return weight.T


def to_map(weight: np.ndarray, height: int, width: int) -> np.ndarray:
    """Orders outputs [C h w, ...], of which a map [C, h, w] is made, as those of a map [h, w, C]."""
    channels = len(weight) // (height * width)
    ordered = np.moveaxis(weight.reshape(channels, height, width, -1), 0, 2)
    return ordered.reshape(weight.shape)


def taking(arrays: Arrays) -> tuple[Take, Callable[[Iterable[str]], None]]:
    """Returns what gives each array once, and what checks that none is left over but those of some endings.

    Args:
      arrays: by name.
    Returns:
      (name -> array, float32; endings of names that may stay -> None). Both raise ValueError.
    """
    left = dict(arrays)

    def take(name: str) -> np.ndarray:
        if name not in left:
            raise ValueError(f"there is no {name!r} in the file, which such a network has")
        return np.asarray(left.pop(name), np.float32)

    def check(endings: Iterable[str]) -> None:
        odd = [name for name in left if not name.endswith(tuple(endings))]
        if odd:
            raise ValueError(f"the file holds {', '.join(map(repr, odd[:5]))}, which such a network has not")

    return take, check


def checked(family: str, role: str, network: Network, *inputs: tuple[int, ...], labels: int = 0) -> Network:
    """Compares a network's variables with those of ours.

    Args:
      family: a key of FAMILIES.
      role: "Generator" or "Discriminator".
      network: what was read.
      *inputs: shapes of what it is called with, without the batch.
      labels: how many classes it knows; 0: it takes no labels.
    Returns:
      network, whose variables fit; those that a file does not hold are as ours begin.
    Raises:
      ValueError: paths or shapes differ, by the first that does.
    """
    given = [jax.ShapeDtypeStruct((2, *shape), jnp.float32) for shape in inputs]
    if labels:
        given.append(jax.ShapeDtypeStruct((2,), jnp.int32))
    wanted = by_path(jax.eval_shape(module(family, role, network.settings).init, jax.random.key(0), *given))
    variables = dict(network.variables)
    if odd := sorted(set(wanted) ^ set(variables)):
        raise ValueError(f"the {role.lower()} is not of the form of {family}'s: {', '.join(odd[:5])}")
    for path, leaf in wanted.items():
        if variables[path].shape != leaf.shape:
            raise ValueError(
                f"the {role.lower()} is not of the form of {family}'s: {path} has shape {variables[path].shape}, "
                f"where {leaf.shape} is needed"
            )
        variables[path] = np.ascontiguousarray(variables[path]).reshape(leaf.shape)
    return network._replace(variables=variables)


def doubling(widths: list[int], what: str) -> dict[str, int]:
    """Returns "features" and "max_features" of maps that are as wide as this, the smallest first.

    Raises:
      ValueError: they are not doubled from the largest map on, up to a most.
    """
    features, most = widths[-1], max(widths)
    if [min(features * 2**k, most) for k in range(len(widths) - 1, -1, -1)] != widths:
        raise ValueError(
            f"{what} has maps of {widths} features, which are not doubled from one to the next (channel_base is no "
            "multiple of the side); such a network is not offered"
        )
    return {"features": features, "max_features": most}
