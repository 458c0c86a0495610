"""Adversarial autoencoders against arithmetic: one step by hand, the linear encoder's fixed points, labels."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize

import jaxgan as jg
from tests.systems.tiny_core import fixed

X = np.array([[1.0], [2.0], [4.0]], np.float32)
Y = np.array([0, 1, 1], np.int32)
Z = 0.5
RATE = 0.01
COMMON = {"prior": lambda key, n, index=None: jnp.full((n, 1), Z), "optimizer": optax.sgd(0.0)}
START = {"encoder": {"e": 0.7}, "decoder": {"d": 1.1}, "discriminator": {"a": 0.3, "b": -0.2}}


def scalars():
    return {
        "encoder": fixed(lambda p, x: p["e"] * x, **START["encoder"]),
        "decoder": fixed(lambda p, z: p["d"] * z, **START["decoder"]),
        "discriminator": fixed(lambda p, z: p["a"] * z[:, 0] + p["b"], **START["discriminator"]),
    }


def played(networks, system, batch, rates=()):
    for player, rate in dict(rates).items():
        system.players[player] = system.players[player]._replace(optimizer=optax.sgd(rate))
    game = jg.game(networks, system)
    before = jax.jit(game.init)(jax.random.key(0), batch)
    after, metrics = jax.jit(game.train_step)(before, batch)
    return game, before.params, after.params, {name: float(value) for name, value in metrics.items()}


def sigmoid(t):
    return 1 / (1 + np.exp(-np.asarray(t, np.float64)))


def softplus(t):
    return np.log1p(np.exp(np.asarray(t, np.float64)))


def test_reconstruction_moves_first_then_the_discriminator_then_the_encoder_alone():
    rates = dict.fromkeys(("autoencoder", "discriminator", "encoder"), RATE)
    _, _, after, metrics = played(scalars(), jg.systems.adversarial_autoencoder(**COMMON), {"x": X}, rates)
    (e, d), (a, b) = (0.7, 1.1), START["discriminator"].values()
    square = np.mean(X**2)
    assert metrics["autoencoder/loss"] == pytest.approx(0.5 * (d * e - 1) ** 2 * square, rel=1e-5)
    e, d = e - RATE * (d * e - 1) * d * square, d - RATE * (d * e - 1) * e * square
    fake, real = a * e * X[:, 0] + b, a * Z + b
    assert metrics["discriminator/loss"] == pytest.approx(softplus(-real) + np.mean(softplus(fake)), rel=1e-5)
    refuses = sigmoid(real) - 1, sigmoid(fake)
    a = a - RATE * (refuses[0] * Z + np.mean(refuses[1] * e * X[:, 0]))
    b = b - RATE * (refuses[0] + np.mean(refuses[1]))
    fake = a * e * X[:, 0] + b
    assert metrics["encoder/loss"] == pytest.approx(np.mean(softplus(-fake)), rel=1e-5)
    e = e - RATE * np.mean((sigmoid(fake) - 1) * a * X[:, 0])
    expected = {"encoder": {"e": e}, "decoder": {"d": d}, "discriminator": {"a": a, "b": b}}
    for net, params in expected.items():
        assert jax.tree.map(float, after[net]) == pytest.approx(params, rel=1e-5)


def test_labels_supervise_the_decoder():
    """z = 0.7 x, and Dec(z, y) = 1.1 z + y: what labels say is none of z's business."""
    networks = scalars() | {"decoder": fixed(lambda p, z, y: p["d"] * z + y[:, None].astype(jnp.float32), d=1.1)}
    game, _, _, metrics = played(networks, jg.systems.adversarial_autoencoder(**COMMON), {"x": X, "y": Y})
    rebuilt = 0.77 * X + Y[:, None]
    assert metrics["autoencoder/loss"] == pytest.approx(0.5 * np.mean((rebuilt - X) ** 2), rel=1e-5)
    state = game.init(jax.random.key(0), {"x": X, "y": Y})
    np.testing.assert_allclose(game.generate(state, jax.random.key(0), {"x": X, "y": Y}), rebuilt, rtol=1e-6)
    asked = {"index": jnp.arange(3, dtype=jnp.int32), "y": Y}
    np.testing.assert_allclose(game.generate(state, jax.random.key(0), asked), 0.55 + Y[:, None], rtol=1e-6)


def test_each_label_has_its_region_of_the_prior():
    """The prior of label y lies at Z + 10 y, and D(z, y) = a z y; the decoder has no label."""
    region = lambda z, y: z + 10 * y[:, None].astype(z.dtype)  # noqa: E731
    networks = scalars() | {"discriminator": fixed(lambda p, z, y: p["a"] * z[:, 0] * y, a=0.3)}
    system = jg.systems.adversarial_autoencoder(**COMMON, region=region)
    game, _, _, metrics = played(networks, system, {"x": X, "y": Y})
    assert metrics["discriminator/real_logits"] == pytest.approx(np.mean(0.3 * (Z + 10 * Y) * Y), rel=1e-5)
    assert metrics["discriminator/fake_logits"] == pytest.approx(np.mean(0.3 * 0.7 * X[:, 0] * Y), rel=1e-5)
    state = game.init(jax.random.key(0), {"x": X, "y": Y})
    asked = {"index": jnp.arange(3, dtype=jnp.int32), "y": Y}
    made = game.generate(state, jax.random.key(0), asked)
    np.testing.assert_allclose(made, 1.1 * (Z + 10 * Y[:, None]), rtol=1e-6)
    with pytest.raises(ValueError, match=r"adversarial_autoencoder with a region needs batch\['y'\]"):
        game.init(jax.random.key(0), {"x": X})


MEAN, DEVIATION = 2.0, 0.5  # of one-dimensional data: z = w x + b is N(0, 1) at w = +-1/s, b = -w m


def encoder_slopes(w, b):
    """Of the encoder that fools the best of all quadratic discriminators, on data and latents of exact moments."""
    few = np.asarray(jax.random.normal(jax.random.key(1), (2, 2000, 1)), np.float64)
    x, z = (np.asarray((v - v.mean()) / v.std(), np.float32) for v in few)
    x = np.float32(MEAN) + np.float32(DEVIATION) * x
    terms = lambda z: np.concatenate([np.ones_like(z), z, z * z], axis=1)  # noqa: E731
    sides = terms(z), terms(w * x + b)

    def loss(v):
        real, fake = (side @ v for side in sides)
        slope = sides[0].T @ (sigmoid(real) - 1) + sides[1].T @ sigmoid(fake)
        return np.mean(softplus(-real)) + np.mean(softplus(fake)), slope / len(x)

    best = minimize(loss, np.zeros(3), jac=True, method="BFGS", options={"gtol": 1e-7}).x
    networks = {
        "encoder": fixed(lambda p, x: p["w"] * x + p["b"], w=w, b=b),
        "decoder": fixed(lambda p, z: p["d"] * z, d=1.0),
        "discriminator": fixed(lambda p, z: p["v"][0] + p["v"][1] * z[:, 0] + p["v"][2] * z[:, 0] ** 2, v=best),
    }
    system = jg.systems.adversarial_autoencoder(prior=lambda *_: jnp.asarray(z), optimizer=optax.sgd(0.0))
    _, before, after, metrics = played(networks, system, {"x": x}, {"encoder": 1.0})
    for untouched in ("decoder", "discriminator"):  # by the encoder's move
        assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), before[untouched], after[untouched]))
    slopes = {name: float(value - after["encoder"][name]) for name, value in before["encoder"].items()}
    return best, slopes, metrics["discriminator/loss"]


def test_the_linear_encoder_rests_where_its_latents_are_the_prior():
    w = 1 / DEVIATION
    best, slopes, loss = encoder_slopes(w, -w * MEAN)
    np.testing.assert_allclose(best, 0, atol=1e-4)
    assert slopes == pytest.approx({"w": 0.0, "b": 0.0}, abs=1e-4)
    assert loss == pytest.approx(np.log(4), abs=1e-6)
    best, slopes, _ = encoder_slopes(w, 0.5 - w * MEAN)  # its latents are N(1/2, 1)
    assert best == pytest.approx([0.125, -0.5, 0.0], abs=0.05)  # log p/q = 1/8 - z/2, on a sample
    assert slopes["b"] > 0.1  # minimising lowers b


# Class and style: E(x) has class logits [0, 3 x] and latent 0.7 x, Dec(z, y) = 1.1 z + 2 y_1


def of_both():
    def encoder(p, x):
        return {"classes": jnp.concatenate([0 * x, p["c"] * x], axis=1), "latent": p["e"] * x}

    judge = lambda p, v: p["a"] * v[:, -1]  # noqa: E731
    return {
        "encoder": fixed(encoder, c=3.0, e=0.7),
        "decoder": fixed(lambda p, z, y: p["d"] * z + 2 * y[:, 1:], d=1.1),
        "discriminator_y": fixed(judge, a=0.4),
        "discriminator_z": fixed(judge, a=0.3),
    }


BATCH = {"x": X, "labelled": np.array([[0.5], [-1.0], [1.5]], np.float32), "y": Y}


def test_class_and_style_have_an_adversary_each_and_few_labels_a_move():
    system = jg.systems.semi_supervised_autoencoder(**COMMON, classes=2)
    game, _, _, metrics = played(of_both(), system, BATCH)
    assert list(system.players) == ["autoencoder", "discriminator_y", "discriminator_z", "encoder", "classifier"]
    share = sigmoid(3 * X[:, 0])
    rebuilt = 0.77 * X[:, 0] + 2 * share
    assert metrics["autoencoder/loss"] == pytest.approx(0.5 * np.mean((rebuilt - X[:, 0]) ** 2), rel=1e-5)
    assert metrics["discriminator_y/fake_logits"] == pytest.approx(0.4 * np.mean(share), rel=1e-5)
    drawn = 3 * metrics["discriminator_y/real_logits"] / 0.4  # how many of three one-hot draws are of class 1
    assert drawn == pytest.approx(round(drawn), abs=1e-5)
    assert 0 <= round(drawn) <= 3
    assert metrics["discriminator_z/fake_logits"] == pytest.approx(0.3 * 0.7 * np.mean(X), rel=1e-5)
    assert metrics["discriminator_z/real_logits"] == pytest.approx(0.3 * Z, rel=1e-5)
    fools = np.mean(softplus(-0.4 * share)) + np.mean(softplus(-0.3 * 0.7 * X))
    assert metrics["encoder/loss"] == pytest.approx(fools, rel=1e-5)
    logits = 3 * BATCH["labelled"][:, 0]
    assert metrics["classifier/loss"] == pytest.approx(np.mean(softplus(logits) - logits * Y), rel=1e-5)
    assert metrics["classifier/accuracy"] == pytest.approx(1 / 3)
    state = game.init(jax.random.key(0), BATCH)
    asked = {"index": jnp.arange(3, dtype=jnp.int32), "y": Y}
    made = game.generate(state, jax.random.key(0), asked)
    np.testing.assert_allclose(made, 1.1 * Z + 2 * Y[:, None], rtol=1e-6)
    np.testing.assert_allclose(game.generate(state, jax.random.key(0), {"x": X})[:, 0], rebuilt, rtol=1e-5)


def test_labels_move_the_encoder_alone():
    system = jg.systems.semi_supervised_autoencoder(**COMMON, classes=2)
    _, before, after, _ = played(of_both(), system, BATCH, {"classifier": RATE})
    labelled = BATCH["labelled"][:, 0]
    slope = np.mean((sigmoid(3 * labelled) - Y) * labelled)
    assert float(after["encoder"]["c"]) == pytest.approx(3 - RATE * slope, rel=1e-6)
    assert after | {"encoder": 0} == before | {"encoder": 0}
    assert system.players["encoder"].owns == system.players["classifier"].owns == ("encoder",)
    assert jg.systems.adversarial_autoencoder(**COMMON).players["encoder"].owns == ("encoder",)


def test_what_they_refuse():
    with pytest.raises(ValueError, match="classes >= 2; got 1"):
        jg.systems.semi_supervised_autoencoder(**COMMON, classes=1)
    with pytest.raises(ValueError, match=r"expected \['autoencoder', 'discriminator', 'encoder'\]"):
        jg.systems.adversarial_autoencoder(**COMMON | {"optimizer": {"encoder": optax.sgd(0.1)}})
    key, semi = jax.random.key(0), jg.systems.semi_supervised_autoencoder(**COMMON, classes=2)
    game = jg.game(of_both(), semi)
    with pytest.raises(ValueError, match=r"needs batch\['labelled'\], labelled examples"):
        jax.eval_shape(game.train_step, game.init(key, BATCH), {"x": X})
    bare = of_both() | {"encoder": scalars()["encoder"]}
    with pytest.raises(ValueError, match=r"needs an encoder with outputs \['classes', 'latent'\]"):
        jg.game(bare, semi).init(key, BATCH)
    wide = scalars() | {"decoder": fixed(lambda p, z: p["d"] * jnp.concatenate([z, z], axis=1), d=1.0)}
    with pytest.raises(ValueError, match=r"compares arrays of one shape; got \(3, 1\) and \(3, 2\)"):
        jg.game(wide, jg.systems.adversarial_autoencoder(**COMMON)).init(key, {"x": X})
