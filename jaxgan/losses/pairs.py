"""What the losses share: `Loss` pairs that check their logits, and arithmetic in float32 at least."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.types import Loss


def pair(discriminator: Callable[[Array, Array], Array], generator: Callable[[Array, Array], Array]) -> Loss:
    """Makes a `Loss` whose two sides check their logits and compute in float32 at least."""

    def checked(objective: Callable[[Array, Array], Array]) -> Callable[[ArrayLike, ArrayLike], Array]:
        return lambda real_logits, fake_logits: objective(*compared(real_logits, fake_logits))

    return Loss(checked(discriminator), checked(generator))


def compared(real_logits: ArrayLike, fake_logits: ArrayLike) -> tuple[Array, Array]:
    """Returns both logits, widened; ValueError where shapes differ, since `[B]` and `[B, 1]` would broadcast."""
    real, fake = wide(real_logits), wide(fake_logits)
    if real.shape != fake.shape:
        raise ValueError(
            f"real_logits have shape {real.shape} and fake_logits {fake.shape}; they must be equal: "
            "give both batches the same size and let the discriminator return [B] or [B, h, w] for both"
        )
    return real, fake


def wide(x: ArrayLike) -> Array:
    """Returns an array in float32 at least."""
    array = jnp.asarray(x)
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def check_number(function: str, name: str, value: float, *, low: float, high: float = float("inf")) -> None:
    """Raises ValueError unless low <= value <= high; a traced value, as in a sweep, is not looked at."""
    if isinstance(value, int | float) and not low <= value <= high:
        wanted = f"{name} >= {low:g}" if high == float("inf") else f"{low:g} <= {name} <= {high:g}"
        raise ValueError(f"{function} needs {wanted}; got {value}")
