"""Remedies: what the discriminator sees, remembers and compares, and latents that it likes better."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.augment import instance_noise
from jaxgan.networks import mlp
from jaxgan.networks.remedies import MinibatchDiscrimination, Packed, Replay
from jaxgan.parallel import data_parallel

KEY = jax.random.key(0)


def turn(step=0, examples=None):
    return jg.Turn(jax.random.key(5), jnp.asarray(step, jnp.int32), examples)


# Instance noise


def test_instance_noise_has_its_standard_deviation_and_anneals():
    x = jnp.ones((2000, 3))
    noisy = instance_noise(0.5)(x, turn(), "real")
    assert float(jnp.std(noisy - x)) == pytest.approx(0.5, rel=0.05)
    assert not np.allclose(noisy, instance_noise(0.5)(x, turn(), "fake"))
    annealed = instance_noise(optax.linear_schedule(0.5, 0.0, 10))
    np.testing.assert_allclose((annealed(x, turn(5), "real") - x) / 0.25, (noisy - x) / 0.5, atol=1e-5)
    np.testing.assert_array_equal(annealed(x, turn(10), "real"), x)


def test_instance_noise_does_not_know_the_device_count():
    x = jnp.zeros((8, 2))
    whole = instance_noise(1.0)(x, turn(), "real")
    part = instance_noise(1.0)(x[4:], turn(examples=jnp.arange(4, 8)), "real")
    np.testing.assert_array_equal(whole[4:], part)


def test_dirac_gan_converges_with_instance_noise():
    """Eigenvalues f''(0) s^2 +- sqrt(f''(0)^2 s^4 - f'(0)^2) of the flow: its real part is -s^2 / 4."""
    from tests.dynamics.test_dirac import Line, Point

    def distance(augment):
        system = jg.systems.gan(
            loss=jg.losses.minimax, prior=jg.priors.normal(1), optimizer=optax.sgd(0.1), augment=augment
        )
        game = jg.game({"generator": Point(), "discriminator": Line()}, system, dynamics=jg.dynamics.simultaneous())
        data = {"x": np.zeros((512, 1), np.float32)}
        state, step = game.init(KEY, data), jax.jit(game.train_step)
        for _ in range(300):
            state, _ = step(state, data)
        return max(abs(float(p["w"][0])) for p in state.params.values())

    assert distance(None) > 1
    assert distance(instance_noise(1.0)) < 0.1


# Minibatch discrimination


def test_minibatch_discrimination_by_hand():
    layer = MinibatchDiscrimination(kernels=3, dimensions=2)
    x = jax.random.normal(jax.random.key(3), (5, 4))
    variables = layer.init(jax.random.key(1), x)
    found = layer.apply(variables, x)
    m = (np.asarray(x) @ np.asarray(variables["params"]["Dense_0"]["kernel"])).reshape(5, 3, 2)
    expected = np.zeros((5, 3))
    for i in range(5):
        for b in range(3):
            expected[i, b] = sum(np.exp(-np.abs(m[i, b] - m[j, b]).sum()) for j in range(5))
    np.testing.assert_allclose(found[:, :4], x)
    np.testing.assert_allclose(found[:, 4:], expected, rtol=1e-5)
    same = layer.apply(variables, jnp.ones((5, 4)))
    np.testing.assert_allclose(same[:, 4:], 5.0)  # a collapsed batch: all as close as can be
    with pytest.raises(ValueError, match="flatten"):
        layer.init(KEY, jnp.ones((2, 3, 3, 1)))


def test_minibatch_discrimination_on_eight_devices():
    layer = MinibatchDiscrimination(3, 2, axis_name="batch")
    x = jax.random.normal(jax.random.key(2), (16, 4))
    variables = layer.init(jax.random.key(4), x)
    whole = MinibatchDiscrimination(3, 2).apply(variables, x)
    parts = jax.pmap(lambda part: layer.apply(variables, part), axis_name="batch")(x.reshape(8, 2, 4))
    np.testing.assert_allclose(parts.reshape(16, -1), whole, rtol=1e-5)


# Packing


class Sum(nn.Module):
    @nn.compact
    def __call__(self, x, train=True):
        self.param("unused", nn.initializers.zeros, ())
        return x @ jnp.arange(1.0, x.shape[-1] + 1)


def test_packing_puts_successive_examples_side_by_side():
    x = jnp.arange(8.0).reshape(4, 2)
    packed = Packed(Sum(), 2)
    found = packed.apply(packed.init(KEY, x), x)
    np.testing.assert_allclose(found, [0 * 1 + 1 * 2 + 2 * 3 + 3 * 4, 4 * 1 + 5 * 2 + 6 * 3 + 7 * 4])
    with pytest.raises(ValueError, match=r"divides the batch; got 3 and shape \(4, 2\)"):
        Packed(Sum(), 3).init(KEY, x)


def test_a_packed_discriminator_plays():
    networks = {"generator": mlp.Generator((2,), (4,)), "discriminator": Packed(mlp.Discriminator((4,)), 2)}
    system = jg.systems.gan(
        loss=jg.losses.hinge, prior=jg.priors.normal(2), optimizer=optax.sgd(0.1), penalty=jg.penalties.r1(1.0)
    )
    game, data = jg.game(networks, system), {"x": np.ones((8, 2), np.float32)}
    _, metrics = jax.jit(game.train_step)(game.init(KEY, data), data)
    assert all(np.isfinite(value) for value in metrics.values())


# Replay


def test_replay_fills_and_then_swaps_about_half():
    pool = Replay(size=8)
    state = {"replay": {"samples": jnp.zeros((8, 1)), "count": jnp.zeros((), jnp.int32)}}
    seen, swapped = set(), 0
    for k in range(200):
        x = jnp.arange(4.0 * k + 1, 4.0 * k + 5).reshape(4, 1)
        out, state = pool.apply(state, x, rngs={"global": jax.random.fold_in(KEY, k)}, mutable=["replay"])
        if k < 2:
            np.testing.assert_array_equal(out, x)  # while it fills
            continue
        old = np.asarray(out)[np.asarray(out) != np.asarray(x)]
        assert len(set(old.tolist())) == len(old)  # no sample twice in a batch
        assert not seen & set(old.tolist())  # a sample is drawn once: what is drawn is replaced
        assert all(value <= 4 * k for value in old)
        seen |= set(old.tolist())
        swapped += len(old)
    assert 0.4 < swapped / (198 * 4) < 0.6
    assert int(state["replay"]["count"]) == 8


def test_replay_has_no_gradient_and_rests_in_evaluation():
    pool = Replay(size=4)
    full = {"replay": {"samples": jnp.full((4, 1), 9.0), "count": jnp.asarray(4, jnp.int32)}}

    def total(x):
        out, _ = pool.apply(full, x, rngs={"global": KEY}, mutable=["replay"])
        return jnp.sum(out**2)

    assert not np.any(jax.grad(total)(jnp.ones((2, 1))))
    np.testing.assert_array_equal(pool.apply(full, jnp.ones((2, 1)), train=False), jnp.ones((2, 1)))
    with pytest.raises(ValueError, match=r"Replay\(size=4\) holds fewer samples than the batch of 5"):
        pool.apply(full, jnp.ones((5, 1)), rngs={"global": KEY}, mutable=["replay"])


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_replay_in_a_game_on_eight_devices_is_that_of_one(mode):
    def build(axis_name):
        system = jg.systems.gan(
            loss=jg.losses.hinge, prior=jg.priors.normal(2), optimizer=optax.sgd(0.1), replay="replay"
        )
        networks = {
            "generator": mlp.Generator((2,), (4,)),
            "discriminator": mlp.Discriminator((4,)),
            "replay": Replay(16, axis_name),
        }
        return jg.game(networks, system, axis_name=axis_name)

    data = {"x": np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)}
    one, many = build(None), data_parallel(build("batch" if mode == "pmap" else None), mode)
    state, spread = one.init(KEY, data), many.init(KEY, data)
    step = jax.jit(one.train_step)
    for _ in range(4):
        (state, _), (spread, _) = step(state, data), many.train_step(spread, data)
    pools = [np.asarray(s.model_state["replay"]["replay"]["samples"]) for s in (state, spread)]
    assert np.any(pools[0])
    np.testing.assert_allclose(pools[0], pools[1], atol=1e-5)
    for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(spread.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    labelled = data | {"y": np.zeros(16, np.int32)}
    with pytest.raises(ValueError, match="leave 'y' out"):
        jax.eval_shape(one.train_step, state, labelled)


# Latent optimisation


def test_latents_move_up_the_discriminator_by_the_damped_step():
    class Twice(nn.Module):
        @nn.compact
        def __call__(self, z):
            self.param("unused", nn.initializers.zeros, ())
            return 2 * z

    class Slope(nn.Module):
        @nn.compact
        def __call__(self, x):
            self.param("unused", nn.initializers.zeros, ())
            return x @ jnp.array([3.0, 4.0])

    seen = {}
    move = jg.systems.latent_optimization(rate=0.9, damping=0.1, share=0.5, weight=0.1)

    def watched(nets, z, condition, turn):
        moved, cost = move(nets, z, condition, turn)
        seen.update(z=z, moved=moved, cost=cost)
        return moved, cost

    system = jg.systems.gan(
        loss=jg.losses.wasserstein, prior=jg.priors.normal(2), optimizer=optax.sgd(0.1), optimize_latents=watched
    )
    game = jg.game({"generator": Twice(), "discriminator": Slope()}, system)
    data = {"x": np.zeros((64, 2), np.float32)}
    with jax.disable_jit():
        game.train_step(game.init(KEY, data), data)
    g = np.array([6.0, 8.0])
    step = 0.9 * g / (0.1 + 100)
    took = np.any(np.asarray(seen["moved"] != seen["z"]), axis=1)
    np.testing.assert_allclose((seen["moved"] - seen["z"])[took], np.tile(step, (took.sum(), 1)), rtol=1e-4)
    assert 0.3 < took.mean() < 0.7
    assert float(seen["cost"]) == pytest.approx(0.1 * took.mean() * np.sum(step**2), rel=1e-4)
    with pytest.raises(ValueError, match="damping > 0"):
        jg.systems.latent_optimization(damping=0.0)
