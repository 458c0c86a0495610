"""What the tests of augmentations share: quick compilation, and turns."""

import jax
import jax.numpy as jnp
import pytest

import jaxgan as jg


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    """Programs here are tiny and run once: XLA's optimizations would take most of the time."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def turn(examples=None, seed=5):
    return jg.Turn(jax.random.key(seed), jnp.zeros((), jnp.int32), examples)
