"""Elman's recurrent network, which reads a sequence and then says one number."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike


class Elman(nn.Module):
    """[B, T, F], or [B, T] of one feature, -> logits [B]: w . h_T + c with h_t = sigmoid(W x_t + U h_{t-1} + b).

    (F + 1) H + H^2 + H + 1 parameters: 46 of two features and five units, as in the paper. They start as U(-1, 1)
    times `scale`, biases too.

    References:
      Elman. Finding Structure in Time. Cognitive Science 1990.
      Li, Gauci, Gross. Turing learning: a metric-free approach to inferring behavior and its application to swarms.
      Swarm Intelligence 2016, section 3.1.2.
    """

    hidden: int = 5
    scale: float = 1.0

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Judges every sequence at its end."""
        if x.ndim not in (2, 3):
            raise ValueError(f"Elman reads sequences [B, T] or [B, T, F]; got {x.shape}")
        x = x[..., None] if x.ndim == 2 else x

        def drawn(key: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
            return jax.random.uniform(key, shape, dtype, -self.scale, self.scale)

        inward = self.param("inward", drawn, (x.shape[-1] + 1, self.hidden), jnp.float32)
        again = self.param("again", drawn, (self.hidden, self.hidden), jnp.float32)
        outward = self.param("outward", drawn, (self.hidden + 1,), jnp.float32)

        def read(h: Array, entry: Array) -> tuple[Array, None]:
            return nn.sigmoid(entry + h @ again), None

        one = jnp.ones_like(x[..., :1])  # so that the last row of W is the bias
        entries = jnp.swapaxes(jnp.concatenate([x, one], axis=-1) @ inward, 0, 1)
        last, _ = jax.lax.scan(read, jnp.zeros_like(entries[0]), entries)
        return last @ outward[:-1] + outward[-1]
