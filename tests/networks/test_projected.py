"""Frozen features with random mixing, and the heads on them: shapes, freezing, what is random and what is not."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgan as jg
from jaxgan.networks import efficientnet_lite, projected
from jaxgan.networks.projected import Discriminator, Mixing, enlarged
from tests.augment.conftest import turn
from tests.systems import tiny_frozen_features as tiny
from tests.systems.tiny_core import fixed


def test_enlarging_keeps_the_corners():
    """PyTorch's interpolate(align_corners=True), by hand: 3 values become 6, a fifth of the way twofold apart."""
    x = jnp.asarray([0.0, 5.0, 20.0]).reshape(1, 1, 3, 1)
    wanted = [0.0, 2.0, 4.0, 8.0, 14.0, 20.0]
    np.testing.assert_allclose(enlarged(x)[0, :, :, 0], [wanted, wanted], rtol=1e-6)


def test_channels_and_sides_are_those_of_the_authors_code():
    """Backbone maps at 224 pixels -> 64, 64, 128, 256 channels of twice the sides, and 4 x 4 logits of each."""
    x = jax.ShapeDtypeStruct((2, 224, 224, 3), jnp.float32)
    maps = jax.eval_shape(efficientnet_lite.EfficientNetLite0().init_with_output, jax.random.key(0), x)[0]["maps"]
    assert [m.shape[1:] for m in maps] == [(56, 56, 24), (28, 28, 40), (14, 14, 112), (7, 7, 320)]
    mixed = jax.eval_shape(Mixing().init_with_output, jax.random.key(0), maps)[0]
    assert [m.shape[1:] for m in mixed] == [(112, 112, 64), (56, 56, 64), (28, 28, 128), (14, 14, 256)]
    logits = jax.eval_shape(Discriminator().init_with_output, {"params": jax.random.key(0)}, mixed)[0]
    assert logits.shape == (2, 64)


def test_the_key_fixes_the_mixing_and_nothing_else():
    one, same, other = (tiny.eye() if k == 2 else made(k) for k in (2, 2, 5))
    chex.assert_trees_all_equal(one.variables, same.variables)
    chex.assert_trees_all_equal(one.variables["params"]["backbone"], other.variables["params"]["backbone"])
    kernels = [each.variables["params"]["mixing"]["channels_0"]["kernel"] for each in (one, other)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.1


def made(key):
    variables = {"params": tiny.eye().variables["params"]["backbone"]}
    return projected.projector(tiny.Eye(), variables, jax.random.key(key), size=tiny.EYE_SIZE, mixing=Mixing(4))


def test_a_checkpoint_needs_none_of_the_features():
    """They are among what a game is given, of which a digest is stored; that none moves, `test_every_system` says."""
    networks, system, _ = tiny.through_features()
    given = jg.game(networks, system).given
    assert set(given) == {"features"}
    chex.assert_trees_all_equal(given["features"], networks["features"].variables)


def test_the_mean_over_all_patches_is_the_papers_sum_over_scales_but_for_their_number():
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4, 16)), jnp.float32)  # side, B, scale, patch
    real, fake = (side.reshape(3, 64) for side in logits)
    total = sum(jg.losses.hinge.discriminator(*logits[:, :, scale]) for scale in range(4))
    np.testing.assert_allclose(total, 4 * jg.losses.hinge.discriminator(real, fake), rtol=1e-6)


def test_a_penalty_is_of_images_through_the_features():
    """D(F(x)) = w . A x has the gradient A^T w, not w: R1 is half its square."""
    matrix, w = np.asarray([[1.0, 2.0], [0.0, 3.0]], np.float32), np.asarray([1.0, -1.0], np.float32)
    system = jg.systems.gan(
        loss=jg.losses.hinge, prior=tiny.PRIOR, optimizer=optax.sgd(0.0), penalty=jg.penalties.r1(1.0)
    )
    networks = {
        "generator": jg.networks.mlp.Generator((2,), (4,)),
        "discriminator": fixed(lambda params, x: x @ params["w"], w=w),
        "features": fixed(lambda params, x: x @ params["a"].T, a=matrix),
    }
    game = jg.game(networks, jg.systems.on_features(system))
    batch = {"x": tiny.X}
    _, metrics = jax.jit(game.train_step)(game.init(jax.random.key(0), batch), batch)
    np.testing.assert_allclose(metrics["discriminator/penalty"], np.sum((matrix.T @ w) ** 2) / 2, rtol=1e-5)


def test_what_does_not_fit_is_refused():
    maps = [jnp.zeros((1, 16, 16, 2)), jnp.zeros((1, 8, 8, 4))]
    with pytest.raises(ValueError, match="takes 4 maps of features; got 2 maps"):
        jax.eval_shape(Discriminator(4).init, jax.random.key(0), maps)
    with pytest.raises(ValueError, match="leave maps with sides"):
        jax.eval_shape(Discriminator(4, (1, 1)).init, jax.random.key(0), maps)
    with pytest.raises(ValueError, match="size that is a multiple of 32; got 40"):
        jax.eval_shape(projected.Projector(tiny.Eye(), 40).init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    system = jg.systems.gan(loss=jg.losses.hinge, prior=tiny.PRIOR, optimizer=optax.sgd(0.1))
    with pytest.raises(ValueError, match=r"features 'generator' that nobody owns"):
        jg.systems.on_features(system, "generator")
    networks = {"generator": tiny.Eye(), "discriminator": tiny.Eye()}
    with pytest.raises(ValueError, match=r"see through \['features'\], which the system does not freeze"):
        jg.game(networks, system._replace(through={"discriminator": "features"}))


def test_blur_fades():
    """2^-(i / s)^2 over i = -6..6 at s = 2, halfway at s = 1, and nothing at the end."""
    x = jnp.zeros((1, 16, 16, 1)).at[0, 8, 8, 0].set(1.0)
    blur = jg.augment.fading_blur(2.0, 10)
    for step, deviation in ((0, 2.0), (5, 1.0)):
        y = blur(x, turn()._replace(step=jnp.asarray(step, jnp.int32)), "real")
        bell = 2.0 ** -np.square(np.arange(-6, 7) / deviation) * (np.abs(np.arange(-6, 7)) <= 3 * deviation)
        np.testing.assert_allclose(y[0, 8, 2:15, 0], bell * bell[6] / bell.sum() ** 2, atol=1e-6)
    np.testing.assert_allclose(blur(x, turn()._replace(step=jnp.asarray(10, jnp.int32)), "real"), x, atol=1e-7)
    with pytest.raises(ValueError, match="steps >= 1"):
        jg.augment.fading_blur(1.0, 0)
