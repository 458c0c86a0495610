"""Losses and one step of every system against arithmetic, on networks of one or two numbers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks.heads import CodePosterior, Contrast
from jaxgan.systems.captions import gan_cls_int, gawwn
from jaxgan.systems.class_conditional import acgan, contragan, reacgan
from jaxgan.systems.infogan import infogan
from jaxgan.systems.lapgan import lapgan
from jaxgan.systems.semi_supervised import semi_supervised
from tests.systems.tiny_core import fixed

X = np.array([[1.0], [2.0], [4.0]], np.float32)
Y = np.array([0, 1, 1], np.int32)
Z = 0.5  # of every example
RATE = 0.1


def constant(key, n, index=None):
    return jnp.full((n, 1), Z)


def step(networks, system, batch, rate=0.0):
    """Metrics of the first step with these rates, and the parameters after it."""
    system = system._replace(players={n: p._replace(optimizer=optax.sgd(rate)) for n, p in system.players.items()})
    game = jg.game(networks, system)
    after, metrics = jax.jit(game.train_step)(jax.jit(game.init)(jax.random.key(0), batch), batch)
    return {name: float(value) for name, value in metrics.items()}, after.params


def softplus(t):
    return np.log1p(np.exp(np.asarray(t, np.float64)))


def cross_entropy(logits, labels):
    logits = np.asarray(logits, np.float64)
    return np.mean(np.log(np.sum(np.exp(logits), axis=1)) - logits[np.arange(len(labels)), labels])


COMMON = {"loss": jg.losses.non_saturating, "prior": constant, "optimizer": optax.sgd(0.0)}


# AC-GAN and its heirs: G(z, y) = z + g + y, D(x) = 0.3 x, classes [0, x]


def labelled_generator():
    return fixed(lambda p, z, y: z + p["g"] + y[:, None].astype(jnp.float32), g=1.0)


FAKE = Z + 1.0 + Y[:, None]


def test_acgan():
    def discriminator(p, x, y):
        classes = jnp.concatenate([jnp.zeros_like(x), p["c"] * x], axis=1)
        return {"logits": p["w"] * x[:, 0], "classes": classes}

    networks = {"generator": labelled_generator(), "discriminator": fixed(discriminator, w=0.3, c=1.0)}
    metrics, _ = step(networks, acgan(**COMMON, weight=2.0), {"x": X, "y": Y})
    real, fake = (cross_entropy(np.concatenate([0 * x, x], axis=1), Y) for x in (X, FAKE))
    adversarial = np.mean(softplus(-0.3 * X)) + np.mean(softplus(0.3 * FAKE))
    assert metrics["discriminator/loss"] == pytest.approx(adversarial + 2 * (real + fake), rel=1e-5)
    assert metrics["generator/loss"] == pytest.approx(np.mean(softplus(-0.3 * FAKE)) + 2 * fake, rel=1e-5)
    assert metrics["discriminator/real_classes"] == pytest.approx(real, rel=1e-5)
    assert metrics["generator/fake_classes"] == pytest.approx(fake, rel=1e-5)
    assert metrics["discriminator/accuracy"] == pytest.approx(2 / 3)  # x > 0 reads as class 1
    # One step of the generator after a still discriminator: d/dg of both of its terms.
    still = acgan(**COMMON | {"optimizer": optax.sgd(0.0)}, weight=2.0)
    still.players["generator"] = still.players["generator"]._replace(optimizer=optax.sgd(RATE))
    game = jg.game(networks, still)
    after, _ = game.train_step(game.init(jax.random.key(0), {"x": X, "y": Y}), {"x": X, "y": Y})
    sigmoid = 1 / (1 + np.exp(-FAKE[:, 0]))
    slope = np.mean(-0.3 / (1 + np.exp(0.3 * FAKE))) + 2 * np.mean(sigmoid - Y)
    assert float(after.params["generator"]["g"]) == pytest.approx(1.0 - RATE * slope, rel=1e-5)


def test_the_penalty_of_a_headed_discriminator_is_of_its_logits():
    def discriminator(p, x, y):
        return {"logits": p["w"] * x[:, 0], "classes": jnp.concatenate([jnp.zeros_like(x), 9 * x], axis=1)}

    networks = {"generator": labelled_generator(), "discriminator": fixed(discriminator, w=3.0)}
    metrics, _ = step(networks, acgan(**COMMON, penalty=jg.penalties.r1(2.0)), {"x": X, "y": Y})
    assert metrics["discriminator/penalty"] == pytest.approx(9.0)
    plain, _ = step(networks, acgan(**COMMON), {"x": X, "y": Y})
    assert metrics["discriminator/loss"] == pytest.approx(plain["discriminator/loss"] + 9.0, rel=1e-6)


def on_the_circle(p, x, y):
    """An example's direction is its value as an angle; class k lies at angle k."""
    angle = x[:, 0], y.astype(jnp.float32)
    return {
        "logits": p["w"] * x[:, 0],
        "contrast": Contrast(*(jnp.stack([jnp.cos(a), jnp.sin(a)], axis=1) for a in angle)),
    }


def contrast_by_loops(x, y, temperature):
    total = 0.0
    for i in range(len(x)):
        own = math.exp(math.cos(x[i] - y[i]) / temperature)
        others = {j: math.exp(math.cos(x[i] - x[j]) / temperature) for j in range(len(x)) if j != i}
        positive = own + sum(v for j, v in others.items() if y[j] == y[i])
        total -= math.log(positive / (own + sum(others.values())))
    return total / len(x)


def cross_entropy_by_loops(x, y, temperature, margin):
    total = 0.0
    for i in range(len(x)):
        own = math.exp(min(0.0, math.cos(x[i] - y[i]) - margin) / temperature)
        others = [max(0.0, math.cos(x[i] - x[j]) - (1 - margin)) for j in range(len(x)) if y[j] != y[i]]
        total -= math.log(own / (own + sum(math.exp(v / temperature) for v in others)))
    return total / len(x)


@pytest.mark.parametrize(
    ("system", "by_loops"),
    [
        (contragan(**COMMON, weight=2.0, temperature=0.7), lambda x: contrast_by_loops(x, Y, 0.7)),
        (reacgan(**COMMON, weight=2.0, margin=0.9), lambda x: cross_entropy_by_loops(x, Y, 0.5, 0.9)),
    ],
)
def test_contrastive_games(system, by_loops):
    """D minimises the term of real examples alone, G that of its samples."""
    networks = {"generator": labelled_generator(), "discriminator": fixed(on_the_circle, w=0.3)}
    metrics, _ = step(networks, system, {"x": X, "y": Y})
    adversarial = np.mean(softplus(-0.3 * X)) + np.mean(softplus(0.3 * FAKE))
    assert metrics["discriminator/loss"] == pytest.approx(adversarial + 2 * by_loops(X[:, 0]), rel=1e-5)
    expected = np.mean(softplus(-0.3 * FAKE)) + 2 * by_loops(FAKE[:, 0])
    assert metrics["generator/loss"] == pytest.approx(expected, rel=1e-5)


# InfoGAN: z = [one-hot of 2 | continuous | noise]; the sample is the latent itself


def reader(p, x):
    """Knows the categorical code with log odds p["sure"], and the continuous one up to p["off"]."""
    return {
        "logits": p["w"] * jnp.sum(x, axis=1),
        "codes": CodePosterior((p["sure"] * x[:, :2],), x[:, 2:3] + p["off"], jnp.zeros((x.shape[0], 1))),
    }


def info(sure, w=0.3, **settings):
    networks = {
        "generator": fixed(lambda p, z: z + p["g"], g=0.0),
        "discriminator": fixed(reader, w=w, sure=sure, off=0.5),
    }
    settings = {"categorical": (2,), "continuous": 1, "weight": 3.0, "continuous_weight": 0.2} | settings
    system = infogan(loss=jg.losses.wasserstein, noise=constant, optimizer=optax.sgd(0.0), **settings)
    batch = {"x": np.ones((64, 4), np.float32)}
    return step(networks, system, batch)[0]


def test_infogan():
    metrics = info(sure=2.0)
    bound = -softplus(-2.0) + math.log(2)
    gaussian = -0.5 * 0.25 - 0.5 * math.log(2 * math.pi) + math.log(2)
    for player in ("discriminator", "generator"):
        assert metrics[f"{player}/information"] == pytest.approx(bound, rel=1e-5)
        assert metrics[f"{player}/continuous_information"] == pytest.approx(gaussian, rel=1e-4)
    both = 3 * bound + 0.2 * gaussian
    assert info(sure=2.0, w=0.0)["generator/loss"] == pytest.approx(-both, rel=1e-4)
    critic = metrics["discriminator/fake_logits"] - metrics["discriminator/real_logits"]
    assert metrics["discriminator/loss"] == pytest.approx(critic - both, rel=1e-4)


def test_information_is_at_most_the_codes_entropy():
    """A head that knows the code reaches log K; one that says nothing has none; two codes add up."""
    assert info(sure=60.0)["generator/information"] == pytest.approx(math.log(2), rel=1e-6)
    assert info(sure=0.0)["generator/information"] == pytest.approx(0.0, abs=1e-6)
    assert info(sure=-3.0)["generator/information"] < 0
    without = info(sure=1.0, continuous_weight=0.0, weight=0.0)
    critic = without["discriminator/fake_logits"] - without["discriminator/real_logits"]
    assert without["discriminator/loss"] == pytest.approx(critic, rel=1e-5)


def test_information_moves_the_generator_too():
    """Without adversary (w = 0) and with a reader that wants x smaller by 1/2, the generator follows: off + g -> 0."""
    networks = {
        "generator": fixed(lambda p, z: z + p["g"], g=0.0),
        "discriminator": fixed(reader, w=0.0, sure=1.0, off=0.5),
    }
    system = infogan(
        loss=jg.losses.wasserstein,
        noise=constant,
        optimizer=optax.sgd(0.0),
        categorical=(2,),
        continuous=1,
        continuous_weight=1.0,
    )
    system.players["generator"] = system.players["generator"]._replace(optimizer=optax.sgd(RATE))
    game = jg.game(networks, system)
    batch = {"x": np.ones((8, 4), np.float32)}
    after, _ = jax.jit(game.train_step)(jax.jit(game.init)(jax.random.key(0), batch), batch)
    assert float(after.params["generator"]["g"]) == pytest.approx(-RATE * 0.5, rel=1e-4)  # the softmax ignores g


# Semi-supervised: class logits [0, a x], features [x]


def test_semi_supervised():
    def discriminator(p, x):
        return {"features": x, "classes": jnp.concatenate([jnp.zeros_like(x), p["a"] * x], axis=1)}

    networks = {"generator": fixed(lambda p, z: z + p["g"], g=1.0), "discriminator": fixed(discriminator, a=0.7)}
    labelled, batch_labels = np.array([[3.0], [-1.0], [2.0]], np.float32), np.array([1, 0, 0], np.int32)
    batch = {"x": X, "labelled": labelled, "y": batch_labels}
    settings = {"prior": constant, "optimizer": optax.sgd(0.0)}
    metrics, _ = step(networks, semi_supervised(**settings), batch)
    fake = np.full((3, 1), 1.5)

    def evidence(x):  # D = Z / (Z + 1)
        total = 1 + np.exp(0.7 * np.asarray(x, np.float64))
        return total / (total + 1)

    supervised = cross_entropy(np.concatenate([0 * labelled, 0.7 * labelled], axis=1), batch_labels)
    unsupervised = -np.mean(np.log(evidence(X))) - np.mean(np.log(1 - evidence(fake)))
    assert metrics["discriminator/loss"] == pytest.approx(supervised + unsupervised, rel=1e-5)
    assert metrics["discriminator/real_probability"] == pytest.approx(np.mean(evidence(X)), rel=1e-5)
    assert metrics["discriminator/fake_probability"] == pytest.approx(np.mean(evidence(fake)), rel=1e-5)
    assert metrics["discriminator/accuracy"] == pytest.approx(2 / 3)
    assert metrics["generator/loss"] == pytest.approx((np.mean(X) - 1.5) ** 2, rel=1e-5)
    other, _ = step(networks, semi_supervised(**settings, objective="non_saturating"), batch)
    assert other["generator/loss"] == pytest.approx(-np.mean(np.log(evidence(fake))), rel=1e-5)


# Captions: G(z, t) = z + g + t, D(x, t) = w x t

T = np.array([[1.0], [-1.0], [2.0]], np.float32)


def captioned(**params):
    return {
        "generator": fixed(lambda p, z, t: z + p["g"] + t, g=1.0),
        "discriminator": fixed(lambda p, x, t: p["w"] * x[:, 0] * t[:, 0], w=0.3),
    }


def test_gan_cls_int():
    metrics, _ = step(captioned(), gan_cls_int(**COMMON, interpolated=2.0, beta=0.25), {"x": X, "y": T})
    others = T[[1, 2, 0]]
    real, wrong, fake = 0.3 * X * T, 0.3 * X * others, 0.3 * (1.5 + T) * T
    expected = np.mean(softplus(-real)) + 0.5 * (np.mean(softplus(wrong)) + np.mean(softplus(fake)))
    assert metrics["discriminator/loss"] == pytest.approx(expected, rel=1e-5)
    assert metrics["discriminator/mismatched_logits"] == pytest.approx(np.mean(wrong), rel=1e-5)
    between = 0.25 * T + 0.75 * others
    expected = np.mean(softplus(-fake)) + 2 * np.mean(softplus(-0.3 * (1.5 + between) * between))
    assert metrics["generator/loss"] == pytest.approx(expected, rel=1e-5)
    plain, _ = step(captioned(), gan_cls_int(**COMMON, mismatched=0.0, interpolated=0.0), {"x": X, "y": T})
    expected = np.mean(softplus(-real)) + np.mean(softplus(fake))
    assert plain["discriminator/loss"] == pytest.approx(expected, rel=1e-5)
    assert plain["generator/loss"] == pytest.approx(np.mean(softplus(-fake)), rel=1e-5)


def test_gawwn_mismatches_what_and_where_in_turn():
    networks = {
        "generator": fixed(lambda p, z, y: z + p["g"] + y["caption"], g=1.0),
        "discriminator": fixed(lambda p, x, y: p["w"] * x[:, 0] * (y["caption"] + 2 * y["box"])[:, 0], w=0.3),
    }
    box = np.array([[0.5], [0.0], [1.0]], np.float32)
    metrics, _ = step(networks, gawwn(**COMMON, mismatched=0.4), {"x": X, "y": {"caption": T, "box": box}})
    roll = [1, 2, 0]
    real, fake = 0.3 * X * (T + 2 * box), 0.3 * (1.5 + T) * (T + 2 * box)
    what, where = 0.3 * X * (T[roll] + 2 * box), 0.3 * X * (T + 2 * box[roll])
    wrong = 0.6 * np.mean(softplus(fake)) + 0.2 * (np.mean(softplus(what)) + np.mean(softplus(where)))
    assert metrics["discriminator/loss"] == pytest.approx(np.mean(softplus(-real)) + wrong, rel=1e-5)


def test_the_penalty_of_captioned_images_is_of_their_own_captions():
    batches = {"gan_cls_int": {"x": X, "y": T}, "gawwn": {"x": X, "y": {"caption": T, "box": T}}}
    for name, game in (("gan_cls_int", gan_cls_int), ("gawwn", gawwn)):
        networks = captioned()
        if name == "gawwn":
            networks["generator"] = fixed(lambda p, z, y: z + p["g"] + y["caption"], g=1.0)
            networks["discriminator"] = fixed(lambda p, x, y: p["w"] * x[:, 0] * y["caption"][:, 0], w=0.3)
        metrics, _ = step(networks, game(**COMMON, penalty=jg.penalties.r1(2.0)), batches[name])
        assert metrics["discriminator/penalty"] == pytest.approx(np.mean((0.3 * T) ** 2), rel=1e-5)
        plain, _ = step(networks, game(**COMMON), batches[name])
        both = plain["discriminator/loss"] + metrics["discriminator/penalty"]
        assert metrics["discriminator/loss"] == pytest.approx(both, rel=1e-6)


# Terms added to a system: G(z) = z + g, D(x) = w x


def test_zcr_by_hand():
    networks = {
        "generator": fixed(lambda p, z: p["g"] * z, g=2.0),
        "discriminator": fixed(lambda p, x: p["w"] * x[:, 0], w=0.3),
    }
    plain = jg.systems.gan(**COMMON)
    system = jg.systems.zcr(plain, constant, deviation=0.1, consistency=20.0, diversity=0.5)
    many = {"x": np.ones((5000, 1), np.float32)}
    metrics, _ = step(networks, system, many)
    moved = 0.1**2 * 2.0**2  # of the samples: the noise's variance through G; five standard errors are 10 % of it
    assert metrics["discriminator/zcr"] == pytest.approx(20 * 0.3**2 * moved, rel=0.1)
    assert metrics["generator/zcr"] == pytest.approx(-0.5 * moved, rel=0.1)
    without, _ = step(networks, plain, many)
    for player in ("discriminator", "generator"):
        both = without[f"{player}/loss"] + metrics[f"{player}/zcr"]
        assert metrics[f"{player}/loss"] == pytest.approx(both, rel=1e-6)
    still, _ = step(networks, jg.systems.zcr(plain, constant, deviation=0.0), many)
    assert still["discriminator/zcr"] == still["generator/zcr"] == 0


def test_zcr_moves_both_players():
    networks = {
        "generator": fixed(lambda p, z: p["g"] * z, g=2.0),
        "discriminator": fixed(lambda p, x: p["w"] * x[:, 0], w=0.3),
    }
    settings = {"deviation": 1.0, "consistency": 100.0, "diversity": 100.0}
    _, plain = step(networks, jg.systems.gan(**COMMON), {"x": X}, rate=1e-3)
    _, params = step(networks, jg.systems.zcr(jg.systems.gan(**COMMON), constant, **settings), {"x": X}, rate=1e-3)
    assert params["discriminator"]["w"] < plain["discriminator"]["w"]  # flatter
    assert params["generator"]["g"] > plain["generator"]["g"]  # more diverse


def test_a_regularizer_is_paid_by_the_owner_of_the_network():
    networks = {
        "generator": fixed(lambda p, z: z * p["g"], g=2.0),
        "discriminator": fixed(lambda p, x: p["w"] * x[:, 0], w=0.3),
    }
    plain = jg.systems.gan(**COMMON)
    system = jg.systems.regularized(plain, "generator", lambda params: params["g"] ** 2, lambda t: 0.25 + t)
    metrics, params = step(networks, system, {"x": X}, rate=RATE)
    without, others = step(networks, plain, {"x": X}, rate=RATE)
    assert metrics["generator/generator_regularizer"] == pytest.approx(1.0)
    assert metrics["generator/loss"] == pytest.approx(without["generator/loss"] + 1.0, rel=1e-6)
    assert metrics["discriminator/loss"] == without["discriminator/loss"]
    paid = RATE * 0.25 * 2 * 2.0
    assert float(params["generator"]["g"]) == pytest.approx(float(others["generator"]["g"]) - paid, rel=1e-5)


def test_terms_refuse():
    plain = jg.systems.gan(**COMMON)
    with pytest.raises(ValueError, match="deviation >= 0; got -1"):
        jg.systems.zcr(plain, constant, deviation=-1)
    with pytest.raises(ValueError, match="needs a player 'discriminator'"):
        jg.systems.zcr(plain._replace(players={}), constant)
    with pytest.raises(ValueError, match="a term cannot be called 'loss', as the game's own metrics are"):
        jg.systems.with_term(plain, "generator", "loss", lambda *_: 0.0)
    with pytest.raises(ValueError, match="nobody owns network 'critic'"):
        jg.systems.regularized(plain, "critic", jg.penalties.orthogonal, 1.0)
    with pytest.raises(ValueError, match="weight >= 0; got -1"):
        jg.systems.regularized(plain, "generator", jg.penalties.orthogonal, -1)


# LAPGAN


def test_lapgan_judges_details():
    """Level 1's real detail of a plane is none, and a generator that adds g everywhere has detail g."""
    plane = jnp.linspace(-1, 0.5, 3).reshape(3, 1, 1, 1) * jnp.ones((3, 4, 4, 1))
    mean = lambda x: jnp.mean(x, axis=(1, 2, 3))  # noqa: E731
    networks = {
        "generator_0": fixed(lambda p, z: p["g"] * jnp.ones((3, 2, 2, 1)), g=0.4),
        "discriminator_0": fixed(lambda p, x: p["w"] * mean(x), w=0.5),
        "generator_1": fixed(lambda p, z, low: p["g"] * jnp.ones_like(low), g=0.2),
        "discriminator_1": fixed(lambda p, x, low: p["w"] * mean(x) + mean(low), w=3.0),
    }
    system = lapgan(
        loss=jg.losses.wasserstein, prior=constant, optimizer=optax.sgd(0.0), levels=2, penalty=jg.penalties.r1(2.0)
    )
    with pytest.raises(ValueError, match=r"multiples of 2, 4 or more.* got \(2, 2\), and the nearest sizes are 4\n"):
        step(networks, system, {"x": plane[:, :2, :2]})
    plane = jnp.repeat(jnp.repeat(plane, 2, axis=1), 2, axis=2)  # 8 x 8
    networks["generator_0"] = fixed(lambda p, z: p["g"] * jnp.ones((3, 4, 4, 1)), g=0.4)
    metrics, _ = step(networks, system, {"x": plane})
    assert metrics["discriminator_0/real_logits"] == pytest.approx(-0.5 * 0.25, rel=1e-5)  # planes of mean -1/4
    assert metrics["discriminator_0/fake_logits"] == pytest.approx(0.2, rel=1e-5)
    assert metrics["discriminator_1/real_logits"] == pytest.approx(-0.25, rel=1e-5)
    assert metrics["discriminator_1/fake_logits"] == pytest.approx(0.6 - 0.25, rel=1e-5)
    assert metrics["discriminator_1/penalty"] == pytest.approx(9 / 64, rel=1e-4)  # of the detail's 64 pixels
    assert metrics["discriminator_1/loss"] == pytest.approx(0.6 + 9 / 64, rel=1e-4)
    assert metrics["generator_1/loss"] == pytest.approx(-0.6 + 0.25, rel=1e-5)


def test_lapgan_goes_up_from_any_level():
    networks = {
        "generator_0": fixed(lambda p, z: jnp.zeros((z.shape[0], 4, 4, 1)) + z[:, :, None, None], g=0.0),
        "discriminator_0": fixed(lambda p, x: p["w"] * x[:, 0, 0, 0], w=1.0),
        "generator_1": fixed(lambda p, z, low: z[:, :, None, None] + 0 * low, g=0.0),
        "discriminator_1": fixed(lambda p, x, low: p["w"] * x[:, 0, 0, 0], w=1.0),
    }
    game = jg.game(networks, lapgan(loss=jg.losses.hinge, prior=constant, optimizer=optax.sgd(0.0), levels=2))
    state = game.init(jax.random.key(0), {"x": jnp.zeros((2, 8, 8, 1))})
    made = game.generate(state, jax.random.key(0), {"z": jnp.array([[[0.1], [0.2]], [[-0.3], [0.0]]])})
    np.testing.assert_allclose(made, np.array([0.3, -0.3]).reshape(2, 1, 1, 1) * np.ones((2, 8, 8, 1)), rtol=1e-5)
    given = {"index": jnp.arange(2), "level_0": jnp.full((2, 4, 4, 1), 0.7)}
    np.testing.assert_allclose(game.generate(state, jax.random.key(0), given), 0.7 + Z, rtol=1e-5)
