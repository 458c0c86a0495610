"""S²-GAN: one step by hand, what moves what, and an estimator that is kept or learned."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.losses import misalignment
from jaxgan.systems.structure_style import structure_style
from tests.systems.tiny_core import fixed
from tests.systems.tiny_inverse import B, shaded

RNG = np.random.default_rng(0)
N = RNG.normal(size=(3, 2, 2, 3)).astype(np.float32)
N /= np.linalg.norm(N, axis=-1, keepdims=True)
X = RNG.uniform(-1, 1, (3, 2, 2, 1)).astype(np.float32)
BATCH = {"x": jnp.asarray(X), "normals": jnp.asarray(N)}
Z = 0.5  # of every example and of either generator
RATE = 0.1
AXIS = np.array([1.0, 0.0, 0.5], np.float32)


def constant(key, n, index=None):
    return jnp.full((n, 1), Z)


def place(z):
    return z[:, :, None, None]


NETWORKS = {
    "generator_0": fixed(lambda p, z: p["s"] * place(z) * jnp.ones((1, 2, 2, 3)), s=0.7),
    "discriminator_0": fixed(lambda p, n: p["w"] * jnp.sum(n, axis=(1, 2, 3)), w=0.2),
    "generator_1": fixed(lambda p, z, n: p["g"] * place(z) + p["h"] * n[..., :1], g=0.4, h=0.3),
    "discriminator_1": fixed(lambda p, x, n: p["v"] * jnp.sum(x * n[..., 2:], axis=(1, 2, 3)), v=0.6),
    "estimator": fixed(lambda p, x: p["e"] * x * jnp.ones((1, 1, 1, 3)) + AXIS.reshape(1, 1, 1, 3), e=1.0),
}
SETTINGS = {"loss": jg.losses.non_saturating, "prior": constant, "optimizer": optax.sgd(RATE)}


@pytest.mark.parametrize("joint", [0.0, 0.5])
def test_one_step_by_hand(joint):
    """Structure before style, each discriminator before its generator, the estimator last."""
    played = jg.game(NETWORKS, structure_style(**SETTINGS, weight=0.8, joint=joint))
    after, metrics = jax.jit(played.train_step)(played.init(jax.random.key(0), BATCH), BATCH)

    def losses(p):
        normals = p["s"] * Z * jnp.ones((3, 2, 2, 3))
        painted, whole = (p["g"] * Z + p["h"] * n[..., :1] for n in (N, normals))
        first = [p["w"] * jnp.sum(n, axis=(1, 2, 3)) for n in (N, normals)]
        second = [p["v"] * jnp.sum(x * n[..., 2:], axis=(1, 2, 3)) for x, n in ((X, N), (painted, N), (whole, normals))]
        refuses = lambda real, fake: jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))  # noqa: E731
        fools = lambda fake: jnp.mean(jax.nn.softplus(-fake))  # noqa: E731
        read, real = (misalignment(N, p["e"] * x * jnp.ones((1, 1, 1, 3)) + AXIS) for x in (painted, X))
        return {
            "discriminator_0": (refuses(*first), ("w",)),
            "generator_0": (fools(first[1]) + joint * fools(second[2]), ("s",)),
            "discriminator_1": (refuses(*second[:2]), ("v",)),
            "generator_1": (fools(second[1]) + 0.8 * read, ("g", "h")),
            "estimator": (real, ("e",)),
        }

    p = jax.tree.map(jnp.float32, {"s": 0.7, "w": 0.2, "g": 0.4, "h": 0.3, "v": 0.6, "e": 1.0})
    with jax.numpy_rank_promotion("allow"):
        for player in losses(p):
            value, owned = losses(p)[player]
            slope = jax.grad(lambda p, player=player: losses(p)[player][0])(p)
            p |= {name: p[name] - RATE * slope[name] for name in owned}
            assert float(metrics[f"{player}/loss"]) == pytest.approx(float(value), rel=1e-5), player
            chex.assert_trees_all_close(after.params[player], {n: p[n] for n in owned}, rtol=1e-5)


def test_misalignment_by_hand_and_no_gradient_where_all_agree():
    n = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    v = jnp.array([[2.0, 0.0, 0.0], [0.0, -3.0, 0.0]])
    assert float(misalignment(n, v)) == pytest.approx(1.0)  # 0 and 2
    assert float(misalignment(n, jnp.array([[1.0, 1.0, 0.0]] * 2))) == pytest.approx(1 - np.sqrt(0.5))
    assert np.allclose(jax.grad(misalignment, argnums=1)(n, 2 * n), 0, atol=1e-6)
    assert np.isfinite(jax.grad(misalignment, argnums=1)(n, 0 * n)).all()
    with pytest.raises(ValueError, match=r"of one shape; got \(2, 3\) and \(1, 3\)"):
        misalignment(n, v[:1])


def test_a_given_estimator_is_kept_bit_for_bit():
    networks, system, batch = shaded(learn_estimator=False)
    game = jg.game(networks, system)
    before = game.init(jax.random.key(0), batch)
    after, metrics = jax.jit(game.train_step)(before, batch)
    assert "estimator" in system.frozen
    chex.assert_trees_all_equal(after.params["estimator"], before.params["estimator"])
    assert "estimator/loss" not in metrics
    assert metrics["generator_1/misalignment"] > 0


def test_it_paints_what_it_is_given():
    networks, system, batch = shaded()
    game = jg.game(networks, system)
    state, z = game.init(jax.random.key(0), batch), jax.random.normal(jax.random.key(1), (B, 2, 3))
    whole = game.generate(state, jax.random.key(2), {"z": z})
    normals = networks["generator_0"].apply({"params": state.params["generator_0"]}, z[:, 0])
    chex.assert_trees_all_close(game.generate(state, jax.random.key(2), {"z": z, "normals": normals}), whole)
    other = game.generate(state, jax.random.key(2), {"z": z, "normals": batch["normals"]})
    assert (other != whole).any()


def test_what_does_not_fit():
    for name in ("weight", "joint"):
        with pytest.raises(ValueError, match=rf"structure_style needs (a )?{name} >= 0; got -1\.0"):
            structure_style(**SETTINGS, **{name: -1.0})
    played = jg.game(NETWORKS, structure_style(**SETTINGS))
    with pytest.raises(ValueError, match=r"needs batch\['normals'\], their surfaces' directions; the batch has"):
        played.init(jax.random.key(0), {"x": BATCH["x"]})
