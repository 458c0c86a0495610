"""Blocks whose activations are computed again: same parameters, same gradients, fewer activations kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import biggan, r3gan, resnet, stylegan2

Z, IMAGES = jnp.ones((2, 8)), jnp.linspace(-1, 1, 2 * 16 * 16 * 3).reshape(2, 16, 16, 3)
NETWORKS = {
    "resnet.Generator": (resnet.Generator(3, 16, features=2, attention=8), Z),
    "biggan deep": (biggan.Discriminator(16, features=4, deep=True), IMAGES),
    "stylegan2.Generator": (stylegan2.Generator(3, 16, features=4, max_features=8, hidden=(8,), mixing=0.0), Z),
    "stylegan2.Discriminator": (stylegan2.Discriminator(16, features=4, max_features=8), IMAGES),
    "r3gan.Discriminator": (r3gan.Discriminator(16, features=8, blocks=1, group=8), IMAGES),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_same_parameters_and_gradients(name, key):
    network, inputs = NETWORKS[name]
    variables = jax.jit(network.init)(key, inputs)
    again = network.clone(remat=True)
    shapes = jax.eval_shape(again.init, key, inputs)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(lambda leaf: leaf.shape, shapes)

    def slopes(network):
        def loss(params):
            y, updated = network.apply(
                variables | {"params": params}, inputs, mutable=True, rngs={"global": jax.random.key(1)}
            )
            return jnp.sum(jnp.square(y)), {name: tree for name, tree in updated.items() if name != "params"}

        return jax.grad(loss, has_aux=True)

    kept, computed = slopes(network), slopes(again)
    assert "remat" in str(jax.make_jaxpr(computed)(variables["params"]))
    assert "remat" not in str(jax.make_jaxpr(kept)(variables["params"]))
    for a, b in zip(
        jax.tree.leaves(jax.jit(kept)(variables["params"])),
        jax.tree.leaves(jax.jit(computed)(variables["params"])),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
