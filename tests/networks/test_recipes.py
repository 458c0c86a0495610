"""What the recipes of residual networks add to the library, and that each makes its game at full size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg
from experiments.full_size.cifar10_biggan import averaged_from
from experiments.full_size.cifar10_sngan import decaying, twice_the_latents
from experiments.full_size.data import catalogued
from jaxgan.runs.modules import bundled
from jaxgan.types import Turn

RECIPES = {  # parameters of generator and discriminator, summed by hand from the layers; None: not summed
    "cifar10_dcgan": (1_068_931, 663_361),
    "cifar10_wgan_gp": (1_204_483, 1_053_825),
    "cifar10_sngan": (4_276_739, 1_053_825),
    "cifar10_sagan": None,
    "cifar10_biggan": None,
    "imagenet128_biggan": (70_433_988, 87_982_370),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_makes_its_game_at_full_size(name):
    recipe = bundled(name).module
    config = recipe.Config(dataset="synthetic")
    source = recipe.source(config)
    example = jg.data.batch_at(source, 2 * config.n_critic, 0)(0)
    built = recipe.build(config, example["x"].shape[1:], source.classes)
    state = jax.eval_shape(built.game.init, jax.random.key(0), example)
    counts = [sum(leaf.size for leaf in jax.tree.leaves(state.params[n])) for n in ("generator", "discriminator")]
    if RECIPES[name]:
        assert tuple(counts) == RECIPES[name]
    assert not set(recipe.SMOKE) - set(vars(config))
    assert built.classes == source.classes


def test_synthetic_images_have_the_shape_of_the_real_ones():
    source = catalogued("synthetic", size=16, classes=10, channels=1)
    batch = jg.data.batch_at(source, 8, 0)(0)
    assert (batch["x"].shape, batch["y"].shape, source.classes) == ((8, 16, 16, 1), (8,), 10)
    assert -1 <= batch["x"].min() < -0.9
    assert 0.9 < batch["x"].max() <= 1
    assert catalogued("synthetic", size=16).classes == 0


def test_a_catalogued_set_by_name(prepared):
    source = catalogued("tfds:smalldigits", size=8, classes=10, channels=1, data_dir=prepared)
    assert (source.classes, source.name) == (10, "tfds:smalldigits")
    assert catalogued("smalldigits", size=8, channels=1, data_dir=prepared).classes == 0
    with pytest.raises(ValueError, match="has 10 classes; this recipe is for 7"):
        catalogued("smalldigits", size=8, classes=7, channels=1, data_dir=prepared)


def test_the_rate_falls_to_zero_for_both_players():
    optimizers = decaying(0.1, 0.0, 0.9, steps=4, n_critic=3)
    for player, updates in [("generator", 4), ("discriminator", 12)]:
        optimizer, sizes = optimizers[player], []
        state = optimizer.init(jnp.zeros(()))
        for _ in range(updates + 1):
            change, state = optimizer.update(jnp.ones(()), state)
            sizes.append(-float(change))
        expected = [0.1 * (1 - k / updates) for k in range(updates + 1)]
        np.testing.assert_allclose(sizes, expected, atol=1e-6)  # Adam of a constant gradient moves by the rate


def test_the_generator_sees_twice_the_latents():
    seen = {}

    def prior(key, n, index=None):
        seen["index"] = index
        return jg.priors.normal(2)(key, n, index)

    def generator(z, *condition):
        seen["z"], seen["condition"] = z, condition
        return z

    optimizers = decaying(0.1, 0.0, 0.9, steps=4, n_critic=1)
    system = twice_the_latents(jg.systems.gan(loss=jg.losses.hinge, prior=prior, optimizer=optimizers))
    nets = {"generator": generator, "discriminator": lambda x, *condition: x[:, 0]}
    batch = {"x": jnp.ones((3, 2)), "y": jnp.array([4, 5, 6])}
    for examples, expected in [(None, [0, 2, 4, 1, 3, 5]), (jnp.array([7, 8, 9]), [14, 16, 18, 15, 17, 19])]:
        loss, _ = system.players["generator"].loss(nets, batch, Turn(jax.random.key(0), jnp.zeros((), int), examples))
        np.testing.assert_array_equal(seen["index"], expected)
        np.testing.assert_array_equal(seen["condition"][0], [4, 5, 6, 4, 5, 6])
        np.testing.assert_allclose(loss, -jnp.mean(seen["z"][:, 0]), rtol=1e-6)
        assert len(np.unique(seen["z"][:, 0])) == 6


def test_the_average_starts_late():
    decay = averaged_from(10, 0.9)
    np.testing.assert_allclose([decay(9), decay(10)], [0.0, 0.9])
