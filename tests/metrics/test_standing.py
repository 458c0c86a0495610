import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.metrics.standing import standing_statistics

SHAPE = (4,)


class Generator(nn.Module):
    """Normalises an affine map of its latents, so that the statistics it should have are known."""

    momentum: float = 0.9

    @nn.compact
    def __call__(self, z, y=None, train=True):
        x = nn.Dense(4, bias_init=nn.initializers.constant(3.0))(z)
        x = x if y is None else x + y[:, None].astype(jnp.float32)
        return nn.BatchNorm(not train, momentum=self.momentum, use_bias=False, use_scale=False)(x)


def made(generator, ema=True, labelled=False):
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.sgd(0.1))
    networks = {
        "generator": generator,
        "discriminator": jg.networks.mlp.Discriminator(hidden=(4,), classes=2 * labelled),
    }
    game = jg.game(networks, system, ema={"generator": 0.9} if ema else None)
    batch = {"x": jnp.zeros((8, *SHAPE))} | ({"y": jnp.zeros(8, jnp.int32)} if labelled else {})
    return game, game.init(jax.random.key(0), batch)


def statistics(state):
    return state.model_state["generator"]["batch_stats"]["BatchNorm_0"]


@pytest.mark.parametrize("momentum", [0.9, 0.5])
def test_mean_and_variance_are_those_of_all_samples(momentum):
    game, state = made(Generator(momentum))
    state = state._replace(ema={"generator": jax.tree.map(lambda x: 2 * x, state.ema["generator"])})
    key = jax.random.key(5)
    standing = statistics(standing_statistics(game, state, key, batches=5, batch_size=7))
    z = jg.priors.normal(3)(key, 35, jnp.arange(35))
    layer = state.ema["generator"]["Dense_0"]  # samples are made by the average, not by params
    x = np.asarray(z, np.float64) @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"])
    np.testing.assert_allclose(standing["mean"], x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(standing["var"], x.var(0), rtol=1e-3)


def test_labels_reach_the_generator():
    game, state = made(Generator(), ema=False, labelled=True)
    labels = np.tile([0, 1], 8)
    standing = statistics(standing_statistics(game, state, jax.random.key(1), batches=2, batch_size=8, y=labels))
    without = statistics(standing_statistics(game, state, jax.random.key(1), batches=2, batch_size=8, y=0 * labels))
    np.testing.assert_allclose(standing["mean"] - without["mean"], 0.5, atol=1e-4)


def test_samples_use_them_and_nothing_else_changes():
    game, state = made(Generator())
    after = standing_statistics(game, state, jax.random.key(2), batches=8, batch_size=32)
    for field in ("step", "params", "opt_state", "ema"):
        jax.tree.map(np.testing.assert_array_equal, getattr(after, field), getattr(state, field))
    drawn = np.asarray(jg.sample(game, after, jax.random.key(3), n=4000))
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.25)  # 256 samples told the mean: 1 / sqrt(256), four times
    np.testing.assert_allclose(drawn.std(0), 1, atol=0.2)
    assert np.abs(np.asarray(jg.sample(game, state, jax.random.key(3), n=100)).mean(0)).max() > 1  # before: not


def test_networks_without_statistics_stay():
    game, state = made(jg.networks.mlp.Generator(shape=SHAPE, hidden=(4,)))
    after = standing_statistics(game, state, jax.random.key(2), batches=1, batch_size=2)
    assert jax.tree.structure(after) == jax.tree.structure(state)


@pytest.mark.parametrize("numbers", [{"batches": 0}, {"batch_size": 1}, {"y": np.zeros(3, np.int32)}])
def test_numbers_that_do_not_fit(numbers):
    game, state = made(Generator())
    with pytest.raises(ValueError, match="standing_statistics needs"):
        standing_statistics(game, state, jax.random.key(0), **numbers)
    with pytest.raises(ValueError, match="rehearse"):
        standing_statistics(game._replace(rehearse=None), state, jax.random.key(0))
