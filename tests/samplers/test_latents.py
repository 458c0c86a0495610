"""Directions, projections, calibration, and trained networks as functions: against linear algebra and known answers."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan import samplers
from jaxgan.networks import dcgan, mlp, stylegan2

RNG = np.random.default_rng(0)


def test_directions_are_eigenvectors():
    """NumPy's eigendecomposition of A^T A, for A the transpose of a Flax kernel."""
    kernel = RNG.normal(size=(6, 3, 5)).astype(np.float32)
    a = kernel.reshape(6, -1).T
    values, vectors = np.linalg.eigh(a.T @ a)
    found = samplers.semantic_directions(kernel, count=6)
    np.testing.assert_allclose(found.strengths, values[::-1], rtol=1e-4)
    assert np.all(np.abs(np.sum(np.asarray(found.vectors) * vectors.T[::-1], axis=1)) > 0.9999)  # up to the sign
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(6), atol=1e-5)
    response = np.sum(np.square(a @ np.asarray(found.vectors[0])))
    assert response == pytest.approx(float(found.strengths[0]), rel=1e-4)


def test_several_layers_count_as_one_and_a_narrow_one_has_silent_directions():
    one, two = (RNG.normal(size=(4, width)).astype(np.float32) for width in (1, 2))
    both = samplers.semantic_directions(one, two, count=4)
    joined = samplers.semantic_directions(np.concatenate([one, two], axis=1), count=4)
    np.testing.assert_array_equal(both.strengths, joined.strengths)
    assert float(both.strengths[3]) == 0
    np.testing.assert_allclose(np.concatenate([one, two], axis=1).T @ both.vectors[3], 0, atol=1e-5)
    with pytest.raises(ValueError, match=r"kernels \[Z, ...\] of one Z; got \[\(4, 1\), \(3, 2\)\]"):
        samplers.semantic_directions(one, two[:3])
    with pytest.raises(ValueError, match=r"got count=5"):
        samplers.semantic_directions(one, count=5)


def test_a_linear_generator_is_inverted():
    a = jnp.asarray(RNG.normal(size=(3, 8)), jnp.float32)
    known = jnp.asarray(RNG.normal(size=(4, 3)), jnp.float32)
    found = samplers.project(lambda z: z @ a, known @ a, jnp.zeros((4, 3)), steps=400)
    np.testing.assert_allclose(found.z, known, atol=2e-3)
    np.testing.assert_allclose(found.error, 0, atol=1e-5)
    # With a weight on the prior it is ridge regression: (A A^T / 8 + w / 3 I) z = A x / 8.
    ridge = np.linalg.solve(np.asarray(a @ a.T) / 8 + 0.5 / 3 * np.eye(3), np.asarray(a @ (known @ a).T) / 8).T
    shrunk = samplers.project(
        lambda z: z @ a, known @ a, jnp.asarray(ridge, jnp.float32), steps=1, optimizer=optax.sgd(1.0), prior_weight=0.5
    )
    np.testing.assert_allclose(shrunk.z, ridge, atol=1e-5)


def test_the_best_latents_are_kept():
    """Steps that are far too long leave the target behind; what is returned is where it was nearest."""
    target = jnp.array([[1.0], [5.0]])
    found = samplers.project(lambda z: z, target, jnp.array([[1.1], [5.0]]), steps=5, optimizer=optax.sgd(10.0))
    np.testing.assert_allclose(found.z, [[1.1], [5.0]])
    np.testing.assert_allclose(found.error, [0.01, 0.0], atol=1e-6)
    # And the last latents are judged too: one step of half the gradient arrives exactly.
    arrived = samplers.project(lambda z: z, target, jnp.zeros((2, 1)), steps=1, optimizer=optax.sgd(0.5))
    np.testing.assert_allclose(arrived.z, target)
    with pytest.raises(ValueError, match=r"generate makes \(2, 1\) of 2 latents, but the targets are \(3, 1\)"):
        samplers.project(lambda z: z, jnp.zeros((3, 1)), jnp.zeros((2, 1)))


def test_calibration_recovers_the_log_ratio():
    """Scores a t + b of the true log ratio t between N(1, 1) and N(-1, 1), which is 2 x: the line must undo a and b."""
    real, fake = RNG.normal(size=20000) + 1, RNG.normal(size=8000) - 1
    found = samplers.calibrate(5 * (2 * real) - 3, 5 * (2 * fake) - 3)
    assert found.slope == pytest.approx(1 / 5, rel=0.05)
    assert found.offset == pytest.approx(3 / 5, abs=0.1)
    np.testing.assert_allclose(found(jnp.array([2.0])), [found.slope * 2 + found.offset], rtol=1e-5)
    apart = samplers.calibrate([5.0, 6.0], [-5.0, -6.0])  # separable: still finite
    assert np.isfinite(apart.slope)
    assert apart.slope > 0
    with pytest.raises(ValueError, match=r"all logits are 1"):
        samplers.calibrate([1.0, 1.0], [1.0])


def test_a_trained_network_is_a_function():
    networks = {"generator": mlp.Generator((2,), (4,)), "discriminator": mlp.Discriminator((4,))}
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(3), optimizer=optax.sgd(0.1))
    game = jg.game(networks, system, ema={"generator": 0.9})
    batch = {"x": jnp.ones((4, 2))}
    state, _ = game.train_step(game.init(jax.random.key(0), batch), batch)
    z = jnp.ones((2, 3))
    generate = samplers.trained(networks, state, "generator")
    np.testing.assert_array_equal(generate(z), game.generate(state, jax.random.key(0), {"z": z}))
    last = samplers.trained(networks, state, "generator", averaged=False)
    np.testing.assert_array_equal(last(z), networks["generator"].apply({"params": state.params["generator"]}, z))
    assert (generate(z) != last(z)).any()
    slope = jax.jit(jax.grad(lambda z: jnp.sum(samplers.trained(networks, state, "discriminator")(generate(z)))))(z)
    assert np.isfinite(slope).all()
    with pytest.raises(ValueError, match=r"no network is named 'critic'; have \['discriminator', 'generator'\]"):
        samplers.trained(networks, state, "critic")


def test_a_trained_network_uses_its_running_statistics():
    network = dcgan.Generator(1, 28, 2)
    z = jax.random.normal(jax.random.key(0), (4, 3))
    variables = network.init(jax.random.key(1), z)
    state = jg.TrainState(
        jnp.zeros((), jnp.int32),
        jax.random.key(0),
        {"generator": variables["params"]},
        {"generator": {"batch_stats": variables["batch_stats"]}},
        {},
        {},
    )
    generate = samplers.trained({"generator": network}, state, "generator")
    np.testing.assert_allclose(generate(z)[:1], generate(z[:1]), atol=1e-5)  # no example sees another


def test_crossed_styles_follow_one_latent_and_then_the_other():
    """The halves of a trained StyleGAN2: crossed at an end, the image is one latent's own."""
    generator = stylegan2.Generator(1, 8, 2, 2, hidden=(3,))
    system = jg.systems.stylegan2(prior=jg.priors.normal(3), optimizer=optax.sgd(0.1), path_weight=0.0)
    game = jg.game({"generator": generator, "discriminator": mlp.Discriminator((2,))}, system, ema={"generator": 0.9})
    state = game.init(jax.random.key(0), {"x": jnp.zeros((4, 8, 8, 1))})
    drawn = samplers.trained(game.networks, state, "generator")
    z = jax.random.normal(jax.random.key(1), (2, 3))
    w = drawn(z, method="mapping")
    one, other = (w[k : k + 1] for k in range(2))
    by_hand = jnp.concatenate([one[:, :1], other[:, 1:]], axis=1)
    np.testing.assert_array_equal(samplers.cross_styles(one, other, 1), by_hand)
    images = [drawn(samplers.cross_styles(one, other, crossing), method="synthesis") for crossing in (0, 2, 4)]
    np.testing.assert_allclose(jnp.concatenate([images[2], images[0]]), drawn(z), atol=1e-5)
    assert min(float(jnp.abs(images[1] - image).max()) for image in (images[0], images[2])) > 1e-4
    table = samplers.cross_styles(w[:, None], w[None], 3)
    assert table.shape == (2, 2, 4, 3)
    np.testing.assert_array_equal(table[0, 1, :, 0], jnp.concatenate([w[0, :3, 0], w[1, 3:, 0]]))
    with pytest.raises(ValueError, match=r"cross at 0..4; got crossing=5"):
        samplers.cross_styles(one, other, 5)
    with pytest.raises(ValueError, match=r"\[..., layers, W\]; got shapes \(1, 4, 3\) and \(1, 3, 3\)"):
        samplers.cross_styles(one, other[:, :3], 1)


def test_a_pretrained_network_is_asked_what_it_takes():
    """`trained` gives it to a view as the user wrote it: with a call that knows neither train nor a memory."""

    class Normalised(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            return nn.BatchNorm(use_running_average=not train)(x)

    x = jnp.array([[1.0], [3.0]])
    variables = Normalised().init(jax.random.key(0), x, train=True)
    networks = {"eye": jg.networks.pretrained(Normalised(), variables)}
    state = jg.TrainState(
        jnp.zeros((), jnp.int32),
        jax.random.key(0),
        {"eye": variables.get("params", {})},
        {"eye": {"batch_stats": variables["batch_stats"]}},
        {},
        {},
    )
    assert jnp.allclose(samplers.trained(networks, state, "eye")(x), x, atol=1e-4)  # running: mean 0, variance 1
