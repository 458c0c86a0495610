"""The U-Net discriminator: outputs, skips, labels; and its game against equations written out in NumPy."""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.augment import cutmix_masks
from jaxgan.networks import dcgan, mlp
from jaxgan.networks.unet import Discriminator
from jaxgan.parallel import data_parallel
from jaxgan.systems.unet_gan import unet_gan
from jaxgan.types import example_keys


def key():
    return jax.random.key(0)


Y = jnp.array([0, 2], jnp.int32)
HEADS = ("image", "pixels")


@pytest.mark.parametrize("normalization", ["spectral", "none"])
@pytest.mark.parametrize(("shape", "stages"), [((2, 32, 32, 1), 3), ((2, 8, 20, 3), 2), ((2, 6, 4, 5), 1)])
def test_an_image_and_all_its_pixels_are_judged(shape, stages, normalization):
    for classes, condition in ((0, ()), (3, (Y,))):
        network = Discriminator(2, stages, normalization, classes, dtype=jnp.bfloat16)
        (logits, pixels), variables = jax.eval_shape(network.init_with_output, key(), jnp.zeros(shape), *condition)
        assert (logits.shape, logits.dtype) == ((2,), jnp.float32)
        assert (pixels.shape, pixels.dtype) == (shape[:3], jnp.float32)
        assert set(variables) == {"params"} | ({"spectral"} if normalization == "spectral" else set())
        assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_widths_double_and_skips_are_put_beside():
    """Encoder 2, 4, 8; the decoder reads 8, then 4 beside 4, then 2 beside 2."""
    params = jax.eval_shape(Discriminator(2, 3, "none").init, key(), jnp.zeros((1, 16, 16, 1)))["params"]
    kernels = [params[f"Conv_{i}"]["kernel"].shape for i in range(18)]
    assert [k[2:] for k in kernels if k[0] == 1] == [(1, 2), (2, 4), (4, 8), (8, 4), (8, 2), (4, 2)]
    assert params["image_logits"]["kernel"].shape == (8, 1)
    assert params["pixels_logits"]["kernel"].shape == (2, 1)


def test_the_smallest_map_alone_is_sixteen_times_as_wide():
    """At 256 pixels 1, 2, 4, 8, 8, 16; the decoder's 8, 8, 4, 2, 1, 1: a table of the authors' code."""
    params = jax.eval_shape(Discriminator(1, 6, "none").init, key(), jnp.zeros((1, 64, 64, 1)))["params"]
    outputs = [params[f"Conv_{3 * block + 1}"]["kernel"].shape[3] for block in range(12)]
    assert outputs == [1, 2, 4, 8, 8, 16, 8, 8, 4, 2, 1, 1]


def test_logits_are_those_of_the_authors_network_written_out(key):
    """Two stages of 2 and 4 features, in float64: the pixels' logits come from a map with values below zero."""
    network = Discriminator(2, 2, "none", 3)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1))
    shapes = jax.eval_shape(network.init, key, jnp.zeros(x.shape), Y)["params"]
    params = jax.tree.map(lambda leaf: 0.4 * np.random.default_rng(leaf.size).normal(size=leaf.shape), shapes)
    logits, pixels = jax.jit(network.apply)({"params": params}, jnp.asarray(x, jnp.float32), Y)

    def conv(number, x):
        kernel, bias = params[f"Conv_{number}"]["kernel"], params[f"Conv_{number}"]["bias"]
        side = kernel.shape[0]
        padded = np.pad(x, ((0, 0), (side // 2, side // 2), (side // 2, side // 2), (0, 0)))
        taps = itertools.product(range(side), repeat=2)
        windows = (padded[:, i : i + x.shape[1], j : j + x.shape[2]] @ kernel[i, j] for i, j in taps)
        return sum(windows) + bias

    relu = lambda x: np.maximum(x, 0)  # noqa: E731
    double = lambda x: x.repeat(2, axis=1).repeat(2, axis=2)  # noqa: E731
    halve = lambda x: (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4  # noqa: E731
    first = halve(conv(1, relu(conv(0, x)))) + conv(2, halve(x))
    deepest = halve(conv(4, relu(conv(3, relu(first)))) + conv(5, first))
    up = conv(8, relu(conv(7, double(relu(deepest))))) + conv(6, double(deepest))
    beside = np.concatenate([up, first], axis=-1)
    last = conv(11, relu(conv(10, double(relu(beside))))) + conv(9, double(beside))
    assert (last < 0).any()
    whole, of_labels = relu(deepest).sum(axis=(1, 2)), [params[f"{n}_projection"]["embedding"] for n in HEADS]
    plain = [params[f"{n}_logits"]["kernel"][:, 0] for n in HEADS]
    biases = [params[f"{n}_logits"]["bias"] for n in HEADS]
    np.testing.assert_allclose(logits, whole @ plain[0] + biases[0] + (of_labels[0][Y] * whole).sum(axis=1), rtol=1e-4)
    expected = last @ plain[1] + biases[1] + (of_labels[1][Y][:, None, None] * last).sum(axis=3)
    np.testing.assert_allclose(pixels, expected, rtol=1e-4, atol=1e-4)


def test_what_is_normalised():
    """All but the pixels' convolution; label embeddings on demand, as the authors' are by default."""
    for normalization, embeddings, extra in [("spectral", True, 2), ("spectral", False, 0), ("none", True, -7)]:
        network = Discriminator(2, 1, normalization, 3, normalize_embeddings=embeddings)
        variables = jax.eval_shape(network.init, key(), jnp.zeros((2, 4, 4, 1)), Y)
        vectors = jax.tree_util.tree_leaves_with_path(variables.get("spectral", {}))
        assert len(vectors) == 7 + extra  # six convolutions and the image's logit
        assert not any("pixels_logits" in jax.tree_util.keystr(path) for path, _ in vectors)


def test_examples_do_not_mix_and_every_pixel_sees_far():
    network = Discriminator(2, 2)
    x = jax.random.normal(key(), (2, 8, 8, 1))
    variables = jax.jit(network.init)(jax.random.key(1), x)
    apply = jax.jit(lambda x: network.apply(variables, x, train=False))
    alone, both = apply(x[:1]), apply(x)
    np.testing.assert_allclose(both[0][:1], alone[0], atol=1e-5)
    np.testing.assert_allclose(both[1][:1], alone[1], atol=1e-5)
    slope = jax.jit(jax.grad(lambda x: network.apply(variables, x, train=False)[1][0, 0, 0]))(x)
    assert (np.asarray(slope[0]) != 0).all(axis=-1).mean() > 0.5  # through the bottleneck
    np.testing.assert_array_equal(slope[1], 0)


def test_labels_enter_both_outputs():
    network = Discriminator(2, 1, classes=3)
    x = jnp.ones((2, 4, 4, 1)) * jax.random.normal(key(), (1, 4, 4, 1))
    variables = jax.jit(network.init)(jax.random.key(1), x, Y)
    logits, pixels = jax.jit(lambda v: network.apply(v, x, Y, train=False))(variables)
    assert logits[0] != logits[1]
    assert (pixels[0] != pixels[1]).any()


def test_the_encoders_maps_reach_the_decoder():
    """Where the smallest map tells nothing, pixels are still judged by what the larger ones saw."""
    network = Discriminator(2, 2, "none")
    x = jax.random.normal(key(), (2, 8, 8, 1))
    variables = jax.jit(network.init)(jax.random.key(1), x)
    for conv in ("Conv_3", "Conv_4", "Conv_5"):  # of the deepest block
        variables["params"][conv]["kernel"] *= 0
    logits, pixels = jax.jit(network.apply)(variables, x)
    assert logits[0] == logits[1]
    assert np.abs(pixels[0] - pixels[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (
            Discriminator(2, 3),
            (2, 28, 32, 1),
            r"multiples of 8, 8 or more.* got \(28, 32\), and the nearest sizes are 24 or 32 by 32",
        ),
        (Discriminator(2, 3), (2, 32, 4, 1), "nearest sizes are 32 by 8"),
        (Discriminator(2, 1), (2, 8, 8), r"takes images \[B, H, W, C\]"),
        (Discriminator(2, 0), (2, 8, 8, 1), "stages >= 1; got 0"),
        (Discriminator(2, 1, "batch"), (2, 8, 8, 1), "'batch' is unknown"),
        (Discriminator(2, 1, classes=2), (2, 8, 8, 1), "without labels"),
    ],
)
def test_bad_input(network, shape, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(network.init, key(), jnp.zeros(shape))


# The game


class Judge(nn.Module):
    """Logits a + sum of pixels, and b x + c at every pixel."""

    @nn.compact
    def __call__(self, x):
        a, b, c = (
            self.param(name, nn.initializers.constant(v), ()) for name, v in (("a", 0.3), ("b", 2.0), ("c", -0.5))
        )
        return a + jnp.sum(x, axis=(1, 2, 3)), b * jnp.sum(x, axis=3) * (1 + jnp.mean(x)) + c


class Shift(nn.Module):
    """Samples that are the latents, moved."""

    @nn.compact
    def __call__(self, z):
        return z.reshape(-1, 2, 3, 1) + self.param("shift", nn.initializers.constant(0.2), ())


X = np.tanh(np.random.default_rng(0).normal(size=(4, 2, 3, 1))).astype(np.float32)


def softplus(x):
    return np.log1p(np.exp(x))


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_losses_are_the_equations(weight):
    system = unet_gan(prior=jg.priors.normal(6), optimizer=optax.sgd(0.1), cutmix=lambda step: weight + 0.0 * step)
    game = jg.game({"generator": Shift(), "discriminator": Judge()}, system)
    state = game.init(key(), {"x": X})
    nets = {
        "generator": lambda z: Shift().apply({"params": state.params["generator"]}, z),
        "discriminator": lambda x: Judge().apply({"params": state.params["discriminator"]}, x),
    }
    turn = jg.Turn(jax.random.key(9), jnp.zeros((), jnp.int32))
    loss, told = system.players["discriminator"].loss(nets, {"x": jnp.asarray(X)}, turn)
    fake = np.asarray(jg.priors.normal(6)(turn.named("latent"), 4)).reshape(4, 2, 3, 1) + 0.2
    mask = np.asarray(cutmix_masks(example_keys(turn.named("cutmix"), 4), 2, 3))
    judge = lambda x: (0.3 + x.sum(axis=(1, 2, 3)), 2 * x.sum(axis=3) * (1 + x.mean()) - 0.5)  # noqa: E731
    (real_image, real_map), (fake_image, fake_map) = judge(X), judge(fake)
    mixed = np.where(mask[..., None] == 1, X, fake)
    mixed_image, mixed_map = judge(mixed)
    plain = [softplus(-real_image), softplus(fake_image), softplus(-real_map), softplus(fake_map)]
    crossed = np.where(mask == 1, softplus(-mixed_map), softplus(mixed_map))
    consistency = np.mean((mixed_map - np.where(mask == 1, real_map, fake_map)) ** 2)
    expected = sum(p.mean() for p in plain) / 2 + weight * (softplus(mixed_image).mean() + crossed.mean() + consistency)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(told["consistency"], consistency, rtol=1e-4)
    np.testing.assert_allclose(told["pixel_accuracy"], np.mean((mixed_map > 0) == (mask == 1)), rtol=1e-6)
    generator, _ = system.players["generator"].loss(nets, {"x": jnp.asarray(X)}, turn)
    np.testing.assert_allclose(generator, (softplus(-fake_image).mean() + softplus(-fake_map).mean()) / 2, rtol=1e-5)


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_eight_devices_are_one(mode):
    def build(axis_name):
        system = unet_gan(
            prior=jg.priors.normal(2), optimizer=optax.sgd(0.1), augment=jg.augment.diffaugment("translation")
        )
        networks = {"generator": mlp.Generator((4, 4, 1), (4,)), "discriminator": Discriminator(1, 1)}
        return jg.game(networks, system, axis_name=axis_name)

    data = {"x": np.tanh(np.random.default_rng(1).normal(size=(8, 4, 4, 1))).astype(np.float32)}
    one, many = build(None), data_parallel(build("batch" if mode == "pmap" else None), mode)
    state, metrics = jax.jit(one.train_step)(one.init(key(), data), data)
    spread, told = many.train_step(many.init(key(), data), data)
    for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(spread.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(metrics["discriminator/consistency"], told["discriminator/consistency"], rtol=1e-3)


def test_labels_and_samples():
    networks = {
        "generator": dcgan.Generator(1, 28, 2, classes=3),
        "discriminator": Discriminator(1, 1, classes=3),
    }
    game = jg.game(networks, unet_gan(prior=jg.priors.normal(3), optimizer=optax.sgd(0.1)))
    data = {"x": jnp.zeros((2, 28, 28, 1)), "y": Y}
    state = jax.eval_shape(game.init, key(), data)
    assert jax.eval_shape(game.train_step, state, data)[1]["generator/loss"].shape == ()
    samples = jax.eval_shape(game.generate, state, key(), {"index": jnp.arange(2), "y": Y})
    assert samples.shape == (2, 28, 28, 1)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="cutmix >= 0; got -1"):
        unet_gan(prior=jg.priors.normal(2), optimizer=optax.sgd(0.1), cutmix=-1)
    system = unet_gan(prior=jg.priors.normal(2), optimizer=optax.sgd(0.1))
    data = {"x": jnp.zeros((2, 4, 4, 1))}
    for networks, message in (
        ({"generator": mlp.Generator((4, 4, 1)), "discriminator": mlp.Discriminator()}, "of images and pixels"),
        ({"generator": mlp.Generator((4, 4, 3)), "discriminator": Discriminator(1, 1)}, "choose the size and channels"),
    ):
        game = jg.game(networks, system)
        with pytest.raises(ValueError, match=message):
            jax.eval_shape(game.train_step, jax.eval_shape(game.init, key(), data), data)
