"""The Gumbel-softmax: its law, its bias and its variance, in closed form; one step of the game by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks.sequences import drawing, relaxing
from tests.systems.tiny_core import fixed

LOGITS = np.array([0.3, -1.0, 1.2], np.float32)


def test_the_argmax_has_the_law_of_the_softmax():
    n = 200_000
    noise = jg.priors.gumbel(1, 3)(jax.random.key(0), n)[:, 0]
    p = np.exp(LOGITS) / np.exp(LOGITS).sum()
    for temperature in (1.0, 0.5):
        drawn = np.asarray(drawing(temperature)(jnp.asarray(LOGITS)[None], noise)).mean(axis=0)
        law = p ** (1 / temperature) / np.sum(p ** (1 / temperature))
        np.testing.assert_allclose(drawn, law, atol=4.5 * np.sqrt(0.25 / n))
    soft = np.asarray(relaxing(0.3)(jnp.asarray(LOGITS)[None], noise))
    assert (np.argmax(soft, axis=1) == np.argmax(LOGITS + np.asarray(noise), axis=1)).mean() > 0.9999


def slopes(temperature, logit=0.0, points=100_000):
    """Slopes of the first coordinate in its logit, of two tokens, at the quantiles of the noises' difference."""
    u = (np.arange(points) + 0.5) / points
    noise = jnp.asarray(np.stack([np.log(u / (1 - u)), np.zeros(points)], axis=1), jnp.float32)

    def value(x):
        return relaxing(temperature, True)(jnp.stack([x, jnp.zeros_like(x)], axis=1), noise)[:, 0]

    primal, slope = jax.jvp(value, (jnp.full(points, logit),), (jnp.ones(points),))
    assert set(np.unique(primal)) <= {0.0, 1.0}
    assert np.mean(primal) == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4)
    return np.asarray(slope, np.float64)


def test_straight_through_is_biased_as_its_closed_form_says():
    """The slope of P(first) is 1/4. At temperature 1 the estimate is E y (1 - y) of a uniform y: 1/6."""
    assert slopes(1.0).mean() == pytest.approx(1 / 6, abs=1e-4)
    bias = {t: slopes(t).mean() - 1 / 4 for t in (2.0, 1.0, 0.5, 0.1)}
    assert list(bias.values()) == sorted(bias.values())
    assert bias[0.1] == pytest.approx(0, abs=5e-3)


def test_the_variance_goes_as_one_over_the_temperature():
    """E slope^2 = p (1 - p) / (6 t) as t goes to 0."""
    p = 1 / (1 + np.exp(-0.7))
    for temperature in (0.05, 0.025):
        assert np.mean(slopes(temperature, 0.7) ** 2) * temperature == pytest.approx(p * (1 - p) / 6, rel=0.02)


Z = np.random.default_rng(0).gumbel(size=(2, 1, 3)).astype(np.float32)
DATA = jnp.asarray([[0], [2]], jnp.int32)
W = np.array([0.5, -0.2, 0.1], np.float32)


class Single:
    """Sequences of one token, by its logits."""

    def init(self, key, *inputs):
        return {"params": {"logits": jnp.asarray(LOGITS)}}

    def apply(self, variables, noise, temperature=1.0, straight_through=False, *, method):
        choose = relaxing(temperature, straight_through) if method == "relax" else drawing(temperature)
        made = choose(jnp.broadcast_to(variables["params"]["logits"], noise[:, 0].shape), noise[:, 0])[:, None]
        return made if method == "relax" else jnp.argmax(made, axis=-1)


def test_the_discriminator_moves_first_at_the_temperature_of_the_step():
    system = jg.systems.gumbel(
        loss=jg.losses.wasserstein,
        prior=lambda key, n, index=None: jnp.asarray(Z[:n]),
        optimizer=optax.sgd(0.1),
        temperature=optax.linear_schedule(2.0, 1.0, 1),
    )
    networks = {"generator": Single(), "discriminator": fixed(lambda p, x: x[:, 0] @ p["w"], w=W)}
    game = jg.game(networks, system)
    state = game.init(jax.random.key(0), {"tokens": DATA})
    after, metrics = jax.jit(game.train_step)(state, {"tokens": DATA})
    y = np.exp((LOGITS + Z[:, 0]) / 2)
    y /= y.sum(axis=1, keepdims=True)
    w = W + 0.1 * (np.eye(3)[[0, 2]].mean(axis=0) - y.mean(axis=0))
    np.testing.assert_allclose(after.params["discriminator"]["w"], w, rtol=1e-5)
    slope = np.mean([y_i * (w - y_i @ w) / 2 for y_i in y], axis=0)
    np.testing.assert_allclose(after.params["generator"]["logits"], LOGITS + 0.1 * slope, rtol=1e-5)
    assert metrics["generator/temperature"] == 2.0
    drawn = game.generate(state, jax.random.key(0), {"index": jnp.arange(2)})
    np.testing.assert_array_equal(drawn[:, 0], np.argmax(LOGITS + Z[:, 0], axis=1))


def test_what_it_refuses():
    settings = {"loss": jg.losses.hinge, "prior": jg.priors.gumbel(1, 3), "optimizer": optax.sgd(0.0)}
    with pytest.raises(ValueError, match="temperature > 0, or a schedule of the step; got 0"):
        jg.systems.gumbel(**settings, temperature=0)
    networks = {"generator": Single(), "discriminator": fixed(lambda p, x: x[:, 0] @ p["w"], w=W)}
    game = jg.game(networks, jg.systems.gumbel(**settings, temperature=1.0))
    with pytest.raises(ValueError, match=r"gumbel needs batch\['tokens'\]"):
        game.init(jax.random.key(0), {"x": jnp.zeros((2, 3))})
    with pytest.raises(ValueError, match=r"use priors.gumbel\(4, vocabulary\)"):
        game.init(jax.random.key(0), {"tokens": jnp.zeros((2, 4), jnp.int32)})
