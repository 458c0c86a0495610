"""The adaptive probability: by hand, in a game, on eight devices, and in a checkpoint."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.augment import Adaptive, ada
from jaxgan.networks import mlp
from jaxgan.parallel import data_parallel
from tests.augment.conftest import turn

X = np.tanh(np.random.default_rng(0).normal(size=(16, 4, 4, 1))).astype(np.float32)


def observed(module, rounds):
    """Returns p and r after each round of logits."""
    init = jax.jit(lambda key: module.init(key, jnp.asarray(X), turn(), "real"))
    observe = jax.jit(lambda state, logits: module.apply(state, logits, method="observe", mutable=["adaptive"]))
    state = {"adaptive": dict(init(jax.random.key(0))["adaptive"])}
    seen = []
    for logits in rounds:
        told, state = observe(state, jnp.asarray(logits))
        seen.append((float(told["augment_probability"]), float(told["overfitting"])))
    return seen


def test_the_probability_by_hand():
    """Two calls of four images a move, of 2 * 4 / 40 = 0.2; target 0.4."""
    module = Adaptive(target=0.4, interval=2, kimg=0.04)
    sure, torn, wrong = [3.0, 0.1, 2.0, 9.0], [1.0, -1.0, 0.5, -8.0], [-1.0, -2.0, -0.1, -3.0]
    seen = observed(module, [sure, torn, sure, sure, torn, torn, wrong, wrong])
    expected = [(0.0, 0.0), (0.2, 0.5), (0.2, 0.5), (0.4, 1.0), (0.4, 1.0), (0.2, 0.0), (0.2, 0.0), (0.0, -1.0)]
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_the_paper_moves_by_512_millionths():
    """Batches of 64, every fourth, in 500,000 images; the target is 0.6, and p stays between 0 and 1."""
    rising = observed(Adaptive(), [np.ones(64)] * 8)
    np.testing.assert_allclose([p for p, _ in rising], [0] * 3 + [0.000512] * 4 + [0.001024], rtol=1e-5)
    below = np.where(np.arange(64) < 50, 1.0, -1.0)  # r = 0.5625
    assert observed(Adaptive(initial=0.1), [below] * 4)[-1][0] < 0.1
    assert observed(Adaptive(initial=0.1), [np.where(np.arange(64) < 52, 1.0, -1.0)] * 4)[-1][0] > 0.1  # r = 0.625
    quick = Adaptive(interval=1, kimg=0.1)
    assert observed(quick, [np.ones(64)] * 3)[-1][0] == 1
    assert observed(quick, [-np.ones(64)] * 3)[-1][0] == 0


def test_images_are_those_of_the_pipeline_at_the_probability():
    module = Adaptive(ada("color"), initial=0.7)
    variables = module.init(jax.random.key(0), jnp.asarray(X), turn(), "real")
    assert set(variables) == {"adaptive"}
    found = module.apply(variables, jnp.asarray(X), turn(), "real")
    np.testing.assert_allclose(found, ada("color")(jnp.asarray(X), jnp.asarray(0.7), turn(), "real"), atol=1e-6)


def build(axis_name=None):
    networks = {
        "generator": mlp.Generator((4, 4, 1), (4,)),
        "discriminator": mlp.Discriminator((4,)),
        "augmentation": Adaptive(ada("flip", "color"), target=0.0, interval=2, kimg=0.1, axis_name=axis_name),
    }
    system = jg.systems.gan(
        loss=jg.losses.hinge, prior=jg.priors.normal(2), optimizer=optax.sgd(0.1), augment="augmentation"
    )
    return jg.game(networks, system, axis_name=axis_name)


def test_in_a_game_it_sees_augmented_real_images_and_moves_once_a_discriminator_update():
    game, data = build(), {"x": X}
    state, step, values = game.init(jax.random.key(0), data), jax.jit(game.train_step), []
    for _ in range(4):
        state, metrics = step(state, data)
        values.append(float(metrics["discriminator/augment_probability"]))
        assert -1 <= float(metrics["discriminator/overfitting"]) <= 1
    kept = state.model_state["augmentation"]["adaptive"]
    assert values[0] == 0
    assert all(min(abs(v - k * 0.32) for k in range(4)) < 1e-6 for v in values)  # 2 * 16 / 100 a move
    assert float(kept["probability"]) == values[-1]
    assert int(kept["updates"]) == 0
    assert state.params["augmentation"] == {}


@pytest.mark.parametrize("mode", ["pmap", "sharded"])
def test_eight_devices_are_one(mode):
    one, many = build(), data_parallel(build("batch" if mode == "pmap" else None), mode)
    data = {"x": X}
    state, spread = one.init(jax.random.key(1), data), many.init(jax.random.key(1), data)
    step = jax.jit(one.train_step)
    for _ in range(4):
        (state, metrics), (spread, told) = step(state, data), many.train_step(spread, data)
    assert float(state.model_state["augmentation"]["adaptive"]["overfitting"]) != 0
    for a, b in zip(jax.tree.leaves(state.model_state), jax.tree.leaves(spread.model_state), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(spread.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(metrics["discriminator/overfitting"], told["discriminator/overfitting"], atol=1e-6)


def test_it_is_in_the_checkpoint(tmp_path):
    from jaxgan import checkpoint

    game, data = build(), {"x": X}
    state = game.init(jax.random.key(0), data)
    moved = jax.tree.map(lambda x: x, state.model_state)
    moved["augmentation"]["adaptive"]["probability"] = jnp.asarray(0.3125)
    manager = checkpoint.open_checkpoints(tmp_path / "checkpoints")
    checkpoint.save(manager, state._replace(model_state=moved), {})
    checkpoint.wait(manager)
    restored = checkpoint.restore(manager, jax.eval_shape(game.init, jax.random.key(0), data), {})
    manager.close()
    assert float(restored.model_state["augmentation"]["adaptive"]["probability"]) == 0.3125


@pytest.mark.parametrize("wrong", [{"target": 1.0}, {"interval": 0}, {"kimg": 0.0}, {"initial": 1.5}])
def test_bad_settings(wrong):
    with pytest.raises(ValueError, match=r"Adaptive needs target in \(-1, 1\), interval >= 1, kimg > 0"):
        Adaptive(**wrong).init(jax.random.key(0), jnp.asarray(X), turn(), "real")
