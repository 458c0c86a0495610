"""Networks begin and answer in one program each, as users run them: one operation at a time takes thrice as long."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest


def in_one_program(method):
    """Compiles a call of a network: arrays are its arguments, all else is part of the program."""

    @functools.wraps(method)
    def call(self, *given, **named):
        leaves, tree = jax.tree.flatten((given, named), is_leaf=lambda leaf: leaf is None)
        if any(isinstance(leaf, jax.core.Tracer) for leaf in [jnp.zeros(()), *leaves]):  # a part of what is compiled
            return method(self, *given, **named)
        arrays = {k: leaf for k, leaf in enumerate(leaves) if isinstance(leaf, jax.Array | np.ndarray)}

        def program(arrays):
            given, named = jax.tree.unflatten(tree, [arrays.get(k, leaf) for k, leaf in enumerate(leaves)])
            return method(self, *given, **named)

        return jax.jit(program)(arrays)

    return call


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    for name in ("init_with_output", "init", "apply"):
        monkeypatch.setattr(nn.Module, name, in_one_program(getattr(nn.Module, name)))
