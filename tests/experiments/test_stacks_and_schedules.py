"""Stacks of digits, and the schedules of the full-size recipes, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg
from experiments.digits import stacked as stacked_digits
from experiments.digits import stacked_games, truncation
from experiments.digits.data import few_labels
from experiments.digits.stacks import stacked
from experiments.full_size import stacked_mnist_pacgan
from experiments.glyphs.data import endless
from experiments.glyphs.text import captioned
from jaxgan.recipes.parts import ema_decay, half_cosine
from jaxgan.runs.training import Finished


@pytest.fixture
def ten():
    """Ten images of one pixel whose value is a tenth of their label."""
    labels = np.arange(10)
    x = (labels / 10).astype(np.float32).reshape(10, 1, 1, 1)
    return jg.data.arrays(x, labels, name="ten", classes=10)


def test_a_stack_is_three_images_and_its_label_their_digits(ten):
    batch = jg.data.batch_at(stacked(ten), 500, seed=3)(2)
    digits = np.rint(10 * batch["x"][:, 0, 0]).astype(int)
    assert digits.shape == (500, 3)
    np.testing.assert_array_equal(batch["y"], digits @ [100, 10, 1])
    assert stacked(ten).classes == 1000


def test_stacks_cover_all_modes_evenly_and_channels_are_independent(ten):
    digits = np.rint(10 * jg.data.batch_at(stacked(ten), 10_000, seed=0)(0)["x"][:, 0, 0]).astype(int)
    assert len(np.unique(digits @ [100, 10, 1])) == 1000  # a mode is missed with probability e^-10
    correlation = np.corrcoef(digits.T) - np.eye(3)
    assert np.abs(correlation).max() < 0.05  # its standard error is 0.01
    for channel in digits.T:
        np.testing.assert_array_equal(np.bincount(channel), 1000)  # every epoch holds each image once


def test_stacks_are_known_by_seed_and_position(ten):
    read = jg.data.batch_at(stacked(ten), 50, seed=1)
    np.testing.assert_array_equal(read(3)["x"], read(3)["x"])
    assert (read(3)["x"] != read(4)["x"]).any()
    assert (read(3)["x"] != jg.data.batch_at(stacked(ten), 50, seed=2)(3)["x"]).any()
    with pytest.raises(ValueError, match="has no end"):
        stacked(jg.data.ring())


def test_small_networks_are_as_small_as_the_papers():
    generator = jax.eval_shape(stacked_games.Generator().init, jax.random.key(0), jnp.zeros((2, 256)))["params"]
    widths = [generator[f"ConvTranspose_{k}"]["kernel"].shape[2] for k in range(3)]
    assert widths == [32, 16, 8]
    x = jnp.zeros((2, 28, 28, 3))
    for features in (2, 4):
        variables = jax.eval_shape(stacked_games.Discriminator(features).init, jax.random.key(0), x)
        widths = [variables["params"][f"Conv_{k}"]["kernel"].shape[3] for k in range(3)]
        assert widths == [features, 2 * features, 4 * features]
    plain = jax.eval_shape(stacked_games.Discriminator(2, normalised=False).init, jax.random.key(0), x)
    assert set(plain) == {"params"}


@pytest.mark.parametrize("data", stacked_games.SETTINGS)
def test_every_method_of_stacked_digits_makes_a_step(data):
    methods = stacked_games.methods(data)
    assert set(stacked_games.SETTINGS[data].papers) - {"unrolled"} <= set(methods)
    batch, losses = {"x": jnp.zeros((8, 28, 28, 3))}, {}
    for name, method in methods.items():
        game = stacked_games.build(data, method, features=2)
        state = jax.eval_shape(game.init, jax.random.key(0), batch)
        after, metrics = jax.eval_shape(game.train_step, state, batch)
        assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)
        assert ("discriminator/penalty" in metrics) == (method.penalty is not None), name
        losses[name] = method.loss
    assert {name for name, loss in losses.items() if loss is jg.losses.relativistic} == {
        name for name in methods if name.startswith("rpgan")
    }


def test_dcgan_of_stacked_mnist_has_the_authors_sides():
    generator = stacked_mnist_pacgan.Generator(2)
    images, variables = jax.eval_shape(generator.init_with_output, jax.random.key(0), jnp.zeros((3, 4)))
    assert images.shape == (3, 28, 28, 3)
    assert variables["params"]["Dense_0"]["kernel"].shape == (4, 2 * 2 * 16)
    discriminator = stacked_mnist_pacgan.Discriminator(2)
    variables = jax.eval_shape(discriminator.init, jax.random.key(0), jnp.zeros((3, 28, 28, 6)))
    assert variables["params"]["Dense_0"]["kernel"].shape == (2 * 2 * 16, 1)


def test_the_generator_of_pacgan_moves_twice():
    config = stacked_mnist_pacgan.Config(features=2, latent=4)
    game = stacked_mnist_pacgan.build(config, (28, 28, 3), 0).game
    assert game.updates == config.n_critic == 2
    with pytest.raises(ValueError, match="--pack must divide --batch-size 128; got 3"):
        stacked_mnist_pacgan.build(stacked_mnist_pacgan.Config(pack=3), (28, 28, 3), 0)


def test_half_cosine():
    value = half_cosine(4.0, 2.0, 10)
    np.testing.assert_allclose([value(jnp.asarray(k)) for k in (0, 5, 10, 99)], [4.0, 3.0, 2.0, 2.0], rtol=1e-6)


def test_averages_have_their_half_life_in_images():
    decay = ema_decay(64, 640.0, 0.05)
    assert float(decay(jnp.asarray(0))) == 0  # the first parameters are forgotten
    np.testing.assert_allclose(decay(jnp.asarray(100)), 0.5 ** (64 / 320), rtol=1e-6)  # a twentieth of 6,400
    np.testing.assert_allclose(decay(jnp.asarray(10_000)), 0.5 ** (1 / 10), rtol=1e-6)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (stacked_digits.Config(batch_size=6), "--batch-size must be a multiple of 4"),
        (stacked_digits.Config(seeds=1), "--seeds must be at least 2; got 1"),
        (stacked_digits.Config(data="half", methods="dcgn"), "'dcgn', which is none of dcgan, packing 2"),
        (truncation.Config(run="nowhere"), "--run nowhere is not the folder"),
        (truncation.Config(truncations="1.0;0.5"), "numbers with commas between"),
    ],
)
def test_bad_settings(config, says):
    module = stacked_digits if isinstance(config, stacked_digits.Config) else truncation
    with pytest.raises(ValueError, match=says):
        module.check(config)


def test_letters_are_known_by_seed_and_step():
    read = jg.data.batch_at(endless(captioned), 4, seed=3)
    few = np.random.default_rng((3, 2))
    expected = captioned(few, 4)
    for name, value in read(2).items():
        np.testing.assert_array_equal(value, expected[name])
    assert (read(1)["y"] != read(2)["y"]).any()


def test_labelled_digits_come_in_an_order_of_their_own():
    first, second = (jg.data.batch_at(few_labels(20, 10, seed=1), 10, seed=1)(step) for step in (0, 1))
    labels = np.concatenate([first["y"], second["y"]])
    np.testing.assert_array_equal(np.sort(labels), np.repeat(np.arange(10), 2))  # an epoch of the labelled ones
    alone = jg.data.batch_at(jg.data.unlabelled(jg.data.digits("train", size=28)), 10, seed=1)
    np.testing.assert_array_equal(second["x"], alone(1)["x"])


def test_stacks_of_a_run_that_diverged_are_black():
    game = stacked_games.build("ablation", stacked_games.methods("ablation")["gan"], width=2)
    state = game.init(jax.random.key(0), {"x": jnp.zeros((2, 28, 28, 3))})
    assert (stacked_digits.drawn(game, Finished(0, state), 3) != -1).any()
    assert (stacked_digits.drawn(game, Finished(1, state), 3) == -1).all()
