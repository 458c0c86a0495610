"""Laplacian pyramids: exact reconstruction at any size, against an independent convolution, flat images, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jaxgan.networks.layers.pyramid import downsample, laplacian_pyramid, reconstruct, upsample

KERNEL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])[None, :, :, None] / 256


def images(n=2, height=16, width=16, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, size=(n, height, width, channels)).astype(np.float32)


@pytest.mark.parametrize(("shape", "levels"), [((32, 32, 3), 3), ((17, 30, 1), 3), ((9, 5, 2), 2), ((8, 8, 1), 1)])
def test_reconstruction_is_the_image(shape, levels):
    x = images(2, *shape)
    pyramid = laplacian_pyramid(jnp.asarray(x), levels)
    sides = [tuple(-(-side // 2**n) for side in shape[:2]) for n in range(levels)]
    assert [band.shape[1:3] for band in pyramid] == sides
    np.testing.assert_allclose(reconstruct(pyramid), x, atol=1e-6)


@pytest.mark.parametrize("shape", [(16, 24, 3), (11, 14, 1)])
def test_against_an_independent_convolution(shape):
    x = images(2, *shape)
    smaller = ndimage.convolve(x.astype(np.float64), KERNEL, mode="mirror")[:, ::2, ::2]
    np.testing.assert_allclose(downsample(jnp.asarray(x)), smaller, atol=1e-6)
    spread = np.zeros(x.shape)
    spread[:, ::2, ::2] = smaller
    larger = ndimage.convolve(spread, 4 * KERNEL, mode="mirror")
    np.testing.assert_allclose(upsample(jnp.asarray(smaller, jnp.float32), *shape[:2]), larger, atol=1e-6)
    np.testing.assert_allclose(laplacian_pyramid(jnp.asarray(x), 2)[0], x - larger, atol=1e-6)


def test_a_flat_image_has_no_detail():
    pyramid = laplacian_pyramid(jnp.full((1, 21, 16, 2), 0.3), 3)
    for band in pyramid[:-1]:
        np.testing.assert_allclose(band, 0.0, atol=1e-6)
    np.testing.assert_allclose(pyramid[-1], 0.3, atol=1e-6)


def test_it_compiles_and_is_linear():
    x, y = images(seed=1), images(seed=2)
    pyramid = jax.jit(laplacian_pyramid, static_argnums=1)
    for one, other, both in zip(pyramid(x, 3), pyramid(y, 3), pyramid(x + 2 * y, 3), strict=True):
        np.testing.assert_allclose(both, one + 2 * other, atol=2e-6)


def test_refuses():
    with pytest.raises(ValueError, match=r"got shape \(8, 8, 1\) and 2"):
        laplacian_pyramid(jnp.zeros((8, 8, 1)), 2)
    with pytest.raises(ValueError, match="levels >= 1"):
        laplacian_pyramid(jnp.zeros((1, 8, 8, 1)), 0)
    with pytest.raises(ValueError, match="2x2 pixels cannot be halved"):
        laplacian_pyramid(jnp.zeros((1, 8, 8, 1)), 4)
