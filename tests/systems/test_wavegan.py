"""WaveGAN: one step of WGAN-GP by hand, and the paper's settings as defaults."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg


class Maker(nn.Module):
    """z -> a signal of four equal samples, a z."""

    @nn.compact
    def __call__(self, z):
        return self.param("a", nn.initializers.constant(0.5), (), jnp.float32) * jnp.broadcast_to(
            z[:, :, None], (len(z), 4, 1)
        )


class Judge(nn.Module):
    """A signal -> w times its sum."""

    @nn.compact
    def __call__(self, x):
        return self.param("w", nn.initializers.constant(2.0), (), jnp.float32) * jnp.sum(x, axis=(1, 2))


def ones(key, n, index=None):
    return jnp.ones((n, 1), jnp.float32)


def stepped(**options):
    system = jg.systems.wavegan(optimizer=optax.sgd(0.01), prior=ones, **{"n_critic": 1} | options)
    game = jg.game({"generator": Maker(), "discriminator": Judge()}, system)
    x = jnp.full((6, 4, 1), 0.25, jnp.float32)
    return game.train_step(game.init(jax.random.key(0), {"x": x}), {"x": x})


def test_one_step_by_hand():
    """The discriminator moves first, and the generator meets the new w."""
    after, metrics = stepped()
    # |grad D| = w sqrt(4) = 4: the penalty is 10 (2 w - 1)^2 = 90, its slope 40 (2 w - 1) = 120; logits 2 and 4
    np.testing.assert_allclose(metrics["discriminator/penalty"], 90, rtol=1e-5)
    np.testing.assert_allclose(metrics["discriminator/loss"], 4 - 2 + 90, rtol=1e-5)
    w = 2 - 0.01 * (2 - 1 + 120)
    np.testing.assert_allclose(after.params["discriminator"]["w"], w, rtol=1e-5)
    np.testing.assert_allclose(metrics["generator/loss"], -w * 2, rtol=1e-5)
    np.testing.assert_allclose(after.params["generator"]["a"], 0.5 + 0.01 * w * 4, rtol=1e-5)


def test_another_penalty_or_none_takes_the_place_of_the_papers():
    after, metrics = stepped(penalty=None)
    assert "discriminator/penalty" not in metrics
    np.testing.assert_allclose(after.params["discriminator"]["w"], 2 - 0.01, rtol=1e-5)


def test_the_papers_settings_are_the_defaults():
    system = jg.systems.wavegan(optimizer=optax.adam(1e-4, b1=0.5, b2=0.9))
    assert [(name, player.updates) for name, player in system.players.items()] == [
        ("discriminator", 5),
        ("generator", 1),
    ]
    signal = np.zeros((2, 64, 1), np.float32)
    networks = {
        "generator": jg.networks.wavegan.WaveGenerator(64, 1, 1),
        "discriminator": jg.networks.wavegan.WaveDiscriminator(64, 1),
    }
    state = jax.eval_shape(jg.game(networks, system).init, jax.random.key(0), {"x": np.concatenate([signal] * 5)})
    assert state.params["generator"]["Dense_0"]["kernel"].shape == (100, 16)


def test_signals_of_another_length_are_refused():
    networks = {
        "generator": jg.networks.wavegan.WaveGenerator(256, 1, 1),
        "discriminator": jg.networks.wavegan.WaveDiscriminator(64, 1),
    }
    game = jg.game(networks, jg.systems.wavegan(optimizer=optax.sgd(0.1), n_critic=1))
    with pytest.raises(ValueError, match=r"shown \(2, 64, 1\) as real, but the generator makes \(2, 256, 1\)"):
        jax.eval_shape(game.init, jax.random.key(0), {"x": np.zeros((2, 64, 1), np.float32)})
