"""Gradients without derivatives: unbiased, of the known variance, and good enough to play with."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.dynamics import simultaneous
from jaxgan.estimators import evolution_strategies
from jaxgan.networks import mlp
from jaxgan.parallel import data_parallel
from tests.dynamics.games import game, trajectory

W = {"a": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)}


def quadratic(w):
    return 3 * w["a"][0] ** 2 + w["a"][1] * w["b"] + 7.0, "seen"


def test_the_mean_of_many_estimates_is_the_gradient():
    """For a quadratic the smoothed loss has the same gradient; the error falls with the number of evaluations."""
    exact, errors = jax.grad(lambda w: quadratic(w)[0])(W), {}
    for population in (64, 4096):
        (loss, aux), found = evolution_strategies(0.1, population)(quadratic, W, jax.random.key(0))
        assert (float(loss), aux) == (float(quadratic(W)[0]), "seen")  # of the parameters themselves, without noise
        errors[population] = max(float(jnp.max(jnp.abs(found[k] - exact[k]))) for k in W)
    assert errors[4096] < 0.5
    assert errors[4096] < 0.5 * errors[64]


def test_a_loss_of_steps_has_a_gradient():
    """A count of right answers: no derivative, and a slope of its smoothed form that is known (a normal density)."""
    _, found = evolution_strategies(0.5, 20000)(
        lambda w: ((w["w"] > 0.3).astype(jnp.float32), None), {"w": jnp.array(0.1)}, jax.random.key(1)
    )
    expected = np.exp(-((0.2 / 0.5) ** 2) / 2) / (0.5 * np.sqrt(2 * np.pi))
    assert float(found["w"]) == pytest.approx(expected, rel=0.05)


def test_ranks_do_not_see_how_large_an_outlier_is():
    def estimate(outlier):
        return evolution_strategies(0.1, 64, ranked=True)(
            lambda w: (jnp.where(w["w"] > 0.15, outlier, w["w"]), None), {"w": jnp.array(0.0)}, jax.random.key(2)
        )[1]["w"]

    assert float(estimate(10.0)) == float(estimate(1e6)) > 0


def test_a_player_without_derivatives_plays():
    """One of two players by evolution strategies: a game with an equilibrium at zero is found."""
    losses = {
        "x": lambda x, y: jnp.sum(0.5 * x**2 + x * y),
        "y": lambda x, y: jnp.sum(0.5 * y**2 - x * y),
    }
    es = evolution_strategies(0.05, 16)
    made = game(losses, dict.fromkeys(losses, optax.sgd(0.1)), simultaneous(), gradient={"y": es})
    assert np.linalg.norm(trajectory(made, (1.0, 1.0), 150)[-1]) < 0.05


def test_eight_devices_estimate_as_one():
    def build(axis_name):
        system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(2), optimizer=optax.sgd(0.1))
        players = {n: p._replace(gradient=evolution_strategies(0.1, 4)) for n, p in system.players.items()}
        networks = {"generator": mlp.Generator((2,), (3,)), "discriminator": mlp.Discriminator((3,))}
        return jg.game(networks, system._replace(players=players), axis_name=axis_name)

    batch = {"x": np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)}
    one, many = build(None), data_parallel(build("batch"))
    state, _ = jax.jit(one.train_step)(one.init(jax.random.key(0), batch), batch)
    spread, _ = many.train_step(many.init(jax.random.key(0), batch), batch)
    for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(spread.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("arguments", [(0.0, 4), (0.1, 3), (0.1, 0)])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="evolution_strategies needs std > 0, an even population >= 2"):
        evolution_strategies(*arguments)
