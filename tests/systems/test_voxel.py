"""3D-GAN against arithmetic: one step by hand, its accuracy, and a discriminator that waits by it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from tests.systems.tiny_core import fixed

RATE, Z = 0.1, 0.5
X = np.array([1.0, -0.4, 0.7], np.float32).reshape(3, 1, 1, 1, 1)


def constant(key, n, index=None):
    return jnp.full((n, 1), Z, jnp.float32)


def networks(a=0.3, b=-0.1):
    """G(z) = g z as a volume of one voxel, D(x) = a x + b."""
    return {
        "generator": fixed(lambda p, z: (p["g"] * z).reshape(-1, 1, 1, 1, 1), g=0.8),
        "discriminator": fixed(lambda p, x: p["a"] * x[:, 0, 0, 0, 0] + p["b"], a=a, b=b),
    }


def stepped(nets, **settings):
    system = jg.systems.voxel(loss=jg.losses.non_saturating, prior=constant, optimizer=optax.sgd(RATE))
    game = jg.game(nets, system, **settings)
    return jax.jit(game.train_step)(game.init(jax.random.key(0), {"x": X}), {"x": X})


def sigmoid(t):
    return 1 / (1 + np.exp(-np.asarray(t, np.float64)))


def test_one_step_by_hand():
    """The discriminator moves first, and the generator meets it where it went."""
    after, metrics = stepped(networks())
    a, b, g, x = 0.3, -0.1, 0.8, X.ravel()
    real, fake = sigmoid(a * x + b) - 1, sigmoid(a * g * Z + b)
    a, b = a - RATE * (np.mean(real * x) + fake * g * Z), b - RATE * (np.mean(real) + fake)
    g -= RATE * (sigmoid(a * g * Z + b) - 1) * a * Z
    assert after.params["discriminator"] == pytest.approx({"a": a, "b": b}, rel=1e-5)
    assert after.params["generator"] == pytest.approx({"g": g}, rel=1e-5)
    # logits of x are 0.2, -0.22 and 0.11, all samples' 0.02: two of three are right of the one kind, none of the other
    assert float(metrics["discriminator/accuracy"]) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("b", "accuracy"), [(-0.1, 1 / 3), (-0.28, 5 / 6)])
def test_it_waits_where_it_is_right_too_often(b, accuracy):
    """With b = -0.28 only the volume -0.4 is called by the wrong kind; the rule is of this turn's batch."""
    after, metrics = stepped(networks(a=0.5, b=b), dynamics=jg.dynamics.gated(jg.systems.accurate(0.8)))
    assert float(metrics["discriminator/accuracy"]) == pytest.approx(accuracy)
    waits = accuracy > 0.8
    assert float(metrics["discriminator/skipped"]) == waits
    assert (after.params["discriminator"] == {"a": np.float32(0.5), "b": np.float32(b)}) == waits
    assert after.params["generator"]["g"] != np.float32(0.8)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"accurate needs a share in \(0, 1\]; got 0"):
        jg.systems.accurate(0)
    system = jg.systems.voxel(loss=jg.losses.non_saturating, prior=constant, optimizer=optax.sgd(RATE))
    with pytest.raises(ValueError, match=r"voxel needs volumes batch\['x'\] \[B, D, H, W, C\]; got shape \(3, 1\)"):
        jg.game(networks(), system).init(jax.random.key(0), {"x": X[:, 0, 0, 0]})
