"""Samplers on normal densities, where the ratio, the target and the samplers' own bias are known in closed form.

The generator makes q = N(0, 1); the data are p = N(m, s^2) with s < 1, so that p / q has a maximum. Tolerances are four
standard errors of n independent draws: s / sqrt(n) of a mean, s^2 sqrt(2 / n) of a variance.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import samplers

MEAN, STD = 0.5, 0.6
N = 4000


def key():
    return jax.random.key(3)


def propose(key, n):
    return jax.random.normal(key, (n, 1))


def log_ratio(x):
    """log p / q without the constant, which no sampler here may need."""
    return jnp.sum(0.5 * x**2 - 0.5 * ((x - MEAN) / STD) ** 2, axis=1)


def check_moments(x, mean=MEAN, std=STD):
    x = np.asarray(x, np.float64)
    assert x.shape == (N, 1)
    assert x.mean() == pytest.approx(mean, abs=4 * std / math.sqrt(N))
    assert x.var() == pytest.approx(std**2, abs=4 * std**2 * math.sqrt(2 / N))


def test_rejection_draws_from_the_target():
    found = samplers.rejection(propose, log_ratio, key(), n=N)
    check_moments(found.samples)
    peak = -0.5 * MEAN**2 / STD**2 + 0.5 * (MEAN / STD**2) ** 2 / (1 / STD**2 - 1)  # completing the square
    assert found.largest == pytest.approx(peak, abs=1e-3)
    # The share that is kept is E_q exp(log_ratio - peak) = the ratio's lost constant, STD, over the peak.
    rate = STD * math.exp(-peak)
    assert found.rate == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / (N / rate)))


def test_acceptance_by_hand():
    d = jnp.log(jnp.array([1e-3, 0.25, 0.5]))
    exact = samplers.acceptance(d, jnp.zeros(()), jnp.zeros(()))
    np.testing.assert_allclose(exact, [1e-3, 0.25, 0.5], rtol=1e-5)
    harder = samplers.acceptance(d, jnp.zeros(()), jnp.ones(()))
    odds = np.array([1e-3, 0.25, 0.5]) / (1 - np.array([1e-3, 0.25, 0.5])) / math.e  # gamma divides the odds by e
    np.testing.assert_allclose(harder, odds / (1 + odds), rtol=1e-5)
    assert float(samplers.acceptance(jnp.zeros(1), jnp.zeros(()), jnp.zeros(()))[0]) == pytest.approx(1.0)


def test_a_percentile_keeps_its_share_of_the_hopeless():
    """Ratios of e^20 and more: exact rejection would keep next to nothing, the 80th percentile about a fifth."""
    found = samplers.rejection(propose, lambda x: 20 * x[:, 0], key(), n=500, burn_in=1000, percentile=80.0)
    assert 0.1 < found.rate < 0.3
    assert np.mean(found.samples) > 1.0
    with pytest.raises(ValueError, match=r"proposals were kept, not 500: .* set a percentile, or calibrate"):
        samplers.rejection(propose, lambda x: 20 * x[:, 0], key(), n=500, burn_in=1000, limit=2)


def test_metropolis_draws_from_the_target():
    found = samplers.metropolis_hastings(propose, log_ratio, key(), n=N, length=40)
    check_moments(found.samples)
    np.testing.assert_allclose(found.log_ratio, log_ratio(found.samples), rtol=1e-5, atol=1e-6)
    assert 0.3 < float(found.acceptance) < 0.9


def test_metropolis_keeps_a_start_from_the_target_there():
    """From the target the chain is stationary after any number of steps; from elsewhere it is not yet there."""
    real = MEAN + STD * jax.random.normal(jax.random.key(9), (N, 1))
    found = samplers.metropolis_hastings(propose, log_ratio, key(), n=N, length=1, start=real)
    check_moments(found.samples)
    stood = ~np.asarray(found.moved)
    assert 0 < stood.mean() < 1
    np.testing.assert_array_equal(np.asarray(found.samples)[stood], np.asarray(real)[stood])
    short = samplers.metropolis_hastings(propose, log_ratio, key(), n=N, length=1)
    assert bool(short.moved.all())
    assert abs(float(jnp.mean(short.samples)) - MEAN) > 4 * STD / math.sqrt(N)


def scaled(z):
    """A generator of N(0, 1) from the latent by a rotation in the plane: x is one coordinate of it."""
    return (0.6 * z[:, :1] + 0.8 * z[:, 1:]) * 1.0


@pytest.mark.parametrize("adjusted", [False, True])
def test_langevin_reaches_the_target(adjusted):
    """Along x the energy is (x - m)^2 / (2 s^2); a discretised walk of step h has variance s^2 / (1 - h / (4 s^2))."""
    step_size = 0.3
    start = jax.random.normal(jax.random.key(1), (N, 2))
    found = samplers.langevin(scaled, log_ratio, key(), start, steps=60, step_size=step_size, adjusted=adjusted)
    bias = 1.0 if adjusted else 1 / (1 - step_size / (4 * STD**2))
    check_moments(scaled(found.z), std=STD * math.sqrt(bias))
    across = np.asarray(0.8 * found.z[:, :1] - 0.6 * found.z[:, 1:])  # what the generator does not see stays N(0, 1)
    check_moments(across, 0.0, 1.0 if adjusted else 1 / math.sqrt(1 - step_size / 4))
    assert (float(found.acceptance) < 1) == adjusted
    energy = 0.5 * np.sum(np.square(found.z), axis=1) - np.asarray(log_ratio(scaled(found.z)))
    np.testing.assert_allclose(found.energy, energy, rtol=1e-4, atol=1e-4)


def test_langevin_without_noise_descends_to_the_mode():
    start = jax.random.normal(jax.random.key(1), (8, 2))
    found = samplers.langevin(scaled, log_ratio, key(), start, steps=200, step_size=0.1, noise=0.0)
    np.testing.assert_allclose(scaled(found.z), np.full((8, 1), MEAN), atol=1e-3)


def test_refusals():
    start = jnp.zeros((3, 2))
    with pytest.raises(ValueError, match=r"got 0, 10000, 1000, 1000 and None"):
        samplers.rejection(propose, log_ratio, key(), n=0)
    with pytest.raises(ValueError, match=r"a log ratio is not finite"):
        samplers.rejection(propose, lambda x: x[:, 0] + jnp.inf, key(), n=1)
    with pytest.raises(ValueError, match=r"length=0"):
        samplers.metropolis_hastings(propose, log_ratio, key(), n=1, length=0)
    with pytest.raises(ValueError, match=r"n=4, length=640 and start \(3, 2\)"):
        samplers.metropolis_hastings(propose, log_ratio, key(), n=4, start=start)
    with pytest.raises(ValueError, match=r"noise = 1 if adjusted"):
        samplers.langevin(scaled, log_ratio, key(), start, noise=0.1, adjusted=True)
