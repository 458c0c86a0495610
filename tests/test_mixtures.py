"""Several discriminators, mixtures on both sides, and AdaGAN's weights."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import mlp
from jaxgan.systems import MixtureWeights, adagan_weights, mixture, several_discriminators
from tests.systems.tiny_core import fixed

KEY = jax.random.key(0)
DATA = {"x": np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)}
BASE = jg.systems.gan(loss=jg.losses.non_saturating, prior=jg.priors.normal(2), optimizer=optax.sgd(0.1))


def test_one_discriminator_of_one_is_the_game_itself():
    networks = {"generator": mlp.Generator((2,), (4,)), "discriminator": mlp.Discriminator((4,))}
    one = jg.game(networks, BASE)
    several = jg.game(
        {"generator": networks["generator"], "discriminator_0": networks["discriminator"]},
        several_discriminators(BASE, 1),
    )
    a, b = one.init(KEY, DATA), several.init(KEY, DATA)
    b = b._replace(params={"generator": a.params["generator"], "discriminator_0": a.params["discriminator"]})
    # The player has another name, and with it other latents: compare what does not depend on them.
    assert set(jax.eval_shape(several.train_step, b, DATA)[1]) == {
        name.replace("discriminator/", "discriminator_0/") for name in jax.eval_shape(one.train_step, a, DATA)[1]
    }


class Constant(nn.Module):
    """A discriminator whose logit is its only parameter."""

    value: float

    @nn.compact
    def __call__(self, x):
        return jnp.zeros(len(x)) + jnp.sum(0 * x) + self.param("logit", nn.initializers.constant(self.value), ())


@pytest.mark.parametrize("strength", [0.0, 3.0])
def test_the_generator_weighs_its_opponents(strength):
    system = several_discriminators(BASE, 2, strength)
    game = jg.game(
        {"generator": mlp.Generator((2,), (4,)), "discriminator_0": Constant(1.0), "discriminator_1": Constant(-2.0)},
        system._replace(players={n: p._replace(optimizer=optax.sgd(0.0)) for n, p in system.players.items()}),
    )
    _, metrics = game.train_step(game.init(KEY, DATA), DATA)
    losses = np.log1p(np.exp(-np.array([1.0, -2.0])))
    weights = np.exp(strength * losses) / np.sum(np.exp(strength * losses))
    assert float(metrics["generator/loss"]) == pytest.approx(float(weights @ losses), rel=1e-5)


def tiny(count):
    networks = {f"generator_{i}": mlp.Generator((2,), (4,)) for i in range(count)}
    networks |= {f"discriminator_{i}": mlp.Discriminator((4,)) for i in range(count)}
    return networks | {"generator_weights": MixtureWeights(count), "discriminator_weights": MixtureWeights(count)}


def test_a_mixture_is_the_expectation_over_pairs():
    game = jg.game(tiny(2), mixture(BASE, 2, entropy=0.5))
    state = game.init(KEY, DATA)
    after, metrics = jax.jit(game.train_step)(state, DATA)
    assert float(metrics["generator/entropy"]) == pytest.approx(np.log(2), rel=1e-5)
    for name in state.params:  # every network and both weights learn
        assert any(
            np.any(a != b) for a, b in zip(*map(jax.tree.leaves, (state.params[name], after.params[name])), strict=True)
        )
    single = jg.game(tiny(1), mixture(BASE, 1))
    _, metrics = jax.jit(single.train_step)(single.init(KEY, DATA), DATA)
    assert float(metrics["generator/entropy"]) == 0


def test_a_mixture_draws_from_each_generator_in_its_share():
    game = jg.game(tiny(2), mixture(BASE, 2))
    state = game.init(KEY, DATA)
    shares = {"generator_weights": {"logits": jnp.log(jnp.array([0.8, 0.2]))}}
    state = state._replace(params=state.params | shares)
    samples = jg.sample(game, state, KEY, n=500)
    alone = []
    for g in (0, 1):
        only = {"generator_weights": {"logits": jnp.array([0.0, -50.0])[:: 1 if g == 0 else -1]}}
        alone.append(jg.sample(game, state._replace(params=state.params | only), KEY, n=500))
    first = np.all(np.isclose(samples, alone[0]), axis=1)
    second = np.all(np.isclose(samples, alone[1]), axis=1)
    assert np.all(first | second)
    assert 0.74 < first.mean() < 0.86


def pairs(table, **settings):
    """A mixture whose pairs' losses are a table's entries: of the generators' side, and the opposite of the other's."""
    signs = {
        f"{side}_{k}": fixed(lambda p, k=k: k + 0 * p["w"], w=0.0)
        for side in ("generator", "discriminator")
        for k in (0, 1, 2)
    }

    def loss(sign):
        def value(nets, batch, turn):
            g, d = (nets[side]().astype(int) for side in ("generator", "discriminator"))
            return sign * jnp.asarray(table, jnp.float32)[g, d], {}

        return value

    count = len(table)
    players = {
        side: jg.Player((side,), loss(s), optax.sgd(1.0)) for side, s in (("discriminator", -1), ("generator", 1))
    }
    system = mixture(jg.System(players, None, lambda *_: None), count, **settings)
    networks = {name: net for name, net in signs.items() if int(name[-1]) < count}
    networks |= {f"{side}_weights": MixtureWeights(count) for side in ("generator", "discriminator")}
    return jg.game(networks, system)


def weighted(game, generator, discriminator, steps=1):
    """The state and the metrics after steps from these logits of weights."""
    state = game.init(KEY, DATA)
    logits = {"generator": generator, "discriminator": discriminator}
    chosen = {f"{side}_weights": {"logits": jnp.asarray(value, jnp.float32)} for side, value in logits.items()}
    state, step = state._replace(params=state.params | chosen), jax.jit(game.train_step)
    for _ in range(steps):
        state, metrics = step(state, DATA)
    return state, metrics


def test_the_payoff_is_bilinear_in_the_weights():
    table = np.random.default_rng(0).normal(size=(3, 3))
    u, v = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    _, metrics = weighted(pairs(table, entropy=0.0), np.log(u), np.log(v))
    assert float(metrics["discriminator/payoff"]) == pytest.approx(-u @ table @ v, rel=1e-5)
    assert float(metrics["discriminator/smallest"]) == pytest.approx(0.1, rel=1e-5)


def test_matching_pennies_are_played_evenly():
    """Value 0 at (1/2, 1/2), where neither side gains by moving; with the entropy it is reached from elsewhere."""
    pennies = [[1.0, -1.0], [-1.0, 1.0]]
    state, metrics = weighted(pairs(pennies, entropy=0.0), [0.0, 0.0], [0.0, 0.0])
    assert float(metrics["generator/payoff"]) == 0
    for side in ("generator", "discriminator"):
        np.testing.assert_array_equal(state.params[f"{side}_weights"]["logits"], 0)
    state, metrics = weighted(pairs(pennies, entropy=0.5), [1.0, 0.0], [-0.5, 0.0], steps=60)
    assert float(metrics["generator/payoff"]) == pytest.approx(0, abs=1e-3)
    assert float(metrics["generator/smallest"]) == pytest.approx(0.5, abs=1e-2)


def test_only_the_authors_term_brings_a_generator_back():
    """On the logits they pull by w - 1/T and by w (log w + H): the second vanishes with the weight."""
    logits = np.array([-9.0, 0.0, 0.5])
    w = np.exp(logits) / np.exp(logits).sum()
    nothing = np.zeros((3, 3))
    pulls = {}
    for name, settings in {"entropy": {"entropy": 1.0}, "evenness": {"entropy": 0.0, "evenness": 1.0}}.items():
        state, metrics = weighted(pairs(nothing, **settings), logits, np.zeros(3))
        pulls[name] = logits - np.asarray(state.params["generator_weights"]["logits"])
        entropy = float(metrics["generator/entropy"])
    assert entropy == pytest.approx(-np.sum(w * np.log(w)), rel=1e-5)
    np.testing.assert_allclose(pulls["entropy"], w * (np.log(w) + entropy), atol=1e-5)
    r = w / (w + 1e-6)  # all but 1
    np.testing.assert_allclose(pulls["evenness"], w * r.mean() - r / 3, atol=1e-5)
    assert abs(pulls["entropy"][0]) < 1e-3
    assert pulls["evenness"][0] < -0.3


def test_systems_that_do_not_fit_are_refused():
    other = jg.System({"solo": jg.Player(("net",), None, optax.sgd(0.1))}, None, None)
    for make in (several_discriminators, mixture):
        with pytest.raises(ValueError, match=r"expected a system of the players .* got \['solo'\]"):
            make(other, 2)
        with pytest.raises(ValueError, match="count must be >= 1; got 0"):
            make(BASE, 0)
    with pytest.raises(ValueError, match="mixture needs evenness >= 0; got -1"):
        mixture(BASE, 2, evenness=-1)


# AdaGAN


def test_weights_solve_their_equation():
    real = np.random.default_rng(0).uniform(0.05, 1.0, 50)
    for share in (0.1, 0.5, 0.9, 1.0):
        w = adagan_weights(real, share)
        assert w.sum() == pytest.approx(1)
        assert w.min() >= 0
        # Where a weight is positive, share * w + (1 - share) * d / N is one level: the mixture is topped up to it.
        filled = share * w + (1 - share) * (1 - real) / real / 50
        assert np.ptp(filled[w > 0]) < 1e-12
        assert np.all(filled[w == 0] >= filled[w > 0].max() - 1e-12)
    assert np.allclose(adagan_weights(real, 1.0), 1 / 50)  # the first round


def test_two_rounds_on_known_densities_find_the_missing_mode():
    """Data in two halves of which the first generator knows one: the second is trained on the other alone."""
    real = np.where(np.arange(100) < 50, 1 / 3, 1.0)  # p / (p + q) with q = 2 p on the first half, 0 on the second
    w = adagan_weights(real, 0.5)
    assert np.allclose(w[:50], 0)
    assert np.allclose(w[50:], 1 / 50)
    source = jg.data.weighted(jg.data.arrays(np.arange(200, dtype=np.float32).reshape(100, 2)), w)
    drawn = jg.data.batch_at(source, 64, seed=0)(3)["x"]
    assert np.all(drawn[:, 0] >= 100)


@pytest.mark.parametrize(("share", "only"), [(1 / 4, True), (2 / 5, True), (1 / 2, False)])
def test_a_perfect_classifier_on_atoms(share, only):
    """The mixture has three of five atoms: what is missing comes alone, up to a share of its own mass, 2/5.

    A larger share has room for more, and completes the mixture to the data exactly.
    """
    p, q = np.full(5, 1 / 5), np.array([1 / 3, 1 / 3, 1 / 3, 0, 0])
    w = adagan_weights(p / (p + q), share)
    assert w.sum() == pytest.approx(1)
    assert np.allclose(w[:3], 0) == only
    np.testing.assert_allclose(w[3:], w[3])
    if not only:
        np.testing.assert_allclose((1 - share) * q + share * w, p)


def test_weighted_draws_have_their_probabilities_and_need_only_their_step():
    weights = np.array([1.0, 0.0, 3.0, 6.0])
    source = jg.data.weighted(jg.data.arrays(np.arange(8, dtype=np.float32).reshape(4, 2)), weights)
    read = jg.data.batch_at(source, 500, seed=1)
    counts = np.bincount(np.concatenate([read(k)["x"][:, 0] // 2 for k in range(40)]).astype(int), minlength=4)
    np.testing.assert_allclose(counts / counts.sum(), weights / 10, atol=0.01)
    np.testing.assert_array_equal(read(7)["x"], jg.data.batch_at(source, 500, seed=1)(7)["x"])
    assert not np.array_equal(read(7)["x"], jg.data.batch_at(source, 500, seed=2)(7)["x"])
    part = jg.data.batch_at(source, 500, seed=1, rows=np.arange(100, 200))(7)["x"]
    np.testing.assert_array_equal(part, read(7)["x"][100:200])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: adagan_weights([0.0, 1.0], 0.5), r"probabilities \[N\] in \(0, 1\]"),
        (lambda: adagan_weights([0.5], 0.0), "share in"),
        (lambda: jg.data.weighted(jg.data.ring(), [1.0]), "None examples"),
        (lambda: jg.data.weighted(jg.data.arrays(np.zeros((2, 2), np.float32)), [1.0, -1.0]), "finite, >= 0"),
    ],
)
def test_bad_arguments(call, says):
    with pytest.raises(ValueError, match=says):
        call()
