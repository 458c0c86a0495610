"""The two-player game by hand, over every network, loss and penalty, and its first metrics pinned."""

from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import dcgan, mlp

LOSSES = ("minimax", "non_saturating", "least_squares", "hinge", "wasserstein")
PENALTIES = {
    "none": None,
    "gradient_penalty": jg.penalties.gradient_penalty(10.0),
    "r1": jg.penalties.r1(1.0),
    "r2": jg.penalties.r2(1.0),
    "total": jg.penalties.total(jg.penalties.r1(1.0), jg.penalties.r2(1.0)),
}


def points(classes=0, n=4):
    batch = {"x": jax.random.normal(jax.random.key(5), (n, 2))}
    return batch | ({"y": jnp.arange(n, dtype=jnp.int32) % classes} if classes else {})


def mlps(classes=0):
    return {
        "generator": mlp.Generator((2,), (8,), classes),
        "discriminator": mlp.Discriminator((8,), classes),
    }


@pytest.fixture
def uncompiled():
    """Operation by operation: the small ones are compiled once for the whole matrix, not once for each of its cells."""
    with jax.disable_jit():
        yield


def one_step(networks, batch, **settings):
    defaults = {"prior": jg.priors.normal(3), "optimizer": optax.adam(1e-3), "loss": jg.losses.hinge}
    game = jg.game(networks, jg.systems.gan(**defaults | settings))
    before = game.init(jax.random.key(0), batch)
    after, metrics = jax.jit(game.train_step)(before, batch)
    return game, before, after, metrics


def check_step(before, after, metrics, penalised):
    chex.assert_tree_all_finite((metrics, after.params, after.model_state, after.opt_state))
    assert ("discriminator/penalty" in metrics) == penalised
    for name in ("generator", "discriminator"):
        moved = [
            bool((a != b).any())
            for a, b in zip(*map(jax.tree.leaves, (before.params[name], after.params[name])), strict=True)
        ]
        assert any(moved), name


# The matrix


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_mlp_steps(loss, penalty):
    classes = 2 * (penalty in ("r1", "none"))  # labels in some cells: they enter by the same code everywhere
    _, *rest = one_step(mlps(classes), points(classes), loss=getattr(jg.losses, loss), penalty=PENALTIES[penalty])
    check_step(*rest, penalised=penalty != "none")


@pytest.mark.parametrize(
    ("loss", "penalty", "normalization", "classes"),
    [
        ("wasserstein", "gradient_penalty", "none", 0),
        ("non_saturating", "r1", "batch", 3),
        ("hinge", "none", "spectral", 3),
    ],
)
def test_dcgan_steps(loss, penalty, normalization, classes):
    networks = {
        "generator": dcgan.Generator(1, 28, features=2, classes=classes),
        "discriminator": dcgan.Discriminator(28, 2, normalization, classes),
    }
    batch = {"x": jnp.tanh(jax.random.normal(jax.random.key(1), (4, 28, 28, 1)))}
    batch |= {"y": jnp.array([0, 1, 2, 0], jnp.int32)} if classes else {}
    _, *rest = one_step(networks, batch, loss=getattr(jg.losses, loss), penalty=PENALTIES[penalty])
    check_step(*rest, penalised=penalty != "none")


# By hand


def linear_networks():
    """G(z) = z + g and D(x) = w x, one number each."""

    def network(value, function):
        return SimpleNamespace(
            init=lambda key, x: {"params": {"v": jnp.full((1, 1), value)}},
            apply=lambda variables, x: function(x, variables["params"]["v"]),
        )

    return {
        "generator": network(2.0, lambda z, g: z + g),
        "discriminator": network(3.0, lambda x, w: (x * w)[:, 0]),
    }


def test_a_wasserstein_step_by_hand():
    """D moves first: w += rate (mean x - mean G(z)); then G follows the moved critic: g += rate w."""
    constant = lambda key, n, index=None: jnp.full((n, 1), 0.5)  # noqa: E731
    batch = {"x": jnp.array([[1.0], [6.0]])}
    _, _, after, metrics = one_step(
        linear_networks(), batch, loss=jg.losses.wasserstein, prior=constant, optimizer=optax.sgd(0.1)
    )
    # real mean 3.5, fake 2.5
    assert after.params["discriminator"]["v"] == pytest.approx(3.0 + 0.1 * 1.0)
    assert after.params["generator"]["v"] == pytest.approx(2.0 + 0.1 * 3.1)
    expected = {"discriminator/loss": -3.0, "discriminator/real_logits": 10.5, "discriminator/fake_logits": 7.5}
    expected |= {"generator/loss": -2.5 * 3.1}
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value), name
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    assert metrics["discriminator/real_probability"] == pytest.approx((sigmoid(3) + sigmoid(18)) / 2)
    assert metrics["discriminator/fake_probability"] == pytest.approx(sigmoid(7.5))


def test_two_time_scales():
    constant = lambda key, n, index=None: jnp.full((n, 1), 0.5)  # noqa: E731
    _, _, after, _ = one_step(
        linear_networks(),
        {"x": jnp.array([[1.0], [6.0]])},
        loss=jg.losses.wasserstein,
        prior=constant,
        optimizer={"discriminator": optax.sgd(1.0), "generator": optax.sgd(0.0)},
    )
    assert after.params["discriminator"]["v"] == pytest.approx(4.0)
    assert after.params["generator"]["v"] == 2.0


def test_the_penalty_is_part_of_the_loss_that_is_minimised():
    """r1(gamma) of a linear critic is gamma/2 w^2, so one step of descent adds -rate gamma w."""
    constant = lambda key, n, index=None: jnp.full((n, 1), 0.5)  # noqa: E731
    batch = {"x": jnp.array([[1.0], [6.0]])}
    _, _, after, metrics = one_step(
        linear_networks(),
        batch,
        loss=jg.losses.wasserstein,
        prior=constant,
        optimizer=optax.sgd(0.1),
        penalty=jg.penalties.r1(2.0),
    )
    assert metrics["discriminator/penalty"] == pytest.approx(9.0)
    assert metrics["discriminator/loss"] == pytest.approx(-3.0 + 9.0)
    assert after.params["discriminator"]["v"] == pytest.approx(3.0 + 0.1 * 1.0 - 0.1 * 2.0 * 3.0)


def test_players_and_their_updates():
    system = jg.systems.gan(loss=jg.losses.wasserstein, prior=jg.priors.normal(2), optimizer=optax.sgd(0.1), n_critic=5)
    assert list(system.players) == ["discriminator", "generator"]
    assert [player.updates for player in system.players.values()] == [5, 1]
    assert [player.owns for player in system.players.values()] == [("discriminator",), ("generator",)]


def test_labels_reach_both_networks():
    game, _, after, _ = one_step(mlps(classes=2), points(classes=2))
    z = jnp.ones((2, 3))
    one = game.generate(after, jax.random.key(0), {"z": z, "y": jnp.array([0, 1], jnp.int32)})
    assert (one[0] != one[1]).any()


def test_errors():
    with pytest.raises(
        ValueError, match=r"optimizers are named \['critic'\]; expected \['discriminator', 'generator'\]"
    ):
        jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(2), optimizer={"critic": optax.sgd(0.1)})
    wide = mlps() | {"generator": mlp.Generator((3,), (8,))}
    with pytest.raises(ValueError, match=r"is shown \(4, 2\) as real, but the generator makes \(4, 3\)"):
        one_step(wide, points())
    with pytest.raises(ValueError, match=r"updates=0; it must be at least 1"):
        one_step(mlps(), points(), n_critic=0)


# Pinned: what the first steps of a seeded game have always been


PINNED = {
    1: {
        "discriminator/fake_logits": -0.1824,
        "discriminator/fake_probability": 0.4547,
        "discriminator/loss": 1.745,
        "discriminator/penalty": 0.1682,
        "discriminator/real_logits": -0.3442,
        "discriminator/real_probability": 0.4328,
        "generator/loss": 0.8149,
    },
    3: {
        "discriminator/fake_logits": 0.08700,
        "discriminator/fake_probability": 0.5217,
        "discriminator/loss": 1.677,
        "discriminator/penalty": 0.08864,
        "discriminator/real_logits": -0.1557,
        "discriminator/real_probability": 0.4684,
        "generator/loss": 0.7328,
    },
}


def test_pinned_metrics():
    """After one and after three steps; a change here changes every run that anyone has recorded."""
    game = jg.game(
        mlps(),
        jg.systems.gan(
            loss=jg.losses.non_saturating,
            prior=jg.priors.normal(3),
            optimizer=optax.adam(1e-2, b1=0.5),
            penalty=jg.penalties.gradient_penalty(1.0),
            n_critic=2,
        ),
    )
    step, state = jax.jit(game.train_step), game.init(jax.random.key(0), points(n=8))
    seen = {}
    for i in (1, 2, 3):
        state, metrics = step(state, points(n=8))
        seen[i] = {name: float(value) for name, value in metrics.items()}
    for i, expected in PINNED.items():
        assert seen[i] == pytest.approx(expected, rel=5e-4), i
