"""Next frames against arithmetic: one step by hand, the pyramid's identity, and what two futures make of errors."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import frames
from jaxgan.systems.next_frame import next_frame
from tests.systems.tiny_core import fixed

RATE = 0.1
CLIPS = np.random.default_rng(0).uniform(-1, 1, (3, 2, 4, 4, 1)).astype(np.float32)
NETWORKS = {
    # of the last frame, halved and as it is, by two numbers
    "generator": fixed(lambda p, x: (p["c"] * frames.pyramid(x[:, -1], 2)[0], p["f"] * x[:, -1]), c=0.5, f=0.7),
    "discriminator_0": fixed(lambda p, x, past: means(p, x, past), w=0.3, v=-0.2),
    "discriminator_1": fixed(lambda p, x, past: means(p, x, past), w=1.0, v=2.0),
}


def means(p, x, past):
    return p["w"] * x.mean((1, 2, 3)) + p["v"] * past.mean((1, 2, 3, 4))


def test_one_step_by_hand():
    """Both discriminators move first, each of its scale, and the generator meets them where they went."""
    system = next_frame(loss=jg.losses.least_squares, optimizer=optax.sgd(RATE), scales=2, weight=0.5, gradient=0)
    game = jg.game(NETWORKS, system)
    after, metrics = jax.jit(game.train_step)(game.init(jax.random.key(0), {"x": CLIPS}), {"x": CLIPS})
    past, truth = CLIPS[:, 0, :, :, 0], CLIPS[:, 1, :, :, 0]
    before, came, c, f = past.mean((1, 2)), truth.mean((1, 2)), 0.5, 0.7
    small, small_truth = (x.reshape(3, 2, 2, 2, 2).mean((2, 4)) for x in (past, truth))
    moved = []
    for scale, (w, v, guess) in enumerate([(0.3, -0.2, c), (1.0, 2.0, f)]):
        real, fake = w * came + v * before - 1, (w * guess + v) * before
        w_after = w - RATE * np.mean(real * came + fake * guess * before)
        v_after = v - RATE * np.mean(real * before + fake * before)
        assert after.params[f"discriminator_{scale}"] == pytest.approx({"w": w_after, "v": v_after}, rel=1e-4)
        moved.append((w_after, v_after))
    (w, v), (w1, v1) = moved
    slope_c = 2 * np.mean((c * small - small_truth) * small) + 0.5 * np.mean(((w * c + v) * before - 1) * w * before)
    slope_f = 2 * np.mean((f * past - truth) * past) + 0.5 * np.mean(((w1 * f + v1) * before - 1) * w1 * before)
    assert after.params["generator"] == pytest.approx({"c": c - RATE * slope_c, "f": f - RATE * slope_f}, rel=1e-4)
    pixel = np.mean((c * small - small_truth) ** 2) + np.mean((f * past - truth) ** 2)
    assert float(metrics["generator/pixel"]) == pytest.approx(pixel, rel=1e-5)


def test_without_a_game_and_with_gradients():
    alone = {"generator": fixed(lambda p, x: (p["f"] * x[:, -1],), f=0.7)}
    system = next_frame(loss=jg.losses.hinge, optimizer=optax.sgd(RATE), scales=1, weight=0, gradient=3.0, power=1)
    game = jg.game(alone, system)
    _, metrics = jax.jit(game.train_step)(game.init(jax.random.key(0), {"x": CLIPS}), {"x": CLIPS})
    past, truth = CLIPS[:, 0], CLIPS[:, 1]
    steps = [np.mean(np.abs(np.abs(np.diff(0.7 * past, axis=k)) - np.abs(np.diff(truth, axis=k)))) for k in (1, 2)]
    assert float(metrics["generator/gradient"]) == pytest.approx(sum(steps), rel=1e-5)
    assert float(metrics["generator/loss"]) == pytest.approx(
        np.mean(np.abs(0.7 * past - truth)) + 3 * sum(steps), rel=1e-5
    )


def test_the_scales_are_means_and_a_frame_is_what_its_steps_add_up_to():
    """Y_k = u(Y_(k-1)) + (Y_k - u(Y_(k-1))): with these steps the coarse to fine recursion gives the frame back."""
    x = np.random.default_rng(1).uniform(-1, 1, (2, 3, 8, 16, 1)).astype(np.float32)
    levels = frames.pyramid(x, 3)
    assert [level.shape[2:4] for level in levels] == [(2, 4), (4, 8), (8, 16)]
    np.testing.assert_allclose(levels[0][0, 0, 1, 2, 0], x[0, 0, 4:8, 8:12, 0].mean(), rtol=1e-5)
    rebuilt = levels[0]
    for level in levels[1:]:
        up = rebuilt.repeat(2, axis=2).repeat(2, axis=3)
        assert np.abs(frames.pyramid(level - up, 2)[0]).max() < 1e-6  # details have no mean
        rebuilt = up + (level - up)
    np.testing.assert_allclose(rebuilt, x, atol=1e-6)


def test_of_two_futures_the_square_error_takes_the_mean_and_the_gradient_difference_does_not_mind():
    """A bar is left or right alike: half a bar in both places is best in squares, and no worse than one by edges."""
    left, right = np.zeros((2, 1, 4, 8, 1), np.float32)
    left[:, :, 2], right[:, :, 5] = 1, 1
    guesses = {"left": left, "mean": (left + right) / 2, "right": right}

    def best(loss):
        costs = {name: float(loss(guess, left) + loss(guess, right)) for name, guess in guesses.items()}
        return {name for name, cost in costs.items() if cost == min(costs.values())}

    assert best(jg.losses.squared_error) == {"mean"}
    assert best(jg.losses.gradient_difference) == {"left", "mean", "right"}


def test_of_more_frames_the_last_are_taken_and_the_coarse_answer_is_enlarged():
    network = frames.Generator(scales=2, past=2, widths=(2,), kernel=3)
    apply = jax.jit(network.apply)
    x = jax.random.uniform(jax.random.key(0), (2, 3, 8, 8, 1), jnp.float32, -1)
    variables = jax.jit(network.init)(jax.random.key(1), x)
    coarse, fine = apply(variables, x)
    assert (coarse.shape, fine.shape) == ((2, 4, 4, 1), (2, 8, 8, 1))
    np.testing.assert_array_equal(fine, apply(variables, x.at[:, 0].set(0))[1])
    silent = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.zeros_like(leaf) if "Conv_3" in jax.tree_util.keystr(path) else leaf, variables
    )
    coarse, fine = apply(silent, x)
    np.testing.assert_allclose(fine, jnp.tanh(coarse.repeat(2, axis=1).repeat(2, axis=2)), atol=1e-6)


def test_what_is_refused():
    settings = {"loss": jg.losses.non_saturating, "optimizer": optax.sgd(RATE)}
    with pytest.raises(ValueError, match=r"scales >= 1, weights >= 0 and power 1 or 2; got 4, -1, 1\.0 and 2"):
        next_frame(**settings, weight=-1)
    with pytest.raises(ValueError, match=r"got 4, 0\.05, 1\.0 and 3"):
        next_frame(**settings, power=3)
    game = jg.game(NETWORKS, next_frame(**settings, scales=2))
    with pytest.raises(ValueError, match=r"clips batch\['x'\] \[B, T, H, W, C\], T >= 2; got shape \(3, 1, 4, 4, 1\)"):
        game.init(jax.random.key(0), {"x": CLIPS[:, :1]})
    with pytest.raises(ValueError, match=r"pyramid\(scales=4\) takes sides that are multiples of 8"):
        frames.pyramid(CLIPS, 4)
    game = jg.game({"generator": NETWORKS["generator"]}, next_frame(**settings, scales=1, weight=0))
    state = game.init(jax.random.key(0), {"x": CLIPS})
    with pytest.raises(ValueError, match=r"generator of frames \(\(3, 4, 4, 1\),\); it makes \(\(3, 2, 2, 1\), \(3, 4"):
        jax.eval_shape(game.train_step, state, {"x": CLIPS})
    with pytest.raises(ValueError, match=r"frames.Generator\(past=4\) takes frames \[B, T, H, W, C\], T >= 4; got"):
        frames.Generator().init(jax.random.key(0), jnp.zeros((1, 3, 8, 8, 1)))
    with pytest.raises(ValueError, match=r"a frame \[B, H, W, C\] and those before it"):
        frames.Discriminator().init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), jnp.zeros((1, 3, 4, 4, 1)))
