"""Sliced Wasserstein: translations in closed form, sizes that differ against scipy, the patch protocol, adversity."""

import math

import jax
import numpy as np
import pytest
from scipy import ndimage, stats

from jaxgan.metrics.sliced import PATCH, _descriptors, _standardised, laplacian_swd, level_sizes, sliced_wasserstein

KERNEL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def images(n, height=16, width=16, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, size=(n, height, width, channels)).astype(np.float32)


@pytest.mark.parametrize("dimension", [1, 2, 7, 50])
def test_translation(key, dimension):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(40, dimension)), rng.normal(size=dimension)
    found = sliced_wasserstein(x, x + t, key, directions=4000)
    expected = np.linalg.norm(t) * math.exp(math.lgamma(dimension / 2) - math.lgamma((dimension + 1) / 2))
    expected /= math.sqrt(math.pi)
    assert found.distance == pytest.approx(expected, abs=max(4 * found.standard_error, 1e-5 * expected))
    if dimension > 1:  # E <t,u>^2 = |t|^2 / D
        variance = np.linalg.norm(t) ** 2 / dimension - expected**2
        assert found.standard_error == pytest.approx(math.sqrt(variance / 4000), rel=0.1)


@pytest.mark.parametrize(("n", "m"), [(30, 30), (30, 20), (7, 11), (2, 1)])
def test_one_dimension_is_the_earth_movers_distance(key, n, m):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 1)), 2.0 * rng.normal(size=(m, 1)) + 0.5
    expected = stats.wasserstein_distance(x[:, 0], y[:, 0])
    assert sliced_wasserstein(x, y, key, directions=3).distance == pytest.approx(expected, rel=1e-5)


def test_a_common_offset_and_the_order_change_nothing(key):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(60, 4)) + 0.3
    found = sliced_wasserstein(x, y, key)
    assert sliced_wasserstein(x[::-1] + 2.0**20, y + 2.0**20, key).distance == pytest.approx(found.distance, rel=1e-5)
    assert sliced_wasserstein(x, x[::-1], key) == (0.0, 0.0)
    assert sliced_wasserstein(np.ones((2, 3)), np.ones((2, 3)), key).distance == 0.0
    assert sliced_wasserstein(x, y, jax.random.key(1)).distance != found.distance


def reference(patches, others, u):
    """The published protocol in loops: each set standardised by channel, sorted projections, mean difference."""
    flat = []
    for p in (patches, others):
        p = (p - p.mean((0, 1, 2), keepdims=True)) / p.std((0, 1, 2), keepdims=True)
        flat.append(p.reshape(len(p), -1))
    return 1e3 * np.mean([np.abs(np.sort(flat[0] @ line) - np.sort(flat[1] @ line)).mean() for line in u])


def test_a_level_against_the_protocol_in_loops(key):
    real, fake = images(3, 16, 20, 2), 0.5 * images(3, 16, 20, 2, seed=1) ** 3
    found = laplacian_swd(real, fake, key, patches=50, directions=60)
    assert found.sizes == ((16, 20),)
    patches = [_descriptors(x, jax.random.fold_in(key, n), 1, 50)[0].astype(float) for n, x in enumerate((real, fake))]
    u = np.asarray(jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, 2), 0), (60, PATCH * PATCH * 2)), float)
    expected = reference(*patches, u / np.linalg.norm(u, axis=1, keepdims=True))
    assert found.levels == (pytest.approx(expected, rel=1e-4),)
    assert found.mean == found.levels[0]


def test_descriptors_are_patches_of_the_bands(key):
    x = images(2, 32, 34, 3)
    fine, coarse = _descriptors(x, key, 2, 200)
    smaller = ndimage.convolve(x.astype(float), KERNEL[None, :, :, None], mode="mirror")[:, ::2, ::2]
    spread = np.zeros(x.shape)
    spread[:, ::2, ::2] = smaller
    band = x - 4 * ndimage.convolve(spread, KERNEL[None, :, :, None], mode="mirror")
    for patches, level in ((fine, band), (coarse, smaller)):
        assert patches.shape == (400, 7, 7, 3)
        windows = np.lib.stride_tricks.sliding_window_view(level, (7, 7), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)
        corner = set()
        for n, patch in enumerate(patches[:200]):
            error = np.abs(windows[0] - patch).max((2, 3, 4))
            assert error.min() < 1e-5, n
            corner.add(np.unravel_index(error.argmin(), error.shape))
        assert np.array(list(corner)).min() == 0  # the first and the last row and column are drawn too
        assert tuple(np.array(list(corner)).max(0)) == (level.shape[1] - 7, level.shape[2] - 7)


def test_chunks_do_not_change_the_patches(key, monkeypatch):
    x = images(5, 16, 16, 1)
    whole = _descriptors(x, key, 1, 10)[0]
    monkeypatch.setattr("jaxgan.metrics.sliced.CHUNK", 2)
    np.testing.assert_array_equal(_descriptors(x, key, 1, 10)[0], whole)


def test_levels():
    assert level_sizes(64, 64) == ((64, 64), (32, 32), (16, 16))
    assert level_sizes(28, 28) == ((28, 28),)
    assert level_sizes(33, 128) == ((33, 128), (17, 64))


def test_noise_is_seen_at_the_fine_level_only(key):
    real, other = images(200, 32, 32, 1), images(200, 32, 32, 1, seed=1)
    blurred = ndimage.gaussian_filter(other, (0, 1, 1, 0))
    same = laplacian_swd(real, other, key, patches=32, directions=64)
    fine = laplacian_swd(real, blurred, key, patches=32, directions=64)
    assert fine.levels[0] > 3 * same.levels[0], (fine, same)
    assert fine.levels[0] - same.levels[0] > 2 * (fine.levels[1] - same.levels[1]), (fine, same)
    assert same.mean == pytest.approx(np.mean(same.levels))


def test_a_tint_is_seen_by_the_statistics_of_real_alone(key):
    real, tinted = 0.5 * images(8, channels=3), 0.25 * images(8, channels=3, seed=1) + np.float32(0.5)
    each = laplacian_swd(real, tinted, key, directions=64)
    by_real = laplacian_swd(real, tinted, key, directions=64, standardise="real")
    assert by_real.mean > 5 * each.mean


def test_flat_channels_are_not_blown_up(key):
    real = np.full((2, 32, 32, 3), 0.3, np.float32)
    assert laplacian_swd(real, real[:, ::-1], key, patches=4, directions=8).mean < 0.01
    patches = np.full((2, 7, 7, 1), 0.5, np.float32)
    assert _standardised(patches, (np.array([0.25]), np.array([0.5]))).ravel().tolist() == [0.5] * 98


@pytest.mark.parametrize(
    ("real", "fake", "kwargs", "message"),
    [
        (images(2), (images(2) * 100).astype(np.uint8), {}, "fake images are uint8.*from_uint8"),
        (images(2), np.full((2, 16, 16, 1), np.nan, np.float32), {}, "fake images hold 512 non-finite values of 512"),
        (images(2), images(2, channels=3), {}, r"one shape; got \(16, 16, 1\) and \(16, 16, 3\)"),
        (images(2, 6, 9), images(2, 6, 9), {}, "7x7 pixels or more"),
        (images(2)[0], images(2), {}, r"must be \[N, H, W, C\]"),
        (images(2), images(2), {"patches": 0}, "patches >= 1"),
        (images(2), images(2), {"standardise": "both"}, "'both'"),
        (images(2), images(2), {"directions": 0}, "at least one direction"),
    ],
)
def test_refuses(key, real, fake, kwargs, message):
    with pytest.raises(ValueError, match=message):
        laplacian_swd(real, fake, key, **kwargs)


def test_rounding_in_a_flat_channel_is_not_blown_up(key):
    rng = np.random.default_rng(0)
    dots, stripes = rng.normal(size=(8, 16, 16, 1)), np.sign(rng.normal(size=(8, 16, 1, 1))) * np.ones((1, 1, 16, 1))
    flat = laplacian_swd((1e-7 * dots).astype(np.float32), (1e-7 * stripes).astype(np.float32), key)
    assert flat.mean < 1e-2
    assert laplacian_swd(dots.astype(np.float32), stripes.astype(np.float32), key).mean > 10


def test_the_64_bit_mode_changes_nothing(key):
    """A literal index was int64 there, beside int32 ones."""
    x, y = images(8), images(8, seed=1)
    plain = laplacian_swd(x, y, key, patches=4, directions=8)
    with jax.enable_x64(True):
        assert laplacian_swd(x, y, key, patches=4, directions=8).mean == pytest.approx(plain.mean, rel=1e-4)
