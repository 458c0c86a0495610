"""Convolutions in every form: values and derivatives against `lax`, in and out of conditions."""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgan.networks import residual
from jaxgan.networks.layers import Conv, conv, conv_transpose, same
from jaxgan.networks.layers.resampling import NEAREST, downsample, upsample

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def reference(x, kernel, pads, groups):
    return lax.conv_general_dilated(x, kernel, (1, 1), pads, dimension_numbers=DIMENSIONS, feature_group_count=groups)


def everything(layer, x, kernel):
    """Values, gradients of a penalty on a gradient (all second derivatives), and its gradient in direction x."""

    def penalty(x, kernel):
        slope = jax.grad(lambda x: jnp.sum(jnp.tanh(0.2 * layer(x, kernel))))(x)
        return jnp.sum(jnp.square(slope))

    def path(x, kernel):
        slope = jax.grad(lambda kernel: jnp.sum(jnp.tanh(0.2 * layer(x, kernel))))(kernel)
        return jnp.sum(jnp.square(slope))

    first = jax.grad(lambda x, kernel: jnp.sum(jnp.tanh(0.2 * layer(x, kernel))), argnums=(0, 1))
    return layer(x, kernel), first(x, kernel), jax.grad(penalty, (0, 1))(x, kernel), jax.grad(path, (0, 1))(x, kernel)


def assert_close(ours, theirs):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * float(jnp.max(jnp.abs(b))))


def drawn(shape, kernel):
    keys = jax.random.split(jax.random.key(0), 2)
    return jax.random.normal(keys[0], shape), 0.3 * jax.random.normal(keys[1], kernel)


CASES = {
    "3x3": ((2, 6, 4, 5), (3, 3, 5, 6), ((1, 1), (1, 1)), 1),
    "few outputs": ((2, 6, 4, 5), (3, 3, 5, 3), ((1, 1), (1, 1)), 1),
    "few outputs, cropped": ((2, 6, 4, 5), (3, 5, 5, 2), ((0, 2), (-1, 3)), 1),
    "4x4": ((2, 6, 4, 5), (4, 4, 5, 6), ((1, 1), (1, 1)), 1),
    "so long that kernels' gradients are taken in parts": ((4, 16, 16, 64), (3, 3, 64, 64), ((1, 1), (1, 1)), 1),
    "1x1": ((2, 6, 4, 5), (1, 1, 5, 7), ((0, 0), (0, 0)), 1),
    "groups": ((2, 6, 4, 6), (3, 3, 2, 9), ((1, 1), (1, 1)), 3),
    "groups, uneven": ((2, 5, 4, 6), (3, 2, 3, 4), ((0, 1), (2, 0)), 2),
    "depthwise": ((2, 6, 4, 4), (3, 3, 1, 4), ((1, 1), (1, 1)), 4),
}


@pytest.fixture
def alone(monkeypatch):
    """As on one device; the tests run on several."""
    monkeypatch.setattr(jax, "device_count", lambda: 1)


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside a condition"])
@pytest.mark.parametrize("case", CASES)
def test_conv_and_its_derivatives(case, inside, alone):
    shape, kernel_shape, pads, groups = CASES[case]
    x, kernel = drawn(shape, kernel_shape)

    def ours(x, kernel):
        return everything(lambda x, kernel: conv(x, kernel, pads, groups), x, kernel)

    def conditional(x, kernel):
        return lax.cond(jnp.sum(x) < 1e9, ours, lambda *a: jax.tree.map(jnp.zeros_like, ours(*a)), x, kernel)

    values = jax.jit(conditional if inside else ours)(x, kernel)
    assert_close(values, jax.jit(lambda *a: everything(lambda x, k: reference(x, k, pads, groups), *a))(x, kernel))


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
@pytest.mark.parametrize("case", ["few outputs", "groups"])
def test_the_forms_of_other_backends_agree(monkeypatch, case, platform):
    """Forms are chosen when a program is traced; those of accelerators run on a CPU as well, only slower."""
    shape, kernel_shape, pads, groups = CASES[case]
    x, kernel = drawn(shape, kernel_shape)
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    ours = everything(lambda x, k: conv(x, k, pads, groups), x, kernel)
    assert_close(ours, everything(lambda x, k: reference(x, k, pads, groups), x, kernel))


def test_transposed_convolutions_of_other_backends_agree(monkeypatch):
    x, kernel = drawn((2, 3, 4, 5), (4, 4, 6, 5))
    here = everything(lambda x, k: conv_transpose(x, k, 2), x, kernel)
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert_close(here, everything(lambda x, k: conv_transpose(x, k, 2), x, kernel))


@pytest.mark.parametrize(("k", "stride", "features"), list(itertools.product((2, 3, 4, 5), (1, 2, 3), (3, 6))))
def test_transposed_convolutions_in_phases_are_the_adjoint(k, stride, features):
    if k < stride:
        pytest.skip("no phase has a tap: the plain form, which has tests of its own")
    x, kernel = drawn((2, 3, 4, 5), (k, k, features, 5))
    theirs = lax.conv_transpose(
        x, kernel, (stride, stride), "SAME", dimension_numbers=DIMENSIONS, transpose_kernel=True
    )
    assert_close(conv_transpose(x, kernel, stride), theirs)


RESAMPLED = {
    "up": ({"up": 2}, lambda x, convolve: convolve(residual.upsample(x))),
    "down": ({"down": 2}, lambda x, convolve: residual.downsample(convolve(x))),
    "plain": ({}, lambda x, convolve: convolve(x)),
}


@pytest.mark.parametrize("side", [1, 3])
@pytest.mark.parametrize("case", RESAMPLED)
def test_folded_resampling_is_the_plain_one_with_the_same_parameters(case, side, key):
    settings, plain = RESAMPLED[case]
    x, _ = drawn((2, 6, 4, 5), (1,))
    folded, flax = Conv(6, (side, side), **settings), nn.Conv(6, (side, side))
    variables, theirs = folded.init(key, x), flax.init(key, x)
    jax.tree.map(np.testing.assert_array_equal, variables, theirs)

    def of_kernel(layer):
        return lambda x, kernel: layer(x, {"params": {"kernel": kernel, "bias": jnp.arange(6.0)}})

    ours = of_kernel(lambda x, variables: folded.apply(variables, x))
    two = of_kernel(lambda x, variables: plain(x, lambda x: flax.apply(variables, x)))
    kernel = variables["params"]["kernel"]
    assert_close(
        jax.jit(lambda *a: everything(ours, *a))(x, kernel), jax.jit(lambda *a: everything(two, *a))(x, kernel)
    )


def test_resampling_by_nearest_is_that_of_residual_blocks():
    x, _ = drawn((2, 6, 4, 3), (1,))
    np.testing.assert_array_equal(upsample(x, NEAREST), residual.upsample(x))
    np.testing.assert_allclose(downsample(x, NEAREST), residual.downsample(x), atol=1e-6)


def operations(layer, x, kernel):
    """Multiplications and additions of a compiled layer, zeros of padding included."""
    return jax.jit(layer).lower(x, kernel).compile().cost_analysis()["flops"]


@pytest.mark.parametrize("settings", [{"up": 2}, {"down": 2}])
def test_folding_saves_more_than_half_of_the_operations(settings, key, optimized):
    x, _ = drawn((2, 32, 32, 16), (1,))
    folded, plain = Conv(16, **settings), RESAMPLED[next(iter(settings))][1]
    variables = folded.init(key, x)
    ours = operations(lambda x, v: folded.apply(v, x), x, variables)
    theirs = operations(lambda x, v: plain(x, lambda x: nn.Conv(16, (3, 3)).apply(v, x)), x, variables)
    assert 2.0 < theirs / ours < 2.4


def test_conv_refuses_groups_that_do_not_divide(key):
    with pytest.raises(ValueError, match="groups=3 takes inputs and features that they divide; got 4 inputs"):
        Conv(6, groups=3).init(key, jnp.ones((1, 4, 4, 4)))
    with pytest.raises(ValueError, match="groups=2"):
        Conv(6, groups=2, up=2).init(key, jnp.ones((1, 4, 4, 4)))


def test_half_precision_keeps_its_type(key):
    x = jnp.ones((1, 4, 4, 2))
    for settings in ({"up": 2}, {"down": 2}, {}, {"groups": 2}):
        layer = Conv(2, dtype=jnp.bfloat16, **settings)
        assert layer.init_with_output(key, x)[0].dtype == jnp.bfloat16
        assert layer.init(key, x)["params"]["kernel"].dtype == jnp.float32
    assert same((4, 3)) == ((1, 2), (1, 1))
