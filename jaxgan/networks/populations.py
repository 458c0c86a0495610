"""Populations: many networks of one kind in one, each with its mutation strengths, for `estimators.selection`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.types import PyTree

MEMBERS, STRENGTHS = "members", "strengths"  # the two entries of a population's parameters, of equal structure


class Crowd(NamedTuple):
    """A population of generators: example i is made by member i modulo their number, so a batch is made by all.

    Parameters are {"members": a tree with leaves [P, ...], "strengths": the same, how far each mutates}; how many there
    are is read from them, so that a part of a population is one too. Members are Linen modules without statistics.
    """

    member: nn.Module
    size: int  # P
    strength: float = 1.0  # at the start, in units of the parameters

    def init(self, key: Array, *inputs: Any) -> dict[str, PyTree]:
        """Returns the parameters of `size` members, each by a key of its own."""
        return _born(self.member, self.size, self.strength, key, inputs[:1])

    def apply(self, variables: Any, z: Array, index: Array | None = None) -> Any:
        """Makes examples of latents z [B, Z], by their numbers `index` [B] in the global batch (None: 0..B-1)."""
        members = variables["params"][MEMBERS]
        index = jnp.arange(z.shape[0], dtype=jnp.int32) if index is None else index
        own = jax.tree.map(lambda leaf: leaf[index % leaf.shape[0]], members)
        made = jax.vmap(lambda params, row: self.member.apply({"params": params}, row[None]))(own, z)
        return jax.tree.map(lambda leaf: leaf[:, 0], made)


class Jury(NamedTuple):
    """A population of discriminators: each judges every example; x [B, ...] -> logits [B, P].

    Parameters as of a `Crowd`.
    """

    member: nn.Module
    size: int  # P
    strength: float = 1.0

    def init(self, key: Array, *inputs: Any) -> dict[str, PyTree]:
        """Returns the parameters of `size` members, each by a key of its own."""
        return _born(self.member, self.size, self.strength, key, inputs)

    def apply(self, variables: Any, *inputs: Any) -> Array:
        """Judges x [B, ...], and conditions where there are any."""
        members = variables["params"][MEMBERS]
        judged: Any = jax.vmap(lambda params: self.member.apply({"params": params}, *inputs), out_axes=1)(members)
        return judged


def _born(member: nn.Module, size: int, strength: float, key: Array, inputs: tuple[Any, ...]) -> dict[str, PyTree]:
    if size < 2:
        raise ValueError(f"a population needs size >= 2; got {size}")
    variables = jax.vmap(lambda one: member.init(one, *inputs))(jax.random.split(key, size))
    if others := sorted(set(variables) - {"params"}):
        raise ValueError(f"members of a population keep nothing between calls; {type(member).__name__} has {others}")
    members = variables["params"]
    strengths = jax.tree.map(lambda leaf: jnp.full_like(leaf, strength), members)
    return {"params": {MEMBERS: members, STRENGTHS: strengths}}


class Simulated(nn.Module):
    """Noise [B, Z] -> what a program does [B, ...]: its parameters [K] are what is learned, at first U(-1, 1)."""

    act: Callable[[Array, Array], Array]  # (parameters [K], noise [Z]) -> [...], such as `data.Behaviour.act`
    parameters: int  # K

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """Runs the program once for each noise."""

        def drawn(key: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
            return jax.random.uniform(key, shape, dtype, -1, 1)

        own = self.param("parameters", drawn, (self.parameters,), jnp.float32)
        return jax.vmap(lambda noise: self.act(own, noise))(z)
