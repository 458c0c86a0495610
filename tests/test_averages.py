"""Averaged parameters: how they move, and that nothing is computed from them beside model state of the plain ones."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.metrics.standing import standing_statistics
from jaxgan.networks.layers import SpectralNorm
from jaxgan.networks.layers.normalization import spectral_norms
from jaxgan.samplers import trained
from jaxgan.types import averages_in_place


class Generator(nn.Module):
    """Has a batch normalisation without scale, a spectral vector, a count and a constant."""

    @nn.compact
    def __call__(self, z, train=True):
        calls = self.variable("count", "calls", jnp.zeros, (), jnp.int32)
        noise = self.variable("noise", "fixed", lambda: jnp.float32(0.3) * jnp.ones(()))
        if train and not self.is_initializing():
            calls.value += 1
        x = SpectralNorm(nn.Dense(3, use_bias=False))(z + 0 * noise.value, train)
        return nn.BatchNorm(not train, momentum=0.9, use_bias=False, use_scale=False)(x)


def made(ema, rate=0.05):
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(4), optimizer=optax.adam(rate))
    networks = {"generator": Generator(), "discriminator": jg.networks.mlp.Discriminator(hidden=(4,))}
    return jg.game(networks, system, ema=ema)


@pytest.fixture(scope="module")
def batch():
    return {"x": jax.random.normal(jax.random.key(7), (32, 3))}


@pytest.fixture(scope="module")
def played(batch):
    """The states of 30 steps of a game whose average is warmed up."""
    game = made({"generator": 0.9})
    step = jax.jit(game.train_step)
    states = [game.init(jax.random.key(0), batch)]
    for _ in range(30):
        states.append(step(states[-1], batch)[0])
    return game, states


def floats(state, averaged):
    trees = (state.ema, state.ema_state) if averaged else (state.params, state.model_state)
    leaves = jax.tree.leaves([tree["generator"] for tree in trees])
    return [np.asarray(leaf, np.float64) for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]


def test_parameters_and_model_state_are_averaged_with_a_warm_up(played):
    _, states = played
    expected = floats(states[0], averaged=False)
    for n, state in enumerate(states[1:]):
        decay = min(0.9, (1 + n) / (10 + n))
        expected = [
            decay * e + (1 - decay) * now for e, now in zip(expected, floats(state, averaged=False), strict=True)
        ]
        for one, other in zip(expected, floats(state, averaged=True), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_counts_are_those_of_now_and_constants_stay_to_the_bit(played):
    _, states = played
    kept, plain = states[-1].ema_state["generator"], states[-1].model_state["generator"]
    assert int(kept["count"]["calls"]) == int(plain["count"]["calls"]) == 30
    assert kept["noise"]["fixed"] == states[0].model_state["generator"]["noise"]["fixed"]


def test_a_schedule_is_taken_as_it_is(batch):
    game = made({"generator": lambda step: jnp.where(step < 1, 0.75, 0.5)})
    before = game.init(jax.random.key(0), batch)
    after, _ = jax.jit(game.train_step)(before, batch)
    for old, new, average in zip(floats(before, False), floats(after, False), floats(after, True), strict=True):
        np.testing.assert_allclose(average, 0.75 * old + 0.25 * new, rtol=1e-6, atol=1e-7)


def test_averaged_weights_are_divided_by_their_own_spectral_norm(played):
    _, states = played
    state = averages_in_place(states[-1])
    norms = spectral_norms({"params": state.params["generator"], **state.model_state["generator"]})
    assert all(abs(norm - 1) < 0.03 for norm in norms.values()), norms
    assert np.linalg.norm(jax.tree.leaves(state.model_state["generator"]["spectral"])[0]) < 0.99  # no unit vector


def test_samples_of_averaged_parameters_are_normalised(batch):
    """What batch normalisation means, where weights have grown threefold and stay there."""
    game = made({"generator": 0.999}, rate=0.0)
    state = game.init(jax.random.key(0), batch)
    grown = jax.tree.map(lambda w: 3 * w, state.params["generator"])
    state = state._replace(params=state.params | {"generator": grown})
    step = jax.jit(game.train_step)
    for _ in range(100):
        state, _ = step(state, batch)
    variance = np.var(np.asarray(jg.sample(game, state, jax.random.key(5), n=4096)), axis=0)
    np.testing.assert_allclose(variance, 1, atol=0.15)


def test_every_view_of_the_average_uses_its_own_state(played):
    game, states = played
    other = jax.tree.map(lambda x: 5 * x, states[-1].model_state["generator"])
    state = states[-1]._replace(model_state=states[-1].model_state | {"generator": other})
    z = jax.random.normal(jax.random.key(3), (4, 4))
    expected = Generator().apply({"params": state.ema["generator"], **state.ema_state["generator"]}, z, train=False)
    plain = Generator().apply({"params": state.params["generator"], **other}, z, train=False)
    np.testing.assert_allclose(trained(game.networks, state, "generator")(z), expected, rtol=1e-6)
    np.testing.assert_allclose(trained(game.networks, state, "generator", averaged=False)(z), plain, rtol=1e-6)
    np.testing.assert_allclose(game.generate(state, jax.random.key(0), {"z": z}), expected, rtol=1e-5)
    alone = game.generate(state._replace(ema={}), jax.random.key(0), {"z": z})
    np.testing.assert_allclose(alone, plain, rtol=1e-5)


def test_a_loss_sees_the_average_with_its_own_state(played, batch):
    game, states = played
    state, seen = states[-1], []

    def loss(nets, batch, turn):
        seen.append(jg.averaged(nets["generator"])(jnp.ones((2, 4))))
        return nets["generator"](jnp.ones((2, 4))).mean(), {"seen": seen[-1].mean()}

    system = jg.System({"p": jg.Player(("generator",), loss, optax.sgd(0.0))}, None, print)
    only = jg.game({"generator": Generator()}, system, ema={"generator": 0.9})
    alone = state._replace(
        **{f: {"generator": getattr(state, f)["generator"]} for f in ("params", "model_state", "ema", "ema_state")},
        opt_state={"p": optax.sgd(0.0).init({"generator": state.params["generator"]})},
    )
    _, metrics = jax.jit(only.train_step)(alone, batch)
    expected = trained(game.networks, state, "generator")(jnp.ones((2, 4)))
    np.testing.assert_allclose(metrics["p/seen"], expected.mean(), rtol=1e-5)


def test_a_discriminators_statistics_stay_where_samples_did_not_pass(batch):
    class Discriminator(nn.Module):
        @nn.compact
        def __call__(self, x, train=True):
            return nn.Dense(1)(nn.BatchNorm(not train)(x))[:, 0]

    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(4), optimizer=optax.sgd(0.1))
    game = jg.game({"generator": Generator(), "discriminator": Discriminator()}, system)
    state = game.init(jax.random.key(0), batch)
    after = standing_statistics(game, state, jax.random.key(1), batches=1, batch_size=4)
    for old, new in zip(*(jax.tree.leaves(s.model_state["discriminator"]) for s in (state, after)), strict=True):
        np.testing.assert_array_equal(old, new)
