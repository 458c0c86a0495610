"""pix2pix by hand: who moves first, what D is asked, what L1, L2 and a game make of two answers to one question."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks.conditioning import Concatenated
from jaxgan.networks.patch import Discriminator
from jaxgan.networks.translators import UNet
from jaxgan.systems.pix2pix import pix2pix
from tests.systems.tiny_core import fixed

A = np.array([[1.0], [2.0], [4.0]], np.float32)
B = np.array([[3.0], [0.5], [1.0]], np.float32)
RATE = 0.1


def linear():
    """G(a) = g a, D(b, a) = w b + v a."""
    return {
        "generator": fixed(lambda p, a: p["g"] * a, g=0.5),
        "discriminator": fixed(lambda p, b, a: (p["w"] * b + p["v"] * a)[:, 0], w=0.3, v=-0.2),
    }


def test_one_step_by_hand():
    """The discriminator moves first, and the generator meets it where it went."""
    system = pix2pix(loss=jg.losses.least_squares, optimizer=optax.sgd(RATE), weight=10.0)
    game = jg.game(linear(), system, own_units=True)
    after, metrics = jax.jit(game.train_step)(game.init(jax.random.key(0), {"a": A, "b": B}), {"a": A, "b": B})
    w, v, g = 0.3, -0.2, 0.5
    real, fake = w * B + v * A - 1, w * g * A + v * A
    loss = np.mean(real**2) / 2 + np.mean(fake**2) / 2
    w, v = w - RATE * np.mean(real * B + fake * g * A), v - RATE * np.mean(real * A + fake * A)
    fooled = w * g * A + v * A - 1
    l1 = np.mean(np.abs(g * A - B))
    slope = np.mean(fooled * w * A) + 10 * np.mean(np.sign(g * A - B) * A)
    assert metrics["discriminator/loss"] == pytest.approx(loss, rel=1e-5)
    assert metrics["generator/l1"] == pytest.approx(l1, rel=1e-5)
    assert metrics["generator/loss"] == pytest.approx(np.mean(fooled**2) / 2 + 10 * l1, rel=1e-5)
    assert after.params["discriminator"]["w"] == pytest.approx(w, rel=1e-5)
    assert after.params["discriminator"]["v"] == pytest.approx(v, rel=1e-5)
    assert after.params["generator"]["g"] == pytest.approx(g - RATE * slope, rel=1e-5)


def test_the_discriminator_is_conditional():
    """With the questions of a batch exchanged, the answers are judged otherwise: b is not asked for by itself."""
    networks = linear()
    judge = jg.systems.adversary(jg.losses.least_squares)
    nets = {"discriminator": lambda b, a: networks["discriminator"].apply({"params": {"w": 0.3, "v": -0.2}}, b, a)}
    one, other = (judge.discriminator(nets, None, (B, a), (B, a)).real for a in (A, A[::-1]))
    assert np.abs(one - other).max() > 0.1
    network = Concatenated(Discriminator(2, 1, "none"))
    x = jax.random.uniform(jax.random.key(0), (2, 8, 8, 2))
    variables = jax.jit(network.init)(jax.random.key(1), x[..., :1], x[..., 1:])
    one, other = (network.apply(variables, x[..., :1], a) for a in (x[..., 1:], x[::-1, ..., 1:]))
    assert jnp.abs(one - other).max() > 1e-4


@pytest.mark.parametrize(("error", "answer"), [(jg.losses.absolute_error, 0.0), (jg.losses.squared_error, 0.4)])
def test_what_a_distance_makes_of_two_answers(error, answer):
    """b is 0 in three cases of five and 1 in two: the best single answer is the median, or the mean."""
    truth = jnp.array([0.0, 0.0, 0.0, 1.0, 1.0])
    costs = [float(error(jnp.full(5, guess), truth)) for guess in np.linspace(0, 1, 101)]
    assert np.linspace(0, 1, 101)[np.argmin(costs)] == pytest.approx(answer)


def test_a_game_answers_with_both():
    """Of ten answers 6 are 0 and 4 are 1: against the best D the game's value is least where 4 of G's are 1."""
    values = []
    for ones in range(1, 10):
        best = jnp.log(jnp.array([6 / (10 - ones), 4 / ones]))  # log of the densities' ratio, at 0 and at 1
        real, fake = (best[(jnp.arange(10) >= 10 - k).astype(int)] for k in (4, ones))
        values.append(-float(jg.losses.minimax.discriminator(real, fake)))
    assert np.argmin(values) + 1 == 4
    assert min(values) == pytest.approx(-np.log(4), abs=1e-6)


def test_translations_are_numbered():
    """A U-Net's dropout is the sample's own: neither the number of samples nor the chunk changes it."""
    networks = {"generator": UNet(1, 2, 2), "discriminator": Concatenated(Discriminator(2, 1))}
    a = np.random.default_rng(0).uniform(-1, 1, (5, 8, 8, 1)).astype(np.float32)
    system = pix2pix(loss=jg.losses.non_saturating, optimizer=optax.sgd(RATE))
    game = jg.game(networks, system)
    state = game.init(jax.random.key(0), {"a": a, "b": a})
    state = state._replace(params=jax.tree.map(lambda w: 10 * w, state.params))
    whole = jg.sample(game, state, jax.random.key(1), a=a)
    parts = jg.sample(game, state, jax.random.key(1), a=a, chunk=2)
    np.testing.assert_allclose(whole, parts, atol=1e-5)
    twice = jg.sample(game, state, jax.random.key(1), a=a[[0, 0]])
    assert jnp.abs(twice[0] - twice[1]).max() > 0.01


def test_refusals():
    with pytest.raises(ValueError, match="pix2pix needs a weight >= 0; got -1"):
        pix2pix(loss=jg.losses.hinge, optimizer=optax.sgd(RATE), weight=-1)
    system = pix2pix(loss=jg.losses.hinge, optimizer=optax.sgd(RATE))
    game = jg.game(linear(), system, own_units=True)
    with pytest.raises(ValueError, match=r"pix2pix needs batch\['b'\], what they become; the batch has \['a'\]"):
        game.init(jax.random.key(0), {"a": A})
    with pytest.raises(ValueError, match=r"is shown \(3, 2\) as real, but the generator makes \(3, 1\)"):
        game.init(jax.random.key(0), {"a": A, "b": np.zeros((3, 2), np.float32)})
    with pytest.raises(ValueError, match=r"needs \['a'\]"):
        jg.sample(game, None, jax.random.key(0), n=3)


def test_errors_are_means():
    x, y = jnp.array([[0.0, 1.0], [2.0, 0.0]]), jnp.array([[1.0, 1.0], [-1.0, 0.0]])
    assert jg.losses.absolute_error(x, y) == 1.0
    assert jg.losses.squared_error(x, y) == 2.5
    for error in (jg.losses.absolute_error, jg.losses.squared_error):
        with pytest.raises(ValueError, match=r"arrays of one shape; got \(2, 2\) and \(2, 1\)"):
            error(x, y[:, :1])
