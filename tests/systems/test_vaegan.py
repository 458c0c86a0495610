"""VAE/GAN: three players of one sum, each with its own gradient, and the gate of its authors' code."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.dynamics import gated, simultaneous
from jaxgan.networks import encoders
from jaxgan.rules import Board, turn
from jaxgan.systems import margins, vaegan
from tests.systems.tiny_core import fixed

RATE = 0.1
ONE = jg.priors.normal(1)
X = np.array([[0.5], [1.5], [-1.0]], np.float32)


def encode(p, x, noise):
    mean, deviation = p["m"] * x, jnp.exp(p["s"])
    return mean + deviation * noise, (0.5 * (mean**2 + deviation**2 - 1) - p["s"])[:, 0]


def judged(p, x):
    return {"features": p["f"] * x, "logits": p["w"] * p["f"] * x[:, 0]}


def networks(features=0.7):
    return {
        "encoder": fixed(encode, m=0.6, s=-0.5),
        "decoder": fixed(lambda p, z: p["d"] * z, d=0.9),
        "discriminator": fixed(judged, f=features, w=0.4),
    }


def made(rate=RATE, dynamics=None, features=0.7, **settings):
    settings = {"loss": jg.losses.minimax, "prior": ONE, "optimizer": optax.sgd(rate), "weight": 0.3} | settings
    return jg.game(networks(features), vaegan(**settings), dynamics=dynamics)


def losses(params, noise, z):
    """The three terms by hand: divergence, likeness, and the adversarial loss that D minimises."""
    latents, divergence = encode(params["encoder"], X, noise)
    decoded, samples = params["decoder"]["d"] * latents, params["decoder"]["d"] * z
    real, fake, rebuilt = (judged(params["discriminator"], x) for x in (X, samples, decoded))
    likeness = 0.5 * jnp.mean(jnp.sum(jnp.square(real["features"] - rebuilt["features"]), axis=1))
    costs = [jnp.mean(jnp.logaddexp(0, t)) for t in (-real["logits"], fake["logits"], rebuilt["logits"])]
    return jnp.mean(divergence), likeness, costs[0] + 0.5 * (costs[1] + costs[2])


def by_hand(params, noise, z, name):
    """The step of one player, from these parameters."""

    def minimised(own):
        divergence, likeness, adversarial = losses(params | {name: own}, noise, z)
        return {
            "discriminator": adversarial,
            "encoder": divergence + likeness,
            "decoder": 0.3 * likeness - adversarial,  # the saturating game: minus what D minimises
        }[name]

    return jax.tree.map(lambda p, g: p - RATE * g, params[name], jax.grad(minimised)(params[name]))


def draws(game, state, player, together):
    now = turn(Board(game.networks, game.system), player, 0, state, {"x": X}, together)
    return [ONE(now.named(use), len(X)) for use in ("posterior", "latent")]


@pytest.mark.parametrize("together", [False, True])
def test_one_step_by_hand(together):
    """One after the other, the discriminator first; or from one point and the same latents, as in the paper."""
    game = made(dynamics=simultaneous() if together else None)
    state = game.init(jax.random.key(0), {"x": X})
    after, metrics = jax.jit(game.train_step)(state, {"x": X})
    params = dict(state.params)
    for name in ("discriminator", "encoder", "decoder"):
        base = state.params if together else params
        params[name] = by_hand(dict(base), *draws(game, state, name, together), name)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5), after.params, params)
    if together:
        divergence, likeness, adversarial = losses(state.params, *draws(game, state, "encoder", True))
        assert metrics["encoder/divergence"] == pytest.approx(float(divergence), rel=1e-5)
        assert metrics["encoder/likeness"] == pytest.approx(float(likeness), rel=1e-5)
        for player in ("discriminator", "decoder"):
            total = metrics[f"{player}/real_cost"] + metrics[f"{player}/fake_cost"]
            assert total == pytest.approx(float(adversarial), rel=1e-5)


def test_of_pixels_it_is_a_vae():
    """Features that are the pixels and no adversary: the encoder's and the decoder's gradients are the VAE's."""
    game = made(dynamics=simultaneous(), features=1.0, weight=1.0, loss=jg.types.Loss(_nothing, _nothing))
    state = game.init(jax.random.key(0), {"x": X})
    after, _ = game.train_step(state, {"x": X})
    noise, _ = draws(game, state, "encoder", True)

    def bound(own):
        z, divergence = encode(own["encoder"], X, noise)
        return jnp.mean(divergence) + 0.5 * jnp.mean(jnp.sum(jnp.square(X - own["decoder"]["d"] * z), axis=1))

    own = {name: state.params[name] for name in ("encoder", "decoder")}
    expected = jax.tree.map(lambda p, g: p - RATE * g, own, jax.grad(bound)(own))
    for name, params in expected.items():
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), after.params[name], params)
    assert after.params["discriminator"]["f"] == state.params["discriminator"]["f"]  # the likeness teaches it nothing


def _nothing(real, fake):
    return 0.0 * jnp.mean(real - fake)


def test_the_divergence_of_an_encoder_is_the_closed_form():
    """KL(N(mu, sigma^2) || N(0, 1)) = (mu^2 + sigma^2 - 1)/2 - log sigma, by quadrature."""
    encoder = encoders.Gaussian(_Same())
    x, grid = jnp.array([[1.0]]), np.linspace(-12, 12, 20_001)
    params = {"statistics": {"kernel": jnp.array([[0.7, -1.2]]), "bias": jnp.array([0.1, 0.2])}}
    z, divergence = encoder.apply({"params": params}, x, jnp.ones((1, 1)))
    mean, deviation = 0.8, np.exp(-0.5)
    q = np.exp(-(((grid - mean) / deviation) ** 2) / 2) / deviation / np.sqrt(2 * np.pi)
    p = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    assert float(divergence[0]) == pytest.approx(np.trapezoid(q * np.log(np.maximum(q, 1e-300) / p), grid), rel=1e-4)
    assert float(z[0, 0]) == pytest.approx(mean + deviation, rel=1e-5)


class _Same(nn.Module):
    def __call__(self, x):
        return x


@pytest.mark.parametrize(
    ("costs", "moves"),
    [
        ({"real_cost": 0.6, "fake_cost": 0.7}, (True, True)),  # between the margins
        ({"real_cost": 0.32, "fake_cost": 0.7}, (False, True)),  # D is ahead, on either side
        ({"real_cost": 0.7, "fake_cost": 0.32}, (False, True)),
        ({"real_cost": 0.7, "fake_cost": 1.04}, (True, False)),  # D is behind
        ({"real_cost": 1.04, "fake_cost": 0.7}, (True, False)),
        ({"real_cost": 0.1, "fake_cost": 2.0}, (True, True)),  # each would wait for the other
    ],
)
def test_who_waits(costs, moves):
    rules = margins()
    assert tuple(bool(rules[name](costs, 0)) for name in ("discriminator", "decoder")) == moves


def test_the_gate_is_of_this_steps_costs():
    """D that knows the data loses its turn and keeps its parameters; encoder and decoder go on."""
    game = made(dynamics=gated(margins(0.68, 0.05), simultaneous()))
    state = game.init(jax.random.key(0), {"x": X})
    knows = state.params | {"discriminator": {"f": jnp.float32(0.7), "w": jnp.float32(0.0)}}
    for weight, skipped in ((0.0, (0, 0)), (4.0, None)):
        knows["discriminator"] = knows["discriminator"] | {"w": jnp.float32(weight)}
        after, metrics = game.train_step(state._replace(params=knows), {"x": X})
        low, high = (pick(metrics["decoder/real_cost"], metrics["decoder/fake_cost"]) for pick in (min, max))
        waits = (low < 0.63 and not high > 0.73, high > 0.73 and not low < 0.63)
        assert (metrics["discriminator/skipped"], metrics["decoder/skipped"]) == waits
        assert skipped is None or waits == skipped
        for wait, name in zip(waits, ("discriminator", "decoder"), strict=True):
            still = [after.params[name][leaf] == knows[name][leaf] for leaf in knows[name]]
            assert all(still) == wait, name
        assert after.params["encoder"]["m"] != knows["encoder"]["m"]


def test_it_rebuilds_by_the_mean():
    game = made()
    state = game.init(jax.random.key(0), {"x": X})
    rebuilt = game.generate(state, jax.random.key(1), {"index": jnp.arange(3), "x": X})
    np.testing.assert_allclose(rebuilt, 0.9 * 0.6 * X, rtol=1e-6)
    z = jnp.array([[2.0]])
    np.testing.assert_allclose(game.generate(state, jax.random.key(1), {"z": z}), 0.9 * z, rtol=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match=r"reconstructed in \[0, 1\]; got 2"):
        made(reconstructed=2)
    with pytest.raises(ValueError, match=r"vaegan needs a weight >= 0; got -1"):
        made(weight=-1)
    with pytest.raises(ValueError, match=r"vaegan needs the prior N\(0, I\)"):
        made(prior=jg.priors.uniform(1))
    with pytest.raises(ValueError, match="margins needs margin >= 0; got -1"):
        margins(margin=-1)
    bare = networks() | {"encoder": fixed(lambda p, x, noise: p["m"] * x, m=1.0)}
    system = vaegan(loss=jg.losses.hinge, prior=ONE, optimizer=optax.sgd(RATE))
    with pytest.raises(ValueError, match=r"returns \(z, divergence\), such as networks.encoders.Gaussian"):
        jg.game(bare, system).init(jax.random.key(0), {"x": X})
    bare = networks() | {"discriminator": fixed(lambda p, x: p["w"] * x[:, 0], w=1.0)}
    game = jg.game(bare, system)
    with pytest.raises(ValueError, match=r"vaegan needs a discriminator with outputs \['features', 'logits'\]"):
        game.train_step(game.init(jax.random.key(0), {"x": X}), {"x": X})
