"""Inversion of a generator: one step by hand, stages, and the exact case of a linear generator."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import encoders, heads
from jaxgan.systems.inversion import inversion
from tests.systems.tiny_core import fixed
from tests.systems.tiny_restored import EYE, GENERATOR, LAYERS, POINTS, WIDTH, inverted

RATE = 0.1
RNG = np.random.default_rng(3)
X = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)


class Plane(nn.Module):
    """w = m z for both layers; x = a w_0 + b w_1, all of one number beside another."""

    @nn.compact
    def __call__(self, z, train=True):
        return self.synthesis(self.mapping(z, train), train)

    def mapping(self, z, train=True):
        assert not train  # neither style mixing nor a moving mean while it is inverted
        return jnp.repeat(3.0 * z[:, None], 2, axis=1)

    @nn.compact
    def synthesis(self, w, train=True):
        assert not train
        a, b = (self.param(name, nn.initializers.ones, (), jnp.float32) for name in "ab")
        return a * w[:, 0] + b * w[:, 1]


def constant(key, n, index=None):
    return jnp.full((n, 2), 0.5, jnp.float32)


def played(e=0.4, o=0.3, **options):
    """The encoder says w = e x and the offset o x; the discriminator u sum(w)."""
    networks = {
        "encoder": fixed(lambda p, x: jnp.stack([p["e"] * x, p["o"] * x], axis=1), e=e, o=o),
        "generator": jg.networks.pretrained(Plane(), {"params": {"a": np.float32(2.0), "b": np.float32(1.0)}}),
        "discriminator": fixed(lambda p, w: p["u"] * jnp.sum(w, axis=1), u=0.2),
    }
    settings = {"loss": jg.losses.non_saturating, "prior": constant, "optimizer": optax.sgd(RATE), "content": 0.0}
    settings |= {"weight": 0.7, "delta": 0.25, "stages": (1, 1)} | options
    networks = networks if settings["weight"] else {n: net for n, net in networks.items() if n != "discriminator"}
    game = jg.game(networks, inversion(**settings))
    return game, game.init(jax.random.key(0), {"x": X})


def test_two_steps_by_hand():
    """The discriminator moves first; at step 0 there is w alone, from step 1 on the offset beside it."""
    game, state = played()
    step = jax.jit(game.train_step)
    after, metrics = step(state, {"x": X})
    u, e = 0.2, 0.4
    real, fake = u * 3.0, u * e * X.sum(axis=1)  # 2 numbers of 1.5 each
    slope = 3.0 * (sigmoid(real) - 1) + np.mean(sigmoid(fake) * e * X.sum(axis=1))
    u = u - RATE * slope
    assert after.params["discriminator"]["u"] == pytest.approx(u, rel=1e-5)
    pixel = np.mean(np.square(3 * e * X - X))  # (a + b) w
    assert metrics["encoder/pixel"] == pytest.approx(pixel, rel=1e-5)
    assert (metrics["encoder/offsets"], metrics["encoder/stage"]) == (0, 0)
    total = pixel + 0.7 * np.mean(np.logaddexp(0, -u * e * X.sum(axis=1)))
    assert metrics["encoder/loss"] == pytest.approx(total, rel=1e-5)
    slope = np.mean(2 * (3 * e * X - X) * 3 * X)
    slope += 0.7 * np.mean((sigmoid(u * e * X.sum(axis=1)) - 1) * u * X.sum(axis=1))
    assert after.params["encoder"]["e"] == pytest.approx(e - RATE * slope, rel=1e-5)
    assert after.params["encoder"]["o"] == np.float32(0.3)  # which nothing has asked for yet
    e, o = (float(after.params["encoder"][name]) for name in "eo")
    _, metrics = step(after, {"x": X})
    assert metrics["encoder/stage"] == 1
    assert metrics["encoder/pixel"] == pytest.approx(np.mean(np.square(2 * e * X + (e + o) * X - X)), rel=1e-4)
    assert metrics["encoder/offsets"] == pytest.approx(o * np.mean(np.linalg.norm(X, axis=1)), rel=1e-5)


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def test_the_pseudoinverse_of_a_linear_generator_has_no_loss_and_no_gradient():
    """G w = w D: the encoder x D^+ draws again every x that one style can say; offsets of 0 pull nowhere."""
    draw = np.asarray(GENERATOR.variables["params"]["draw"]["kernel"], np.float64).reshape(LAYERS, WIDTH, 5).sum(axis=0)
    inverse, points = np.linalg.pinv(draw), (RNG.normal(size=(6, WIDTH)) @ draw).astype(np.float32)
    encoder = fixed(lambda p, x: jnp.pad((x @ p["k"])[:, None], ((0, 0), (0, LAYERS - 1), (0, 0))), k=inverse)
    system = inversion(
        loss=jg.losses.hinge,
        prior=jg.priors.normal(3),
        optimizer=optax.sgd(1.0),
        weight=0.0,
        content=0.5,
        delta=0.1,
        stages=(0, 1),
    )
    game = jg.game({"encoder": encoder, "generator": GENERATOR, "features": EYE}, system)
    state = jax.jit(game.init)(jax.random.key(0), {"x": points})
    after, metrics = jax.jit(game.train_step)(state, {"x": points})
    assert metrics["encoder/loss"] == pytest.approx(0, abs=1e-10)
    np.testing.assert_allclose(after.params["encoder"]["k"], inverse, atol=1e-4)
    made = jax.jit(game.generate)(state, jax.random.key(1), {"x": points, "index": jnp.arange(6)})
    np.testing.assert_allclose(made["x"], points, atol=1e-4)
    assert made["w"].shape == (6, LAYERS, WIDTH)


def test_the_generator_is_bit_for_bit_what_was_given_and_no_checkpoint_has_it(tmp_path):
    networks, system, batch = inverted()
    game = jg.game(networks, system)
    state = game.init(jax.random.key(0), batch)
    step = jax.jit(game.train_step)
    for _ in range(2):
        state, _ = step(state, batch)
    for one, other in zip(
        jax.tree.leaves(state.params["generator"]), jax.tree.leaves(GENERATOR.variables["params"]), strict=True
    ):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
    assert {"generator", "features"} == set(game.given or {})  # what checkpoints have a digest of alone


class Marked(nn.Module):
    """Styles of four layers that are 0, and pictures that are their first."""

    def mapping(self, z, train=True):
        return jnp.zeros((len(z), 4, 1), jnp.float32)

    def synthesis(self, w, train=True):
        return w[:, 0]


def test_the_styles_shown_are_those_that_differ_by_now():
    """Offsets are marks of their layer: at stage k an example shows one of the first k + 1, all alike."""
    marks = jnp.arange(4.0)[None, :, None] * jnp.ones((400, 1, 1))
    networks = {
        "encoder": fixed(lambda p, x: marks + 0 * p["e"], e=1.0),
        "generator": jg.networks.pretrained(Marked(), {"params": {}}),
        "discriminator": fixed(lambda p, w: p["u"] * w[:, 0], u=1.0),
    }
    largest = jg.Loss(lambda real, fake: jnp.max(fake), lambda real, fake: jnp.mean(fake))
    settings = {"loss": largest, "prior": jg.priors.normal(3), "optimizer": optax.sgd(0.0), "content": 0.0}
    game, batch = jg.game(networks, inversion(**settings, stages=(5, 2))), {"x": jnp.zeros((400, 1))}
    state, step = game.init(jax.random.key(0), batch), jax.jit(game.train_step)
    for at, stage in ((0, 0), (4, 0), (5, 1), (6, 1), (7, 2), (9, 3), (99, 3)):
        _, metrics = step(state._replace(step=jnp.int32(at)), batch)
        assert metrics["discriminator/loss"] == stage, at
        assert float(metrics["discriminator/fake_logits"]) == pytest.approx(stage / 2, abs=0.2)
        assert metrics["discriminator/real_logits"] == 0  # the mapping's


def test_what_it_refuses():
    for options, message in (
        ({"weight": -1.0}, "inversion needs a weight >= 0; got -1"),
        ({"delta": -1.0}, "delta >= 0; got -1"),
        ({"content": {"early": -2.0}}, "content >= 0; got -2"),
        ({"stages": (10, 0)}, r"steps >= 0 before the first, >= 1 between two\); got \(10, 0\)"),
    ):
        with pytest.raises(ValueError, match=message):
            inverted(**options)
    networks, system, batch = inverted()
    for encoder, message in (
        (encoders.Styles(heads.FullyConnected((4,)), LAYERS, WIDTH + 1), r"styles \[B, 3, 4\]; it makes \(6, 3, 5\)"),
        (encoders.Styles(heads.FullyConnected((4,)), 0, WIDTH), "layers and width >= 1; got 0 and 4"),
    ):
        with pytest.raises(ValueError, match=message):
            jax.eval_shape(jg.game(networks | {"encoder": encoder}, system).init, jax.random.key(0), batch)
    with pytest.raises(ValueError, match=r"inversion needs batch\['x'\], pictures"):
        jg.game(networks, system).init(jax.random.key(0), {"y": POINTS})


def test_an_encoder_of_a_stylegan2_begins_with_one_style_for_all_layers(key):
    network = encoders.Styles(heads.FullyConnected((4,)), LAYERS, WIDTH)
    styles, variables = network.init_with_output(key, POINTS)
    assert styles.shape == (6, LAYERS, WIDTH)
    assert not np.any(styles[:, 1:])
    assert np.any(styles[:, 0])
    assert variables["params"]["offsets"]["kernel"].shape == (4, LAYERS - 1, WIDTH)
    assert encoders.Styles(heads.FullyConnected((4,)), 1, 2).init_with_output(key, POINTS)[0].shape == (6, 1, 2)
