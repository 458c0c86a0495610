"""Latents: their distribution, and that a draw belongs to its index in the global batch."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import priors
from jaxgan.types import Turn, example_keys, name_index

PRIORS = {
    "normal": priors.normal(3),
    "uniform": priors.uniform(3, -2.0, 1.0),
    "truncated_normal": priors.truncated_normal(3, 1.5),
}


@pytest.fixture(params=PRIORS)
def prior(request):
    return PRIORS[request.param]


def test_shape_and_dtype(prior, key):
    z = prior(key, 5)
    chex.assert_shape(z, (5, 3))
    assert z.dtype == jnp.float32


def test_the_first_8_of_16_are_the_8(prior, key):
    np.testing.assert_array_equal(prior(key, 16)[:8], prior(key, 8))


def test_an_index_slices_the_global_draw(prior, key):
    index = jnp.array([9, 2, 2, 14], jnp.int32)
    np.testing.assert_array_equal(prior(key, 4, index), prior(key, 16)[np.asarray(index)])


def test_examples_and_keys_differ(prior, key):
    z = np.asarray(prior(key, 16))
    assert len(np.unique(z)) == z.size
    assert (z != np.asarray(prior(jax.random.key(1), 16))).all()


def test_same_under_jit(prior, key):
    chex.assert_trees_all_close(jax.jit(prior, static_argnums=1)(key, 4), prior(key, 4), rtol=1e-6)


N = 20_000


def moments(prior):
    z = np.asarray(jax.jit(prior, static_argnums=1)(jax.random.key(3), N))
    return z, z.mean(0), z.var(0), np.corrcoef(z.T)


def test_normal_moments():
    z, mean, variance, correlation = moments(priors.normal(3))
    np.testing.assert_allclose(mean, 0, atol=4 / math.sqrt(N))
    np.testing.assert_allclose(variance, 1, atol=4 * math.sqrt(2 / N))
    np.testing.assert_allclose(correlation, np.eye(3), atol=4 / math.sqrt(N))
    np.testing.assert_allclose((np.abs(z) < 1).mean(), 0.6827, atol=0.01)


def test_uniform_moments_and_range():
    z, mean, variance, _ = moments(priors.uniform(3, -2.0, 1.0))
    assert z.min() >= -2
    assert z.max() < 1
    np.testing.assert_allclose(mean, -0.5, atol=0.03)
    np.testing.assert_allclose(variance, 9 / 12, atol=0.03)
    default = np.asarray(priors.uniform(2)(jax.random.key(0), 1000))
    assert -1 <= default.min() < -0.99
    assert 0.99 < default.max() < 1


def test_truncated_normal_range_and_variance():
    """Truncated at 1.5 the variance is 1 - 2 * 1.5 phi(1.5) / (2 Phi(1.5) - 1) = 0.5515; clipping would give 0.78."""
    z, mean, variance, _ = moments(priors.truncated_normal(3, 1.5))
    assert np.abs(z).max() <= 1.5
    np.testing.assert_allclose(mean, 0, atol=0.03)
    np.testing.assert_allclose(variance, 0.5515, atol=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: priors.normal(0), "dimension >= 1"),
        (lambda: priors.uniform(-1), "dimension >= 1"),
        (lambda: priors.truncated_normal(0), "dimension >= 1"),
        (lambda: priors.uniform(2, 1.0, 1.0), "low < high"),
        (lambda: priors.truncated_normal(2, 0.0), "truncation > 0"),
        (lambda: priors.truncated_normal(2, float("nan")), "truncation > 0"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# What priors stand on, from `types`.


def test_example_keys_are_folded_from_the_index(key):
    keys = example_keys(key, 3, jnp.array([5, 0, 7], jnp.int32))
    expected = [jax.random.key_data(jax.random.fold_in(key, i)) for i in (5, 0, 7)]
    np.testing.assert_array_equal(jax.random.key_data(keys), np.stack(expected))


def test_named_uses_of_a_turn_do_not_share_draws(key):
    turn = Turn(key, jnp.zeros((), jnp.int32))
    draws = [float(jax.random.uniform(turn.named(use))) for use in ("latent", "interpolation", "gradient")]
    assert len(set(draws)) == 3
    assert draws[0] == float(jax.random.uniform(turn.named("latent")))


def test_name_index_is_the_same_in_every_process():
    """Unlike `hash`; a run resumed by another process must draw the same numbers."""
    assert name_index("generator") == 1252948848  # CRC-32 without its top bit
    assert len({name_index(n) for n in ("generator", "discriminator", "latent", "network generator")}) == 4


def test_a_normal_prior_can_be_truncated_and_others_say_that_they_cannot(key):
    z = priors.truncated(priors.normal(4), 0.5)(key, 1000)
    np.testing.assert_array_equal(z, priors.truncated_normal(4, 0.5)(key, 1000))
    assert abs(z).max() <= 0.5
    for other in (priors.uniform(4), priors.codes(priors.normal(4)), priors.truncated_normal(4)):
        with pytest.raises(ValueError, match=r"latents are truncated where their prior is `priors\.normal`"):
            priors.truncated(other, 0.5)
