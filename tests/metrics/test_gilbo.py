"""GILBO: the linear-Gaussian generator in closed form, a collapsed one, other densities, refusals."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from jaxgan import priors
from jaxgan.metrics.gilbo import EncoderTraining, gaussian_log_density, gilbo, normal_log_prior

# Orthogonal columns: the posterior of z is a Gaussian of diagonal covariance, so the bound is tight.
A = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 2)))[0] * np.array([2.0, 0.7])
SIGMA = 0.5


class Linear(nn.Module):
    """The mean is linear in x, the variance constant."""

    latents: int = 2

    @nn.compact
    def __call__(self, x):
        log_variance = self.param("log_variance", nn.initializers.zeros, (1, self.latents))
        return nn.Dense(self.latents)(x), jnp.broadcast_to(log_variance, (x.shape[0], self.latents))


def generate(z, key):
    return z @ jnp.asarray(A.T, jnp.float32) + SIGMA * jax.random.normal(key, (z.shape[0], 5))


def test_linear_gaussian(key):
    schedule = optax.cosine_decay_schedule(3e-2, 600)
    found = gilbo(
        generate, priors.normal(2), Linear(), key, training=EncoderTraining(600, optimizer=optax.adam(schedule))
    )
    exact = 0.5 * np.linalg.slogdet(np.eye(5) + A @ A.T / SIGMA**2)[1]
    assert found.nats == pytest.approx(exact, abs=4 * found.standard_error + 0.01)
    assert 0.0 < found.standard_error < 0.02
    assert found.history.shape == (600,)
    assert found.history[:10].mean() < found.history[-100:].mean() == pytest.approx(exact, abs=0.05)
    variance = np.exp(found.variables["params"]["log_variance"][0])
    np.testing.assert_allclose(variance, 1.0 / (1.0 + np.array([2.0, 0.7]) ** 2 / SIGMA**2), rtol=0.1)
    training = EncoderTraining(3, optimizer=optax.adam(schedule))
    again = gilbo(generate, priors.normal(2), Linear(), key, training=training, evaluate=200)
    assert again.history.tolist() == found.history[:3].tolist()


def test_a_collapsed_generator_tells_nothing(key):
    found = gilbo(lambda z, key: jnp.ones((z.shape[0], 5)), priors.normal(2), Linear(), key,
                  training=EncoderTraining(200, optimizer=optax.adam(1e-2)), evaluate=4000)  # fmt: skip
    assert found.nats == pytest.approx(0.0, abs=4 * found.standard_error + 0.01)


def test_densities_of_other_priors(key):
    class Sign(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(1)(x)

    found = gilbo(
        lambda z, key: jnp.sign(z),  # one bit about z uniform in [-1, 1)
        priors.uniform(1), Sign(), key, training=EncoderTraining(300, optimizer=optax.adam(5e-2)), evaluate=100,
        log_density=lambda logits, z: -jnp.logaddexp(0.0, -jnp.sign(z) * logits)[:, 0],  # uniform on one half
        log_prior=lambda z: jnp.full(z.shape[0], -jnp.log(2.0)),
    )  # fmt: skip
    assert found.nats == pytest.approx(np.log(2.0), abs=0.02)


def test_densities_against_scipy():
    rng = np.random.default_rng(0)
    mean, log_variance, z = rng.normal(size=(3, 4, 2)).astype(np.float32)
    expected = stats.norm(mean, np.exp(log_variance / 2)).logpdf(z).sum(axis=1)
    np.testing.assert_allclose(gaussian_log_density((mean, log_variance), z), expected, rtol=1e-5)
    np.testing.assert_allclose(normal_log_prior(z), stats.norm.logpdf(z).sum(axis=1), rtol=1e-5)


def test_refuses(key):
    normed = nn.Sequential([nn.BatchNorm(use_running_average=False), Linear()])
    with pytest.raises(ValueError, match="must be >= 1; got 0"):
        gilbo(generate, priors.normal(2), Linear(), key, training=EncoderTraining(0))
    with pytest.raises(ValueError, match="collections \\['batch_stats', 'params'\\]"):
        gilbo(generate, priors.normal(2), normed, key, training=EncoderTraining(1))
    with pytest.raises(ValueError, match=r"must be \[B\] = \(128,\)"):
        gilbo(generate, priors.normal(2), Linear(), key, training=EncoderTraining(1), log_prior=lambda z: z)
    with pytest.raises(ValueError, match="128 of 128 bounds are not finite"):
        gilbo(lambda z, key: z * jnp.nan, priors.normal(2), Linear(), key, training=EncoderTraining(1), evaluate=1)
