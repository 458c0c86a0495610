"""Density and coverage: by hand, plain brute force, the expectations under equality, duplicates, refusals."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.metrics.density_coverage import density_coverage


def line(*points):
    return np.array(points, np.float64)[:, None]


def brute(real, fake, k):
    def distances(x, y):
        return np.sqrt(np.stack([((row - y) ** 2).sum(axis=1) for row in x]))

    radii = np.sort(distances(real, real), axis=1)[:, k]
    inside = distances(real, fake) < radii[:, None]
    return inside.sum() / (k * len(fake)), inside.any(axis=1).mean()


def expected_coverage(n, m, k):
    return 1.0 - math.prod((n - i) / (n + m - i) for i in range(1, k + 1))


def test_by_hand_on_a_line():
    # k = 1: open balls (-1, 1), (0, 2), (1, 7). 0.5 lies in two, 3 in one, 20 in none, and 1 in the second alone.
    assert density_coverage(line(0.0, 1.0, 4.0), line(0.5, 3.0, 20.0), k=1) == (pytest.approx(3 / 3), 1.0)
    assert density_coverage(line(0.0, 1.0, 4.0), line(1.0), k=1) == (1.0, pytest.approx(1 / 3))
    # k = 2: radii 4, 3, 4.
    assert density_coverage(line(0.0, 1.0, 4.0), line(-3.0, 4.0), k=2) == (pytest.approx(2 / 4), pytest.approx(2 / 3))


@pytest.mark.parametrize(("n", "m", "k"), [(120, 80, 5), (80, 120, 1), (6, 1, 5), (2, 2, 1)])
def test_against_brute_force(n, m, k):
    rng = np.random.default_rng(n)
    real, fake = rng.normal(size=(n, 5)), 0.8 * rng.normal(size=(m, 5)) + 0.3
    assert density_coverage(real, fake, k=k) == pytest.approx(brute(real, fake, k), rel=1e-14)


def test_fewer_examples_than_features_and_several_devices():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(20, 50)), rng.normal(size=(30, 50)) * 0.9
    found = density_coverage(jnp.asarray(real), jnp.asarray(fake), devices=jax.devices()[:2])
    assert found == pytest.approx(brute(real.astype(np.float32) + 0.0, fake.astype(np.float32) + 0.0, 5), rel=1e-12)
    assert isinstance(found.density, float)


@pytest.mark.parametrize(("n", "m"), [(300, 300), (300, 150)])
def test_expectations_under_equality(n, m):
    rng, runs = np.random.default_rng(0), 60
    draws = np.array([density_coverage(rng.normal(size=(n, 3)), rng.normal(size=(m, 3))) for _ in range(runs)])
    error = draws.std(axis=0, ddof=1) / np.sqrt(runs)
    assert error.max() < 0.01
    assert np.all(np.abs(draws.mean(axis=0) - [1.0, expected_coverage(n, m, 5)]) < 3.5 * error)


def test_the_formula_has_the_known_values():
    assert expected_coverage(1000, 1000, 5) == pytest.approx(0.96898, abs=1e-5)
    assert expected_coverage(1000, 500, 5) == pytest.approx(0.86897, abs=1e-5)


def test_duplicates_have_empty_balls():
    real = np.concatenate([np.zeros((6, 2)), np.random.default_rng(0).normal(size=(20, 2)) + 50.0])
    assert density_coverage(real, np.zeros((10, 2)), k=5) == (0.0, 0.0)  # with <= it would be density 1.2
    assert density_coverage(real[1:], np.zeros((10, 2)), k=5) == (1.0, pytest.approx(5 / 25))
    assert density_coverage(np.full((9, 2), 0.3), np.full((9, 2), 0.3)) == (0.0, 0.0)


def test_an_outlier_among_the_real_data_does_not_decide():
    rng = np.random.default_rng(0)
    real = np.concatenate([rng.normal(size=(100, 2)), [[1e3, 0.0]]])
    fake = rng.normal(size=(100, 2)) + np.array([[500.0, 0.0]])
    found = density_coverage(real, fake)
    assert found.density == pytest.approx(1 / 5)  # precision would be 1
    assert found.coverage == pytest.approx(1 / 101)


@pytest.mark.parametrize(
    ("real", "fake", "k", "message"),
    [
        (np.zeros((5, 2)), np.zeros((9, 2)), 5, r"1 <= k < N = 5; got k = 5"),
        (np.zeros((9, 2)), np.zeros((9, 2)), 0, "got k = 0"),
        (np.zeros((9, 2)), np.zeros((0, 2)), 3, "at least 1 fake features; got 0"),
        (np.zeros((9, 2)), np.full((9, 2), np.nan), 3, "fake features hold 18 non-finite values of 18"),
    ],
)
def test_refuses(real, fake, k, message):
    with pytest.raises(ValueError, match=message):
        density_coverage(real, fake, k=k)
