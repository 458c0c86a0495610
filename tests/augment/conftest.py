"""What the tests of augmentations share: turns."""

import jax
import jax.numpy as jnp

import jaxgan as jg


def turn(examples=None, seed=5):
    return jg.Turn(jax.random.key(seed), jnp.zeros((), jnp.int32), examples)
