"""Fréchet distance: closed forms, an independent square root, the known bias, and what it refuses."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from jaxgan.metrics import fid, frechet_distance


def covariance(rng, size):
    root = rng.normal(size=(size, size))
    return root @ root.T / size


def test_shift_adds_its_square_per_dimension():
    assert frechet_distance(np.zeros(5), np.eye(5), np.full(5, 0.3), np.eye(5)) == pytest.approx(5 * 0.09, rel=1e-12)


def test_isotropic_scales():
    distance = frechet_distance(np.zeros(4), 4.0 * np.eye(4), np.zeros(4), 0.25 * np.eye(4))
    assert distance == pytest.approx(4 * (2.0 - 0.5) ** 2, rel=1e-12)


def test_one_dimension():
    assert frechet_distance([1.0], [[9.0]], [-1.0], [[4.0]]) == pytest.approx(4.0 + 1.0, rel=1e-12)


def test_two_dimensions_have_a_closed_root():
    rng = np.random.default_rng(0)
    a, b = covariance(rng, 2), covariance(rng, 2)
    root = np.sqrt(np.trace(a @ b) + 2.0 * np.sqrt(np.linalg.det(a @ b)))
    expected = np.trace(a) + np.trace(b) - 2.0 * root
    assert frechet_distance(np.zeros(2), a, np.zeros(2), b) == pytest.approx(expected, rel=1e-10)


def test_singular_covariances():
    a, b = np.diag([1.0, 0.0, 4.0]), np.diag([0.0, 9.0, 1.0])
    assert frechet_distance(np.zeros(3), a, np.zeros(3), b) == pytest.approx(1.0 + 9.0 + 1.0, rel=1e-10)


@pytest.mark.parametrize("size", [3, 40])
def test_fid_against_scipy_square_root(size):
    rng = np.random.default_rng(size)
    real = rng.normal(size=(400, size)) @ covariance(rng, size)
    fake = rng.normal(size=(300, size)) @ covariance(rng, size) + 0.2
    a, b = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    root = scipy.linalg.sqrtm(a @ b).real
    expected = np.sum((real.mean(0) - fake.mean(0)) ** 2) + np.trace(a + b - 2.0 * root)
    assert fid(real, fake) == pytest.approx(expected, rel=1e-6)


def test_fewer_examples_than_features_agrees_with_the_general_form():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(20, 50)), rng.normal(size=(30, 50)) * 2.0
    a, b = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    assert fid(real, fake) == pytest.approx(frechet_distance(real.mean(0), a, fake.mean(0), b), rel=1e-5)


def test_bias_under_equality():
    rng = np.random.default_rng(0)
    draws = [fid(rng.normal(size=(500, 8)), rng.normal(size=(500, 8))) for _ in range(40)]
    assert np.mean(draws) == pytest.approx(0.104, rel=0.12)  # (2 d + d (d + 1) / 2) / n; observed 0.097 elsewhere


def test_same_features_are_at_distance_zero_and_order_does_not_matter():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(100, 6)), 0.5 * rng.normal(size=(90, 6))
    assert 0.0 <= fid(real, real) < 1e-10
    assert fid(real, fake) == pytest.approx(fid(fake, real), rel=1e-10)
    assert isinstance(fid(jnp.asarray(real), jnp.asarray(fake)), float)


def test_one_feature():
    assert fid([[0.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]]) == pytest.approx((2.0 - 1.0) ** 2, rel=1e-12)


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (np.zeros((4, 2)), [[0.0, np.nan], [np.inf, 0.0], [0.0, 0.0]], "fake features hold 2 non-finite values of 6"),
        (np.zeros((1, 2)), np.zeros((4, 2)), "at least 2 real features; got 1"),
        (np.zeros((4, 2)), np.zeros((4, 3)), "same F; got 2 and 3"),
        (np.zeros((4, 2, 1)), np.zeros((4, 2)), r"real features must have rank 2, \[N, F\]; got shape \(4, 2, 1\)"),
    ],
)
def test_fid_refuses(real, fake, message):
    with pytest.raises(ValueError, match=message):
        fid(real, fake)


def test_frechet_distance_refuses():
    with pytest.raises(ValueError, match="square covariance"):
        frechet_distance(np.zeros(2), np.zeros((2, 3)), np.zeros(2), np.eye(2))
    with pytest.raises(ValueError, match="same F; got 2 and 3"):
        frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
    with pytest.raises(ValueError, match="finite"):
        frechet_distance(np.zeros(2), np.eye(2) * np.nan, np.zeros(2), np.eye(2))
