"""A network of several arrays."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.networks import joint, mlp
from jaxgan.priors import is_normal, normal, uniform


def test_arrays_side_by_side_and_the_square_of_the_last():
    x, z = jnp.ones((3, 2, 2)), jnp.array([[1.0, 2.0], [0.0, 0.0], [3.0, 0.0]])
    plain, squared = (joint.Joint(mlp.Discriminator((4,)), square) for square in (0.0, 0.5))
    variables = plain.init(jax.random.key(0), x, z)
    body = mlp.Discriminator((4,))
    flat = jnp.concatenate([x.reshape(3, -1), z], axis=1)
    by_body = body.apply({"params": variables["params"]["body"]}, flat)
    np.testing.assert_array_equal(plain.apply(variables, x, z), by_body)
    np.testing.assert_allclose(squared.apply(variables, x, z) - by_body, [2.5, 0.0, 4.5], rtol=1e-5)


def test_which_prior_is_standard_normal():
    assert is_normal(normal(3))
    assert not is_normal(uniform(3))
