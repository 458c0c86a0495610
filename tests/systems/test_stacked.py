"""StackGAN: losses of its four players against arithmetic, who learns from whom, and what its noise is."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks.conditioning import ConditioningAugmentation
from jaxgan.systems.stackgan import stackgan
from tests.systems.tiny_core import fixed

X = np.array([[[1.0, 2.0], [3.0, 6.0]], [[0.0, 0.5], [0.5, 1.0]], [[-2.0, -1.0], [0.0, 1.0]]], np.float32)[..., None]
Y = np.array([[1.0], [2.0], [-1.0]], np.float32)
BATCH = {"x": X, "y": Y}
Z = 0.5  # of every example
RATE = 0.1
COMMON = {"loss": jg.losses.non_saturating, "optimizer": optax.sgd(0.0), "conditioning": 2}


def constant(key, n, index=None):
    return jnp.full((n, 1), Z)


def mean(x):
    return jnp.mean(x, axis=(1, 2, 3))


def networks(w_1=0.3):
    """Means judged by captions; images of one value, and divergences that captions scale."""

    def first(p, z, noise, y):
        return jnp.reshape(z + p["g"] + y, (-1, 1, 1, 1)), p["d"] * jnp.square(y[:, 0])

    def second(p, low, noise, y):
        return jnp.ones((1, 2, 2, 1)) * (low + p["g"] * y[:, None, None]), p["d"] * jnp.abs(y[:, 0])

    def judge(p, x, y):
        return p["w"] * mean(x) * y[:, 0] + mean(x)

    return {
        "generator_0": fixed(first, g=0.25, d=0.5),
        "discriminator_0": fixed(judge, w=0.7),
        "generator_1": fixed(second, g=0.4, d=2.0),
        "discriminator_1": fixed(judge, w=w_1),
    }


def played(moving=(), nets=None, batch=BATCH, microbatches=1, **settings):
    """Metrics of the first step in which these players move, and the parameters after it."""
    rates = {name: optax.sgd(RATE if name in moving else 0.0) for name in networks()}
    system = stackgan(**COMMON | {"prior": constant, "optimizer": rates} | settings)
    game = jg.game(nets or networks(), system, microbatches=microbatches)
    after, metrics = jax.jit(game.train_step)(jax.jit(game.init)(jax.random.key(0), batch), batch)
    return {name: float(value) for name, value in metrics.items()}, after.params


def softplus(t):
    return math.log1p(math.exp(t))


def by_hand(stage, w, g_0=0.25, g_1=0.4, share=0.25, weight=3.0):
    """Both losses of a stage by loops over examples, and their parts."""
    y = [float(v) for v in Y[:, 0]]
    real = [float(np.sum(x)) / 4 for x in X]  # halving a 2 x 2 image leaves its mean
    fake = [Z + g_0 + v + (g_1 * v if stage else 0.0) for v in y]

    def logit(x, v):
        return w * x * v + x

    of_real = [logit(x, v) for x, v in zip(real, y, strict=True)]
    of_fake = [logit(x, v) for x, v in zip(fake, y, strict=True)]
    of_others = [logit(real[i], y[(i + 1) % 3]) for i in range(3)]
    pixels = 4 if stage else 1
    gradients = [pixels * ((w * v + 1) / pixels) ** 2 for v in y]  # squared norms
    refused = [(1 - share) * softplus(f) + share * softplus(o) for f, o in zip(of_fake, of_others, strict=True)]
    penalty = sum(gradients) / 3  # of gamma = 2
    divergence = sum((2.0 * abs(v) if stage else 0.5 * v * v) for v in y) / 3
    return {
        f"discriminator_{stage}/loss": (sum(map(softplus, (-r for r in of_real))) + sum(refused)) / 3 + penalty,
        f"discriminator_{stage}/real_logits": sum(of_real) / 3,
        f"discriminator_{stage}/fake_logits": sum(of_fake) / 3,
        f"discriminator_{stage}/mismatched_logits": sum(of_others) / 3,
        f"discriminator_{stage}/penalty": penalty,
        f"generator_{stage}/loss": sum(softplus(-f) for f in of_fake) / 3 + weight * divergence,
        f"generator_{stage}/divergence": divergence,
    }


SETTINGS = {"mismatched": 0.25, "augmentation": 3.0, "penalty": jg.penalties.r1(2.0)}


def test_every_loss_by_hand():
    metrics, _ = played(**SETTINGS)
    expected = by_hand(0, 0.7) | by_hand(1, 0.3)
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_a_plain_discriminator_sees_no_others_captions():
    metrics, _ = played(mismatched=0.0, augmentation=0.0)
    assert metrics["discriminator_1/loss"] == pytest.approx(
        by_hand(1, 0.3, share=0.0)["discriminator_1/loss"] - by_hand(1, 0.3)["discriminator_1/penalty"], rel=1e-5
    )
    assert metrics["generator_0/loss"] == pytest.approx(by_hand(0, 0.7, weight=0.0)["generator_0/loss"], rel=1e-5)
    assert not any("mismatched" in name or "penalty" in name for name in metrics)


def test_penalties_are_of_images_with_their_own_captions():
    metrics, _ = played(penalty=lambda critic, real, fake, turn: jnp.mean(critic(real) * critic(fake)))
    y = Y[:, 0].astype(np.float64)
    for stage, w in ((0, 0.7), (1, 0.3)):
        real, fake = X.mean(axis=(1, 2, 3)), Z + 0.25 + y + stage * 0.4 * y
        expected = np.mean((w * y + 1) ** 2 * real * fake)
        assert metrics[f"discriminator_{stage}/penalty"] == pytest.approx(expected, rel=1e-5)


def test_stage_two_leaves_stage_one_alone_and_draws_on_it_as_it_is_by_then():
    before = networks()["generator_0"].params
    metrics, moved = played(moving=("generator_0",), **SETTINGS)
    assert float(moved["generator_0"]["d"]) == pytest.approx(0.5 - RATE * 3.0 * 2.0, rel=1e-5)  # the mean of y^2 is 2
    g = float(moved["generator_0"]["g"])
    assert g != float(before["g"])
    expected = by_hand(1, 0.3, g_0=g)
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    _, other = played(moving=("generator_0", "generator_1"), nets=networks(w_1=50.0), **SETTINGS)
    assert float(other["generator_0"]["g"]) == g  # whatever stage II wants of it
    _, still = played(moving=("discriminator_1", "generator_1"), **SETTINGS)
    for name, network in networks().items():
        changed = any(bool(still[name][leaf] != network.params[leaf]) for leaf in network.params)
        assert changed == name.endswith("_1"), name
    # d/dg of softplus(-logit), and of nothing else
    y, low = Y[:, 0].astype(np.float64), Z + 0.25 + Y[:, 0]
    w = float(still["discriminator_1"]["w"])
    slope = (w * y + 1) * y
    gradient = np.mean(-slope / (1 + np.exp((w * y + 1) * (low + 0.4 * y))))
    assert float(still["generator_1"]["g"]) == pytest.approx(0.4 - RATE * gradient, rel=1e-5)


def noisy():
    """Generators whose images and divergences tell of their noise."""

    def first(p, z, noise, y):
        return jnp.reshape(p["g"] * noise[:, 1], (-1, 1, 1, 1)), p["g"] * jnp.mean(jnp.square(noise), axis=1)

    def second(p, low, noise, y):
        return p["g"] * jnp.ones((1, 2, 2, 1)) * low, p["g"] * low[:, 0, 0, 0] * noise[:, 1]

    return networks() | {"generator_0": fixed(first, g=1.0), "generator_1": fixed(second, g=1.0)}


def test_noise_is_normal_an_examples_own_and_new_at_stage_two():
    n = 4096
    batch = {"x": np.ones((n, 2, 2, 1), np.float32), "y": np.ones((n, 1), np.float32)}
    whole, _ = played(nets=noisy(), batch=batch)
    assert whole["generator_0/divergence"] == pytest.approx(1.0, abs=4 * math.sqrt(1 / n))  # std sqrt(2 / 2)
    assert whole["generator_1/divergence"] == pytest.approx(0.0, abs=4 * math.sqrt(1 / n))  # of a product: 1
    parts, _ = played(nets=noisy(), batch=batch, microbatches=2)
    for name in ("generator_0/divergence", "generator_1/divergence"):
        assert parts[name] == pytest.approx(whole[name], abs=1e-6)


@functools.cache
def trained():
    def first(p, z, noise, y):
        return jnp.reshape(p["g"] * z[:, :1] + 10 * noise[:, :1] + 100 * y, (-1, 1, 1, 1)), jnp.zeros(len(z))

    def second(p, low, noise, y):
        each = low + p["g"] * 1000 * noise[:, 1:, None, None] + 7 * y[:, None, None]
        return jnp.ones((1, 2, 2, 1)) * each, jnp.zeros(len(y))

    nets = networks() | {"generator_0": fixed(first, g=1.0), "generator_1": fixed(second, g=1.0)}
    game = jg.game(nets, stackgan(**COMMON | {"prior": jg.priors.normal(3)}))
    return jax.jit(game.generate), jax.jit(game.init)(jax.random.key(0), BATCH)


def test_it_generates_through_both_stages():
    generate, state = trained()
    z = np.arange(14, dtype=np.float32).reshape(2, 7)  # latent of 3, and twice noise of 2
    made = generate(state, jax.random.key(0), {"z": z, "y": Y[:2]})
    expected = z[:, 0] + 10 * z[:, 3] + 1000 * z[:, 6] + 107 * Y[:2, 0]
    np.testing.assert_allclose(made, expected.reshape(2, 1, 1, 1) * np.ones((2, 2, 2, 1)), rtol=1e-6)


def test_samples_depend_on_their_index_alone():
    generate, state = trained()
    index, y = np.arange(5, dtype=np.int32), np.linspace(-1, 1, 5, dtype=np.float32)[:, None]
    whole = generate(state, jax.random.key(3), {"index": index, "y": y})
    np.testing.assert_array_equal(whole, generate(state, jax.random.key(3), {"index": index, "y": y}))
    parts = [generate(state, jax.random.key(3), {"index": index[k], "y": y[k]}) for k in (slice(2), slice(2, 5))]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert (np.asarray(whole) != generate(state, jax.random.key(4), {"index": index, "y": y})).all()
    assert len(np.unique(np.asarray(whole)[:, 0, 0, 0] - 107 * y[:, 0])) == 5


# Conditioning augmentation


def test_the_divergence_is_the_integral():
    """KL(q || N(0, 1)) by quadrature of q (log q - log p), summed over entries; and c is mu + sigma noise."""
    kernel = np.array([[0.5, -1.0, 0.2, -0.3], [1.5, 0.1, -0.4, 0.6]])
    bias = np.array([0.1, -0.2, 0.3, 0.05])
    y, noise = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, -1.0]]), np.array([[0.3, -1.2], [2.0, 0.0], [-0.7, 0.9]])
    params = {"params": {"Dense_0": {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.asarray(bias)}}}
    c, divergence = ConditioningAugmentation().apply(params, y.astype(np.float32), noise.astype(np.float32))
    grid = np.linspace(-30, 30, 60001)
    for i in range(3):
        out, total = y[i] @ kernel + bias, 0.0
        for k in range(2):
            mu, sigma = out[k], math.exp(out[2 + k])
            assert float(c[i, k]) == pytest.approx(mu + sigma * noise[i, k], rel=1e-5)
            log_q = -0.5 * ((grid - mu) / sigma) ** 2 - math.log(sigma)
            q = np.exp(log_q) / math.sqrt(2 * math.pi)
            total += np.sum(q * (log_q + 0.5 * grid**2)) * (grid[1] - grid[0])
        assert float(divergence[i]) == pytest.approx(total, rel=1e-4)


def test_it_learns_to_forget():
    """A divergence alone takes mu to 0 and sigma to 1, where c is the noise."""
    net, y = ConditioningAugmentation(), jnp.eye(2)
    noise = jnp.array([[1.0, -2.0, 0.5], [0.0, 1.0, 1.5]])
    params = net.init(jax.random.key(0), y, noise)
    slope = jax.grad(lambda params: jnp.mean(net.apply(params, y, noise)[1]))
    descended = jax.jit(lambda params: jax.tree.map(lambda p, g: p - 0.5 * g, params, slope(params)))
    for _ in range(100):
        params = descended(params)
    c, divergence = net.apply(params, y, noise)
    np.testing.assert_allclose(c, noise, atol=1e-3)
    np.testing.assert_allclose(divergence, 0.0, atol=1e-5)


# What it refuses


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"conditioning": 0}, r"got 0, 0\.5 and 1\.0"),
        ({"mismatched": 1.5}, r"mismatched in \[0, 1\] and augmentation >= 0; got 2, 1\.5 and 1\.0"),
        ({"augmentation": -1.0}, r"got 2, 0\.5 and -1\.0"),
        ({"augmentation": math.nan}, r"and nan"),
        ({"optimizer": {"generator_0": optax.sgd(0.1)}}, r"expected \['discriminator_0', 'discriminator_1', 'gen"),
    ],
)
def test_settings_out_of_range(settings, says):
    with pytest.raises(ValueError, match=says):
        stackgan(**COMMON | {"prior": constant} | settings)


def test_data_and_networks_that_do_not_fit():
    def step(batch=BATCH, **nets):
        game = jg.game(networks() | nets, stackgan(**COMMON, prior=constant))
        jax.eval_shape(game.train_step, jax.eval_shape(game.init, jax.random.key(0), batch), batch)

    with pytest.raises(ValueError, match=r"stackgan needs batch\['y'\], the captions' embeddings.* has \['x'\]"):
        step({"x": X})
    for shape in ((3, 3, 2, 1), (3, 2, 5, 1), (3, 4)):
        with pytest.raises(ValueError, match=rf"even sides, to halve them; got shape \({shape[0]}, {shape[1]}"):
            step({"x": np.zeros(shape, np.float32), "y": Y})
    with pytest.raises(ValueError, match=r"images \(3, 1, 1, 1\) of 'generator_0'; it makes \(3, 2, 2, 1\)"):
        step(generator_0=fixed(lambda p, z, noise, y: (p["g"] * jnp.ones((3, 2, 2, 1)), y[:, 0]), g=1.0))
    with pytest.raises(ValueError, match=r"images \(3, 2, 2, 1\) of 'generator_1'; it makes \(3, 1, 1, 1\)"):
        step(generator_1=fixed(lambda p, low, noise, y: (p["g"] * low, y[:, 0]), g=1.0))
    with pytest.raises(ValueError, match=r"'generator_1' that returns \(images, divergence \[B\]\)"):
        step(generator_1=fixed(lambda p, low, noise, y: p["g"] * low, g=1.0))
    generate, state = trained()
    with pytest.raises(ValueError, match="the captions asked for"):
        generate(state, jax.random.key(0), {"index": np.arange(2, dtype=np.int32)})
    with pytest.raises(ValueError, match=r"z \[n, Z \+ 2 C\], the latent and noise of C = 2; got \(2, 4\)"):
        generate(state, jax.random.key(0), {"z": np.ones((2, 4), np.float32), "y": Y[:2]})
