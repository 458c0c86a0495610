"""Resampling against its definition written as loops, and convolutions that resample against doing both in turn."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgan.networks.layers.resampled import resampled_conv
from jaxgan.networks.layers.resampling import (
    BILINEAR,
    NEAREST,
    downsample,
    fir,
    resolutions,
    upfirdn,
    upsample,
)

ASYMMETRIC = (1.0, -2.0, 4.0)
FILTERS = (BILINEAR, (1.0, 2.0, 5.0), (1.0, 4.0))


def by_definition(signal, taps, up, down, before, after):
    """y[n] = sum_k f[k] u[n down + K - 1 - k] with `np.convolve`, which flips its kernel: a true convolution."""
    u = np.zeros(up * len(signal))
    u[::up] = signal
    u = np.concatenate([np.zeros(max(before, 0)), u, np.zeros(max(after, 0))])
    u = u[max(-before, 0) : len(u) - max(-after, 0)]
    return np.convolve(u, taps, mode="valid")[::down]


def along(x, axis, *arguments):
    return np.apply_along_axis(by_definition, axis, x, *arguments)


@pytest.mark.parametrize("pad", [(0, 0), (2, 1), (-1, 3)])
@pytest.mark.parametrize("down", [1, 2, 3])
@pytest.mark.parametrize("up", [1, 2, 3])
@pytest.mark.parametrize("taps", [ASYMMETRIC, (3.0, 1.0), (1.0, 5.0, 2.0, 7.0)], ids=len)
def test_upfirdn_is_its_definition(taps, up, down, pad):
    x = np.asarray(jax.random.normal(jax.random.key(0), (2, 5, 7, 3)))
    expected = along(along(x, 1, taps, up, down, *pad), 2, taps, up, down, *pad)
    compiled = jax.jit(lambda x: upfirdn(x, taps, up, down, pad))  # in one program: a tenth of the time
    np.testing.assert_allclose(compiled(x), expected, atol=1e-4)


def test_axes_have_their_own_filter_and_padding():
    x = np.asarray(jax.random.normal(jax.random.key(1), (1, 6, 5, 2)))
    rows, columns = ASYMMETRIC, (1.0, 3.0)
    expected = along(along(x, 1, rows, 2, 1, 1, 2), 2, columns, 2, 1, 0, 3)
    np.testing.assert_allclose(upfirdn(jnp.asarray(x), (rows, columns), 2, 1, ((1, 2), (0, 3))), expected, atol=1e-4)


def test_an_impulse_becomes_the_filter():
    """A correlation would write it backwards."""
    x = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2, 0].set(1.0)
    y = upfirdn(x, ASYMMETRIC, pad=(1, 1))[0, 1:4, 1:4, 0]
    np.testing.assert_array_equal(y, np.outer(ASYMMETRIC, ASYMMETRIC))


def test_factors_keep_constants_and_the_centre():
    x = jnp.full((1, 8, 10, 2), 3.0)
    np.testing.assert_allclose(upsample(x)[:, 2:-2, 2:-2], 3.0, rtol=1e-6)
    np.testing.assert_allclose(downsample(x)[:, 1:-1, 1:-1], 3.0, rtol=1e-6)
    ramp = jnp.arange(8.0).reshape(1, 8, 1, 1) * jnp.ones((1, 1, 8, 1))
    # Pixel centres: pixel n of the small image lies between pixels 2n and 2n + 1 of the large one.
    np.testing.assert_allclose(upsample(ramp)[0, 2:-2, 4, 0], np.arange(0.75, 6.5, 0.5), rtol=1e-6)
    np.testing.assert_allclose(downsample(ramp)[0, 1:-1, 2, 0], [2.5, 4.5], rtol=1e-6)


def test_nearest_repeats_and_averages_exactly():
    x = jax.random.normal(jax.random.key(2), (2, 4, 6, 3))
    np.testing.assert_array_equal(upsample(x, NEAREST), jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2))
    blocks = np.asarray(x).reshape(2, 2, 2, 3, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(downsample(x, NEAREST), blocks, atol=1e-6)


@pytest.mark.parametrize("pad", [(0, 0), (2, 1), (-1, 3)])
@pytest.mark.parametrize("down", [1, 2, 3])
@pytest.mark.parametrize("up", [1, 2, 3])
def test_derivatives_of_every_order(up, down, pad):
    """Against the matrix whose columns are the images of impulses, in first and second derivatives."""
    x = jax.random.normal(jax.random.key(3), (5, 4))
    v = jax.random.normal(jax.random.key(4), x.shape)
    image = jax.jit(lambda x: upfirdn(x[None, :, :, None], (1.0, 5.0, 2.0, 7.0), up, down, pad).reshape(-1) / 15)
    matrix = jnp.stack([image(impulse.reshape(x.shape)) for impulse in jnp.eye(x.size)], axis=1)

    def slopes(image):
        curved = lambda x: jnp.sum(jnp.tanh(image(x)) ** 2)  # noqa: E731
        return jax.jit(lambda x: (jax.grad(curved)(x), jax.grad(lambda x: jnp.sum(v * jax.grad(curved)(x)))(x)))(x)

    for ours, theirs in zip(slopes(image), slopes(lambda x: matrix @ x.reshape(-1)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(("side", "taps"), list(itertools.product((1, 3), FILTERS)))
def test_convolutions_that_resample_do_both(side, taps):
    """The order that is cheap equals the one that is plain: filter the upsampled image, then convolve."""
    x = jax.random.normal(jax.random.key(5), (2, 6, 4, 3))
    kernel = jax.random.normal(jax.random.key(6), (side, side, 3, 5))
    half, k = side // 2, len(taps)

    def plain(x, stride):
        return lax.conv_general_dilated(x, kernel, (stride,) * 2, "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    @jax.jit
    def in_turn(x):
        wide = upfirdn(x, fir(taps, 2), up=2, pad=((k + 1) // 2 + half, (k - 2) // 2 + half))
        blurred = upfirdn(x, fir(taps), pad=((k - 1) // 2 + half, (k - 2) // 2 + half))
        same = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return plain(wide, 1), plain(blurred, 2), same

    @jax.jit
    def at_once(x):
        ways = ({"up": 2, "taps": taps}, {"down": 2, "taps": taps}, {})
        return [resampled_conv(x, kernel, **settings) for settings in ways]

    for ours, theirs, atol in zip(at_once(x), in_turn(x), (1e-4, 1e-4, 0), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


def test_fir_sums_to_its_gain():
    np.testing.assert_allclose(fir(BILINEAR), [0.125, 0.375, 0.375, 0.125])
    np.testing.assert_allclose(fir((1.0, 3.0), 2.0), [0.5, 1.5])
    assert upsample(jnp.ones((1, 4, 4, 1), jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("size", "levels"),
    [
        (32, [(4, 4), (8, 8), (16, 16), (32, 32)]),
        (28, [(7, 7), (14, 14), (28, 28)]),
        (5, [(5, 5)]),
        ((48, 32), [(6, 4), (12, 8), (24, 16), (48, 32)]),
        ((16, 128), [(4, 32), (8, 64), (16, 128)]),
    ],
)
def test_resolutions(size, levels):
    assert list(resolutions(size)) == levels


@pytest.mark.parametrize(
    ("size", "near"), [(30, "28 and 32"), (36, "32 and 40"), (3, "4 and 5"), ((32, 33), "28 and 32")]
)
def test_sizes_out_of_reach_name_the_nearest(size, near):
    with pytest.raises(ValueError, match=f"nearest square sizes are {near}"):
        resolutions(size)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: upfirdn(x[0], BILINEAR), r"takes x \[B, H, W, C\]"),
        (lambda x: upfirdn(x, BILINEAR, up=0), "up=0"),
        (lambda x: upfirdn(x, (1.0,) * 9), "nothing is left of 5 pixels"),
        (lambda x: downsample(x), "takes sides that it divides"),
        (lambda x: resampled_conv(x, jnp.ones((3, 3, 1, 1)), down=2), "takes even sides"),
        (lambda x: resampled_conv(x, jnp.ones((3, 3, 1, 1)), up=2, down=2), "up=2, down=2"),
        (lambda x: resampled_conv(x, jnp.ones((2, 2, 1, 1))), "kernel of shape"),
        (lambda x: fir((1.0, -1.0)), "whose sum is not zero"),
    ],
)
def test_bad_input(call, says):
    with pytest.raises(ValueError, match=says):
        call(jnp.ones((1, 5, 5, 1)))
