"""Batch normalisation against Flax's: variables, values, statistics and derivatives."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks.layers import BatchNorm


@pytest.mark.parametrize("average", [False, True], ids=["batch", "averages"])
@pytest.mark.parametrize(("given", "computed"), [("float32", None), ("bfloat16", None), ("float32", "bfloat16")])
@pytest.mark.parametrize("shape", [(6, 3), (2, 4, 5, 3)], ids=str)
def test_is_that_of_flax(shape, given, computed, average, key):
    x = (2 * jax.random.normal(key, shape) + 1).astype(given)
    ours = BatchNorm(average, momentum=0.8, dtype=computed)
    theirs = nn.BatchNorm(average, momentum=0.8, dtype=computed)
    variables = jax.tree.map(lambda leaf: leaf + 0.5 * jnp.arange(3.0), ours.init(key, x))
    assert jax.tree.structure(variables) == jax.tree.structure(theirs.init(key, x))

    def all_of(layer):
        y, updated = layer.apply(variables, x, mutable=["batch_stats"])
        slope = jax.grad(lambda x: jnp.sum(jnp.sin(layer.apply(variables, x, mutable=["batch_stats"])[0]) ** 2))
        return y, updated, slope(x.astype(jnp.float32)), jax.grad(lambda x: jnp.sum(slope(x) ** 2))(x.astype("float32"))

    mine, flax = all_of(ours), all_of(theirs)
    assert mine[0].dtype == flax[0].dtype
    for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(flax), strict=True):
        np.testing.assert_allclose(np.asarray(a, np.float32), np.asarray(b, np.float32), rtol=2e-4, atol=2e-4)


def test_statistics_over_devices_are_those_of_the_whole_batch(key):
    x = jax.random.normal(key, (4, 2, 3))
    layer = BatchNorm(False, axis_name="batch")
    variables = layer.init(key, x[0])
    apply = jax.vmap(lambda x: layer.apply(variables, x, mutable=["batch_stats"])[0], axis_name="batch")
    whole, _ = BatchNorm(False).apply(variables, x.reshape(8, 3), mutable=["batch_stats"])
    np.testing.assert_allclose(apply(x).reshape(8, 3), whole, atol=1e-5)
