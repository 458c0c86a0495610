"""How a network calls a network, or a part of itself, and what initialises a weight."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import flax.linen as nn
from jax import Array

Initializer = Callable[..., Array]  # (key, shape, dtype) -> weights


def call(network: nn.Module, *inputs: Array, train: bool) -> Array:
    """Calls a network inside another, with `train` if it takes that."""
    takes = "train" in inspect.signature(type(network).__call__).parameters
    return network(*inputs, **({"train": train} if takes else {}))


def call_block(block: nn.Module, *inputs: Array, remat: bool, method: str = "__call__", **settings: Any) -> Array:
    """Calls a part of a network; if `remat`, gradients compute its activations again from its inputs.

    A network of n such parts then needs to hold the activations of about one of them, for one more forward pass; what a
    compiler makes of that differs (docs/performance.md: nothing of note on CPU).

    References:
      Chen, Xu, Zhang, Guestrin. Training Deep Nets with Sublinear Memory Cost. 2016.
    """

    def run(block: Any, *inputs: Array) -> Array:
        return getattr(block, method)(*inputs, **settings)

    y: Array = (nn.remat(run) if remat else run)(block, *inputs)
    return y
