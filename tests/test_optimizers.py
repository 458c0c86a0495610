"""Optimizers that see the parameters: each against its recursion, written out."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan.dynamics import simultaneous
from jaxgan.optimizers import clip_weights, historical_averaging, lookahead
from tests.dynamics.games import bilinear, trajectory


def descend(optimizer, start, gradients):
    """Parameters after every update, [steps, n]."""
    params, seen = {"w": jnp.asarray(start, jnp.float32)}, []
    state = optimizer.init(params)
    for gradient in gradients:
        changes, state = optimizer.update({"w": jnp.asarray(gradient, jnp.float32)}, state, params)
        params = optax.apply_updates(params, changes)
        seen.append(np.asarray(params["w"]))
    return np.stack(seen)


GRADIENTS = np.random.default_rng(0).normal(size=(7, 3))


def test_clipping():
    found, w = descend(clip_weights(optax.sgd(0.5), 0.3), np.ones(3), GRADIENTS), np.ones(3)
    for step, gradient in enumerate(GRADIENTS):
        w = np.clip(w - 0.5 * gradient, -0.3, 0.3)
        np.testing.assert_allclose(found[step], w, atol=1e-6)


def test_historical_averaging_is_the_gradient_of_its_penalty():
    found = descend(historical_averaging(optax.sgd(0.1), 2.0), np.ones(3), GRADIENTS)
    w, past = np.ones(3), []
    for step, gradient in enumerate(GRADIENTS):
        past.append(w)
        w = w - 0.1 * (gradient + 2 * 2.0 * (w - np.mean(past, axis=0)))
        np.testing.assert_allclose(found[step], w, atol=1e-5)


def test_historical_averaging_holds_a_circling_game():
    free, held = (
        np.linalg.norm(trajectory(bilinear(optimizer, simultaneous()), (1.0, 0.0), 400)[-1])
        for optimizer in (optax.sgd(0.1), historical_averaging(optax.sgd(0.1), 0.5))
    )
    assert free > 5
    assert held < 0.5


def test_lookahead_steps_back():
    found = descend(lookahead(optax.sgd(0.5, momentum=0.9), 3, 0.4), np.ones(3), GRADIENTS)
    w, slow, velocity = np.ones(3), np.ones(3), np.zeros(3)
    for step, gradient in enumerate(GRADIENTS):
        velocity = 0.9 * velocity + gradient
        w = w - 0.5 * velocity
        if (step + 1) % 3 == 0:
            w = slow = slow + 0.4 * (w - slow)
        np.testing.assert_allclose(found[step], w, atol=1e-5)


def test_lookahead_makes_a_rotation_converge():
    """k steps turn by (1 + i h)^k; half way back to 1 is inside the unit circle for the right k."""
    h = 0.2
    for k in (1, 5, 20):
        turned = (1 + 1j * h) ** k
        rate = abs(1 + 0.5 * (turned - 1))
        path = trajectory(bilinear(lookahead(optax.sgd(h), k), simultaneous()), (1.0, 1.0), 4 * k)  # as initialised
        growth = np.linalg.norm(path[4 * k]) / np.linalg.norm(path[0])
        assert growth == pytest.approx(rate**4, rel=1e-3)
    assert abs(1 + 0.5 * ((1 + 1j * h) ** 10 - 1)) < 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: clip_weights(optax.sgd(0.1), 0.0), "limit > 0; got 0"),
        (lambda: historical_averaging(optax.sgd(0.1), -1.0), "weight >= 0; got -1"),
        (lambda: lookahead(optax.sgd(0.1), 0), "every >= 1"),
        (lambda: lookahead(optax.sgd(0.1), 5, 0.0), r"rate in \(0, 1\]"),
    ],
)
def test_bad_arguments(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_states_are_arrays_only():
    """So that they are saved, restored, copied and put on devices like any other."""
    for optimizer in (clip_weights(optax.adam(1e-3), 0.1), historical_averaging(optax.adam(1e-3), 1.0)):
        state = optimizer.init({"w": jnp.ones(2)})
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
