"""Every loss in both roles, against values worked by hand from the papers' equations."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg

# logit(p) = log(p / (1 - p)); these four have the probabilities 1/2, 4/5, 1/5 and 9/10.
REAL = [0.0, 1.3862943611]  # D(x) = 1/2, 4/5
FAKE = [-1.3862943611, 2.1972245773]  # D(G(z)) = 1/5, 9/10

EXPECTED = {
    # -(ln .5 + ln .8)/2 = .4581453659; -(ln .8 + ln .1)/2 = 1.2628643222
    "minimax": (1.7210096881, -1.2628643222),
    # G: -(ln .2 + ln .9)/2
    "non_saturating": (1.7210096881, 0.8573992141),
}
# Whole numbers for the others: real (0, 3), fake (-2, 0.5).
EXPECTED_WHOLE = {
    # D: 1/2 mean((-1)^2, 2^2) + 1/2 mean(4, .25) = 1.25 + 1.0625; G: 1/2 mean((-3)^2, (-.5)^2)
    "least_squares": (2.3125, 2.3125),
    # D: mean(max(0, 1), max(0, -2)) + mean(max(0, -1), max(0, 1.5)) = .5 + .75; G: -mean(-2, .5)
    "hinge": (1.25, 0.75),
    # D: mean(-2, .5) - mean(0, 3) = -.75 - 1.5; G: .75
    "wasserstein": (-2.25, 0.75),
}
NAMES = [*EXPECTED, *EXPECTED_WHOLE]


def case(name):
    if name in EXPECTED:
        return jnp.array(REAL), jnp.array(FAKE), EXPECTED[name]
    return jnp.array([0.0, 3.0]), jnp.array([-2.0, 0.5]), EXPECTED_WHOLE[name]


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_hand_worked_values(name, jit):
    loss = getattr(jg.losses, name)
    real, fake, expected = case(name)
    for role, value in zip(loss, expected, strict=True):
        role = jax.jit(role) if jit else role
        np.testing.assert_allclose(role(real, fake), value, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_patch_maps_are_averaged_over_everything(name):
    """A map [B, h, w] of the same logits, repeated, has the same value: a mean, not a sum."""
    loss = getattr(jg.losses, name)
    real, fake, expected = case(name)
    real, fake = (jnp.tile(x.reshape(2, 1, 1), (3, 2, 5)) for x in (real, fake))
    for role, value in zip(loss, expected, strict=True):
        result = role(real, fake)
        chex.assert_shape(result, ())
        np.testing.assert_allclose(result, value, rtol=1e-6)


@pytest.mark.parametrize("role", ["discriminator", "generator"])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_match_finite_differences(name, role):
    objective = getattr(getattr(jg.losses, name), role)
    real, fake = np.array([0.4, -1.7, 2.2], np.float32), np.array([0.3, -0.6, -2.5], np.float32)  # off the kinks
    gradients = jax.grad(objective, argnums=(0, 1))(jnp.asarray(real), jnp.asarray(fake))
    step = 1e-2
    for side, gradient in enumerate(gradients):
        for i in range(3):
            ends = []
            for sign in (1, -1):
                moved = [real.copy(), fake.copy()]
                moved[side][i] += sign * step
                ends.append(float(objective(*map(jnp.asarray, moved))))
            np.testing.assert_allclose(gradient[i], (ends[0] - ends[1]) / (2 * step), atol=2e-4)


@pytest.mark.parametrize("role", ["discriminator", "generator"])
@pytest.mark.parametrize("name", NAMES)
def test_finite_at_extreme_logits(name, role):
    objective = getattr(getattr(jg.losses, name), role)
    for real, fake in [(1e4, 1e4), (1e4, -1e4), (-1e4, 1e4), (-1e4, -1e4)]:
        value, gradient = jax.value_and_grad(objective, argnums=(0, 1))(jnp.full((3,), real), jnp.full((3,), fake))
        chex.assert_tree_all_finite((value, gradient))


@pytest.mark.parametrize("role", ["discriminator", "generator"])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_logits_give_float32(name, role):
    objective = getattr(getattr(jg.losses, name), role)
    real = jax.random.normal(jax.random.key(1), (1000,), jnp.bfloat16)
    fake = jax.random.normal(jax.random.key(2), (1000,), jnp.bfloat16)
    value = objective(real, fake)
    assert value.dtype == jnp.float32
    # the mean itself was taken in float32: equal to that of the same logits, widened first
    np.testing.assert_allclose(value, objective(real.astype(jnp.float32), fake.astype(jnp.float32)), rtol=1e-6)


@pytest.mark.parametrize("role", ["discriminator", "generator"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shapes", [((4,), (4, 1)), ((4,), (3,)), ((4, 2, 2), (4,))])
def test_logits_of_different_shapes_are_refused(name, role, shapes):
    objective = getattr(getattr(jg.losses, name), role)
    with pytest.raises(ValueError, match="must be equal"):
        objective(jnp.zeros(shapes[0]), jnp.zeros(shapes[1]))


def test_logistic_losses_are_told_apart_by_their_slope_where_samples_are_found_out():
    """Where D(G(z)) -> 0 the saturating game has no slope for the generator, the other has slope -1."""
    slope = {name: jax.grad(getattr(jg.losses, name).generator, argnums=1) for name in ("minimax", "non_saturating")}
    real, fake = jnp.zeros(1), jnp.full((1,), -20.0)
    np.testing.assert_allclose(slope["minimax"](real, fake), 0.0, atol=1e-8)
    np.testing.assert_allclose(slope["non_saturating"](real, fake), -1.0, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_generator_only_looks_at_its_samples_and_wants_their_logits_up(name):
    generator = getattr(jg.losses, name).generator
    to_real, to_fake = jax.grad(generator, argnums=(0, 1))(jnp.array([0.3, -0.2]), jnp.array([0.1, -0.4]))
    np.testing.assert_array_equal(to_real, 0.0)
    assert (to_fake < 0).all()
