"""Fréchet distance: closed forms, an independent square root, the known bias, and what it refuses."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from jaxgan.metrics import fid, frechet_distance
from jaxgan.metrics.frechet import class_fid, fid_infinity, spatial_fid


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


@pytest.mark.parametrize(("n", "m"), [(2, 2), (2, 50), (50, 2)])
def test_two_examples(n, m):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    a, b = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    root = np.sqrt(np.clip(np.linalg.eigvals(a @ b).real, 0.0, None)).sum()
    expected = np.sum((real.mean(0) - fake.mean(0)) ** 2) + np.trace(a + b) - 2.0 * root
    assert fid(real, fake) == pytest.approx(expected, rel=1e-6)


def test_constant_features():
    assert fid(np.full((5, 3), 2.0), np.full((9, 3), 4.0)) == pytest.approx(12.0, rel=1e-12)
    assert fid(np.full((5, 9), 2.0), np.full((6, 9), 2.0)) == 0.0


@pytest.mark.parametrize("size", [4, 40])
def test_float32_features_are_computed_in_float64_without_loss_to_an_offset(size):
    rng = np.random.default_rng(0)
    real, fake = (rng.normal(size=(30, size)).astype(np.float32) + np.float32(1000.0) for _ in range(2))
    expected = fid(real.astype(np.float64) - 1000.0, fake.astype(np.float64) - 1000.0)
    assert fid(real, fake) == pytest.approx(expected, rel=1e-9)


def test_infinity_takes_the_bias_of_the_samples_away():
    rng, d = np.random.default_rng(0), 8
    real = rng.normal(size=(40_000, d))
    plain, found = zip(
        *[(fid(real, fake), fid_infinity(real, fake, seed=0)) for fake in rng.normal(size=(40, 1000, d))], strict=True
    )
    assert np.mean(plain) == pytest.approx(d / 1000 + d * (d + 1) / 4 / 1000, rel=0.12)  # half of the bias of two sets
    values = np.array([f.value for f in found])
    error = values.std(ddof=1) / np.sqrt(40)
    assert error < 0.1 * np.mean(plain)
    assert abs(values.mean()) < 3.5 * error + 0.05 * np.mean(plain)  # curvature in 1/M remains
    assert all(f.standard_error > 0.0 for f in found)


def test_infinity_is_the_intercept_of_fid_over_subsets_of_these_sizes():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(200, 3)), rng.normal(size=(150, 3)) + 1.0
    found = fid_infinity(real, fake, seed=5, sizes=[30, 75, 150])
    draw = np.random.default_rng(5)
    figures = [fid(real, fake[draw.choice(150, size, replace=False)]) for size in (30, 75, 150)]
    slope, intercept = np.polyfit(1.0 / np.array([30, 75, 150]), figures, 1)
    assert found.value == pytest.approx(intercept, rel=1e-9)
    assert found == fid_infinity(real, fake, seed=5, sizes=[30, 75, 150])
    residuals = figures - (intercept + slope / np.array([30, 75, 150]))
    x = 1.0 / np.array([30, 75, 150])
    expected = np.sqrt(np.sum(residuals**2) * (1 / 3 + x.mean() ** 2 / np.sum((x - x.mean()) ** 2)))
    assert found.standard_error == pytest.approx(expected, rel=1e-9)


def test_class_fid_sees_a_generator_that_ignores_its_label():
    rng = np.random.default_rng(0)
    labels = np.repeat([3, 7], 200)
    real = rng.normal(size=(400, 2)) + 10.0 * (labels == 7)[:, None]
    fake, swapped = real[::-1], labels[::-1]
    right = class_fid(real, labels, fake, swapped)
    assert right.classes.tolist() == [3, 7]
    assert np.abs(right.values).max() < 1e-9
    wrong = class_fid(real, labels, fake, labels)
    assert wrong.values == pytest.approx([200.0, 200.0], rel=0.05)
    assert wrong.mean == pytest.approx(wrong.values.mean())
    few = class_fid(real, labels, fake[:202], swapped[:202])
    assert few.values[0] == pytest.approx(fid(real[:200], fake[200:202]))


def test_spatial_fid_sees_where_things_are():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(300, 2, 2, 5))
    real[:, 0, 0] += 3.0
    fake = real[:, ::-1]
    assert fid(real.mean(axis=(1, 2)), fake.mean(axis=(1, 2))) < 1e-9  # pooled features do not
    assert spatial_fid(real, fake, channels=3) == pytest.approx(2 * 9.0 * 3, rel=0.1)
    assert spatial_fid(real, fake, channels=3) == pytest.approx(
        fid(real[..., :3].reshape(300, 12), fake[..., :3].reshape(300, 12)), rel=1e-12
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: fid_infinity(x, x, 0, [5, 5, 20]), r"different sizes in 2\.\.M = 20; got \[5, 5, 20\]"),
        (lambda x, y: fid_infinity(x, x, 0, [5, 10, 21]), r"2\.\.M = 20"),
        (lambda x, y: fid_infinity(x, x, 0, [1, 10, 20]), r"2\.\.M = 20"),
        (lambda x, y: class_fid(x, y, x, y % 3), r"same classes; only one of them has \[3\]"),
        (lambda x, y: class_fid(x, y, x, y[:4]), r"fake labels must be \[20\] integers; got int64 of shape \(4,\)"),
        (lambda x, y: class_fid(x, y * 1.0, x, y), "real labels must be .* got float64"),
        (lambda x, y: class_fid(x[:5], y[:5], x, y), r"too few of \[1, 2, 3\]"),
        (lambda x, y: spatial_fid(x, x), r"feature maps \[N, h, w, C\]"),
        (lambda x, y: spatial_fid(x[:, None, None], x[:, None, None]), "channels <= C = 3; got 7"),
    ],
)
def test_variants_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 4)
