"""ADD and LADD: what the student and the heads minimise, by hand, and who is left as it was."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.systems.adversarial_distillation import _distance
from jaxgan.types import Turn
from tests.systems.tiny_core import PRIOR, fixed
from tests.systems.tiny_frozen_features import distilled

X = jnp.asarray([[1.0, 2.0], [3.0, 4.0]])
TURN = Turn(jax.random.key(0), jnp.zeros((), jnp.int32))


def by_hand(**options):
    """A student that makes one point, features 3 x, linear heads, and a teacher that always answers 1."""
    networks = {
        "generator": fixed(lambda params, z: params["point"][None] + 0 * z[:, :2], point=[0.5, 0.0]),
        "discriminator": fixed(lambda params, f: f @ params["w"], w=[1.0, -1.0]),
        "features": fixed(lambda params, x: params["scale"] * x, scale=3.0),
        "teacher": fixed(lambda params, x, sigma: params["one"] + 0 * x, one=1.0),
    }
    settings = {"prior": PRIOR, "optimizer": optax.sgd(0.1), "loss": jg.losses.wasserstein, "weight": 1.0}
    system = jg.systems.adversarial_distillation(**settings | options)
    return jg.game({name: net for name, net in networks.items() if name in system.frozen or name[0] in "gd"}, system)


def test_one_step_by_hand():
    """The heads move first, on features; then the student, by new heads through them, and towards the teacher."""
    game = by_hand(weight=2.0, penalty=jg.penalties.r1(1.0))
    before = game.init(jax.random.key(0), {"x": X})
    after, metrics = game.train_step(before, {"x": X})
    w = np.asarray([1.0, -1.0]) - 0.1 * (3 * np.asarray([0.5, 0.0]) - 3 * X.mean(axis=0) + np.asarray([1.0, -1.0]))
    np.testing.assert_allclose(after.params["discriminator"]["w"], w, rtol=1e-6)
    np.testing.assert_allclose(metrics["discriminator/penalty"], 1.0)  # |w|^2 / 2 of features; of pixels 9 times that
    # E c |x - 1|^2, mean over coordinates: (0.25 + 1) / 2 of c, and its gradient (x - 1) of c
    share = metrics["generator/distillation"] / 0.625
    gradient = -3 * w + 2.0 * share * np.asarray([-0.5, -1.0])
    np.testing.assert_allclose(after.params["generator"]["point"], np.asarray([0.5, 0.0]) - 0.1 * gradient, rtol=1e-5)
    for name in ("features", "teacher"):
        jax.tree.map(np.testing.assert_array_equal, after.params[name], before.params[name])


def test_the_teachers_answer_is_a_fixed_target_and_noise_takes_weight_off():
    """The gradient is 2 c (x - R) / N though R depends on x; c = sigma_data / sqrt(sigma^2 + sigma_data^2)."""
    seen = []

    def teacher(x, sigma):
        seen.append(x)
        return 0.25 * x

    def distance(x):
        return _distance({"teacher": teacher}, {"x": X}, TURN, x, lambda u: jnp.full(u.shape, 2.0), 0.5)

    gradient = jax.grad(distance)(X)
    c = 0.5 / np.sqrt(4.25)
    moved = np.asarray(jax.lax.stop_gradient(seen[0]))
    np.testing.assert_allclose(gradient, 2 * c * (np.asarray(X) - 0.25 * moved) / 4, rtol=1e-5)


def test_without_a_distance_the_teachers_features_are_all_that_is_needed():
    """LADD: data and sample of a pair are noised at one level, which the heads are told."""
    _, system, batch = distilled("teacher", weight=0.0)
    assert system.frozen == ("teacher",)
    levels = []
    nets = {
        "generator": lambda z: jnp.zeros((6, 2)),
        "teacher": lambda x, sigma: {"features": x},
        "discriminator": lambda f, sigma: levels.append((f, sigma)) or f[:, 0],
    }
    _, metrics = system.players["generator"].loss(nets, batch, TURN)
    (fake, sigma), (_, other) = levels
    np.testing.assert_array_equal(sigma, other)
    assert np.std(sigma) > 0.05
    assert np.abs(fake).max() < 5 * np.max(sigma)
    assert set(metrics) == {"adversarial"}
    nets["teacher"] = lambda x, sigma: x
    with pytest.raises(ValueError, match=r"adversarial_distillation needs a teacher with outputs \['features'\]"):
        system.players["generator"].loss(nets, batch, TURN)


def test_settings_that_make_no_game():
    common = {"prior": PRIOR, "optimizer": optax.sgd(0.1)}
    with pytest.raises(ValueError, match="weight=0 and another network's features has no teacher"):
        jg.systems.adversarial_distillation(**common, weight=0.0)
    with pytest.raises(ValueError, match="features='own' are unknown"):
        jg.systems.adversarial_distillation(**common, features="own")
    with pytest.raises(ValueError, match="weight >= 0 and sigma_data > 0; got -1"):
        jg.systems.adversarial_distillation(**common, weight=-1.0)
    with pytest.raises(ValueError, match=r"makes \(2, 2\), but data are \(2, 3\)"):
        by_hand(weight=1.0).init(jax.random.key(0), {"x": jnp.zeros((2, 3))})
