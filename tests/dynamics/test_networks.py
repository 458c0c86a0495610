"""Dynamics on networks: they compose with losses, penalties and devices, and share what players have in common."""

import itertools

import flax.linen as nn
import jax
import numpy as np
import optax
import pytest

import jaxgan as jg
from benchmarks import operations
from jaxgan import dynamics
from jaxgan.guard import is_finite
from jaxgan.networks import dcgan, mlp
from jaxgan.networks.remedies import Replay
from jaxgan.parallel import data_parallel
from tests import registry

BATCH = {"x": np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)}
DYNAMICS = registry.dynamics()


def points(loss=jg.losses.non_saturating, penalty=None, play=None, optimizer=None, n_critic=1, axis_name=None):
    networks = {"generator": mlp.Generator((2,), (4,)), "discriminator": mlp.Discriminator((4,))}
    optimizer = optimizer or optax.sgd(1e-3)
    system = jg.systems.gan(
        loss=loss, penalty=penalty, prior=jg.priors.normal(3), optimizer=optimizer, n_critic=n_critic
    )
    return jg.game(networks, system, dynamics=play, axis_name=axis_name)


# The hard threshold is a step function: only estimators of gradients move its players.
LOSSES = sorted(set(registry.losses()) - {"hard_threshold"})
ALL = list(itertools.product(LOSSES, registry.penalties(), DYNAMICS))
SAMPLED = [ALL[i] for i in np.random.default_rng(0).permutation(len(ALL))[:12]]


def composes(loss, penalty, play):
    game = points(registry.losses()[loss], registry.penalties()[penalty], DYNAMICS[play])
    state, metrics = jax.jit(game.train_step)(game.init(jax.random.key(0), BATCH), BATCH)
    assert is_finite(state)
    assert all(np.isfinite(value) for value in metrics.values())
    assert set(metrics) >= {"discriminator/loss", "generator/loss", "discriminator/penalty"}
    changed = jax.tree.map(lambda a, b: bool(np.any(a != b)), state.params, game.init(jax.random.key(0), BATCH).params)
    assert all(any(jax.tree.leaves(c)) for c in changed.values())


@pytest.mark.parametrize(("loss", "penalty", "play"), SAMPLED)
def test_losses_penalties_and_dynamics_compose(loss, penalty, play):
    composes(loss, penalty, play)


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "penalty", "play"), ALL)
def test_all_of_them_compose(loss, penalty, play):
    composes(loss, penalty, play)


class Remembering(nn.Module):
    """Its batch statistics move with every call that trains."""

    @nn.compact
    def __call__(self, x, train=True):
        return nn.Dense(2)(nn.BatchNorm(use_running_average=not train)(x))


class Summed(nn.Module):
    @nn.compact
    def __call__(self, x, train=True):
        return Remembering()(x, train).sum(axis=1)


@pytest.mark.parametrize("name", DYNAMICS)
def test_what_networks_remember_moves_under_every_dynamics(name):
    """A player's turn must not put back what another's has moved."""
    networks = {"generator": Remembering(), "discriminator": Summed(), "pool": Replay(16)}
    system = jg.systems.gan(
        loss=jg.losses.non_saturating, prior=jg.priors.normal(2), optimizer=optax.sgd(1e-3), replay="pool"
    )
    game = jg.game(networks, system, dynamics=DYNAMICS[name])
    state = game.init(jax.random.key(0), BATCH)
    after, _ = jax.jit(game.train_step)(state, BATCH)
    for network in networks:
        pairs = zip(
            jax.tree.leaves(after.model_state[network]), jax.tree.leaves(state.model_state[network]), strict=True
        )
        assert all(bool((np.asarray(a) != np.asarray(b)).any()) for a, b in pairs), network


@pytest.mark.parametrize("name", DYNAMICS)
def test_eight_devices_are_one(name):
    """Derivatives of averages are averages of derivatives: under SGD, with a penalty."""
    penalty = jg.penalties.r1(1.0)
    settings = {"penalty": penalty, "play": DYNAMICS[name], "optimizer": optax.sgd(0.1)}
    batch = {"x": np.random.default_rng(1).normal(size=(16, 2)).astype(np.float32)}
    one, ends = points(**settings), {}
    state, step = one.init(jax.random.key(0), batch), jax.jit(one.train_step)
    for _ in range(3):
        state, ends["metrics"] = step(state, batch)
    for mode in ("pmap", "sharded") if name in ("simultaneous", "unrolled") else ("pmap",):
        many = data_parallel(points(**settings, axis_name="batch" if mode == "pmap" else None), mode)
        spread = many.init(jax.random.key(0), batch)
        for _ in range(3):
            spread, metrics = many.train_step(spread, batch)
        for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(spread.params), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
            assert len({np.asarray(shard.data).tobytes() for shard in b.addressable_shards}) == 1
        for quantity, value in metrics.items():
            np.testing.assert_allclose(value, ends["metrics"][quantity], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["consensus", "symplectic", "competitive", "unrolled", "heun"])
def test_second_derivatives_of_convolutions_and_batch_statistics(name):
    """Layers with their own derivative refuse forward mode; here only reverse mode is used."""
    networks = {
        "generator": dcgan.Generator(size=28, features=2),
        "discriminator": dcgan.Discriminator(size=28, features=2, normalization="spectral"),
    }
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.sgd(1e-2))
    game = jg.game(networks, system, dynamics=DYNAMICS[name])
    batch = {"x": np.random.default_rng(0).uniform(-1, 1, (2, 28, 28, 1)).astype(np.float32)}
    state = game.init(jax.random.key(0), batch)
    after, _ = jax.jit(game.train_step)(state, batch)
    assert is_finite(after)
    assert any(
        np.any(a != b) for a, b in zip(*map(jax.tree.leaves, (state.model_state, after.model_state)), strict=True)
    )


def test_simultaneous_players_share_their_forward_pass(optimized):
    """The samples, and what the discriminator says of them, are computed once: fewer operations than in turns."""

    def operations(play):
        networks = {"generator": mlp.Generator((2,), (256, 256)), "discriminator": mlp.Discriminator((256, 256))}
        system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.sgd(0.1))
        game = jg.game(networks, system, dynamics=play)
        batch = {"x": np.zeros((64, 2), np.float32)}
        return (
            jax.jit(game.train_step)
            .lower(game.init(jax.random.key(0), batch), batch)
            .compile()
            .cost_analysis()["flops"]
        )

    assert operations(dynamics.simultaneous()) < 0.85 * operations(dynamics.alternating())


def test_rounds_of_players_with_different_updates():
    """With n_critic = 3 the generator joins the last of three rounds."""
    moved = []

    def noting(name):
        def update(gradient, state, params=None):
            moved.append(name)
            return jax.tree.map(lambda g: -0.1 * g, gradient), state

        return optax.GradientTransformation(lambda params: (), update)

    game = points(
        play=dynamics.simultaneous(), n_critic=3, optimizer={n: noting(n) for n in ("discriminator", "generator")}
    )
    batch = {"x": np.zeros((6, 2), np.float32)}
    jax.eval_shape(game.train_step, game.init(jax.random.key(0), batch), batch)
    assert moved == ["discriminator"] * 3 + ["generator"]


def test_unrolling_on_networks_foresees():
    """The generator's move is another one where it sees the discriminator's next steps."""
    loss, h = jg.losses.wasserstein, 0.5
    game = points(loss=loss, play=dynamics.unrolled(2), optimizer=optax.sgd(h))
    plain = points(loss=loss, play=dynamics.alternating(), optimizer=optax.sgd(h))
    state = game.init(jax.random.key(0), BATCH)
    seen, blind = (jax.jit(g.train_step)(state, BATCH)[0].params["generator"] for g in (game, plain))
    assert any(np.any(np.abs(a - b) > 1e-5) for a, b in zip(jax.tree.leaves(seen), jax.tree.leaves(blind), strict=True))


def played(shared, n_critic):
    """The latents of every player's last update, in their metrics."""
    system = jg.systems.gan(
        loss=jg.losses.non_saturating, prior=jg.priors.normal(3), optimizer=optax.sgd(0.1), n_critic=n_critic
    )

    def drawing(player):
        def loss(nets, batch, turn):
            value, metrics = player.loss(nets, batch, turn)
            return value, metrics | {"drawn": jg.priors.normal(3)(turn.named("z"), 8).sum()}

        return player._replace(loss=loss)

    system = system._replace(players={name: drawing(player) for name, player in system.players.items()})
    networks = {"generator": mlp.Generator((2,), (4,)), "discriminator": mlp.Discriminator((4,))}
    game = jg.game(networks, system, dynamics=dynamics.alternating(shared=shared))
    batch = {"x": np.repeat(BATCH["x"], n_critic, axis=0)}
    _, metrics = jax.jit(game.train_step)(game.init(jax.random.key(0), batch), batch)
    return metrics["discriminator/drawn"], metrics["generator/drawn"]


@pytest.mark.parametrize("n_critic", [1, 3])
def test_shared_turns_draw_the_same(n_critic):
    """Of several updates of the discriminator the last shares its draws with the generator."""
    discriminator, generator = played(True, n_critic)
    assert discriminator == generator
    discriminator, generator = played(False, n_critic)
    assert discriminator != generator


def test_shared_turns_compute_one_forward_pass_less(optimized):
    """The compiled step lacks the generator's multiplications of one turn; those of batch normalisation stay right."""
    networks = {"generator": dcgan.Generator(1, 16, features=4), "discriminator": dcgan.Discriminator(16, features=4)}
    system = jg.systems.gan(loss=jg.losses.non_saturating, prior=jg.priors.normal(8), optimizer=optax.sgd(0.1))
    batch = {"x": np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 1)).astype(np.float32)}
    counts = {}
    for shared in (False, True):
        game = jg.game(networks, system, dynamics=dynamics.alternating(shared=shared))
        state = game.init(jax.random.key(0), batch)
        program = operations.compiled(jax.jit(game.train_step).lower(state, batch).compile().as_text())
        counts[shared] = program.convolutions + program.dots
    z = jax.random.normal(jax.random.key(0), (4, 8))
    variables = networks["generator"].init(jax.random.key(0), z)
    forward = operations.analytic(lambda v, z: networks["generator"].apply(v, z, train=False), variables, z)
    assert counts[False] - counts[True] == pytest.approx(forward, rel=0.02)
