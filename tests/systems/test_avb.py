"""Adversarial variational Bayes: who moves first, which side is the posterior, and the divergence in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.rules import Board, turn
from jaxgan.systems.avb import FLOOR, avb
from tests.systems.tiny_core import fixed

RATE = 0.1
ONE = jg.priors.normal(1)
X = np.array([[0.0], [1.0], [1.0], [0.0]], np.float32)
NETWORKS = {
    "encoder": fixed(lambda p, x, noise: p["m"] + x + p["s"] * noise, m=0.3, s=0.5),
    "decoder": fixed(lambda p, z: p["d"] * z, d=0.8),
    "discriminator": fixed(lambda p, x, z: p["w"] * z[:, 0] + p["v"] * x[:, 0], w=0.4, v=-0.2),
}


def draws(game, state, batch, player, use, prior=ONE):
    now = turn(Board(game.networks, game.system), player, 0, state, batch)
    return np.asarray(prior(now.named(use), len(batch["x"])))


def test_one_step_by_hand():
    """T moves first, and 1 is asked of it for the posterior; the autoencoder then pays the new T and the old x."""
    game = jg.game(NETWORKS, avb(prior=ONE, noise=ONE, optimizer=optax.sgd(RATE)))
    batch = {"x": X}
    state = game.init(jax.random.key(0), batch)
    after, metrics = jax.jit(game.train_step)(state, batch)

    def refuses(critic):
        noise = draws(game, state, batch, "discriminator", "posterior")
        prior = draws(game, state, batch, "discriminator", "latent")
        posterior = critic["w"] * (0.3 + X + 0.5 * noise) + critic["v"] * X
        return jnp.mean(jnp.logaddexp(0, -posterior)) + jnp.mean(
            jnp.logaddexp(0, critic["w"] * prior + critic["v"] * X)
        )

    critic = state.params["discriminator"]
    critic = jax.tree.map(lambda p, g: p - RATE * g, critic, jax.grad(refuses)(critic))

    def costs(own):
        noise = draws(game, state, batch, "autoencoder", "posterior")
        z = own["encoder"]["m"] + X + own["encoder"]["s"] * noise
        logits = own["decoder"]["d"] * z
        divergence = jnp.mean(critic["w"] * z + critic["v"] * X)
        return jnp.mean(jnp.logaddexp(0, logits) - X * logits) + divergence

    own = {name: state.params[name] for name in ("encoder", "decoder")}
    value, slope = jax.value_and_grad(costs)(own)
    expected = jax.tree.map(lambda p, g: p - RATE * g, own, slope) | {"discriminator": critic}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), after.params, expected)
    assert metrics["autoencoder/loss"] == pytest.approx(float(value), rel=1e-5)
    parts = metrics["autoencoder/reconstruction"] + metrics["autoencoder/divergence"]
    assert metrics["autoencoder/loss"] == pytest.approx(float(parts), rel=1e-6)


MEAN, DEVIATION = 0.7, 0.4
KL = 0.5 * (MEAN**2 + DEVIATION**2 - 1) - np.log(DEVIATION)


def best(params, x, z):
    """log q(z)/p(z) of q = N(MEAN, DEVIATION^2), whatever the encoder does: T after its own turn."""
    return (0.5 * (z**2 - ((z - MEAN) / DEVIATION) ** 2) - np.log(DEVIATION))[:, 0] + 0 * params["w"]


def standing(critic, **settings):
    """An encoder N(m, s^2) before a T that stands; the gradient and the divergence of 5,000 draws."""
    networks = {
        "encoder": fixed(lambda p, x, noise: p["m"] + p["s"] * noise + 0 * x, m=MEAN, s=DEVIATION),
        "decoder": fixed(lambda p, z: p["d"] * z, d=0.0),
        "discriminator": fixed(critic, w=0.0),
    }
    rates = {"discriminator": optax.sgd(0.0), "autoencoder": optax.sgd(1.0)}
    game = jg.game(networks, avb(prior=ONE, noise=ONE, optimizer=rates, **settings))
    batch = {"x": jnp.zeros((5000, 1))}
    state = game.init(jax.random.key(0), batch)
    after, metrics = jax.jit(game.train_step)(state, batch)
    slope = {name: float(state.params["encoder"][name] - after.params["encoder"][name]) for name in ("m", "s")}
    return slope, float(metrics["autoencoder/divergence"])


def test_at_the_best_t_the_divergence_and_its_gradient_are_the_closed_forms():
    """Through the samples alone: dKL/d(mean, deviation) = (mean, deviation - 1/deviation)."""
    slope, divergence = standing(best)
    assert divergence == pytest.approx(KL, abs=0.04)
    assert slope["m"] == pytest.approx(MEAN, abs=0.14)
    assert slope["s"] == pytest.approx(DEVIATION - 1 / DEVIATION, abs=0.2)


def test_with_contrast_a_t_of_zero_is_the_best_for_a_normal_posterior():
    """r = q: log r - log p is all of the divergence, up to the floor and the moments' noise."""
    slope, divergence = standing(lambda p, x, z: 0 * z[:, 0] + p["w"], contrast=100)
    assert divergence == pytest.approx(KL, abs=0.04)
    assert slope["m"] == pytest.approx(MEAN, abs=0.14)
    assert slope["s"] == pytest.approx(DEVIATION - 1 / DEVIATION, abs=0.2)


def test_no_gradient_runs_through_the_moments():
    """T = z in units of r pulls the mean by 1/deviation; were the moments differentiated, z - mean would not move."""
    slope, _ = standing(lambda p, x, z: z[:, 0] + p["w"], contrast=100)
    assert slope["m"] == pytest.approx(MEAN + 1 / DEVIATION, abs=0.14)


def test_with_contrast_t_sees_units_of_the_posteriors_own_moments():
    met = []

    def spy(params, x, z):
        jax.debug.callback(lambda z: met.append(np.asarray(z)), z)
        return params["w"] * z[:, 0]

    standing(spy, contrast=100)
    jax.effects_barrier()
    assert met
    for z in met:  # of the posterior and of the prior
        assert (np.mean(z), np.std(z)) == (pytest.approx(0, abs=0.06), pytest.approx(1, abs=0.06))
    assert FLOOR < 1e-3 * DEVIATION**2


def test_it_generates_from_latents_and_from_data():
    game = jg.game(NETWORKS, avb(prior=ONE, noise=ONE, optimizer=optax.sgd(RATE)))
    state = game.init(jax.random.key(0), {"x": X})
    z = jnp.array([[1.0], [-2.0]])
    np.testing.assert_allclose(game.generate(state, jax.random.key(0), {"z": z}), 0.8 * z, rtol=1e-6)
    rebuilt = game.generate(state, jax.random.key(5), {"index": jnp.arange(4), "x": X})
    noise = ONE(jax.random.key(5), 4)
    np.testing.assert_allclose(rebuilt, 0.8 * (0.3 + X + 0.5 * noise), rtol=1e-5)


def test_refusals():
    settings = {"noise": ONE, "optimizer": optax.sgd(RATE)}
    with pytest.raises(ValueError, match="contrast >= 2 draws for a variance, or 0 for none; got 1"):
        avb(prior=ONE, contrast=1, **settings)
    with pytest.raises(ValueError, match=r"adaptive contrast needs the prior N\(0, I\).*priors.normal"):
        avb(prior=jg.priors.uniform(1), contrast=2, **settings)
    avb(prior=jg.priors.uniform(1), **settings)
    with pytest.raises(ValueError, match=r"named \['critic'\]; expected \['autoencoder', 'discriminator'\]"):
        avb(prior=ONE, noise=ONE, optimizer={"critic": optax.sgd(RATE)})
    game = jg.game(NETWORKS, avb(prior=ONE, **settings))
    with pytest.raises(ValueError, match=r"avb needs batch\['x'\]"):
        game.init(jax.random.key(0), {"y": X})
