"""A user's own autoencoder, trained by a loop of the user's own, gains a discriminator and goes on from there."""

import inspect

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg

X = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, size=(8, 6)), jnp.float32)


class Autoencoder(nn.Module):
    """The user's."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(6, name="out")(nn.tanh(nn.Dense(3, name="code")(x)))


MODEL, ADAM = Autoencoder(), optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))


def distance(params, x):
    return jnp.mean(jnp.abs(MODEL.apply({"params": params}, x) - x))


def pretrained(steps=3):
    """The user's own loop: (params, opt_state)."""
    params = MODEL.init(jax.random.key(0), X)["params"]
    opt_state = ADAM.init(params)
    for _ in range(steps):
        params, opt_state = alone(params, opt_state)
    return params, opt_state


@jax.jit
def alone(params, opt_state):
    changes, opt_state = ADAM.update(jax.grad(distance)(params, X), opt_state, params)
    return optax.apply_updates(params, changes), opt_state


def sharpened(params, opt_state, share, steps):
    """All that the user adds."""
    judge = jg.systems.adversary(jg.losses.hinge)

    def rebuild(nets, batch, turn):
        made, d = nets["model"](batch["x"]), {"discriminator": jg.frozen(nets["discriminator"])}
        fools = lambda image: judge.generator(d, turn, batch["x"], image).loss  # noqa: E731
        out = nets["model"].params["out"]
        last = lambda w: jg.frozen(nets["model"]._replace(params=nets["model"].params | {"out": w}))(batch["x"])  # noqa: E731
        rec = lambda image: jnp.mean(jnp.abs(image - batch["x"]))  # noqa: E731
        weight = jg.losses.adaptive_weight(lambda w: rec(last(w)), lambda w: fools(last(w)), out)
        return rec(made) + share * weight * fools(made), {"weight": weight}

    judged = jg.systems.player_loss(judge.discriminator, lambda nets, b, turn: (b["x"], nets["model"](b["x"])))
    moves = {"autoencoder": ("model", rebuild), "discriminator": ("discriminator", judged)}
    playing = jg.systems.players({"autoencoder": ADAM, "discriminator": optax.adam(1e-2, b1=0.5)}, **moves)
    system = jg.systems.between(judge, playing, lambda nets, key, inputs: nets["model"](inputs["x"]))
    game = jg.game({"model": MODEL, "discriminator": jg.networks.mlp.Discriminator((4,))}, system)
    state = jg.adopt(game, game.init(jax.random.key(1), {"x": X}), "autoencoder", params, opt_state)
    step = jax.jit(game.train_step)
    for _ in range(steps):
        state, metrics = step(state, {"x": X})
    return game, state, metrics


def test_it_goes_on_from_its_parameters_and_its_optimizers_state():
    """With no share for the adversary, the next steps are those of the user's own loop."""
    params, opt_state = pretrained()
    _, state, metrics = sharpened(params, opt_state, 0.0, 2)
    own = alone(*alone(params, opt_state))
    there = jax.tree.unflatten(jax.tree.structure(opt_state), jax.tree.leaves(state.opt_state["autoencoder"]))
    for one, other in zip(jax.tree.leaves((state.params["model"], there)), jax.tree.leaves(own), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    anew = alone(*alone(params, ADAM.init(params)))[0]  # a fresh Adam goes elsewhere
    assert jnp.max(jnp.abs(anew["out"]["kernel"] - state.params["model"]["out"]["kernel"])) > 1e-3
    assert there[1][0].count == 5
    assert metrics["autoencoder/weight"] > 0


def test_the_adversary_takes_part():
    params, opt_state = pretrained()
    game, state, metrics = sharpened(params, opt_state, 0.8, 1)
    without = alone(params, opt_state)[0]
    assert jnp.max(jnp.abs(without["out"]["kernel"] - state.params["model"]["out"]["kernel"])) > 1e-5
    assert "discriminator/real_logits" in metrics
    assert game.generate(state, jax.random.key(0), {"x": X}).shape == X.shape


def test_it_takes_fewer_than_25_lines():
    lines = [line for line in inspect.getsource(sharpened).splitlines()[2:] if line.strip()]
    assert len(lines) < 25


def game_of(networks, **settings):
    def loss(nets, batch, turn):
        x = batch["x"]
        for name in networks:
            x = nets[name](x)
        return jnp.mean(x), {}

    system = jg.System({"all": jg.Player(tuple(networks), loss, optax.adam(0.1))}, None, lambda *given: None)
    return jg.game(networks, system, **settings)


def test_several_networks_averages_and_batch_statistics():
    class Normalised(nn.Module):
        @nn.compact
        def __call__(self, x, train=True):
            return nn.BatchNorm(not train)(x)

    game = game_of({"one": nn.Dense(6), "two": Normalised()}, ema={"two": 0.9})
    state = game.init(jax.random.key(0), {"x": X})
    mine = jax.tree.map(lambda leaf: leaf + 1, {name: state.params[name] for name in ("one", "two")})
    statistics = jax.tree.map(lambda leaf: leaf + 2, state.model_state)
    after = jg.adopt(game, state, "all", mine, optax.adam(0.1).init(mine), statistics)
    for one, other in ((after.params, mine), (after.ema["two"], mine["two"]), (after.model_state, statistics)):
        for leaf, wanted in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(leaf, wanted)
    np.testing.assert_array_equal(
        after.ema_state["two"]["batch_stats"]["BatchNorm_0"]["mean"],
        statistics["two"]["batch_stats"]["BatchNorm_0"]["mean"],
    )


def test_what_does_not_fit():
    game = game_of({"one": nn.Dense(2)})
    state = game.init(jax.random.key(0), {"x": X})
    mine = {"kernel": jnp.zeros((6, 2)), "bias": jnp.zeros(2)}
    with pytest.raises(ValueError, match=r"adopt: no player is called 'model'; the game has \['all'\]"):
        jg.adopt(game, state, "model", mine)
    with pytest.raises(ValueError, match=r"adopt: params is not of the game's form: \['one/bias'\]"):
        jg.adopt(game, state, "all", {"kernel": mine["kernel"]})
    with pytest.raises(ValueError, match=r"params/one/kernel is float32\[5, 2\], in the game float32\[6, 2\]"):
        jg.adopt(game, state, "all", mine | {"kernel": jnp.zeros((5, 2))})
    with pytest.raises(ValueError, match=r"adopt: opt_state is not of the game's form: 0 leaves instead of 5"):
        jg.adopt(game, state, "all", mine, optax.sgd(0.1).init(mine))
