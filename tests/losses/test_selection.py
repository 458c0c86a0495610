"""Top-k training: the mean over the samples that the discriminator likes best."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.losses import top_k

TURN = jg.Turn(jax.random.key(0), jnp.asarray(10, jnp.int32))
REAL, FAKE = jnp.array([0.0, 1.0, 2.0, 3.0]), jnp.array([-1.0, 4.0, 0.5, 2.0])


@pytest.mark.parametrize("name", ["hinge", "non_saturating", "least_squares", "relativistic"])
def test_all_of_them_are_the_loss_itself(name):
    loss = getattr(jg.losses, name)
    one, other = loss, top_k(loss, 1.0)(TURN)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a(REAL, FAKE), b(REAL, FAKE), rtol=1e-6)
    maps = jax.random.normal(jax.random.key(1), (2, 4, 3, 3))
    np.testing.assert_allclose(other.generator(maps[0], maps[1]), one.generator(maps[0], maps[1]), rtol=1e-4)


def test_the_best_half_teaches():
    loss = top_k(jg.losses.hinge, 0.5)(TURN)
    assert float(loss.generator(REAL, FAKE)) == pytest.approx(-(4.0 + 2.0) / 2)
    gradient = jax.grad(loss.generator, argnums=1)(REAL, FAKE)
    np.testing.assert_allclose(gradient, [0, -0.5, 0, -0.5])
    assert float(loss.discriminator(REAL, FAKE)) == float(jg.losses.hinge.discriminator(REAL, FAKE))


def test_the_share_may_be_scheduled_and_never_is_nobody():
    schedule = optax.exponential_decay(1.0, 1, 0.5, staircase=True, end_value=0.01)
    loss = top_k(jg.losses.hinge, schedule)(TURN)
    assert float(loss.generator(REAL, FAKE)) == -4.0


def test_it_plays():
    system = jg.systems.gan(loss=top_k(jg.losses.hinge, 0.5), prior=jg.priors.normal(2), optimizer=optax.sgd(0.1))
    mlp = jg.networks.mlp
    game = jg.game({"generator": mlp.Generator((2,), (4,)), "discriminator": mlp.Discriminator((4,))}, system)
    batch = {"x": np.ones((8, 2), np.float32)}
    _, metrics = jax.jit(game.train_step)(game.init(jax.random.key(0), batch), batch)
    assert np.isfinite(metrics["generator/loss"])


@pytest.mark.parametrize("share", [0.0, 1.5, -1.0])
def test_bad_shares(share):
    with pytest.raises(ValueError, match=r"share in \(0, 1\]; got"):
        top_k(jg.losses.hinge, share)
