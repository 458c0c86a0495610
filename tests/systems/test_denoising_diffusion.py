"""Denoising diffusion GAN: its posterior is the regression that it should be, and one step by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.systems.denoising_diffusion import denoised, noisy_pair
from jaxgan.types import Turn, example_keys
from tests.systems.tiny_core import PRIOR, fixed

N = 40_000


def pairs(steps, t):
    """x_0, neighbours of the chain and keys, in one dimension."""
    chain = jg.systems.denoising_chain(steps)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(N, 1)) + 1.0, jnp.float32)
    keys, t = example_keys(jax.random.key(1), N), jnp.full((N,), t, jnp.int32)
    return chain, x, *jax.jit(noisy_pair)(chain, x, t, keys), t, keys


@pytest.mark.parametrize("t", [0, 1, 3])
def test_the_posterior_is_the_regression_on_both_ends(t):
    """x_{t-1} on (x_0, x_t) by least squares, whatever the law of x_0: coefficients, and what is left over."""
    chain, x, before, after, *_ = pairs(4, t)
    ends = np.concatenate([x, after], axis=1).astype(np.float64)
    coefficients, *_ = np.linalg.lstsq(ends, np.asarray(before, np.float64)[:, 0], rcond=None)
    left = np.std(np.asarray(before)[:, 0] - ends @ coefficients)
    np.testing.assert_allclose(coefficients, [chain.from_clean[t], chain.from_noisy[t]], atol=0.01)
    np.testing.assert_allclose(left, chain.deviation[t], atol=0.01)
    if t == 0:
        np.testing.assert_array_equal(before, x)


@pytest.mark.parametrize("t", [1, 3])
def test_a_true_prediction_gives_the_pair_back(t):
    """G that knows x_0 plays a draw: (x_{t-1}, x_t) of the posterior has the moments of the real pair."""
    chain, x, before, after, steps, keys = pairs(4, t)
    made = jax.jit(denoised)(chain, x, after, steps, keys)
    real, fake = (np.cov(np.concatenate([one, after, x], axis=1), rowvar=False) for one in (before, made))
    np.testing.assert_allclose(real, fake, atol=0.02)


def test_the_chain_is_the_product_of_its_steps_and_ends_in_noise():
    chain = jg.systems.denoising_chain(4)
    np.testing.assert_allclose(chain.signal, np.sqrt(np.cumprod(1 - chain.beta.astype(np.float64))), rtol=2e-4)
    assert chain.signal[-1] < 0.01
    assert (chain.from_clean[0], chain.from_noisy[0], chain.deviation[0]) == (1, 0, 0)
    with pytest.raises(ValueError, match="steps >= 1"):
        jg.systems.denoising_chain(0)


def oracle(steps=3, **params):
    """G(x_t, z, t) = scale x_t + reach z_0, a linear critic of x_{t-1}, and what each was called with."""
    calls = []

    def predicts(params, x, z, t):
        calls.append((x, z, t))
        return params["scale"] * x + params["reach"] * z[:, :1]

    networks = {
        "generator": fixed(predicts, scale=0.5, reach=0.0),
        "discriminator": fixed(lambda params, x, noisy, t: params["w"] * x[:, 0] + 0 * noisy[:, 0] * t, w=2.0),
    }
    system = jg.systems.denoising_diffusion(
        loss=jg.losses.wasserstein,
        prior=PRIOR,
        optimizer=optax.sgd(0.1),
        chain=jg.systems.denoising_chain(steps),
        shape=(1,),
        **params,
    )
    return networks, system, calls


def test_one_step_by_hand():
    """T = 1: x_0 is judged, the discriminator moves first, and the generator by its new weight through x_0 alone."""
    networks, system, calls = oracle(1, penalty=jg.penalties.r1(0.5))
    game, x = jg.game(networks, system), jnp.asarray([[1.0], [3.0]])
    before = game.init(jax.random.key(0), {"x": x})
    calls.clear()
    after, metrics = game.train_step(before, {"x": x})
    noise = [np.asarray(call[0]) for call in calls]
    w = 2 - 0.1 * (0.5 * noise[0].mean() - x.mean() + 0.5 * 2.0)  # R1: gamma w^2 / 2
    np.testing.assert_allclose(after.params["discriminator"]["w"], w, rtol=1e-5)
    np.testing.assert_allclose(after.params["generator"]["scale"], 0.5 + 0.1 * w * noise[-1].mean(), rtol=1e-5)
    assert metrics["discriminator/penalty"] == 0.5 / 2 * 4


def test_time_is_drawn_for_each_example_and_both_networks_are_told_it():
    _, system, calls = oracle(4)
    times = []

    def critic(x, noisy, t):
        times.append(t)
        return x[:, 0]

    turn = Turn(jax.random.key(0), jnp.zeros((), jnp.int32))
    nets = {"generator": lambda x, z, t: calls.append((x, z, t)) or x, "discriminator": critic}
    system.players["discriminator"].loss(nets, {"x": jnp.zeros((64, 1))}, turn)
    assert set(np.asarray(times[0]).tolist()) == {0.25, 0.5, 0.75, 1.0}
    for told in (times[1], calls[0][2]):
        np.testing.assert_array_equal(times[0], told)


def test_samples_take_every_step_with_a_new_latent():
    """G = x_t + z: after T steps the variance is that of the chain run with a fresh z at each."""
    networks, system, _ = oracle(3)
    game, chain = jg.game(networks, system), jg.systems.denoising_chain(3)
    state = game.init(jax.random.key(0), {"x": jnp.zeros((2, 1))})
    state = state._replace(params=state.params | {"generator": {"scale": jnp.ones(()), "reach": jnp.ones(())}})
    x = jax.jit(game.generate)(state, jax.random.key(1), {"index": jnp.arange(N // 2, dtype=jnp.int32)})
    variance = 1.0
    for t in (2, 1, 0):
        kept = chain.from_clean[t] + chain.from_noisy[t]
        variance = kept**2 * variance + chain.from_clean[t] ** 2 + chain.deviation[t] ** 2
    np.testing.assert_allclose(np.var(x), variance, rtol=0.03)


def test_a_prediction_of_another_shape():
    networks, system, _ = oracle(2)
    networks["generator"] = fixed(lambda params, x, z, t: z, scale=1.0)
    with pytest.raises(ValueError, match=r"predicts \(2, 3\) of data \(2, 1\)"):
        jg.game(networks, system).init(jax.random.key(0), {"x": jnp.zeros((2, 1))})
