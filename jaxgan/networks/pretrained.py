"""A network whose parameters are given: a perceptual network, a teacher, a generator to fine-tune."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgan.types import Network, PyTree


class Pretrained(NamedTuple):
    """A network and the variables that a game starts it with."""

    network: Network
    variables: dict[str, PyTree]  # "params" and further collections, arrays of the host

    def init(self, key: Any, /, *inputs: Any) -> dict[str, PyTree]:
        """Returns the variables, whatever the key and the inputs."""
        return self.variables

    def apply(self, variables: Any, /, *inputs: Any, **settings: Any) -> Any:
        """Returns the network's outputs."""
        return self.network.apply(variables, *inputs, **settings)


def pretrained(network: Network, variables: Mapping[str, PyTree]) -> Pretrained:
    """Gives a network its parameters, in place of those that initialisation would draw.

    A player may own it and train it further. Where none does (`System.frozen`), checkpoints hold a digest instead of
    the weights and take them from here when they are restored.

    Example:
      >>> import flax.linen as nn, numpy as np
      >>> eye = pretrained(nn.Dense(2, use_bias=False), {"params": {"kernel": np.eye(2, dtype=np.float32)}})
      >>> eye.apply(eye.variables, np.ones((1, 2))).tolist()
      [[1.0, 1.0]]

    Args:
      network: as it would be passed to `game`.
      variables: "params" and any further collections, as its `init` returns them. They are copied to the host.
    Returns:
      Pretrained, to be passed to `game` as the network.
    Raises:
      ValueError: there are no "params".
    """
    if not isinstance(variables, Mapping) or "params" not in variables:
        have = sorted(variables) if isinstance(variables, Mapping) else type(variables).__name__
        raise ValueError(f"pretrained needs variables with 'params', as init returns them; got {have}")
    return Pretrained(network, {name: jax.tree.map(_on_host, value) for name, value in variables.items()})


def _on_host(leaf: Any) -> np.ndarray:
    """Copies an array to the host, as JAX would hold it: float64 becomes float32 unless that is enabled."""
    array = np.array(leaf)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype))
