"""Every pair of losses in both roles, against hand-worked values and against its paper's equation in NumPy."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg
from tests import registry
from tests.losses.references import LARGEST, PAIRS

# logit(p) = log(p / (1 - p)); these four have the probabilities 1/2, 4/5, 1/5 and 9/10.
REAL = [0.0, 1.3862943611]  # D(x) = 1/2, 4/5
FAKE = [-1.3862943611, 2.1972245773]  # D(G(z)) = 1/5, 9/10

EXPECTED = {
    # -(ln .5 + ln .8)/2 = .4581453659; -(ln .8 + ln .1)/2 = 1.2628643222
    "minimax": (1.7210096881, -1.2628643222),
    # G: -(ln .2 + ln .9)/2
    "non_saturating": (1.7210096881, 0.8573992141),
    # odds of the pairs 1 : 1/4 = 4 and 4 : 9, so D: -(ln 4/5 + ln 4/13)/2, G: -(ln 1/5 + ln 9/13)/2
    "relativistic": (0.7008992738, 0.9885813463),
}
# Whole numbers for the others: real (0, 3), fake (-2, 0.5).
EXPECTED_WHOLE = {
    # D: 1/2 mean((-1)^2, 2^2) + 1/2 mean(4, .25) = 1.25 + 1.0625; G: 1/2 mean((-3)^2, (-.5)^2)
    "least_squares": (2.3125, 2.3125),
    # D: mean(max(0, 1), max(0, -2)) + mean(max(0, -1), max(0, 1.5)) = .5 + .75; G: -mean(-2, .5)
    "hinge": (1.25, 0.75),
    # the same D; G: mean(max(0, 3), max(0, .5))
    "margin": (1.25, 1.75),
    # D: mean(-2, .5) - mean(0, 3) = -.75 - 1.5; G: .75
    "wasserstein": (-2.25, 0.75),
    # real - E fake = (.75, 3.75), fake - E real = (-3.5, -1)
    # D: mean(.25^2, 2.75^2) + mean(2.5^2, 0); G: mean(4.5^2, 2^2) + mean(1.75^2, 4.75^2)
    "relativistic_average_least_squares": (6.9375, 24.9375),
    # D: mean(.25, 0) + 0; G: mean(4.5, 2) + mean(1.75, 4.75)
    "relativistic_average_hinge": (0.125, 6.5),
}
NAMES = [*EXPECTED, *EXPECTED_WHOLE]
ROLES = ["discriminator", "generator"]


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


def test_every_pair_has_its_equation_written_again():
    assert set(registry.losses()) - {"flipped"} == {name.split()[0] for name in PAIRS}


@pytest.mark.parametrize("shape", [(5,), (3, 2, 2)])
@pytest.mark.parametrize("name", PAIRS)
def test_pairs_are_their_papers_equations(name, shape):
    """Values and gradients w.r.t. both logits, in float64: differences of the reference, not of the code."""
    loss, *references = PAIRS[name]
    numbers = np.random.default_rng(3)
    real, fake = numbers.normal(0.3, 1.2, shape), numbers.normal(-0.4, 1.2, shape)
    with jax.enable_x64(True):
        for objective, reference in zip(loss, references, strict=True):
            value, gradients = jax.value_and_grad(objective, (0, 1))(jnp.asarray(real), jnp.asarray(fake))
            np.testing.assert_allclose(value, reference(real, fake), rtol=1e-9)
            for side, gradient in enumerate(gradients):
                np.testing.assert_allclose(gradient, differences(reference, (real, fake), side), rtol=1e-5, atol=1e-8)


def differences(function, arguments, side, step=1e-5):
    """Central differences of a function of two arrays, w.r.t. one of them."""
    found = np.zeros_like(arguments[side])
    for index in np.ndindex(found.shape):
        ends = []
        for sign in (1, -1):
            moved = [x.copy() for x in arguments]
            moved[side][index] += sign * step
            ends.append(function(*moved))
        found[index] = (ends[0] - ends[1]) / (2 * step)
    return found


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", PAIRS)
def test_finite_at_extreme_logits(name, role):
    objective, largest = getattr(PAIRS[name][0], role), LARGEST.get(name, 1e4)
    for signs in [(1, 1), (1, -1), (-1, 1), (-1, -1)]:
        real, fake = (jnp.full((3,), sign * largest) for sign in signs)
        chex.assert_tree_all_finite(jax.value_and_grad(objective, argnums=(0, 1))(real, fake))


@pytest.mark.parametrize("name", ["jeffrey", "weighted_jensen_shannon", "alpha -1", "jensen_shannon", "gan"])
def test_single_precision_is_exact_far_from_zero(name):
    """Where the textbook form of f*(g(v)) has lost all digits in float32, this one agrees with float64."""
    loss = PAIRS[f"f_divergence {name}"][0]
    far = np.array([-60.0, -30.5, -29.5, -17.0, 17.0, 29.5, 30.5, 60.0], np.float32)
    for objective in loss:
        for v in far:
            single = np.asarray(jax.value_and_grad(objective, 1)(jnp.zeros(1), jnp.full(1, v))[1])
            with jax.enable_x64(True):
                value = jax.grad(objective, 1)(jnp.zeros(1), jnp.full(1, float(v), jnp.float64))
            np.testing.assert_allclose(single, value, rtol=2e-5, atol=1e-30)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", PAIRS)
def test_half_precision_logits_give_float32(name, role):
    objective = getattr(PAIRS[name][0], role)
    real = jax.random.normal(jax.random.key(1), (1000,), jnp.bfloat16)
    fake = jax.random.normal(jax.random.key(2), (1000,), jnp.bfloat16)
    value = objective(real, fake)
    assert value.dtype == jnp.float32
    # the mean itself was taken in float32: equal to that of the same logits, widened first
    np.testing.assert_allclose(value, objective(real.astype(jnp.float32), fake.astype(jnp.float32)), rtol=1e-6)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("shapes", [((4,), (4, 1)), ((4,), (3,)), ((4, 2, 2), (4,))])
def test_logits_of_different_shapes_are_refused(name, role, shapes):
    objective = getattr(PAIRS[name][0], role)
    with pytest.raises(ValueError, match="must be equal"):
        objective(jnp.zeros(shapes[0]), jnp.zeros(shapes[1]))


def test_logistic_losses_are_told_apart_by_their_slope_where_samples_are_found_out():
    """Where D(G(z)) -> 0 the saturating game has no slope for the generator, the other has slope -1."""
    slope = {name: jax.grad(getattr(jg.losses, name).generator, argnums=1) for name in ("minimax", "non_saturating")}
    real, fake = jnp.zeros(1), jnp.full((1,), -20.0)
    np.testing.assert_allclose(slope["minimax"](real, fake), 0.0, atol=1e-8)
    np.testing.assert_allclose(slope["non_saturating"](real, fake), -1.0, rtol=1e-6)


SEES_BOTH = ("relativistic", "softmax", "smoothed pairs")
ENERGIES = ("energy_based", "boundary_equilibrium")
# a generator of these has a target that it can overshoot, is told to lower the ratio's divergence, or has no slope
NO_DIRECTION = ("least_squares_targets", "density_ratio", "hard_threshold")


@pytest.mark.parametrize("name", [name for name in PAIRS if not name.startswith(NO_DIRECTION)])
def test_generators_want_their_samples_logits_up_and_energies_down(name):
    loss = PAIRS[name][0]
    to_real, to_fake = jax.grad(loss.generator, (0, 1))(jnp.array([0.3, -0.2]), jnp.array([0.1, -0.4]))
    if not name.startswith(SEES_BOTH):
        np.testing.assert_array_equal(to_real, 0.0)
    if name != "softmax":  # there, only samples below the others
        assert ((to_fake > 0) if name in ENERGIES else (to_fake < 0)).all()


@pytest.mark.parametrize("name", ["relativistic", "relativistic_average", "softmax", "relativistic_average_hinge"])
def test_only_differences_of_logits_count(name):
    real, fake = jnp.array([0.3, -0.2]), jnp.array([0.1, -0.4])
    for role in getattr(jg.losses, name):
        np.testing.assert_allclose(role(real + 5, fake + 5), role(real, fake), rtol=1e-5)


def test_softmax_targets_by_their_gradients():
    """Softmax minus target: 1/B on real examples for D, 1/(2 B) on all for G."""
    real, fake = np.array([0.5, -1.0]), np.array([0.2, 1.5])
    probability = np.exp([*real, *fake]) / np.exp([*real, *fake]).sum()
    to_d = jax.grad(jg.losses.softmax.discriminator, (0, 1))(jnp.asarray(real), jnp.asarray(fake))
    to_g = jax.grad(jg.losses.softmax.generator, (0, 1))(jnp.asarray(real), jnp.asarray(fake))
    np.testing.assert_allclose(np.concatenate(to_d), probability - [0.5, 0.5, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(np.concatenate(to_g), probability - 0.25, rtol=1e-5)


def test_unknown_or_misplaced_arguments_are_refused():
    with pytest.raises(ValueError, match=r"unknown divergence 'kl2'; known are \['kl', .*'alpha'\]"):
        jg.losses.f_divergence("kl2")
    with pytest.raises(ValueError, match="pi belongs to 'weighted_jensen_shannon'"):
        jg.losses.f_divergence("kl", pi=0.5)
    with pytest.raises(ValueError, match="each needs its own"):
        jg.losses.f_divergence("alpha")
    with pytest.raises(ValueError, match="0 < pi < 1; got 1"):
        jg.losses.f_divergence("weighted_jensen_shannon", pi=1.0)
    with pytest.raises(ValueError, match="neither 0 nor 1; got 1"):
        jg.losses.f_divergence("alpha", alpha=1.0)
    with pytest.raises(ValueError, match="known are \\['pearson', 'kl', 'gan'\\]"):
        jg.losses.density_ratio("neyman")
    with pytest.raises(ValueError, match="margin > 0; got 0"):
        jg.losses.energy_based(0.0)
