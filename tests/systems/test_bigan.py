"""BiGAN against arithmetic: one step by hand, and the two cases whose optimum is known exactly."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize

import jaxgan as jg
from jaxgan.networks import encoders
from tests.systems.tiny_core import fixed

X = np.array([[1.0], [2.0], [4.0]], np.float32)
Z = 0.5
RATE = 0.1
START = {"discriminator": {"a": 0.3, "b": -0.2}, "encoder": {"e": 0.7}, "generator": {"g": 1.1}}


def constant(key, n, index=None):
    return jnp.full((n, 1), Z)


def scalars(encoder=lambda p, x: p["e"] * x):
    return {
        "encoder": fixed(encoder, **START["encoder"]),
        "generator": fixed(lambda p, z: p["g"] * z, **START["generator"]),
        "discriminator": fixed(lambda p, x, z: p["a"] * x[:, 0] + p["b"] * z[:, 0], **START["discriminator"]),
    }


def after_one_step(rates, dynamics=None, networks=None, **options):
    settings = {"loss": jg.losses.non_saturating, "prior": constant, "optimizer": optax.sgd(0.0)}
    system = jg.systems.bigan(**settings | options)
    for player, rate in rates.items():
        system.players[player] = system.players[player]._replace(optimizer=optax.sgd(rate))
    game = jg.game(networks or scalars(), system, **({"dynamics": dynamics} if dynamics else {}))
    after, metrics = jax.jit(game.train_step)(jax.jit(game.init)(jax.random.key(0), {"x": X}), {"x": X})
    return jax.tree.map(float, after.params), {name: float(value) for name, value in metrics.items()}


def sigmoid(t):
    return 1 / (1 + np.exp(-np.asarray(t, np.float64)))


def softplus(t):
    return np.log1p(np.exp(np.asarray(t, np.float64)))


def logits(p):
    """Of the pairs (x, E(x)) and (G(z), z)."""
    a, b = p["discriminator"]["a"], p["discriminator"]["b"]
    return a * X[:, 0] + b * p["encoder"]["e"] * X[:, 0], a * p["generator"]["g"] * Z + b * Z


def by_hand(p):
    """Slopes of D's loss in (a, b); of the other player's in e, by label 0 at the real pair, and in g, by label 1."""
    real, fake = logits(p)
    e, g, (a, b) = p["encoder"]["e"], p["generator"]["g"], p["discriminator"].values()
    refuses = sigmoid(real) - 1, sigmoid(fake)
    slopes = {
        "a": np.mean(refuses[0] * X[:, 0]) + refuses[1] * g * Z,
        "b": np.mean(refuses[0] * e * X[:, 0]) + refuses[1] * Z,
    }
    return slopes | {"e": np.mean(sigmoid(real) * b * X[:, 0]), "g": (sigmoid(fake) - 1) * a * Z}


def moved(p, slopes, names):
    return {net: {n: v - RATE * slopes[n] * (n in names) for n, v in params.items()} for net, params in p.items()}


def test_the_discriminator_moves_first_and_then_encoder_and_generator_with_swapped_labels():
    after, metrics = after_one_step({"discriminator": RATE, "generator": RATE})
    between = moved(START, by_hand(START), "ab")
    expected = moved(between, by_hand(between), "eg")
    for net, params in expected.items():
        assert after[net] == pytest.approx(params, rel=1e-5)
    real, fake = logits(START)
    assert metrics["discriminator/loss"] == pytest.approx(np.mean(softplus(-real)) + softplus(fake), rel=1e-5)
    real, fake = logits(between)
    assert metrics["generator/loss"] == pytest.approx(np.mean(softplus(real)) + softplus(-fake), rel=1e-5)


def test_simultaneous_turns_are_the_authors_order():
    after, _ = after_one_step({"discriminator": RATE, "generator": RATE}, jg.dynamics.simultaneous())
    for net, params in moved(START, by_hand(START), "abeg").items():
        assert after[net] == pytest.approx(params, rel=1e-5)


def test_a_stochastic_encoder_is_called_with_its_noise():
    """ALI: z = e x + noise, the same draw for D's turn and its penalty."""
    networks = scalars(lambda p, x, noise: (p["e"] * x + noise, jnp.zeros(len(x))))
    settings = {"noise": lambda key, n, index=None: jnp.full((n, 1), 2.0), "penalty": jg.penalties.r1(2.0)}
    _, metrics = after_one_step({}, networks=networks, **settings)
    a, b = START["discriminator"].values()
    assert metrics["discriminator/penalty"] == pytest.approx(a**2 + b**2, rel=1e-5)  # of x and z together
    assert metrics["discriminator/real_logits"] == pytest.approx(np.mean(logits(START)[0]) + b * 2.0, rel=1e-5)


def test_it_gives_back_what_it_is_given():
    system = jg.systems.bigan(loss=jg.losses.hinge, prior=constant, optimizer=optax.sgd(0.0))
    game = jg.game(scalars(), system)
    state = game.init(jax.random.key(0), {"x": X})
    np.testing.assert_allclose(game.generate(state, jax.random.key(0), {"x": X}), 1.1 * 0.7 * X, rtol=1e-6)
    z = np.array([[3.0]], np.float32)
    np.testing.assert_allclose(game.generate(state, jax.random.key(0), {"z": z}), 3.3, rtol=1e-6)
    index = jnp.arange(2, dtype=jnp.int32)
    np.testing.assert_allclose(game.generate(state, jax.random.key(0), {"index": index}), 1.1 * Z, rtol=1e-6)


def test_what_it_refuses():
    settings = {"loss": jg.losses.hinge, "prior": constant, "optimizer": optax.sgd(0.0)}
    with pytest.raises(ValueError, match=r"bigan needs batch\['x'\], data"):
        jg.game(scalars(), jg.systems.bigan(**settings)).init(jax.random.key(0), {"y": X})
    with pytest.raises(ValueError, match=r"noise is 3; it must be a function \(key, n, index\)"):
        jg.systems.bigan(**settings, noise=3)
    with pytest.raises(ValueError, match=r"expected \['discriminator', 'generator'\]"):
        jg.systems.bigan(**settings | {"optimizer": {"critic": optax.sgd(0.0)}})
    wide = jg.priors.normal(2)
    with pytest.raises(ValueError, match=r"'discriminator' is shown .* as real, but the generator makes"):
        jg.game(scalars(), jg.systems.bigan(**settings | {"prior": wide})).init(jax.random.key(0), {"x": X})


# x = A z + T noise with z ~ N(0, 1): the encoder of equal joint law is N(A x / (A^2 + T^2), T^2 / (A^2 + T^2)).

A, T = 0.8, 0.6
GAIN, SPREAD = A / (A**2 + T**2), T / np.sqrt(A**2 + T**2)
DRAWS = jax.random.normal(jax.random.key(0), (4, 4000, 1))


def whitened(draws):
    """Columns with exactly the moments of N(0, I): then all that a quadratic D sees of the law is exact."""
    values = np.asarray(draws, np.float64)
    values = values - values.mean(axis=0)
    values = values @ np.linalg.inv(np.linalg.cholesky(values.T @ values / len(values))).T
    return np.asarray(values, np.float32)


def quadratic(x, z):
    return jnp.concatenate([jnp.ones_like(x), x, z, x * x, x * z, z * z], axis=1)


def linear_gaussian(gain):
    """The game at these parameters, with D the best of all quadratic ones: its loss, logits and the others' slopes."""
    z, tau, eps, x_law = (np.asarray(column)[:, None] for column in whitened(DRAWS[..., 0].T).T)
    x = np.float32(np.sqrt(A**2 + T**2)) * x_law
    networks = {
        "encoder": fixed(lambda p, x: p["gain"] * x + p["spread"] * eps, gain=gain, spread=SPREAD),
        "generator": fixed(lambda p, z: p["a"] * z + p["t"] * tau, a=A, t=T),
        "discriminator": fixed(lambda p, x, z: quadratic(x, z) @ p["w"], w=np.zeros(6)),
    }
    sides = np.asarray(quadratic(x, gain * x + SPREAD * eps)), np.asarray(quadratic(A * z + T * tau, z))

    def loss(w):
        real, fake = sides[0] @ w, sides[1] @ w
        slope = sides[0].T @ (sigmoid(real) - 1) + sides[1].T @ sigmoid(fake)
        return np.mean(softplus(-real)) + np.mean(softplus(fake)), slope / len(x)

    best = minimize(loss, np.full(6, 0.1), jac=True, method="BFGS", options={"gtol": 1e-7}).x
    networks["discriminator"] = fixed(lambda p, x, z: quadratic(x, z) @ p["w"], w=best)
    system = jg.systems.bigan(
        loss=jg.losses.non_saturating, prior=lambda key, n, index=None: jnp.asarray(z), optimizer=optax.sgd(0.0)
    )
    system.players["generator"] = system.players["generator"]._replace(optimizer=optax.sgd(1.0))
    game = jg.game(networks, system)
    before = game.init(jax.random.key(0), {"x": x})
    after, metrics = jax.jit(game.train_step)(before, {"x": x})
    here, there = ({**state.params["encoder"], **state.params["generator"]} for state in (before, after))
    return float(metrics["discriminator/loss"]), best, {name: float(here[name] - there[name]) for name in here}


def test_the_true_posterior_is_the_equilibrium_of_the_linear_gaussian_model():
    """There D is 1/2 everywhere, V = -log 4 and nobody has a slope; at another encoder D sees it, and E has one."""
    loss, w, slopes = linear_gaussian(GAIN)
    assert loss == pytest.approx(np.log(4), abs=1e-6)
    np.testing.assert_allclose(w, 0, atol=1e-4)
    assert slopes == pytest.approx(dict.fromkeys(slopes, 0.0), abs=1e-4)
    loss, _, slopes = linear_gaussian(GAIN - 0.3)
    assert loss < np.log(4) - 0.01
    assert slopes["gain"] < -0.01  # minimising raises the gain


@pytest.mark.parametrize("encoder", list(itertools.permutations(range(3))))
def test_finite_bijections_are_optimal_where_they_are_inverses(encoder):
    """On three atoms D is a table: V = -log 4 for E = G^-1, and otherwise the atoms of the two sides differ somewhere.

    By the best D: V is the sum over atoms (x, z) of p log p/(p+q) + q log q/(p+q), = 2 JS - log 4.
    """
    generator = (1, 2, 0)
    p, q = np.zeros((3, 3)), np.zeros((3, 3))
    for atom in range(3):
        p[atom, encoder[atom]] += 1 / 3
        q[generator[atom], atom] += 1 / 3
    table = np.clip(np.log(np.maximum(p, 1e-12)) - np.log(np.maximum(q, 1e-12)), -30, 30)
    hot = np.eye(3, dtype=np.float32)
    networks = {
        "encoder": fixed(lambda w, x: x @ w["e"], e=hot[list(encoder)]),
        "generator": fixed(lambda w, z: z @ w["g"], g=hot[list(generator)]),
        "discriminator": fixed(lambda w, x, z: jnp.einsum("bi,ij,bj->b", x, w["d"], z), d=table),
    }
    system = jg.systems.bigan(
        loss=jg.losses.non_saturating, prior=lambda key, n, index=None: jnp.eye(3), optimizer=optax.sgd(0.0)
    )
    game = jg.game(networks, system)
    _, metrics = jax.jit(game.train_step)(game.init(jax.random.key(0), {"x": hot}), {"x": hot})
    shared = sum(generator[encoder[atom]] == atom for atom in range(3)) / 3
    assert float(metrics["discriminator/loss"]) == pytest.approx(shared * np.log(4), abs=1e-5)
    assert (shared == 1) == (encoder == tuple(np.argsort(generator)))


def test_the_latents_of_a_tuple_are_its_first():
    z = jnp.ones((2, 3))
    assert encoders.latent_of((z, jnp.zeros(2))) is z
    assert encoders.latent_of(z) is z
