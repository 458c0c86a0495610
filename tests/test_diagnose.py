"""Symptoms from synthetic histories and measurements, samples with known answers, and spectra in closed form."""

import itertools
import operator

import flax.linen as nn
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.diagnose import (
    Finding,
    Logits,
    Measurements,
    Normalisation,
    Variety,
    diagnose,
    examine,
    spectrum,
    variety,
    watch,
)
from jaxgan.diagnose.record import periodicity
from jaxgan.diagnose.symptoms import REMEDIES, RULES
from jaxgan.loop import train
from jaxgan.networks import mlp
from tests.dynamics.games import Numbers

RNG = np.random.default_rng(0)
WELL = Measurements(
    gradients={"discriminator": 0.5, "generator": 0.4},
    parameters={"discriminator": 12.0, "generator": 15.0},
    normalisation=dict.fromkeys(("discriminator", "generator"), Normalisation(0.0, 0.0, 0.0, 0.2)),
    logits=Logits(0.6, 0.6, 0.65, 0.3, 0.6),
    variety=Variety(1.0, 0.02, 20, 0.8, 0.95),
)


def series(values, interval=10):
    return [interval * (i + 1) for i in range(len(values))], [float(v) for v in values]


def history(n=400, **changed):
    """A quiet run: losses near 2 log 2 and log 2 with the noise of minibatches, logits near 0."""
    rng = np.random.default_rng(1)
    quiet = {
        "discriminator/loss": 1.3 + 0.02 * rng.normal(size=n),
        "generator/loss": 0.8 + 0.03 * rng.normal(size=n),
        "discriminator/real_logits": 0.2 + 0.05 * rng.normal(size=n),
        "discriminator/fake_logits": -0.2 + 0.05 * rng.normal(size=n),
        "quality/recall": [0.1, 0.4, 0.6, 0.55, 0.62],
    }
    return {name: series(values) for name, values in (quiet | changed).items()}


def names(measured=None, recorded=None):
    return [finding.name for finding in diagnose(measured, recorded or {})]


def test_nothing_is_found_in_health():
    assert names(WELL, history()) == []
    assert names(None, {}) == []
    assert names(None, {name: (s[:3], v[:3]) for name, (s, v) in history().items()}) == []


T = np.arange(400)
BAD_HISTORIES = {
    "not finite": ("divergence", {"generator/loss": [0.7] * 20 + [np.nan] * 2}),
    "skipped": ("divergence", {"skipped": [1.0] * 390}),
    "growing logits": ("divergence", {"discriminator/real_logits": np.exp(T / 40)}),
    "far away": ("divergence", {"generator/loss": 1e6 + 0 * T}),
    "growing loss": ("divergence", {"generator/loss": -np.exp(T / 40)}),
    "won": (
        "overpowering discriminator",
        {
            "discriminator/loss": 0.02 + 0.001 * T,
            "discriminator/penalty": 0.001 * T,
            "discriminator/real_logits": 6.0 + 0 * T,
            "discriminator/fake_logits": -6.0 + 0 * T,
        },
    ),
    "swings": ("oscillation", {"generator/loss": 0.8 + 0.3 * np.sin(T / 2) + 0.05 * RNG.normal(size=400)}),
    "fallen recall": ("mode collapse", {"quality/recall": [0.1, 0.5, 0.6, 0.3, 0.2]}),
    "fallen modes": ("mode collapse", {"quality/modes": [3, 8, 8, 2, 2]}),
}


@pytest.mark.parametrize("case", BAD_HISTORIES)
def test_histories_are_told(case):
    name, changed = BAD_HISTORIES[case]
    found = diagnose(WELL, history(**changed))
    assert [finding.name for finding in found] == [name]
    assert found[0].remedies
    assert any(character.isdigit() for character in found[0].evidence)


BAD_MEASUREMENTS = {
    "exploded": ("divergence", {"gradients": {"generator": 2e4, "discriminator": 1.0}}),
    "not finite": ("divergence", {"parameters": {"generator": float("nan")}}),
    "frozen": ("dead normalisation", {"normalisation": {"generator": Normalisation(1.0, 0.0, 0.0, 0.0)}}),
    "constant": ("dead normalisation", {"normalisation": {"generator": Normalisation(0.0, 0.7, 0.0, 0.0)}}),
    "switched off": ("dead normalisation", {"normalisation": {"generator": Normalisation(0.0, 0.0, 0.6, 0.0)}}),
    "dead units": ("dead normalisation", {"normalisation": {"discriminator": Normalisation(0.0, 0.0, 0.0, 0.95)}}),
    "vanishing": ("overpowering discriminator", {"logits": Logits(1.0, 1.0, 1.0, 20.0, 1e-4)}),
    "copies": ("memorisation", {"variety": WELL.variety._replace(nearness=0.2)}),
    "alike": ("mode collapse", {"variety": WELL.variety._replace(spread=0.05)}),
    "missing": ("mode collapse", {"variety": WELL.variety._replace(missing=0.7)}),
    "repeated": ("mode collapse", {"variety": WELL.variety._replace(birthday=0.1)}),
}


@pytest.mark.parametrize("case", BAD_MEASUREMENTS)
def test_measurements_are_told(case):
    name, changed = BAD_MEASUREMENTS[case]
    assert names(WELL._replace(**changed), history()) == [name]


def test_what_resembles_a_failure_is_none():
    """A critic's falling loss, a trend, a drifting offset, a strong discriminator with a living gradient."""
    critic = history(**{"discriminator/loss": -3.0 - 0.01 * T, "discriminator/real_logits": 3.0 + 0.01 * T})
    assert names(WELL, critic) == []
    assert names(WELL, history(**{"generator/loss": 0.5 + 0.005 * T + 0.03 * RNG.normal(size=400)})) == []
    assert names(WELL, history(**{"discriminator/real_logits": 150.0 + RNG.normal(size=400)})) == []
    assert names(WELL._replace(logits=Logits(1.0, 1.0, 1.0, 20.0, 0.9)), history()) == []
    assert names(WELL._replace(logits=Logits(0.5, 0.5, 0.5, 0.0, 0.01)), history()) == []
    assert names(WELL, history(**{"quality/recall": [0.6, 0.62, 0.2]})) == []  # one bad evaluation is no trend
    assert names(WELL, history(skipped=[1.0] * 20)) == []  # long ago
    assert names(WELL, history(n=4, skipped=[1.0])) == []  # one bad example
    past = 0.8 + 0.3 * np.sin(T / 2) * (T < 200) + 0.03 * RNG.normal(size=400)  # it has come to rest
    assert names(WELL, history(**{"generator/loss": past})) == []


def test_remedies_are_names_of_this_library():
    assert set(REMEDIES) == {rule.__name__.replace("_", " ") for rule in RULES}
    for remedy in itertools.chain(*REMEDIES.values()):
        name = remedy.split("(")[0]
        if " " not in name:
            operator.attrgetter(name)(jg)


def test_causes_come_first():
    recorded = history(**BAD_HISTORIES["fallen recall"][1], **BAD_HISTORIES["growing logits"][1])
    assert names(WELL._replace(variety=WELL.variety._replace(nearness=0.1)), recorded) == [
        "divergence",
        "memorisation",
        "mode collapse",
    ]


def test_the_period_of_a_series():
    t = np.arange(200)
    rows, share, bound = periodicity(np.sin(2 * np.pi * t / 20) + 0.01 * t)
    assert rows == pytest.approx(20, rel=0.05)
    assert share > 0.95 > bound
    crossed = 0
    for seed in range(200):
        _, share, bound = periodicity(np.random.default_rng(seed).normal(size=200))
        crossed += share >= bound
    assert crossed <= 2
    assert periodicity(np.ones(50))[1] == 0


CENTRES = 2 * np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)


def ring(n, modes=range(8), seed=0, std=0.02):
    rng = np.random.default_rng(seed)
    return CENTRES[np.asarray(list(modes))[rng.integers(0, len(modes), n)]] + std * rng.normal(size=(n, 2))


def test_variety_of_samples_of_the_data():
    seen = variety(ring(1000), ring(1000, seed=1))
    assert seen.groups == 8
    assert seen.missing == 0
    assert seen.spread == pytest.approx(1, abs=0.03)
    assert seen.birthday == pytest.approx(1, abs=0.1)
    assert seen.nearness is None


@pytest.mark.parametrize("modes", [1, 2, 5])
def test_variety_of_collapsed_samples(modes):
    """With k of 8 modes, 1 - k/8 is missing, and pairs coincide 8/k times as often."""
    seen = variety(ring(1000), ring(1000, range(modes), seed=1))
    assert seen.missing == pytest.approx(1 - modes / 8, abs=0.04)
    assert seen.birthday == pytest.approx(np.sqrt(modes / 8), rel=0.1)


def test_a_blurred_sample_counts_for_its_mode():
    assert variety(ring(1000), ring(1000, seed=1, std=0.25)).missing == 0


def test_one_sample_again_and_again():
    seen = variety(ring(500), np.tile(ring(1), (500, 1)))
    assert seen.spread == 0
    assert seen.birthday == pytest.approx(0.1, rel=0.05)  # all pairs coincide, of the real ones 1 %


def test_nearness_of_copies_and_of_new_samples():
    rng = np.random.default_rng(0)
    training, unseen, new = (rng.normal(size=(n, 6, 6, 1)) for n in (50, 50, 400))
    copies = training[rng.integers(0, 50, 400)] + 0.1 * rng.normal(size=new.shape)
    for held_out in (unseen, None):
        assert variety(unseen, copies, training, held_out).nearness < 0.15
        assert variety(unseen, new, training, held_out).nearness == pytest.approx(1, abs=0.06)
    distances = [min(np.linalg.norm(x - y) for y in training) for x in copies]
    others = [min(np.linalg.norm(x - y) for y in training) for x in unseen]
    expected = np.median(distances) / np.median(others)
    assert variety(unseen, copies, training, unseen).nearness == pytest.approx(expected, rel=1e-9)
    alone = [min(np.linalg.norm(x - y) for j, y in enumerate(training) if i != j) for i, x in enumerate(training)]
    assert variety(unseen, copies, training).nearness == pytest.approx(
        np.median(distances) / np.median(alone), rel=1e-9
    )


@pytest.mark.parametrize(
    ("real", "fake", "says"),
    [
        (ring(9), np.zeros((9, 3)), "2 and 3 values"),
        (ring(9), ring(1), "N >= 2"),
        (ring(9), np.full((9, 2), np.nan), "18 non-finite"),
        (np.zeros((9, 2)), ring(9), "are equal"),
    ],
)
def test_variety_of_bad_input(real, fake, says):
    with pytest.raises(ValueError, match=says):
        variety(real, fake)


BATCH = {"x": np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)}


class Line(nn.Module):
    """A critic x -> w . x."""

    @nn.compact
    def __call__(self, x):
        return x @ self.param("w", nn.initializers.ones, (2,))


class Shift(nn.Module):
    """A generator z -> z + b."""

    @nn.compact
    def __call__(self, z):
        return z + self.param("b", nn.initializers.zeros, (2,)).reshape(1, 2)


def shifted(loss, n_critic=1):
    networks = {"generator": Shift(), "discriminator": Line()}
    system = jg.systems.gan(loss=loss, prior=jg.priors.normal(2), optimizer=optax.sgd(0.1), n_critic=n_critic)
    return networks, system, jg.game(networks, system)


def at(game, batch, w=(1.0, 1.0), b=(0.0, 0.0)):
    state = game.init(jax.random.key(0), batch)
    return state._replace(params={"generator": {"b": jnp.array(b)}, "discriminator": {"w": jnp.array(w)}})


def test_measured_by_hand():
    """D(x) = w.x: the mean fake logit has the gradient w over b, and so has, but for its sign, Wasserstein's loss."""
    networks, system, game = shifted(jg.losses.wasserstein)
    measured = examine(networks, system, at(game, BATCH, (3.0, 4.0), (100.0, 100.0)), BATCH)
    assert measured.gradients["generator"] == pytest.approx(5)
    assert measured.parameters["discriminator"] == pytest.approx(5)
    assert measured.logits.passed == pytest.approx(1, rel=1e-5)
    assert measured.logits.separation == 0  # fakes score far above
    assert measured.logits.fake_accuracy == 0
    assert measured.logits.real_accuracy == np.mean(BATCH["x"] @ [3, 4] > 0)
    networks, system, game = shifted(jg.losses.minimax)
    measured = examine(networks, system, at(game, BATCH, b=(-5.0, -5.0)), BATCH)
    assert measured.logits.separation == 1
    assert measured.logits.passed < 1e-2  # sigmoid(-10): minimax saturates
    networks, system, game = shifted(jg.losses.non_saturating)
    assert examine(networks, system, at(game, BATCH, b=(-5.0, -5.0)), BATCH).logits.passed > 0.99


def test_a_batch_of_several_minibatches_and_a_system_without_a_pair():
    networks, system, game = shifted(jg.losses.hinge, n_critic=2)
    batch = {"x": np.concatenate([BATCH["x"], BATCH["x"] + 50])}
    assert examine(networks, system, at(game, batch), batch).logits.real_accuracy == 1  # the last minibatch
    networks, system = bilinear(1)
    state = jg.game(networks, system).init(jax.random.key(0), BATCH)
    measured = examine(networks, system, state, BATCH)
    assert measured.logits is None
    assert measured.gradients == {"x": pytest.approx(1), "y": pytest.approx(1)}


class Normed(nn.Module):
    """Latents to samples through a normalised ReLU layer."""

    momentum: float = 0.9

    @nn.compact
    def __call__(self, z, train=True):
        h = nn.BatchNorm(not train, momentum=self.momentum)(nn.Dense(8, use_bias=False)(z))
        return nn.Dense(2)(nn.relu(h))


def normed(momentum=0.9, change=lambda state: state):
    networks = {"generator": Normed(momentum), "discriminator": mlp.Discriminator((4,))}
    system = jg.systems.gan(loss=jg.losses.non_saturating, prior=jg.priors.normal(3), optimizer=optax.sgd(0.1))
    state = jg.game(networks, system).init(jax.random.key(0), BATCH)
    return examine(networks, system, change(state), BATCH).normalisation


def with_leaf(field, name, value):
    def change(state):
        tree = getattr(state, field)

        def new(path, leaf):
            return jnp.asarray(value(leaf)) if jax.tree_util.keystr(path).endswith(f"['{name}']") else leaf

        generator = jax.tree_util.tree_map_with_path(new, tree["generator"])
        return state._replace(**{field: tree | {"generator": generator}})

    return change


def test_normalisation_by_hand():
    seen = normed()
    assert seen["generator"] == Normalisation(0.0, 0.0, 0.0, 0.0)
    assert seen["discriminator"].frozen == 0  # it has none
    assert normed(momentum=1.0)["generator"].frozen == 1
    half = np.arange(8) < 4
    assert normed(change=with_leaf("model_state", "var", lambda x: x * half))["generator"].constant == 0.5
    seen = normed(change=with_leaf("params", "scale", lambda x: x * half))["generator"]
    assert seen.switched_off == 0.5
    assert seen.dead == 0.5  # what leads to a channel that is switched off gets no gradient
    closed = with_leaf("params", "bias", lambda x: x - 100.0 if x.shape == (8,) else x)
    assert normed(change=closed)["generator"].dead == 1  # every ReLU is shut


def bilinear(s):
    """min_x max_y s xy."""
    losses = {"x": lambda x, y: s * jnp.sum(x * y), "y": lambda x, y: -s * jnp.sum(x * y)}

    def loss_of(name):
        return lambda nets, batch, turn: (losses[name](nets["x"](), nets["y"]()), {})

    players = {name: jg.Player((name,), loss_of(name), optax.sgd(0.1)) for name in losses}
    return dict.fromkeys(losses, Numbers(1)), jg.System(players, lambda batch: {"x": (), "y": ()}, lambda *_: None)


def around(networks, system, batch=BATCH, change=lambda params: params, **settings):
    state = jg.game(networks, system).init(jax.random.key(0), batch)
    return spectrum(networks, system, state._replace(params=change(state.params)), batch, **settings)


def test_bilinear_games_turn():
    found = around(*bilinear(3.0))
    np.testing.assert_allclose(sorted(found.eigenvalues, key=lambda z: z.imag), [-3j, 3j], atol=1e-5)
    assert found.rate == 0
    assert found.radius(0.5) == pytest.approx(np.sqrt(1 + 1.5**2), rel=1e-5)


class Point(nn.Module):
    @nn.compact
    def __call__(self, z):
        return jnp.zeros_like(z) + self.param("w", nn.initializers.zeros, (1,)).reshape(1, 1)


class Slope(nn.Module):
    @nn.compact
    def __call__(self, x):
        return jnp.sum(x * self.param("w", nn.initializers.zeros, (1,)).reshape(1, 1), axis=1)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 3.0])
def test_dirac_gan_has_the_eigenvalues_of_the_paper(gamma):
    """-gamma/2 +- sqrt(gamma^2/4 - f'(0)^2) with f'(0) = 1/2; contracts below h = gamma / f'(0)^2 if underdamped."""
    penalty = jg.penalties.r1(gamma) if gamma else None
    system = jg.systems.gan(
        loss=jg.losses.minimax, penalty=penalty, prior=jg.priors.normal(1), optimizer=optax.sgd(0.1)
    )
    found = around({"generator": Point(), "discriminator": Slope()}, system, {"x": np.zeros((1, 1), np.float32)})
    root = np.emath.sqrt(gamma**2 / 4 - 0.25)
    expected = sorted([-gamma / 2 - root, -gamma / 2 + root], key=lambda z: (z.real, z.imag))
    np.testing.assert_allclose(sorted(found.eigenvalues, key=lambda z: (z.real, z.imag)), expected, atol=1e-5)
    if gamma == 0.3:
        assert found.rate == pytest.approx(gamma / 0.25, rel=1e-4)
    assert (found.rate > 0) == (gamma > 0)
    if gamma:
        assert found.radius(0.99 * found.rate) < 1 < found.radius(1.01 * found.rate)


def test_arnoldi_agrees_with_the_dense_jacobian():
    networks = {"generator": mlp.Generator((2,), (8,)), "discriminator": mlp.Discriminator((8,))}
    penalty = jg.penalties.r1(1.0)
    system = jg.systems.gan(
        loss=jg.losses.non_saturating, penalty=penalty, prior=jg.priors.normal(3), optimizer=optax.sgd(1.0)
    )
    still = jg.dynamics.simultaneous()  # SGD with rate 1 moves by minus the gradient of the same latents
    game = jg.game(networks, system, dynamics=still)
    state = game.init(jax.random.key(0), BATCH)
    flat, unflatten = jax.flatten_util.ravel_pytree(state.params)

    def flow(flat):
        after, _ = game.train_step(state._replace(params=unflatten(flat)), BATCH)
        return jax.flatten_util.ravel_pytree(after.params)[0] - flat

    dense = np.linalg.eigvals(np.asarray(jax.jit(jax.jacrev(flow))(flat), np.float64))
    found = spectrum(networks, system, state, BATCH, count=4)
    assert found.converged
    scale = abs(dense).max()
    for value in found.eigenvalues:
        assert min(abs(dense - value)) < 2e-3 * scale
    assert found.eigenvalues[0].real == pytest.approx(dense.real.max(), abs=2e-3 * scale)
    assert max(abs(found.eigenvalues)) == pytest.approx(scale, rel=2e-3)
    assert max(found.eigenvalues.imag) == pytest.approx(dense.imag.max(), rel=1e-2, abs=2e-3 * scale)


def test_layers_that_refuse_forward_mode_have_a_spectrum():
    networks = {
        "generator": jg.networks.dcgan.Generator(size=28, features=1),
        "discriminator": jg.networks.dcgan.Discriminator(size=28, features=1, normalization="none"),
    }
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(2), optimizer=optax.sgd(0.1))
    batch = {"x": np.random.default_rng(0).uniform(-1, 1, (2, 28, 28, 1)).astype(np.float32)}
    found = around(networks, system, batch, count=1, iterations=2)
    assert np.isfinite(found.eigenvalues).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"count": 0}, "count >= 1"), ({"change": lambda p: jax.tree.map(lambda x: x * jnp.nan, p)}, "not finite")],
)
def test_spectrum_of_bad_input(settings, says):
    with pytest.raises(ValueError, match=says):
        around(*bilinear(1.0), **settings)


def test_spectrum_of_estimated_gradients():
    networks, system = bilinear(1.0)

    def estimated(objective, owned, key):
        return jg.types.autodiff(objective, owned, key)

    players = system.players | {"y": system.players["y"]._replace(gradient=estimated)}
    with pytest.raises(ValueError, match="that of 'y' is estimated"):
        around(networks, system._replace(players=players))


def trained(steps=600, rates=(1e-3, 1e-3), gamma=0.1, loss=jg.losses.non_saturating):
    """The lines that a watched run of a tiny ring says."""
    networks = {"generator": mlp.Generator((2,), (16, 16)), "discriminator": mlp.Discriminator((16, 16))}
    rates = dict(zip(("discriminator", "generator"), rates, strict=True))
    optimizer = {name: optax.adam(rate, b1=0.5) for name, rate in rates.items()}
    penalty = jg.penalties.r1(gamma) if gamma else None
    system = jg.systems.gan(loss=loss, penalty=penalty, prior=jg.priors.normal(4), optimizer=optimizer)
    game = jg.game(networks, system)
    source, said = jg.data.ring(), []
    state = game.init(jax.random.key(0), jg.data.batch_at(source, 64, 0)(0))
    log = watch(every=100, warn=said.append)
    train(jax.jit(game.train_step), state, jg.data.batches(source, 64, 0), steps, log=log)
    return said


def test_the_loop_warns_while_it_happens():
    assert trained() == []
    said = trained(rates=(0.1, 1e-3), gamma=0.0, loss=jg.losses.wasserstein)
    assert [line.split(": ")[2] for line in said] == ["divergence"]
    assert "try penalties.r1" in said[0]


def test_a_warning_comes_once_and_again_only_after_health():
    said = []
    log = watch(every=10, warn=said.append)
    steps = itertools.count(1)

    def feed(n, loss, margin):
        for _ in range(n):
            values = {"loss": loss, "real_logits": margin / 2, "fake_logits": -margin / 2}
            log(next(steps), {f"discriminator/{name}": value for name, value in values.items()})

    feed(100, 1.3, 0.1)
    assert said == []
    feed(400, 0.01, 10.0)
    assert len(said) == 1
    assert said[0].startswith("warning: step 1")
    feed(1500, 1.3, 0.1)
    assert len(said) == 1
    feed(3000, 0.01, 10.0)
    assert len(said) == 2


def test_what_hovers_is_told_once(monkeypatch):
    finding, said = Finding("mode collapse", "evidence", ("penalties.r1",), "serious"), []
    looks = iter([1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1])  # five looks in health are few, six enough
    monkeypatch.setattr("jaxgan.diagnose.watching.diagnose", lambda measured, history: [finding] * next(looks))
    log = watch(every=10, warn=said.append)
    for step in range(1, 171):
        log(step, {"generator/loss": 0.7})
    assert said == [f"warning: step {step}: mode collapse: evidence; try penalties.r1" for step in (10, 170)]


def test_a_long_watch_stays_short(monkeypatch):
    seen = []
    monkeypatch.setattr("jaxgan.diagnose.watching.ROWS", 50)

    def look(measured, history):
        seen.append({name: list(steps) for name, (steps, _) in history.items()})
        return []

    monkeypatch.setattr("jaxgan.diagnose.watching.diagnose", look)
    log = watch(every=1000)
    for step in range(1, 3001):
        log(step, {"generator/loss": 0.7} | ({"quality/modes": 8.0} if step % 500 == 0 else {}))
    assert len(seen[-1]["generator/loss"]) <= 101
    assert seen[-1]["quality/modes"] == [500, 1000, 1500, 2000, 2500, 3000]
    assert len(set(np.diff(seen[-1]["generator/loss"]))) == 1  # equal intervals: a spectrum needs them


def test_bad_watches():
    with pytest.raises(ValueError, match="every >= 1"):
        watch(every=0)
