"""Colours and frequency bands against matrices and SciPy's filters."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from jaxgan.augment import appearance

RNG = np.random.default_rng(2)


def parameters(n):
    return {
        "brightness": RNG.normal(0, 1, n),
        "contrast": RNG.uniform(0.5, 2, n),
        "flip": np.arange(n) % 2 == 0,
        "hue": RNG.uniform(-np.pi, np.pi, n),
        "saturation": RNG.uniform(0, 3, n),
    }


def matrix(channels, brightness, contrast, flip, hue, saturation):
    """Homogeneous matrices of the five maps, multiplied: [C + 1, C + 1]."""

    def homogeneous(linear, offset=0.0):
        return np.block([[linear, np.full((channels, 1), offset)], [np.zeros((1, channels)), np.ones((1, 1))]])

    v = np.full((channels, 1), channels**-0.5)
    eye, along = np.eye(channels), v @ v.T
    turned = Rotation.from_rotvec(hue * v[:, 0]).as_matrix() if channels == 3 else eye
    maps = [
        homogeneous(eye, brightness),
        homogeneous(contrast * eye),
        homogeneous(eye - 2 * along * flip),
        homogeneous(turned),
        homogeneous(along + saturation * (eye - along)),
    ]
    total = np.eye(channels + 1)
    for one in maps:
        total = one @ total
    return total


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_recolouring_is_a_product_of_matrices(channels):
    x, chosen = RNG.normal(0, 1, (6, 2, 3, channels)).astype(np.float32), parameters(6)
    arrays = {name: jnp.asarray(v, bool if v.dtype == bool else jnp.float32) for name, v in chosen.items()}
    found = appearance.recolour(jnp.asarray(x), **arrays)
    for n in range(6):
        whole = matrix(channels, **{name: values[n] for name, values in chosen.items()})
        pixels = np.concatenate([x[n].reshape(-1, channels), np.ones((6, 1))], axis=1)
        expected = (pixels @ whole.T)[:, :channels].reshape(2, 3, channels)
        np.testing.assert_allclose(found[n], expected, atol=2e-5)


def test_the_bands_add_up_and_lie_in_order():
    bank = appearance.filter_bank()
    assert bank.shape == (4, 43)
    np.testing.assert_allclose(bank.sum(axis=0), np.eye(43)[21], atol=1e-12)
    np.testing.assert_allclose(bank, bank[:, ::-1], atol=1e-12)
    frequencies = np.linspace(0, np.pi, 2001)
    response = bank @ np.cos(np.outer(np.arange(-21, 22), frequencies))
    assert (response > -1e-9).all()  # each is a squared magnitude
    np.testing.assert_allclose(response[:, 0], [1, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(response[:, -1], [0, 0, 0, 1], atol=1e-9)
    edges = np.array([0, 1 / 8, 1 / 4, 1 / 2, 1]) * np.pi
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        middle = response[:, np.argmin(np.abs(frequencies - (low + high) / 2))]
        assert np.argmax(middle) == band
        assert middle[band] > 0.6


@pytest.mark.parametrize("sides", [(8, 8), (6, 50)])
def test_filtering_is_a_reflected_correlation(sides):
    """Images smaller than the filter are reflected more than once."""
    x, gains = RNG.normal(0, 1, (3, *sides, 2)).astype(np.float32), RNG.uniform(0, 2, (3, 4))
    found = appearance.filter_bands(jnp.asarray(x), jnp.asarray(gains, jnp.float32))
    for n in range(3):
        kernel = gains[n] @ appearance.filter_bank()
        expected = x[n].astype(float)
        for axis in (0, 1):
            expected = ndimage.correlate1d(expected, kernel, axis=axis, mode="mirror")
        np.testing.assert_allclose(found[n], expected, atol=1e-4)
    same = appearance.filter_bands(jnp.asarray(x), jnp.ones((3, 4)))
    np.testing.assert_allclose(same, x, atol=1e-5)


def test_erasing_a_box():
    x = jnp.ones((2, 3, 4, 1))
    rows = jnp.array([[True, True, False], [False] * 3])
    columns = jnp.array([[False, True, False, False], [True] * 4])
    found = np.asarray(appearance.erase(x, rows, columns))[..., 0]
    np.testing.assert_array_equal(found[0], [[1, 0, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1]])
    np.testing.assert_array_equal(found[1], 1)
    slope = jax.grad(lambda x: jnp.sum(appearance.erase(x, rows, columns)))(x)
    np.testing.assert_array_equal(slope[..., 0], found)
