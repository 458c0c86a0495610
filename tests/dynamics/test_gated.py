"""Turns that a rule skips: nothing of the player changes, not by a bit."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import mlp

X = jax.random.normal(jax.random.key(1), (4, 2))


class Remembering(nn.Module):
    """Its statistics move with every call that trains."""

    @nn.compact
    def __call__(self, x, train=True):
        return nn.Dense(1)(nn.BatchNorm(use_running_average=not train)(x))[:, 0]


def game_of(dynamics, n_critic=1):
    networks = {
        "generator": mlp.Generator((2,), (4,)),
        "discriminator": Remembering(),
    }
    system = jg.systems.gan(
        loss=jg.losses.hinge, prior=jg.priors.normal(2), optimizer=optax.adam(0.1), n_critic=n_critic
    )
    return jg.game(networks, system, ema={"generator": 0.5, "discriminator": 0.5}, dynamics=dynamics)


def parts(state, name):
    """All that belongs to a player of this name."""
    return state.params[name], state.model_state[name], state.opt_state[name], state.ema[name]


def differ(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return any((np.asarray(a) != np.asarray(b)).any() for a, b in pairs)


@pytest.mark.parametrize("base", [None, jg.dynamics.simultaneous(), jg.dynamics.extragradient()])
def test_a_skipped_turn_leaves_everything_and_the_others_turn_is_played(base):
    dynamics = jg.dynamics.gated({"discriminator": lambda metrics, step: step % 2 == 1}, base)
    game = game_of(dynamics)
    step, state = jax.jit(game.train_step), game.init(jax.random.key(0), {"x": X})
    for k in range(4):
        after, metrics = step(state, {"x": X})
        assert metrics["discriminator/skipped"] == (k % 2 == 0)
        assert "generator/skipped" not in metrics
        if k % 2 == 0:
            chex.assert_trees_all_equal(parts(after, "discriminator"), parts(state, "discriminator"))
        else:
            pairs = zip(parts(after, "discriminator"), parts(state, "discriminator"), strict=True)
            assert all(differ(one, other) for one, other in pairs)
        assert differ(parts(after, "generator"), parts(state, "generator"))
        state = after


def test_one_decision_for_an_update_that_looks_ahead():
    """Extragradient takes two gradients for one update: the rule is asked at the first."""
    answers = iter([False, True])
    game = game_of(
        jg.dynamics.gated({"discriminator": lambda metrics, step: next(answers)}, jg.dynamics.extragradient())
    )
    state = game.init(jax.random.key(0), {"x": X})
    after, metrics = jax.jit(game.train_step)(state, {"x": X})
    assert metrics["discriminator/skipped"] == 1
    chex.assert_trees_all_equal(parts(after, "discriminator"), parts(state, "discriminator"))


def test_a_rule_that_always_moves_changes_no_bit():
    plain, gated = game_of(None), game_of(jg.dynamics.gated({"generator": lambda metrics, step: True}))
    state = plain.init(jax.random.key(0), {"x": X})
    one, other = (jax.jit(game.train_step)(state, {"x": X})[0] for game in (plain, gated))
    chex.assert_trees_all_equal(one.params, other.params)
    chex.assert_trees_all_equal(one.ema, other.ema)


def test_a_rule_sees_this_turns_metrics():
    dynamics = jg.dynamics.gated({"discriminator": lambda metrics, step: metrics["loss"] > 1e9})
    game = game_of(dynamics)
    state = game.init(jax.random.key(0), {"x": X})
    after, metrics = jax.jit(game.train_step)(state, {"x": X})
    assert metrics["discriminator/skipped"] == 1
    chex.assert_trees_all_equal(parts(after, "discriminator"), parts(state, "discriminator"))


@pytest.mark.parametrize("number", [1, 2])
def test_each_update_of_a_turn_is_asked_about(number):
    """The average moves where any of the updates did, the first or the second."""
    calls = []

    def second(metrics, step):
        calls.append(step)
        return len(calls) == number

    game = game_of(jg.dynamics.gated({"discriminator": second}), n_critic=2)
    batch = {"x": jnp.concatenate([X, X])}
    state = game.init(jax.random.key(0), batch)
    after, metrics = jax.jit(game.train_step)(state, batch)
    assert len(calls) == 2
    assert metrics["discriminator/skipped"] == 0
    assert differ(after.params["discriminator"], state.params["discriminator"])
    assert differ(after.ema["discriminator"], state.ema["discriminator"])


@pytest.mark.parametrize(
    ("moves", "base", "message"),
    [
        (
            {"critic": lambda m, s: True},
            None,
            r"rules for players \['critic'\]; the system has \['discriminator', 'g",
        ),
        ({"generator": lambda m, s: jnp.ones(3)}, None, r"player 'generator' gives an array \(3,\); reduce it"),
        ({"generator": lambda m, s: True}, jg.dynamics.consensus(1.0), "cannot ask about player 'generator'"),
    ],
)
def test_rules_that_fit_no_player(moves, base, message):
    game = game_of(jg.dynamics.gated(moves, base))
    state = jax.eval_shape(game.init, jax.random.key(0), {"x": X})
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(game.train_step, state, {"x": X})
