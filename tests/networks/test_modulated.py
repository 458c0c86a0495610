"""Modulated convolution against one convolution for each example; equalised layers, pixel norm and AdaIN by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgan.networks.layers.equalized import (
    EqualizedConv,
    EqualizedDense,
    adaptive_instance_norm,
    pixel_norm,
    scaled_leaky_relu,
)
from jaxgan.networks.layers.modulated import ModulatedConv, Noise, modulated_conv
from jaxgan.networks.layers.resampling import fir, upfirdn


def each_by_itself(x, kernel, style, demodulate, up):
    """Writes every example's kernel out, and upsamples before it convolves."""
    results = []
    for image, scales in zip(np.asarray(x), np.asarray(style), strict=True):
        own = np.asarray(kernel) * scales[:, None]
        if demodulate:
            own = own / np.sqrt(np.square(own).sum(axis=(0, 1, 2)) + 1e-8)
        half = own.shape[0] // 2
        wide = jnp.asarray(image)[None]
        if up == 2:
            wide = upfirdn(wide, fir((1, 3, 3, 1), 2), up=2, pad=(2 + half, 1 + half))
        else:
            wide = jnp.pad(wide, ((0, 0), (half, half), (half, half), (0, 0)))
        results.append(
            lax.conv_general_dilated(
                wide, jnp.asarray(own), (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )[0]
        )
    return np.stack(results)


@pytest.mark.parametrize("grouped", [False, True], ids=["scaled", "grouped"])
@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("demodulate", [False, True])
@pytest.mark.parametrize("side", [1, 3])
def test_modulated_conv_is_a_convolution_for_each_example(side, demodulate, up, grouped):
    keys = jax.random.split(jax.random.key(side), 3)
    x, kernel = jax.random.normal(keys[0], (3, 4, 6, 5)), jax.random.normal(keys[1], (side, side, 5, 2))
    style = 1 + jax.random.normal(keys[2], (3, 5))
    result = modulated_conv(x, kernel, style, demodulate=demodulate, up=up, grouped=grouped)
    np.testing.assert_allclose(result, each_by_itself(x, kernel, style, demodulate, up), atol=2e-4)


def test_both_forms_have_the_same_derivatives():
    keys = jax.random.split(jax.random.key(0), 3)
    x, kernel = jax.random.normal(keys[0], (2, 4, 4, 3)), jax.random.normal(keys[1], (3, 3, 3, 2))
    style = jax.random.normal(keys[2], (2, 3))

    def derivatives(grouped):
        def scalar(x, kernel, style):
            return jnp.sum(jnp.tanh(modulated_conv(x, kernel, style, up=2, grouped=grouped)))

        def length(x, kernel, style):
            return jnp.sum(jnp.square(jax.grad(scalar, argnums=2)(x, kernel, style)))  # as of a path length

        return jax.grad(scalar, (0, 1, 2))(x, kernel, style), jax.grad(length, (0, 1, 2))(x, kernel, style)

    ours_and_theirs = jax.jit(lambda: (derivatives(False), derivatives(True)))()
    pairs = zip(*map(jax.tree.leaves, ours_and_theirs), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * max(1, np.abs(theirs).max()))


def test_demodulated_outputs_have_unit_variance_whatever_the_style():
    keys = jax.random.split(jax.random.key(1), 3)
    x, kernel = jax.random.normal(keys[0], (8, 16, 16, 32)), jax.random.normal(keys[1], (3, 3, 32, 4))
    y = modulated_conv(x, kernel, 10 * jax.random.normal(keys[2], (8, 32)))[:, 1:-1, 1:-1]
    # 1,568 pixels a feature, neighbours correlated: a standard error of about 5 %
    np.testing.assert_allclose(jnp.var(y, axis=(0, 1, 2)), 1.0, atol=0.25)


def test_a_fresh_style_is_one():
    layer = ModulatedConv(3, demodulate=False)
    x, w = jnp.ones((2, 4, 4, 5)), jnp.zeros((2, 7))
    variables = layer.init(jax.random.key(0), x, w)
    expected = EqualizedConv(3, use_bias=False).apply({"params": {"kernel": variables["params"]["kernel"]}}, x)
    np.testing.assert_allclose(layer.apply(variables, x, w), expected, rtol=1e-5)


# Noise


def noisy(train, key, x, **settings):
    layer = Noise(**settings)
    variables = layer.init(jax.random.key(0), x, train)
    variables["params"]["strength"] = jnp.asarray(2.0)
    return layer.apply(variables, x, train, rngs={"global": key})


def test_noise_starts_at_zero_and_is_shared_by_features():
    x = jnp.zeros((3, 4, 5, 2))
    layer = Noise()
    variables = layer.init(jax.random.key(0), x, True)
    np.testing.assert_array_equal(layer.apply(variables, x, True, rngs={"global": jax.random.key(1)}), x)
    y = noisy(True, jax.random.key(1), x)
    np.testing.assert_array_equal(y[..., 0], y[..., 1])
    assert (y[0] != y[1]).any()
    assert 1.0 < np.std(y[..., 0]) < 3.0


def test_noise_of_samples_is_one_map_that_no_key_changes():
    x = jnp.zeros((3, 4, 5, 2))
    y = noisy(False, jax.random.key(1), x)
    np.testing.assert_array_equal(y, noisy(False, jax.random.key(2), x))
    np.testing.assert_array_equal(y[0], y[2])
    assert np.abs(y).max() > 0


def test_noise_does_not_know_the_device_count():
    x, key = jnp.zeros((8, 2, 2, 1)), jax.random.key(3)
    mapped = jax.pmap(lambda x: noisy(True, key, x, axis_name="batch"), axis_name="batch")(x.reshape(4, 2, 2, 2, 1))
    np.testing.assert_allclose(mapped.reshape(x.shape), noisy(True, key, x), rtol=1e-6)  # one rounding or two


# Equalised layers


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_equalized_dense_by_hand(multiplier):
    layer = EqualizedDense(200, bias_init=0.5, gain=2.0, lr_multiplier=multiplier)
    x = jax.random.normal(jax.random.key(0), (3, 100))
    variables = layer.init(jax.random.key(1), x)
    kernel, bias = variables["params"]["kernel"], variables["params"]["bias"]
    np.testing.assert_allclose(np.std(kernel), 1 / multiplier, rtol=0.02)
    np.testing.assert_allclose(bias * multiplier, 0.5, rtol=1e-6)
    expected = np.asarray(x) @ np.asarray(kernel) * (2 * multiplier / 10) + 0.5
    np.testing.assert_allclose(layer.apply(variables, x), expected, rtol=1e-4, atol=1e-4)


def test_equalized_conv_scales_by_its_fan_in():
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 25))
    layer = EqualizedConv(3, gain=2.0)
    variables = layer.init(jax.random.key(1), x)
    variables["params"]["bias"] = jnp.arange(3.0)
    kernel = variables["params"]["kernel"] * (2 / 15)
    plain = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(layer.apply(variables, x), plain + jnp.arange(3.0).reshape(1, 1, 1, 3), atol=1e-4)
    assert layer.clone(dtype=jnp.bfloat16).apply(variables, x).dtype == jnp.bfloat16
    assert variables["params"]["kernel"].dtype == jnp.float32


def test_pixel_norm_by_hand():
    np.testing.assert_allclose(pixel_norm(jnp.array([[3.0, 4.0]])), [[3 / math.sqrt(12.5), 4 / math.sqrt(12.5)]])
    assert np.isfinite(jax.grad(lambda x: jnp.sum(pixel_norm(x)))(jnp.zeros((1, 4)))).all()


def test_activation_keeps_the_mean_square_of_normal_inputs():
    x = jax.random.normal(jax.random.key(0), (100_000,))
    # E f(x)^2 = 2 (1 + 0.04) / 2; its standard error here is 0.6 %
    np.testing.assert_allclose(np.mean(np.square(scaled_leaky_relu(x))), 1.04, rtol=0.03)


def test_adaptive_instance_norm_by_hand():
    x = jnp.array([1.0, 3.0, 5.0, 7.0]).reshape(1, 2, 2, 1) * jnp.array([1.0, 10.0]).reshape(1, 1, 1, 2)
    y = adaptive_instance_norm(x, jnp.array([[2.0, 3.0]]), jnp.array([[0.0, -1.0]]))
    normal = np.array([-3.0, -1.0, 1.0, 3.0]) / math.sqrt(5)
    np.testing.assert_allclose(y[0, ..., 0].reshape(-1), 2 * normal, rtol=1e-4)
    np.testing.assert_allclose(y[0, ..., 1].reshape(-1), 3 * normal - 1, rtol=1e-4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: modulated_conv(x, jnp.ones((3, 3, 2, 1)), jnp.ones((2, 5))), r"style \[B, I\]; got"),
        (lambda x: modulated_conv(x, jnp.ones((3, 3, 4, 1)), jnp.ones((2, 2))), r"kernel \[k, k, I, O\]"),
        (lambda x: adaptive_instance_norm(x, jnp.ones((2, 3)), jnp.ones((2, 3))), "adaptive_instance_norm takes"),
    ],
)
def test_bad_input(call, says):
    with pytest.raises(ValueError, match=says):
        call(jnp.ones((2, 4, 4, 2)))
