"""How a network calls a network, and what initialises a weight."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import flax.linen as nn
from jax import Array

Initializer = Callable[..., Array]  # (key, shape, dtype) -> weights


def call(network: nn.Module, *inputs: Array, train: bool) -> Array:
    """Calls a network inside another, with `train` if it takes that."""
    takes = "train" in inspect.signature(type(network).__call__).parameters
    return network(*inputs, **({"train": train} if takes else {}))
