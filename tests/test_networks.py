"""Layers against their equations, and the two families' shapes, ranges and errors."""

import itertools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgan.networks import dcgan, mlp
from jaxgan.networks.layers import (
    ConditionalBatchNorm,
    ConvTranspose,
    SpectralNorm,
    conv_transpose,
    kernel_gradient,
    minibatch_stddev,
    strided_conv,
)

# Transposed convolution


def reference(x, kernel, stride):
    return lax.conv_transpose(
        x,
        kernel,
        (stride, stride),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        transpose_kernel=True,
    )


def close(a, b, tolerance=1e-5):
    """Equal relative to the largest entry: a sum of many terms has no small relative error entry by entry."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max()), a, b)


def operands(k, stride):
    keys = jax.random.split(jax.random.key(10 * k + stride), 4)
    x = jax.random.normal(keys[0], (2, 3, 4, 2))
    kernel = jax.random.normal(keys[1], (k, k, 3, 2))
    g = jax.random.normal(keys[2], (2, 3 * stride, 4 * stride, 3))
    return x, kernel, g, keys[3]


SIZES = list(itertools.product((2, 3, 4, 5), (1, 2, 3)))


@pytest.mark.parametrize(("k", "stride"), SIZES)
def test_conv_transpose_and_its_derivatives(k, stride):
    """Values, first and second derivatives w.r.t. input and kernel equal those of `lax.conv_transpose`."""
    x, kernel, g, key = operands(k, stride)
    directions = (
        jax.random.normal(key, x.shape),
        jax.random.normal(jax.random.fold_in(key, 1), kernel.shape),
    )

    def everything(function):
        def scalar(x, kernel):
            return jnp.sum(g * jnp.tanh(function(x, kernel, stride)))  # tanh: else the second derivatives are simple

        def slope(x, kernel):
            first = jax.grad(scalar, argnums=(0, 1))(x, kernel)
            return sum(jnp.sum(d * f) for d, f in zip(directions, first, strict=True))

        def run(x, kernel):
            return (
                function(x, kernel, stride),
                jax.grad(scalar, argnums=(0, 1))(x, kernel),
                jax.grad(slope, argnums=(0, 1))(x, kernel),
            )

        return jax.jit(run)(x, kernel)

    ours, theirs = everything(conv_transpose), everything(reference)
    chex.assert_trees_all_equal_shapes(ours, theirs)
    close(ours, theirs)


@pytest.mark.parametrize(("k", "stride"), SIZES)
def test_conv_transpose_is_the_adjoint_of_the_strided_convolution(k, stride):
    """<g, T x> = <S g, x> = <kernel gradient, kernel>: one trilinear form."""
    x, kernel, g, _ = operands(k, stride)
    forms = [
        jnp.vdot(g, conv_transpose(x, kernel, stride)),
        jnp.vdot(strided_conv(g, kernel, stride), x),
        jnp.vdot(kernel_gradient(g, x, stride, (k, k)), kernel),
    ]
    np.testing.assert_allclose(forms[1:], [forms[0]] * 2, rtol=1e-4, atol=1e-4)


def test_conv_transpose_under_vmap():
    x, kernel, _, key = operands(4, 2)
    kernels = jax.random.normal(key, (3, *kernel.shape))
    mapped = jax.jit(jax.vmap(lambda k: jax.grad(lambda k: jnp.sum(jnp.square(conv_transpose(x, k, 2))))(k)))(kernels)
    single = [jax.jit(jax.grad(lambda k: jnp.sum(jnp.square(reference(x, k, 2)))))(k) for k in kernels]
    close(mapped, jnp.stack(single))


def test_conv_transpose_layer_shapes_bias_and_dtype(key):
    x = jnp.ones((2, 3, 5, 4))
    layer = ConvTranspose(6, (3, 5), stride=2, dtype=jnp.bfloat16)
    y, variables = jax.jit(layer.init_with_output)(key, x)
    chex.assert_shape(y, (2, 6, 10, 6))
    chex.assert_tree_shape_prefix(variables["params"]["kernel"], (3, 5, 6, 4))
    assert y.dtype == jnp.bfloat16
    chex.assert_trees_all_equal_dtypes(*jax.tree.leaves(variables), jnp.zeros((), jnp.float32))
    shifted = {"params": variables["params"] | {"bias": jnp.full((6,), 2.0)}}
    np.testing.assert_allclose(layer.apply(shifted, x) - y, 2.0, atol=0.05)
    assert "bias" not in ConvTranspose(6, use_bias=False).init(key, x)["params"]


def test_a_gradient_penalty_through_a_transposed_convolution(key):
    """Reverse over reverse through a network that holds the layer; its value against finite differences."""

    class Critic(nn.Module):
        @nn.compact
        def __call__(self, x):
            return jnp.sum(jnp.square(ConvTranspose(2, (3, 3))(jnp.tanh(x))), axis=(1, 2, 3))

    x = jax.random.normal(key, (2, 3, 3, 1))
    params = Critic().init(key, x)

    @jax.jit
    def penalty(params):
        slope = jax.grad(lambda x: jnp.sum(Critic().apply(params, x)))(x)
        return jnp.mean(jnp.sum(jnp.square(slope), axis=(1, 2, 3)))

    gradient = jax.jit(jax.grad(penalty))(params)
    moved = [jax.tree.map(lambda p, g, s=s: p + s * g, params, gradient) for s in (1e-4, -1e-4)]
    numeric = (penalty(moved[0]) - penalty(moved[1])) / 2e-4
    exact = sum(jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradient))
    np.testing.assert_allclose(numeric, exact, rtol=5e-3)


# Spectral normalisation


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (nn.Dense(5, use_bias=False), jnp.ones((2, 7))),
        (nn.Conv(5, (3, 3), use_bias=False), jnp.ones((1, 4, 4, 2))),
        (ConvTranspose(5, (4, 4), use_bias=False), jnp.ones((1, 4, 4, 2))),
    ],
    ids=["dense", "conv", "conv_transpose"],
)
def test_spectral_norm_makes_the_largest_singular_value_one(layer, x, key):
    normalised = SpectralNorm(layer)
    variables = jax.jit(normalised.init, static_argnames="train")(key, x, train=True)
    (kernel,) = [leaf for leaf in jax.tree.leaves(variables["params"]) if leaf.ndim > 1]
    advance = jax.jit(lambda v: normalised.apply(v, x, train=True, mutable=["spectral"]))
    for _ in range(100):
        _, updated = advance(variables)
        variables = variables | updated
    # What the layer applies is linear: its response to the inputs is the response to the raw kernel over sigma.
    sigma = np.linalg.svd(np.asarray(kernel).reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
    ours, _ = advance(variables)
    name = next(iter(variables["params"]))
    raw = layer.apply({"params": variables["params"][name]}, x)
    np.testing.assert_allclose(np.asarray(raw) / sigma, ours, rtol=0.01, atol=1e-4)


def test_spectral_norm_advances_only_when_training(key):
    normalised, x = SpectralNorm(nn.Dense(3)), jnp.ones((2, 4))
    variables = normalised.init(key, x, train=True)
    # Of the weights that it was initialised with the vector is settled: these are others.
    params = jax.tree.map(
        lambda w: w * jnp.arange(1.0, 1 + w.shape[0]).reshape(-1, *[1] * (w.ndim - 1)), variables["params"]
    )
    variables = variables | {"params": params}
    _, evaluated = normalised.apply(variables, x, train=False, mutable=["spectral"])
    _, trained = normalised.apply(variables, x, train=True, mutable=["spectral"])
    chex.assert_trees_all_equal(evaluated["spectral"], variables["spectral"])
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), trained["spectral"], dict(variables["spectral"]))
    assert any(jax.tree.leaves(changed))


# Batch statistics


def test_conditional_batch_norm_by_hand(key):
    x = jnp.array([[1.0, 10.0], [3.0, 10.0], [5.0, 40.0], [7.0, 40.0]])
    y = jnp.array([0, 1, 2, 1], jnp.int32)
    layer = ConditionalBatchNorm(classes=3, momentum=0.75)
    variables = layer.init(key, x, y, train=True)
    chex.assert_trees_all_equal(variables["params"]["scale"]["embedding"], jnp.zeros((3, 2)))  # a scale of 1
    params = {
        "scale": {"embedding": jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]) - 1},
        "offset": {"embedding": jnp.array([[0.0, 0.0], [1.0, 1.0], [0.0, -2.0]])},
    }
    result, updated = layer.apply(variables | {"params": params}, x, y, train=True, mutable=["batch_stats"])
    # means (4, 25), variances (5, 225): x becomes (-3, -1), (-1, -1), (1, 1), (3, 1) over sqrt 5 for the first column
    s = 5**0.5
    expected = [[-3 / s, -2], [3 * -1 / s + 1, -4 + 1], [5 / s, 6 - 2], [3 * 3 / s + 1, 4 + 1]]
    np.testing.assert_allclose(result, expected, rtol=1e-4)
    (statistics,) = updated["batch_stats"].values()
    np.testing.assert_allclose(statistics["mean"], [1.0, 6.25], rtol=1e-6)  # 3/4 * 0 + 1/4 * mean
    np.testing.assert_allclose(statistics["var"], [2.0, 57.0], rtol=1e-5)  # 3/4 * 1 + 1/4 * variance
    # Without training the running averages normalise: mean 0 and variance 1 at the start.
    still = layer.apply(variables | {"params": params}, x, y, train=False)
    np.testing.assert_allclose(still[1], [3 * 3.0 + 1, 4 * 10.0 + 1], rtol=1e-4)
    # A vector's scale is 1 + y . table, (1 + 0.5 * 0 + 2 * 4, 1 + 0.5 * 1 + 2 * 5), and likewise its offset.
    told = jnp.zeros((4, 3)).at[1].set(jnp.array([0.5, 0.0, 2.0]))
    of_vectors = layer.apply(variables | {"params": params}, x, told, train=False)
    np.testing.assert_allclose(of_vectors[1], [9 * 3.0, 11.5 * 10.0 - 4], rtol=1e-4)
    np.testing.assert_allclose(of_vectors[0], x[0], rtol=1e-4)  # nothing told


def test_conditional_batch_norm_on_images(key):
    x = jax.random.normal(key, (4, 3, 3, 2))
    layer = ConditionalBatchNorm(classes=2)
    result, _ = layer.init_with_output(key, x, jnp.array([0, 1, 0, 1], jnp.int32), train=True)
    np.testing.assert_allclose(jnp.mean(result, axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(jnp.var(result, axis=(0, 1, 2)), 1, atol=1e-3)


def test_minibatch_stddev_by_hand():
    """Four examples in groups of two: {0, 2} and {1, 3}; each pixel's deviation is half the difference."""
    x = jnp.array([0.0, 10.0, 4.0, 30.0]).reshape(4, 1, 1, 1) * jnp.ones((4, 2, 2, 1))
    result = minibatch_stddev(x, group=2)
    chex.assert_shape(result, (4, 2, 2, 2))
    np.testing.assert_array_equal(result[..., :1], x)
    np.testing.assert_allclose(result[:, 0, 0, 1], [2, 10, 2, 10], rtol=1e-5)
    np.testing.assert_array_equal(result[..., 1], result[:, :1, :1, 1] * jnp.ones((4, 2, 2)))


def test_minibatch_stddev_of_shares_of_the_features():
    """Features (0, 0, 4, 8) and their negatives: deviations 0, 0, 4, 8, whose halves have means 0 and 6."""
    x = jnp.array([[0.0, 0.0, 4.0, 8.0], [0.0, 0.0, -4.0, -8.0]]).reshape(2, 1, 1, 4)
    np.testing.assert_allclose(minibatch_stddev(x, group=2, channels=2)[:, 0, 0, 4:], [[0, 6]] * 2, atol=2e-4)
    with pytest.raises(ValueError, match="channels >= 1 that divide C; got 3"):
        minibatch_stddev(x, group=2, channels=3)


def test_minibatch_stddev_averages_over_pixels_and_features():
    x = jnp.zeros((2, 1, 2, 2)).at[1].set(jnp.array([[[2.0, 4.0], [6.0, 8.0]]]))  # deviations 1, 2, 3, 4
    np.testing.assert_allclose(minibatch_stddev(x, group=2)[0, 0, 0, 2], 2.5, rtol=1e-5)


def test_minibatch_stddev_takes_the_largest_group_that_divides():
    x = jax.random.normal(jax.random.key(0), (6, 2, 2, 1))
    np.testing.assert_array_equal(minibatch_stddev(x, group=4), minibatch_stddev(x, group=3))
    np.testing.assert_allclose(minibatch_stddev(x, group=1)[..., -1], 1e-4, rtol=1e-4)  # sqrt 1e-8, and no NaN


def test_minibatch_stddev_of_equal_examples_has_a_gradient():
    slope = jax.grad(lambda x: jnp.sum(minibatch_stddev(x)))(jnp.ones((4, 2, 2, 1)))
    chex.assert_tree_all_finite(slope)


@pytest.mark.parametrize("group", [2, 4, 8])
def test_minibatch_stddev_over_devices_is_global(group):
    x = jax.random.normal(jax.random.key(0), (8, 2, 2, 3))
    mapped = jax.pmap(lambda x: minibatch_stddev(x, group, axis_name="batch"), axis_name="batch")(
        x.reshape(4, 2, 2, 2, 3)
    )
    np.testing.assert_allclose(mapped.reshape(8, 2, 2, 4), minibatch_stddev(x, group), rtol=1e-6)


@pytest.mark.parametrize(("group", "shape"), [(0, (4, 2, 2, 1)), (4, (4, 2))])
def test_minibatch_stddev_errors(group, shape):
    with pytest.raises(ValueError, match=r"group >= 1 and x \[B, H, W, C\]"):
        minibatch_stddev(jnp.ones(shape), group)


# DCGAN. Shapes and errors need no compilation.

Z = jnp.zeros((3, 5))
Y = jnp.zeros((3,), jnp.int32)


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32, 64, 36, (16, 24), (96, 64)])
def test_dcgan_shapes(size, channels, labelled, key):
    classes, condition = (10, (Y,)) if labelled else (0, ())
    height, width = (size, size) if isinstance(size, int) else size
    generator = dcgan.Generator(channels, size, features=2, classes=classes)
    images, variables = jax.eval_shape(generator.init_with_output, key, Z, *condition)
    assert (images.shape, images.dtype) == ((3, height, width, channels), jnp.float32)
    assert set(variables) == {"params", "batch_stats"}
    for normalization, collection in [("batch", {"batch_stats"}), ("spectral", {"spectral"}), ("none", set())]:
        discriminator = dcgan.Discriminator(size, 2, normalization, classes)
        logits, variables = jax.eval_shape(
            discriminator.init_with_output, key, jnp.zeros((3, height, width, channels)), *condition
        )
        assert (logits.shape, logits.dtype) == ((3,), jnp.float32)
        assert set(variables) == {"params"} | collection


def test_dcgan_widths_follow_the_paper(key):
    """Features double at every halving of the side; the widest map of the generator is the narrowest in space."""
    generator = jax.eval_shape(dcgan.Generator(3, 64, features=4).init, key, Z)["params"]
    kernels = [layer["kernel"].shape for name, layer in sorted(generator.items()) if "ConvTranspose" in name]
    assert kernels == [(4, 4, 16, 32), (4, 4, 8, 16), (4, 4, 4, 8), (4, 4, 3, 4)]
    discriminator = jax.eval_shape(dcgan.Discriminator(64, features=4).init, key, jnp.zeros((3, 64, 64, 3)))["params"]
    kernels = [layer["kernel"].shape for name, layer in sorted(discriminator.items()) if "Conv" in name]
    assert kernels == [(4, 4, 3, 4), (4, 4, 4, 8), (4, 4, 8, 16), (4, 4, 16, 32)]
    normalised = [layer["scale"].shape for name, layer in sorted(discriminator.items()) if "BatchNorm" in name]
    assert normalised == [(8,), (16,), (32,)]  # all layers but the first


def test_dcgan_weights_are_drawn_as_in_the_paper(key):
    params = jax.jit(dcgan.Generator(3, 32, features=16).init)(key, jnp.zeros((3, 32)))["params"]
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if "kernel" in jax.tree_util.keystr(path):
            np.testing.assert_allclose(np.std(leaf), 0.02, rtol=0.1)
        if "scale" in jax.tree_util.keystr(path):
            np.testing.assert_allclose(leaf, 1.0, atol=0.1)


@pytest.mark.parametrize("labelled", [False, True])
def test_dcgan_generator_range_and_modes(labelled, key):
    classes, condition = (4, (Y.at[1].set(3),)) if labelled else (0, ())
    generator = dcgan.Generator(1, 28, features=2, classes=classes)
    variables = jax.jit(generator.init)(key, Z, *condition)
    variables = variables | {"params": jax.tree.map(lambda p: 20 * p, variables["params"])}  # far out, for the range
    z = jax.random.normal(key, (3, 5))

    @jax.jit
    def both(variables):
        training, updated = generator.apply(variables, z, *condition, train=True, mutable=["batch_stats"])
        return training, generator.apply(variables, z, *condition, train=False), updated

    training, evaluating, updated = both(variables)
    assert 0.9 < np.abs(training).max() <= 1
    assert (training != evaluating).any()  # statistics of the batch, or the running ones
    assert jax.tree.structure(updated["batch_stats"]) == jax.tree.structure(variables["batch_stats"])
    # One example alone gives the same image where running statistics normalise: examples do not mix.
    alone = jax.jit(lambda v: generator.apply(v, z[:1], *(c[:1] for c in condition), train=False))(variables)
    np.testing.assert_allclose(alone, evaluating[:1], atol=1e-3)


def test_dcgan_computes_in_bfloat16_and_answers_in_float32(key):
    generator = dcgan.Generator(1, 28, features=2, dtype=jnp.bfloat16)
    images, variables = jax.eval_shape(generator.init_with_output, key, Z)
    assert images.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    discriminator = dcgan.Discriminator(28, 2, "spectral", dtype=jnp.bfloat16)
    assert jax.eval_shape(discriminator.init_with_output, key, images)[0].dtype == jnp.float32


IMAGES = jnp.zeros((3, 28, 28, 1))


@pytest.mark.parametrize(
    ("network", "inputs", "message"),
    [
        (
            dcgan.Generator(size=30),
            (Z,),
            r"multiples of 4, 16 or more.* got \(30, 30\), .* nearest sizes are 28 or 32\n",
        ),
        (dcgan.Generator(size=(16, 21)), (Z,), "nearest sizes are 16 by 20 or 24"),
        (dcgan.Generator(size=(28, 28, 1)), (Z,), r"is not a side or \(height, width\)"),
        (dcgan.Discriminator(size=16), (IMAGES,), r"takes images \[B, 16, 16, C\]; got shape \(3, 28, 28, 1\)"),
        (dcgan.Generator(size=28), (jnp.zeros((3, 1, 1, 5)),), r"takes latents \[B, Z\]"),
        (dcgan.Discriminator(size=32), (IMAGES,), r"takes images \[B, 32, 32, C\]"),
        (dcgan.Discriminator(size=28), (jnp.zeros((3, 28, 28)),), r"takes images"),
        (dcgan.Discriminator(size=28, normalization="layer"), (IMAGES,), "'layer' is unknown"),
        (dcgan.Generator(size=28, classes=4), (Z,), "without labels"),
        (dcgan.Generator(size=28), (Z, Y), "classes=0"),
        (dcgan.Generator(size=28, classes=4), (Z, jnp.zeros((3, 1), jnp.int32)), r"labels \[B\] int32"),
        (dcgan.Generator(size=28, classes=4), (Z, jnp.zeros((3,))), r"labels \[B\] int32"),
        (dcgan.Generator(size=28, classes=4), (Z, jnp.zeros((3, 5))), r"vectors \[B, 4\] float32; got shape \(3, 5\)"),
        (dcgan.Generator(size=28, classes=4), (Z, {"a": Y}), r"takes one array y.* of a dict make one by .*Joined"),
        (dcgan.Discriminator(size=28, classes=4), (IMAGES,), "without labels"),
        (dcgan.Discriminator(size=28), (IMAGES, Y), "classes=0"),
        (mlp.Generator(classes=4), (Z,), "without labels"),
        (mlp.Generator(), (Z, Y), "classes=0"),
        (mlp.Discriminator(classes=4), (Z,), "without labels"),
        (mlp.Discriminator(), (Z, Y), "classes=0"),
    ],
)
def test_network_errors(network, inputs, message, key):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(network.init, key, *inputs)


# MLP


def test_mlp_shapes_and_output(key):
    generator = mlp.Generator((4, 4, 1), hidden=(8,), output=jnp.tanh)
    images, variables = generator.init_with_output(key, 100 * jnp.ones((3, 5)))
    chex.assert_shape(images, (3, 4, 4, 1))
    assert 0.5 < np.abs(images).max() <= 1
    logits = mlp.Discriminator((8, 8)).init_with_output(key, images)[0]
    chex.assert_shape(logits, (3,))
    assert set(variables) == {"params"}


def test_mlp_labels_change_the_output(key):
    z = jnp.ones((2, 5))
    y = jnp.array([0, 3], jnp.int32)
    samples = mlp.Generator(hidden=(8,), classes=4).init_with_output(key, z, y)[0]
    logits = mlp.Discriminator(hidden=(8,), classes=4).init_with_output(key, z, y)[0]
    assert (samples[0] != samples[1]).any()
    assert logits[0] != logits[1]


def test_projection_by_hand(key):
    """No hidden layer: logits = w . x + b + <v_y, x>."""
    x = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    params = {
        "logits": {"kernel": jnp.array([[1.0], [10.0]]), "bias": jnp.array([0.5])},
        "projection": {"embedding": jnp.array([[0.0, 0.0], [7.0, 0.0], [0.0, 100.0]])},
    }
    y = jnp.array([1, 2], jnp.int32)
    logits = mlp.Discriminator(hidden=(), classes=3).apply({"params": params}, x, y)
    np.testing.assert_allclose(logits, [21.5 + 7, 43.5 + 400])
