"""Residual networks: blocks by hand, the families' shapes and widths, parameter counts, and what they refuse."""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import residual, resnet
from jaxgan.networks.layers import Conv

Z = jnp.zeros((3, 5))
Y = jnp.zeros((3,), jnp.int32)


def images(height, width, channels):
    return jnp.zeros((3, height, width, channels))


def shapes(network, *inputs):
    return jax.eval_shape(lambda key: network.init_with_output(key, *inputs, train=True), jax.random.key(0))


def count(network, *inputs):
    return sum(leaf.size for leaf in jax.tree.leaves(shapes(network, *inputs)[1]["params"]))


# Sizes


@pytest.mark.parametrize(
    ("size", "channels", "classes"),
    [(32, 3, 0), (28, 1, 10), (128, 3, 10), ((16, 48), 2, 10), ((96, 64), 4, 0)],
    ids=str,
)
def test_shapes(size, channels, classes):
    height, width = (size, size) if isinstance(size, int) else size
    condition = (Y,) if classes else ()
    made, variables = shapes(resnet.Generator(channels, size, features=4, classes=classes), Z, *condition)
    assert (made.shape, made.dtype) == ((3, height, width, channels), jnp.float32)
    assert set(variables) == {"params", "batch_stats"}
    discriminator = resnet.Discriminator(size, features=4, classes=classes)
    logits, variables = shapes(discriminator, images(height, width, channels), *condition)
    assert (logits.shape, logits.dtype) == ((3,), jnp.float32)
    assert set(variables) == {"params", "spectral"}


@pytest.mark.parametrize(
    ("size", "generator", "discriminator"),
    [
        (28, [1024, 1024, 1024], [1024] * 4),
        (32, [1024] * 4, [1024] * 4),
        (64, [1024, 512, 256, 128, 64], [64, 128, 256, 512, 1024]),  # the authors': it halves five times
        (80, [1024, 512, 256, 128, 64], [128, 256, 512, 1024, 1024]),
        (128, [1024, 1024, 512, 256, 128, 64], [64, 128, 256, 512, 1024, 1024]),  # ch = 64 of the paper
    ],
)
def test_widths(size, generator, discriminator):
    params = shapes(resnet.Generator(size=size, features=1024), Z)[1]["params"]
    blocks = [params[f"UpBlock_{k}"]["Conv_0"]["kernel"].shape for k in range(len(generator) - 1)]
    assert blocks == [(3, 3, i, o) for i, o in itertools.pairwise(generator)]
    params = shapes(resnet.Discriminator(size, features=1024), images(size, size, 3))[1]["params"]
    blocks = [params[f"DownBlock_{k}"]["Conv_1"]["kernel"].shape for k in range(len(discriminator) - 1)]
    assert blocks == [(3, 3, i, o) for i, o in itertools.pairwise(discriminator)]
    assert params["FirstBlock_0"]["Conv_0"]["kernel"].shape == (3, 3, 3, discriminator[0])


def test_widths_may_be_given():
    made, variables = shapes(resnet.Generator(1, (6, 10), features=(8, 4)), Z)
    assert made.shape == (3, 6, 10, 1)
    assert variables["params"]["Dense_0"]["kernel"].shape == (5, 3 * 5 * 8)
    discriminator = resnet.Discriminator((6, 10), features=(4, 8, 2), halved=1)
    logits, variables = shapes(discriminator, images(6, 10, 1))
    assert logits.shape == (3,)
    assert variables["params"]["logits"]["kernel"].shape == (2, 1)


def test_parameters_of_sngan_at_32_pixels():
    """Summed by hand from the tables of the paper: 256 x 3 up, and 128 x 4 of which two halve."""

    def conv(side, i, o):
        return side * side * i * o + o

    up = 2 * conv(3, 256, 256) + conv(1, 256, 256) + 2 * 2 * 256
    generator = 128 * 4 * 4 * 256 + 4 * 4 * 256 + 3 * up + 2 * 256 + conv(3, 256, 3)
    assert count(resnet.Generator(), jnp.zeros((2, 128))) == generator == 4_276_739
    first = conv(3, 3, 128) + conv(3, 128, 128) + conv(1, 3, 128)
    down, plain = 2 * conv(3, 128, 128) + conv(1, 128, 128), 2 * conv(3, 128, 128)
    assert count(resnet.Discriminator(), images(32, 32, 3)) == first + down + 2 * plain + 129
    labelled = count(resnet.Discriminator(classes=10), images(32, 32, 3), Y)
    assert labelled - (first + down + 2 * plain + 129) == 10 * 128
    labelled = count(resnet.Generator(classes=10), jnp.zeros((3, 128)), Y)
    assert labelled - generator == 3 * 2 * 2 * 9 * 256  # ten scales and offsets instead of one, but for the last


# Blocks by hand


def conv_by_hand(x, kernel, bias):
    side = kernel.shape[0]
    padded = np.pad(x, ((0, 0), (side // 2, side // 2), (side // 2, side // 2), (0, 0)))
    height, width = x.shape[1:3]
    windows = sum(
        np.einsum("bhwi,io->bhwo", padded[:, i : i + height, j : j + width], kernel[i, j])
        for i in range(side)
        for j in range(side)
    )
    return windows + bias


def halved_by_hand(x):
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def block(module, key, shape):
    """A block's output, its input and a function that convolves as its layers do, all in float64."""
    x = jax.random.normal(key, shape)
    variables = module.init(jax.random.fold_in(key, 1), x)
    params = jax.tree.map(
        lambda p: p + 0.1 * jnp.ones(p.shape).cumsum(axis=-1), variables["params"]
    )  # biases are not zero
    layers = jax.tree.map(lambda p: np.asarray(p, np.float64), params)

    def conv(k, x):
        return conv_by_hand(x, layers[f"Conv_{k}"]["kernel"], layers[f"Conv_{k}"]["bias"])

    return module.apply({"params": params}, x), np.asarray(x, np.float64), conv


def plain(x, features, side, up=1, down=1):
    return Conv(features, (side, side), up, down)(x)


def relu(x):
    return np.maximum(x, 0)


def test_up_block_by_hand(key):
    """The paper's order on the shortcut: upsampled first, then convolved."""
    y, x, conv = block(residual.UpBlock(3, lambda x: 2 * x - 1, plain), key, (2, 3, 2, 4))

    def twice(x):
        return np.repeat(np.repeat(x, 2, axis=1), 2, axis=2)

    h = conv(1, relu(2 * conv(0, twice(relu(2 * x - 1))) - 1))
    np.testing.assert_allclose(y, h + conv(2, twice(x)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("halve", [True, False])
def test_down_block_by_hand(halve, key):
    """The paper's order on the shortcut: convolved first, then averaged."""
    y, x, conv = block(residual.DownBlock(3, 5, halve, lambda x: 2 * x - 1, plain), key, (2, 4, 6, 4))
    total = conv(1, relu(2 * conv(0, relu(2 * x - 1)) - 1)) + conv(2, x)
    np.testing.assert_allclose(y, halved_by_hand(total) if halve else total, rtol=1e-4, atol=1e-4)


def test_a_block_that_changes_nothing_adds_to_its_input(key):
    y, x, conv = block(residual.DownBlock(4, 4, False, lambda x: x, plain), key, (2, 4, 6, 4))
    np.testing.assert_allclose(y, x + conv(1, relu(conv(0, relu(x)))), rtol=1e-4, atol=1e-4)


def test_first_block_by_hand(key):
    """It sees pixels of both signs: nothing is cut before the first convolution."""
    y, x, conv = block(residual.FirstBlock(3, plain), key, (2, 4, 6, 2))
    expected = halved_by_hand(conv(1, relu(conv(0, x)))) + conv(2, halved_by_hand(x))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


def test_head_by_hand():
    h = jnp.array([[1.0, 2.0], [3.0, 4.0]])

    class Head(nn.Module):
        @nn.compact
        def __call__(self, h, y):
            return residual.head(h, y, 3)

    params = {
        "logits": {"kernel": jnp.array([[1.0], [10.0]]), "bias": jnp.array([0.5])},
        "projection": {"embedding": jnp.array([[0.0, 0.0], [7.0, 0.0], [0.0, 100.0]])},
    }
    logits = Head().apply({"params": params}, h, jnp.array([1, 2], jnp.int32))
    np.testing.assert_allclose(logits, [21.5 + 7, 43.5 + 400])


def test_pooled_by_hand():
    x = jnp.arange(12.0).reshape(1, 2, 3, 2).astype(jnp.float16)
    np.testing.assert_array_equal(residual.pooled(x, "sum"), [[30, 36]])
    np.testing.assert_array_equal(residual.pooled(x, "mean"), [[5, 6]])
    assert residual.pooled(30000 * jnp.ones((1, 2, 2, 1), jnp.float16), "sum")[0, 0] == pytest.approx(120000, rel=1e-3)


# Settings


@pytest.mark.parametrize(
    ("normalization", "collections"),
    [("spectral", {"spectral"}), ("layer", set()), ("batch", {"batch_stats"}), ("none", set())],
)
def test_normalizations(normalization, collections, key):
    x = jax.random.normal(key, (4, 16, 16, 1))
    discriminator = resnet.Discriminator(16, 4, normalization, pool="mean")
    logits, variables = jax.jit(discriminator.init_with_output)(key, x)
    assert set(variables) == {"params"} | collections
    alone, together = jax.jit(lambda v: [discriminator.apply(v, some, train=False) for some in (x[:1], x)])(variables)
    np.testing.assert_allclose(alone, together[:1], rtol=1e-4, atol=1e-5)
    if normalization == "layer":
        scaled = jax.jit(lambda v: discriminator.apply(v, x.at[1:].multiply(3.0), train=True))(variables)
        np.testing.assert_allclose(scaled[0], logits[0], rtol=1e-4)  # no other example is seen


def test_spectral_normalises_every_layer_of_both():
    for network, inputs in [
        (resnet.Generator(size=16, features=2, spectral=True, attention=8, classes=3), (Z, Y)),
        (resnet.Discriminator(16, features=2, attention=8, classes=3), (images(16, 16, 3), Y)),
    ]:
        _, variables = shapes(network, *inputs)
        weights = [
            path
            for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"])
            if leaf.ndim > 1 and "BatchNorm" not in jax.tree_util.keystr(path)
        ]
        assert len(jax.tree.leaves(variables["spectral"])) == len(weights) > 8


def test_attention_stands_at_its_height():
    generator = resnet.Generator(size=(32, 64), features=8, attention=16)
    params = shapes(generator, Z)[1]["params"]
    assert params["SelfAttention_0"]["query"]["kernel"].shape == (1, 1, 8, 1)
    discriminator = resnet.Discriminator(64, features=64, attention=16)
    params = shapes(discriminator, images(64, 64, 3))[1]["params"]
    assert params["SelfAttention_0"]["query"]["kernel"].shape == (1, 1, 8, 1)  # after the second of five
    assert "SelfAttention_1" not in params


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16], ids=str)
def test_computes_in_half_and_answers_in_float32(dtype):
    made, variables = shapes(resnet.Generator(size=16, features=2, spectral=True, attention=8, dtype=dtype), Z)
    assert made.dtype == jnp.float32
    logits, more = shapes(
        resnet.Discriminator(16, features=2, attention=8, classes=3, dtype=dtype), images(16, 16, 3), Y
    )
    assert logits.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves((variables, more))} == {jnp.dtype("float32")}


def test_labels_and_statistics_change_the_images(key):
    """Labels scale; `train` chooses whose statistics; and over devices they are those of all examples."""
    generator = resnet.Generator(1, 16, features=4, classes=3, axis_name="batch")
    z, y = jax.random.normal(key, (8, 5)), jnp.arange(8, dtype=jnp.int32) % 3
    variables = jax.jit(generator.init)(jax.random.fold_in(key, 1), z, y)
    leaves = jax.random.split(jax.random.fold_in(key, 2), len(jax.tree.leaves(variables["params"])))
    noise = jax.tree.unflatten(jax.tree.structure(variables["params"]), list(leaves))
    params = jax.tree.map(lambda p, k: p + 0.2 * jax.random.normal(k, p.shape), variables["params"], noise)
    variables = variables | {"params": params}

    def made(z, y, train):
        return generator.apply(variables, z, y, train=train, mutable=["batch_stats"])[0]

    whole = jax.pmap(lambda z, y: made(z, y, True), axis_name="batch")(z[None], y[None])[0]
    spread = jax.pmap(lambda z, y: made(z, y, True), axis_name="batch")(z.reshape(4, 2, 5), y.reshape(4, 2))
    np.testing.assert_allclose(spread.reshape(whole.shape), whole, atol=1e-4)
    still = jax.jit(made, static_argnums=2)(z, y, False)
    other = jax.jit(made, static_argnums=2)(z, (y + 1) % 3, False)
    assert np.abs(still - whole).max() > 1e-3
    assert np.abs(still - other).max() > 1e-3
    assert np.abs(whole).max() <= 1


# Refusals


@pytest.mark.parametrize(
    ("network", "inputs", "message"),
    [
        (resnet.Generator(size=30), (Z,), r"multiples of 4, 16 or more.* the nearest sizes are 28 or 32$"),
        (resnet.Generator(size=(32, 50)), (Z,), "the nearest sizes are 32 by 48 or 52$"),
        (resnet.Generator(size=8), (Z,), "the nearest sizes are 16$"),
        (resnet.Generator(size=36, features=(4, 4, 4, 4)), (Z,), "multiples of 8, .* 32 or 40$"),
        (resnet.Discriminator(size=31), (images(31, 31, 3),), "the nearest sizes are 28 or 32$"),
        (resnet.Discriminator(size=36, halved=3), (images(36, 36, 3),), "32 or 40$"),
        (resnet.Discriminator(features=(4, 4), halved=3), (images(32, 32, 3),), "2 blocks; halved=3"),
        (resnet.Generator(attention=24), (Z,), r"attention=24, .* \[8, 16, 32\]"),
        (resnet.Discriminator(attention=4), (images(32, 32, 3),), r"attention=4, .* \[8, 16\]"),
        (resnet.Generator(), (jnp.zeros((3, 1, 1, 5)),), r"takes latents \[B, Z\]"),
        (resnet.Discriminator(), (images(28, 28, 1),), r"takes images \[B, 32, 32, C\]; got shape \(3, 28, 28, 1\)"),
        (resnet.Discriminator(normalization="instance"), (images(32, 32, 1),), "'instance' is unknown"),
        (resnet.Discriminator(pool="max"), (images(32, 32, 1),), "'max' is unknown"),
        (resnet.Generator(normalization="layer"), (Z,), "'layer' is unknown"),
        (resnet.Generator(normalization="none", classes=3), (Z, Y), "through its batch normalisation"),
        (resnet.Generator(classes=3), (Z,), "without labels"),
        (resnet.Generator(), (Z, Y), "classes=0"),
        (resnet.Discriminator(classes=3), (images(32, 32, 1),), "without labels"),
        (resnet.Discriminator(), (images(32, 32, 1), Y), "classes=0"),
    ],
)
def test_refusals(network, inputs, message):
    with pytest.raises(ValueError, match=f"(?m){message}"):  # Linen appends lines
        shapes(network, *inputs)
