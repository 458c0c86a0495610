"""BigGAN: where latent and class go, bottleneck blocks by hand, and refusals."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import biggan
from jaxgan.networks.layers.normalization import spectral_norms

Y = jnp.zeros((2,), jnp.int32)


def images(height, width=None, channels=3):
    return jnp.zeros((2, height, width or height, channels))


def shapes(network, *inputs):
    return jax.eval_shape(lambda key: network.init_with_output(key, *inputs, train=True), jax.random.key(0))


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(("size", "channels", "latent"), [(28, 1, 9), ((16, 48), 2, 6), (256, 3, 14)], ids=str)
def test_shapes(size, channels, latent, deep):
    height, width = (size, size) if isinstance(size, int) else size
    for classes, condition in [(0, ()), (10, (Y,))]:
        generator = biggan.Generator(channels, size, features=1, deep=deep, classes=classes)
        made, variables = shapes(generator, jnp.zeros((2, latent)), *condition)
        assert (made.shape, made.dtype) == ((2, height, width, channels), jnp.float32)
        assert set(variables) == {"params", "batch_stats", "spectral"}
        discriminator = biggan.Discriminator(size, features=1, deep=deep, classes=classes)
        logits, variables = shapes(discriminator, images(height, width, channels), *condition)
        assert (logits.shape, logits.dtype) == ((2,), jnp.float32)
        assert set(variables) == {"params", "spectral"}


@pytest.mark.parametrize(
    ("size", "attention", "generator", "discriminator"),
    [(128, None, 2, 1), (64, None, 4, 1), (32, None, 4, 4), (128, 16, 8, 4), (32, 0, None, None)],
)
def test_attention_stands_at_64_pixels_or_at_half_the_height(size, attention, generator, discriminator):
    """Seen by the width of the map that attends, in multiples of 8."""
    for network, inputs, width in [
        (biggan.Generator(size=size, features=8, attention=attention), (jnp.zeros((2, 60)),), generator),
        (biggan.Discriminator(size=size, features=8, attention=attention), (images(size),), discriminator),
    ]:
        params = shapes(network, *inputs)[1]["params"]
        assert "SelfAttention_1" not in params
        if width is None:
            assert "SelfAttention_0" not in params
        else:
            assert params["SelfAttention_0"]["query"]["kernel"].shape == (1, 1, 8 * width, width)


@pytest.fixture(scope="module")
def tiny():
    """A generator of 16 pixels (three chunks) with variables that no weight leaves at zero."""
    generator = biggan.Generator(1, 16, features=2, classes=3, embedding=4)
    z = jax.random.normal(jax.random.key(1), (4, 6))
    y = jnp.array([0, 1, 2, 1], jnp.int32)
    variables = jax.jit(generator.init, static_argnames="train")(jax.random.key(0), z, y, train=True)
    return generator, variables, z, y


def test_chunks_and_class_reach_the_layers_that_they_are_for(tiny):
    """The first chunk makes the smallest map; the others, beside the class, one block's normalisations each."""
    generator, variables, z, y = tiny

    @jax.jit
    def seen(z, y):
        _, state = generator.apply(variables, z, y, train=False, capture_intermediates=True, mutable=["intermediates"])
        blocks = state["intermediates"]
        return [blocks["SpectralNorm_0"]["__call__"][0], *(blocks[f"UpBlock_{k}"]["__call__"][0] for k in range(2))]

    before = seen(z, y)
    for chunk, first_changed in [(0, 0), (1, 1), (2, 2)]:
        after = seen(z.at[:, 2 * chunk : 2 * chunk + 2].add(1.0), y)
        changed = [bool(np.abs(a - b).max() > 1e-4) for a, b in zip(after, before, strict=True)]
        assert changed == [k >= first_changed for k in range(3)]
    changed = [bool(np.abs(a - b).max() > 1e-4) for a, b in zip(seen(z, (y + 1) % 3), before, strict=True)]
    assert changed == [False, True, True]


def test_networks_start_normalised_and_orthogonal(tiny):
    _, variables, _, _ = tiny
    assert all(abs(norm - 1) < 0.01 for norm in spectral_norms(variables).values())
    kernel = np.asarray(variables["params"]["UpBlock_0"]["Conv_1"]["kernel"]).reshape(-1, 8)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(8), atol=1e-5)
    weights = [leaf for leaf in jax.tree.leaves(variables["params"]) if leaf.ndim > 1]
    assert len(spectral_norms(variables)) == len(weights) - 1  # all but the generator's class embedding
    _, of_d = shapes(biggan.Discriminator(16, features=1, classes=3), images(16), Y)
    weights = [leaf for leaf in jax.tree.leaves(of_d["params"]) if leaf.ndim > 1]
    assert len(jax.tree.leaves(of_d["spectral"])) == len(weights)


def test_coded_normalisation_by_hand(key):
    """(x - mean) / sqrt(variance + 1e-5) * (1 + A c) + B c, with A and B over their norms."""

    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x, code):
            return biggan._coded(biggan.Generator(), code, True, x)

    x = np.asarray(jax.random.normal(key, (4, 2, 2, 3)) * 2 + 1)
    code = np.asarray(jax.random.normal(jax.random.fold_in(key, 1), (4, 5)))
    y, variables = Layer().init_with_output(jax.random.fold_in(key, 2), x, code)
    a, b = (np.asarray(variables["params"][f"Dense_{k}"]["kernel"]) for k in range(2))
    scale, offset = (code @ w / np.linalg.norm(w, 2) for w in (a, b))
    normal = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(y, normal * (1 + scale[:, None, None]) + offset[:, None, None], rtol=1e-3, atol=1e-4)


def scaled(x, features, side, up=1):
    """A convolution whose output is known: the sum over features, times the kernel's side; copied."""
    x = jnp.repeat(jnp.repeat(x, up, axis=1), up, axis=2)
    return jnp.broadcast_to(side * jnp.sum(x, axis=-1, keepdims=True), (*x.shape[:-1], features))


@pytest.mark.parametrize("double", [False, True])
def test_deep_up_block_by_hand(double):
    """8 features: hidden 2. relu(x) sums to s: 1x1 gives s, 3x3 3 * 2 s, then 3 * 12 s, 1x1 2 * 36 s = 36 s * 2."""
    x = jnp.arange(1.0, 9.0).reshape(1, 1, 1, 8) * jnp.ones((1, 2, 3, 1))
    y = biggan.DeepUpBlock(4, double, lambda x: x, scaled).apply({}, x)
    assert y.shape == ((1, 4, 6, 4) if double else (1, 2, 3, 4))
    total = 36.0  # sum of 1..8
    np.testing.assert_allclose(y[0, 0, 0], 2 * 3 * 2 * 3 * 2 * total + np.arange(1.0, 5.0))  # the first four are kept


@pytest.mark.parametrize("halve", [False, True])
def test_deep_down_block_by_hand(halve):
    """8 features out of 4: hidden 2; the shortcut keeps four and appends four that a 1x1 convolution makes."""
    x = jnp.array([-1.0, 1.0, 2.0, 3.0]).reshape(1, 1, 1, 4) * jnp.ones((1, 2, 4, 1))
    y = biggan.DeepDownBlock(8, halve, scaled).apply({}, x)
    assert y.shape == ((1, 1, 2, 8) if halve else (1, 2, 4, 8))
    h = 2 * 3 * 2 * 3 * 2 * 6.0  # relu(x) sums to 6
    np.testing.assert_allclose(y[0, 0, 0], h + np.array([-1.0, 1.0, 2.0, 3.0, 5.0, 5.0, 5.0, 5.0]))


def test_computes_in_bfloat16_and_answers_in_float32():
    made, variables = shapes(biggan.Generator(1, 16, features=1, classes=3, dtype=jnp.bfloat16), jnp.zeros((2, 6)), Y)
    logits, more = shapes(biggan.Discriminator(16, features=1, classes=3, dtype=jnp.bfloat16), images(16), Y)
    assert made.dtype == logits.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves((variables, more))} == {jnp.dtype("float32")}


Z = jnp.zeros((2, 80))


@pytest.mark.parametrize(
    ("network", "inputs", "message"),
    [
        (biggan.Generator(size=32), (jnp.zeros((2, 81)),), "4 chunks .* of 81, .* are 80 or 84$"),
        (biggan.Generator(size=128), (jnp.zeros((2, 128)),), "6 chunks .* of 128, .* are 126 or 132$"),
        (biggan.Generator(size=30), (Z,), "the nearest sizes are 28 or 32$"),
        (biggan.Discriminator(size=(32, 30)), (images(32, 30),), "32 by 28 or 32$"),
        (biggan.Generator(attention=64), (Z,), r"attention=64, .* \[8, 16, 32\]"),
        (biggan.Discriminator(attention=32), (images(32),), r"attention=32, .* \[8, 16\]"),
        (biggan.Generator(), (jnp.zeros((2, 1, 1, 80)),), r"takes latents \[B, Z\]"),
        (biggan.Discriminator(), (images(64),), r"takes images \[B, 32, 32, C\]"),
        (biggan.Generator(classes=3), (Z,), "without labels"),
        (biggan.Generator(), (Z, Y), "classes=0"),
        (biggan.Discriminator(classes=3), (images(32),), "without labels"),
        (biggan.Discriminator(), (images(32), Y), "classes=0"),
    ],
)
def test_refusals(network, inputs, message):
    with pytest.raises(ValueError, match=f"(?m){message}"):  # Linen appends lines
        shapes(network, *inputs)
