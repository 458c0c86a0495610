"""Policies and values for control: states [B, S] -> normal laws of actions, or what is yet to come."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import Array


class Gaussian(nn.Module):
    """States [B, S] -> (mean [B, A], log of the standard deviation [B, A]): what to do, and how much else to try.

    Where an unstable state must be held and others need much trying, one deviation for all states serves neither.

    """

    actions: int  # A
    hidden: Sequence[int] = (64, 64)
    activation: Callable[[Array], Array] = nn.tanh
    log_std: float = 0.0  # at the start

    @nn.compact
    def __call__(self, states: Array) -> tuple[Array, Array]:
        """Says what to do in every state; the first actions are near 0."""
        h = _hidden(states, self.hidden, self.activation)
        mean = nn.Dense(self.actions, kernel_init=nn.initializers.orthogonal(0.01))(h)
        spread = nn.Dense(self.actions, kernel_init=nn.initializers.zeros, name="spread")(h)
        return mean, jnp.clip(self.log_std + spread, -5.0, 0.5)


class Value(nn.Module):
    """States [B, S] -> the expected return from there on [B], in units of `scale`."""

    hidden: Sequence[int] = (64, 64)
    activation: Callable[[Array], Array] = nn.tanh
    scale: float = 1.0  # about as large as returns are

    @nn.compact
    def __call__(self, states: Array) -> Array:
        """Values every state."""
        h = _hidden(states, self.hidden, self.activation)
        return self.scale * nn.Dense(1)(h)[:, 0]


def _hidden(states: Array, widths: Sequence[int], activation: Callable[[Array], Array]) -> Array:
    """Dense layers, called inside a compact module."""
    if states.ndim != 2:
        raise ValueError(f"a policy, or a value, takes states [B, S]; got {states.shape}: flatten what leads")
    for width in widths:
        states = activation(nn.Dense(width, kernel_init=nn.initializers.orthogonal(2**0.5))(states))
    return states
