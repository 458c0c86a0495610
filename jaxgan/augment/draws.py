"""How augmentations draw: each number from the key of the example that it belongs to."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.types import name_index


def draw(keys: Array, name: str, sampler: Callable[[Array], Array]) -> Array:
    """Draws one named number, or array, for every example.

    Args:
      keys: [B] typed keys, one for each example; they may serve any number of names.
      name: of what is drawn, so that no two share their draws.
      sampler: key [] -> array.
    Returns:
      [B, ...].
    """
    return jax.vmap(lambda key: sampler(jax.random.fold_in(key, name_index(name))))(keys)


def uniform(keys: Array, name: str, low: float, high: float) -> Array:
    """Draws a number in [low, high) for every example, [B]."""
    return draw(keys, name, lambda key: jax.random.uniform(key, (), jnp.float32, low, high))


def integer(keys: Array, name: str, low: int, high: int) -> Array:
    """Draws a whole number in low..high-1 for every example, [B] int32."""
    return draw(keys, name, lambda key: jax.random.randint(key, (), low, high, jnp.int32))


def column(values: Array, rank: int) -> Array:
    """Returns values [B] as [B, 1, ..., 1], to multiply arrays of this rank."""
    return values.reshape(-1, *(1,) * (rank - 1))


def check_images(function: str, x: Array) -> None:
    """Raises ValueError unless x is [B, H, W, C] with sides of two pixels or more."""
    if x.ndim != 4 or min(x.shape[1:3]) < 2:
        raise ValueError(f"{function} takes images [B, H, W, C], H and W at least 2; got shape {x.shape}")


def check_names(function: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Raises ValueError unless there are names and all of them are known ones."""
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"{function} knows {', '.join(map(repr, known))}; got {', '.join(map(repr, names)) or 'none'}")
