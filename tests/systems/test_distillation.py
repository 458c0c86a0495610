"""Distillation against arithmetic: what each player minimises and moves, and how a game starts from its teacher."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import denoisers, mlp
from tests.systems.tiny_distillation import X

TURN = jg.Turn(jax.random.key(3), jnp.zeros((), jnp.int32))
PRIOR = jg.priors.normal(2)


def recorded():
    """Plain functions as networks, and the calls of the denoisers: (network, x_sigma, sigma)."""
    calls = []

    def called(name, slope):
        def network(x, sigma):
            calls.append((name, np.asarray(x), np.asarray(sigma)))
            return {"denoised": slope * x + 0.1, "logits": x[:, 0] - x[:, 1]}

        return network

    nets = {"generator": lambda z: 0.5 * z + 1, "score": called("score", 0.8), "teacher": called("teacher", 0.5)}
    return nets, calls


def matched(**options):
    levels = jg.diffusion.karras(0.5, 2.0)
    return jg.systems.distribution_matching(prior=PRIOR, optimizer=optax.sgd(0.1), levels=levels, **options)


def samples():
    return np.asarray(0.5 * PRIOR(TURN.named("latent"), len(X)) + 1)


def softplus(t):
    return np.log1p(np.exp(t))


def test_the_generators_loss_by_hand():
    """Both denoisers see the same noised samples; logits are of samples noised once more."""
    nets, calls = recorded()
    value, metrics = matched(weight=0.3).players["generator"].loss(nets, {"x": X}, TURN)
    (_, x_sigma, sigma), (_, again, sigma_again), (_, judged, _), *_ = calls
    assert [name for name, *_ in calls] == ["teacher", "score", "score", "score"]
    np.testing.assert_array_equal(x_sigma, again)
    np.testing.assert_array_equal(sigma, sigma_again)
    assert np.all((sigma > 0.5) & (sigma < 2))
    assert len(np.unique(sigma)) == len(X)
    x = samples()
    gradient = 0.3 * x_sigma / np.mean(np.abs(x - 0.5 * x_sigma - 0.1), axis=1, keepdims=True)
    matching = 0.5 * np.mean(gradient**2)
    assert metrics["matching"] == pytest.approx(matching, rel=1e-5)
    assert value == pytest.approx(matching + 0.3 * np.mean(softplus(-(judged[:, 0] - judged[:, 1]))), rel=1e-5)
    alone, metrics = matched(weight=0.0).players["generator"].loss(nets, {"x": X}, TURN)
    assert alone == pytest.approx(matching, rel=1e-5)
    assert set(metrics) == {"matching"}


def test_the_scores_loss_by_hand():
    """Its error at noised samples, and the head's loss at data and samples noised to one level for each pair."""
    nets, calls = recorded()
    value, metrics = matched(head_weight=0.2).players["discriminator"].loss(nets, {"x": X}, TURN)
    (_, noisy, sigma), (_, real, level), (_, fake, same) = calls
    error = np.mean((1 / sigma**2 + 4)[:, None] * (0.8 * noisy + 0.1 - samples()) ** 2)
    assert metrics["score_error"] == pytest.approx(error, rel=1e-5)
    np.testing.assert_array_equal(level, same)
    assert not np.any(level == sigma)
    away = [(one - other) / level[:, None] for one, other in ((real, np.asarray(X)), (fake, samples()))]
    assert np.abs(away).max() < 4  # noise of this level, and other noise on either side
    assert not np.allclose(*away)
    logits = real[:, 0] - real[:, 1], fake[:, 0] - fake[:, 1]
    cost = np.mean(softplus(-logits[0])) + np.mean(softplus(logits[1]))
    assert value == pytest.approx(error + 0.2 * cost, rel=1e-5)


def test_score_identity_differentiates_through_teacher_and_score():
    """The gradient in a sample's shift is that of the whole expression, not of x alone."""
    system = jg.systems.score_identity(prior=PRIOR, optimizer=optax.sgd(0.1), levels=jg.diffusion.karras(0.5, 2.0))
    nets, calls = recorded()
    value, metrics = system.players["generator"].loss(nets, {"x": X}, TURN)
    (_, noisy, _), _ = calls
    epsilon, x = noisy - samples(), samples()

    def by_hand(shift, weight_of):
        real, fake = (slope * (x + shift + epsilon) + 0.1 for slope in (0.5, 0.8))
        weight = np.mean(np.abs(weight_of[0] - weight_of[1]), axis=1, keepdims=True)
        return jnp.mean((real - fake) * ((real - x - shift) - 1.2 * (real - fake)) / weight)

    fixed = x, 0.5 * noisy + 0.1
    assert value == pytest.approx(float(by_hand(0.0, fixed)), rel=1e-5)
    assert metrics["distance"] == pytest.approx(np.mean((0.3 * noisy) ** 2), rel=1e-5)

    def loss(shift):
        moving = nets | {"generator": lambda z: 0.5 * z + 1 + shift}
        moving["teacher"], moving["score"] = (lambda v, s, k=k: k * v + 0.1 for k in (0.5, 0.8))
        return system.players["generator"].loss(moving, {"x": X}, TURN)[0]

    assert jax.grad(loss)(0.0) == pytest.approx(float(jax.grad(by_hand)(0.0, fixed)), rel=1e-4)


def taught(**options):
    """A game whose three networks share a backbone, and the state of the game that trained the teacher."""
    backbone = denoisers.PointBackbone(4, 1)
    first = jg.game(
        {"denoiser": denoisers.Denoiser(backbone)}, jg.systems.diffusion(shape=(2,), optimizer=optax.sgd(0.1))
    )
    old = jax.jit(first.init)(jax.random.key(0), {"x": X})
    teacher = jg.networks.pretrained(denoisers.Denoiser(backbone), {"params": old.params["denoiser"]})
    networks = {
        "generator": denoisers.OneStep(backbone, (2,), 5.0),
        "score": denoisers.Denoiser(backbone, head=mlp.Discriminator((4,))),
        "teacher": teacher,
    }
    adam = optax.adam(1e-2)
    system = jg.systems.distribution_matching(prior=PRIOR, optimizer=adam, **options)
    return networks, system, old


def test_the_score_moves_more_often_and_the_generators_turn_moves_nothing_else():
    """DMD2's code lets the generator's backward pass fill the classifier's gradients, and zeroes both by hand.

    Here the turn of the generator leaves the score, its head, its optimizer's moments and the teacher bit for bit.
    """
    assert matched().players["discriminator"].updates == 5
    networks, system, _ = taught(n_critic=2)
    game, batch = jg.game(networks, system), {"x": jnp.tile(X, (2, 1))}
    begin = jax.jit(game.init)(jax.random.key(0), batch)
    after, _ = jax.jit(game.train_step)(begin, batch)
    counts = {name: int(after.opt_state[name][0].count) for name in system.players}
    assert counts == {"discriminator": 2, "generator": 1}
    assert same(after.params["teacher"], begin.params["teacher"])

    def generator_only(rules, state, batch):
        mine = {"generator": rules.players["generator"]}
        return jg.dynamics.alternating()(rules._replace(players=mine), state, batch[:1])

    only = jg.game(networks, system, dynamics=generator_only)
    turned, _ = jax.jit(only.train_step)(begin, batch)
    for network in ("score", "teacher"):
        assert same(turned.params[network], begin.params[network])
    assert same(turned.opt_state["discriminator"], begin.opt_state["discriminator"])
    assert not same(turned.params["generator"], begin.params["generator"])


def same(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(bool((a == b).all()) for a, b in pairs)


def test_a_student_starts_from_its_teacher_of_which_checkpoints_hold_a_digest():
    networks, system, old = taught(n_critic=1)
    game = jg.game(networks, system)
    assert set(game.given) == {"teacher"}  # what a checkpoint does not store
    names = {"generator": "denoiser", "score": "denoiser"}
    begun = jg.carry(old, game, jax.random.key(1), {"x": X}, networks=names)
    assert same(begun.state.params["generator"]["network"], old.params["denoiser"]["network"])
    assert same(begun.state.params["score"]["network"], old.params["denoiser"]["network"])
    assert all(name.startswith("params/score/head/") for name in begun.fresh if "teacher" not in name), begun.fresh


def test_what_is_refused():
    for options, match in (
        ({"weight": -1}, r"weights >= 0; got 0.5 and \{'weight': -1"),
        ({"sigma_data": 0}, "sigma_data > 0 and weights >= 0; got 0"),
        ({"head_weight": 0.0}, "weight=0.003 of a head that head_weight=0 leaves untrained"),
        ({"weight": 0.0, "head_weight": 0.0, "penalty": jg.penalties.r2(1.0)}, r"no adversary .* so no \['penalty'\]"),
    ):
        with pytest.raises(ValueError, match=match):
            matched(**options)
    with pytest.raises(ValueError, match="score_identity needs sigma_data > 0"):
        jg.systems.score_identity(prior=PRIOR, optimizer=optax.sgd(0.1), sigma_data=-1)
    for options, match in (
        ({"sigma_data": 0}, "sigma_data > 0"),
        ({"order": 3}, "1 or 2; got .* 3"),
        ({"steps": 0}, "0"),
    ):
        with pytest.raises(ValueError, match=match):
            jg.systems.diffusion(shape=(2,), optimizer=optax.sgd(0.1), **options)
    nets, _ = recorded()
    player = matched().players["discriminator"]
    with pytest.raises(ValueError, match=r"the generator makes \(6, 2\), but data are \(6, 3\); give its shape"):
        player.loss(nets, {"x": jnp.zeros((6, 3))}, TURN)
    headless = nets | {"score": lambda x, sigma: {"denoised": x}}
    with pytest.raises(ValueError, match=r"needs a score, with a head, with outputs \['denoised', 'logits'\]"):
        player.loss(headless, {"x": X}, TURN)
    teaching = jg.systems.diffusion(shape=(3,), optimizer=optax.sgd(0.1)).players["denoiser"]
    with pytest.raises(ValueError, match=r"shape=\(3,\), but batch\['x'\] is \(6, 2\)"):
        teaching.loss({}, {"x": X}, TURN)
