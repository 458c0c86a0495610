"""Penalties on outputs; terms of generators; regularisers of parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan as jg
from jaxgan import penalties
from jaxgan.types import example_keys

RNG = np.random.default_rng(2)
TURN = jg.Turn(jax.random.key(7), jnp.zeros((), jnp.int32))
REAL = jnp.array([[1.0, 2.0], [3.0, -1.0], [0.0, 0.0]])
FAKE = jnp.array([[0.5, 0.5], [-2.0, 1.0], [4.0, 1.0]])


def linear(x):
    return x @ jnp.array([3.0, 4.0])


# Outputs


def test_drift_by_hand():
    """D = 11, 5, 0: 2 (121 + 25 + 0)/3; of a map, the mean of all squares."""
    np.testing.assert_allclose(penalties.drift(2.0)(linear, REAL, FAKE, TURN), 2 * 146 / 3, rtol=1e-6)
    patches = lambda x: linear(x)[:, None] * jnp.array([[1.0, 2.0]])  # noqa: E731
    np.testing.assert_allclose(penalties.drift(2.0)(patches, REAL, FAKE, TURN), 2 * 146 / 3 * 2.5, rtol=1e-6)
    np.testing.assert_allclose(penalties.drift()(linear, REAL, FAKE, TURN), 1e-3 * 146 / 3, rtol=1e-6)


def test_consistency_by_hand():
    """T(x) = -2 x, so D(x) - D(T(x)) = 3 D(x): real 9 (121 + 25 + 0)/3, fake 9 (3.5^2 + 2^2 + 16^2)/3."""
    augment = lambda x, turn, use: -2 * x  # noqa: E731
    real, fake = 9 * 146 / 3, 9 * (3.5**2 + 2**2 + 16**2) / 3
    np.testing.assert_allclose(penalties.consistency(10.0, augment)(linear, REAL, FAKE, TURN), 10 * real, rtol=1e-6)
    both = penalties.balanced_consistency(10.0, 5.0, augment)(linear, REAL, FAKE, TURN)
    np.testing.assert_allclose(both, 10 * real + 5 * fake, rtol=1e-6)


def test_augmentations_draw_anew_for_every_example_and_for_real_and_fake():
    seen = []

    def augment(x, turn, use):
        keys = example_keys(turn.named(use), x.shape[0], turn.examples)
        seen.append(jax.random.key_data(keys))
        return x

    penalty = penalties.balanced_consistency(1.0, 1.0, augment)
    penalty(linear, REAL, FAKE, TURN)
    assert len(np.unique(np.concatenate(seen), axis=0)) == 6
    penalty(linear, REAL[1:], FAKE[1:], TURN._replace(examples=jnp.arange(1, 3, dtype=jnp.int32)))
    np.testing.assert_array_equal(seen[2], seen[0][1:])


def test_consistency_takes_the_librarys_augmentations():
    """D sums what it sees, and noise of deviation 0.5 in three coordinates moves that by 0.75 in the mean square."""
    x = jnp.zeros((4000, 3))
    noisy = penalties.consistency(2.0, jg.augment.instance_noise(0.5))
    found = noisy(lambda x: jnp.sum(x, axis=1), x, x, TURN)
    np.testing.assert_allclose(found, 2 * 0.75, rtol=4 * (2 / 4000) ** 0.5)


def test_approximate_r1_of_a_linear_critic_is_its_slope():
    """D(x) - D(x + sigma e) = -sigma w.e: in the mean sigma^2 |w|^2 = 0.01 * 25, r1's (gamma/2) |w|^2 at 2 sigma^2."""
    x = jnp.zeros((4000, 2), jnp.float32)
    for penalty in (penalties.approximate_r1, penalties.approximate_r2):
        paid = penalty(2.0, 0.1)(linear, x, x, TURN)
        np.testing.assert_allclose(paid, penalties.r1(2 * 2.0 * 0.1**2)(linear, x, x, TURN), rtol=4 * (2 / 4000) ** 0.5)
        one = penalty(1.0, 0.1)(linear, x[:1], x[:1], TURN)  # of one example, exactly, by its own noise
        moved = jg.diffusion.noised(x[:1], jnp.full((1,), 0.1), TURN, penalty.__name__)
        np.testing.assert_allclose(one, jnp.square(linear(moved))[0], rtol=1e-6)
    assert penalties.approximate_r1(1.0)(jnp.square, REAL, 0 * FAKE, TURN) > 0
    assert penalties.approximate_r1(1.0)(jnp.square, 0 * REAL, FAKE, TURN) < 1e-6  # of real data alone
    both = penalties.approximate_r1(1.0, 0.1)(lambda pair: linear(pair[0] - pair[1]), (x, x), (x, x), TURN)
    np.testing.assert_allclose(both, 2 * 0.25, rtol=4 * (2 / 4000) ** 0.5)  # each array has its own noise
    with pytest.raises(ValueError, match=r"approximate_r1 needs sigma > 0, .* got 0"):
        penalties.approximate_r1(1.0, 0)


def test_consistency_in_latents_by_hand():
    a, b = jnp.array([1.0, 4.0]), jnp.array([3.0, 1.0])
    np.testing.assert_allclose(penalties.latent_consistency(a, b), 6.5)
    np.testing.assert_allclose(penalties.latent_diversity(a[:, None], b[:, None]), -6.5)
    for term in (penalties.latent_consistency, penalties.latent_diversity):
        with pytest.raises(ValueError, match="one shape"):
            term(a, b[:, None])


def test_lecam_by_hand():
    """alpha_R = 1, alpha_F = -1. Real (0, -3): above alpha_F by 1, -2. Fake (3, -1): below alpha_R by -2, 2."""
    state = penalties.LeCamState(jnp.asarray(1.0), jnp.asarray(-1.0))
    real, fake = jnp.array([0.0, -3.0]), jnp.array([3.0, -1.0])
    np.testing.assert_allclose(penalties.lecam(state, real, fake), (1 + 0) / 2 + (0 + 4) / 2)
    np.testing.assert_allclose(penalties.lecam(state, real, fake, one_sided=False), (1 + 4) / 2 + (4 + 4) / 2)
    moved = penalties.lecam_update(state, real, fake, decay=0.9)
    np.testing.assert_allclose(moved, (0.9 * 1 + 0.1 * -1.5, 0.9 * -1 + 0.1 * 1), rtol=1e-6)
    with pytest.raises(ValueError, match="0 <= decay < 1"):
        penalties.lecam_update(state, real, fake, decay=1.0)


def test_lecam_means_settle_at_those_of_the_logits():
    state = penalties.LeCamState(jnp.zeros(()), jnp.zeros(()))
    for _ in range(100):
        state = penalties.lecam_update(state, jnp.array([2.0, 4.0]), jnp.array([-1.0, -2.0]))
    np.testing.assert_allclose(state, np.array([3.0, -1.5]) * (1 - 0.99**100), rtol=1e-4)


# Generators


def lengths(generator, w, key=TURN.key):
    """||J^T y|| of each example: with one example, a decay of 1 makes the new mean its length."""
    one_by_one = [
        float(penalties.path_length(generator, w[i : i + 1], 0.0, key, decay=1.0, examples=jnp.array([i]))[1])
        for i in range(len(w))
    ]
    np.testing.assert_allclose(penalties.path_lengths(generator, w, key), one_by_one, rtol=1e-6)
    return one_by_one


def test_path_length_of_scaled_rotations_is_that_of_the_identity_scaled():
    """J^T y = 3 Q y has three times the length of y, whatever Q; the identity's is chi-distributed, E ||y||^2 = 4."""
    w = jnp.asarray(RNG.normal(0, 1, (6, 4)), jnp.float32)
    rotation = jnp.asarray(np.linalg.qr(RNG.normal(0, 1, (4, 4)))[0], jnp.float32)
    y = np.array(lengths(lambda w: w, w))
    np.testing.assert_allclose(lengths(lambda w: 3 * w @ rotation, w), 3 * y, rtol=1e-5)
    many = penalties.path_length(lambda w: w, jnp.zeros((4000, 4)), 0.0, TURN.key, decay=0.0)[0]
    np.testing.assert_allclose(many, 4.0, rtol=0.05)


def test_path_length_is_the_variance_around_the_running_mean():
    """(l_i - a')^2 averaged, a' = .75 a + .25 E l; and its gradient moves all lengths together with the mean."""
    w = jnp.asarray(RNG.normal(0, 1, (6, 4)), jnp.float32)
    y = np.array(lengths(lambda w: w, w))
    term, mean = penalties.path_length(lambda w: w, w, 1.5, TURN.key, decay=0.25)
    np.testing.assert_allclose(mean, 0.75 * 1.5 + 0.25 * y.mean(), rtol=1e-5)
    np.testing.assert_allclose(term, np.mean((y - float(mean)) ** 2), rtol=1e-4)
    slope = jax.grad(lambda s: penalties.path_length(lambda w: s * w, w, 1.5, TURN.key, decay=0.25)[0])(1.0)
    np.testing.assert_allclose(slope, np.mean(2 * (y - float(mean)) * (y - 0.25 * y.mean())), rtol=1e-4)
    assert penalties.path_length(lambda w: w, w, 0.0, TURN.key)[1] == pytest.approx(0.01 * y.mean(), rel=1e-4)


def test_path_length_does_not_depend_on_pixels_or_layers():
    """One colour repeated over h x w pixels: the noise sums to N(0, 1) again. Two layers that share w halve squares."""
    w = jnp.zeros((4000, 3))
    spread = lambda w: jnp.broadcast_to(w[:, None, None, :], (w.shape[0], 4, 2, 3))  # noqa: E731
    np.testing.assert_allclose(penalties.path_length(spread, w, 0.0, TURN.key, decay=0.0)[0], 3.0, rtol=0.05)
    layers = jnp.zeros((4000, 2, 3))
    used_once = lambda w: spread(w[:, 0])  # noqa: E731
    np.testing.assert_allclose(penalties.path_length(used_once, layers, 0.0, TURN.key, decay=0.0)[0], 1.5, rtol=0.05)


def test_path_length_of_a_flat_generator_is_finite():
    w = jnp.ones((3, 4))
    cost = lambda s: penalties.path_length(lambda w: s * w, w, 0.5, TURN.key)[0]  # noqa: E731
    value, slope = jax.value_and_grad(cost)(0.0)
    np.testing.assert_allclose(value, (0.99 * 0.5) ** 2, rtol=1e-6)
    assert np.isfinite(slope)
    with pytest.raises(ValueError, match="0 <= decay <= 1"):
        penalties.path_length(lambda w: w, w, 0.0, TURN.key, decay=2.0)
    with pytest.raises(ValueError, match=r"\[B, W\]"):
        penalties.path_length(lambda w: w, w[0], 0.0, TURN.key)


def test_mode_seeking_by_hand():
    """Samples 2 apart on average, latents 0.5: 1/(4 + 1e-5). Farther samples cost less."""
    z, x = jnp.zeros((2, 2)), jnp.zeros((2, 3))
    value = penalties.mode_seeking(x, x + 2.0, z, z - 0.5)
    np.testing.assert_allclose(value, 1 / (4 + 1e-5), rtol=1e-6)
    assert penalties.mode_seeking(x, x + 3.0, z, z - 0.5) < value
    np.testing.assert_allclose(penalties.mode_seeking(x, x, z, z - 0.5), 1e5, rtol=1e-5)
    with pytest.raises(ValueError, match="one shape"):
        penalties.mode_seeking(x, x[:1], z, z)
    with pytest.raises(ValueError, match="epsilon > 0"):
        penalties.mode_seeking(x, x, z, z, epsilon=0.0)


@pytest.mark.parametrize(("samples", "latents"), [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)])
def test_mode_seeking_of_equal_samples_or_latents_is_finite(samples, latents):
    cost = lambda x, z: penalties.mode_seeking(x, jnp.zeros((2, 3)), z, jnp.zeros((2, 2)))  # noqa: E731
    value, slopes = jax.value_and_grad(cost, (0, 1))(jnp.full((2, 3), samples), jnp.full((2, 2), latents))
    assert np.isfinite(value)
    assert all(np.isfinite(slope).all() for slope in slopes)


# Parameters


PARAMS = {
    "dense": {"kernel": RNG.normal(0, 1, (5, 3)).astype(np.float32), "bias": np.ones(3, np.float32)},
    "convolution": {"kernel": RNG.normal(0, 1, (3, 3, 2, 4)).astype(np.float32)},
}
MATRICES = [PARAMS["dense"]["kernel"].astype(float), PARAMS["convolution"]["kernel"].reshape(18, 4).astype(float)]


def test_orthogonal_is_the_distance_of_all_inner_products_from_the_identity():
    """||W'W - I||_F^2 = sum over singular values of (s^2 - 1)^2."""
    expected = sum(np.sum((np.linalg.svd(w)[1] ** 2 - 1) ** 2) for w in MATRICES)
    np.testing.assert_allclose(penalties.orthogonal(PARAMS), expected, rtol=1e-5)
    isometry = np.linalg.qr(RNG.normal(0, 1, (5, 3)))[0]
    np.testing.assert_allclose(penalties.orthogonal({"kernel": isometry}), 0.0, atol=1e-10)
    np.testing.assert_allclose(penalties.orthogonal({"kernel": 2 * isometry}), 3 * 9.0, rtol=1e-5)


def test_orthogonal_off_diagonal_leaves_norms_free():
    expected = sum(np.sum((w[:, i] @ w[:, j]) ** 2) for w in MATRICES for i in range(w.shape[1]) for j in range(i)) * 2
    np.testing.assert_allclose(penalties.orthogonal_off_diagonal(PARAMS), expected, rtol=1e-5)
    columns = np.linalg.qr(RNG.normal(0, 1, (5, 3)))[0] * np.array([1.0, 2.0, 7.0])
    np.testing.assert_allclose(penalties.orthogonal_off_diagonal({"kernel": columns}), 0.0, atol=1e-8)


def test_spectral_is_half_the_largest_singular_values_squared():
    expected = sum(0.5 * np.linalg.svd(w)[1][0] ** 2 for w in MATRICES)
    np.testing.assert_allclose(penalties.spectral(PARAMS), expected, rtol=1e-5)
    u, s, v = np.linalg.svd(MATRICES[0], full_matrices=False)
    slope = jax.grad(penalties.spectral)(PARAMS)["dense"]
    np.testing.assert_allclose(slope["kernel"], s[0] * np.outer(u[:, 0], v[0]), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(slope["bias"], 0.0)


@pytest.mark.parametrize("regulariser", [penalties.orthogonal, penalties.orthogonal_off_diagonal, penalties.spectral])
def test_regularisers_of_degenerate_parameters_are_finite(regulariser):
    for kernel in (jnp.zeros((3, 2)), jnp.eye(3), jnp.ones((2, 4))):
        value, slope = jax.value_and_grad(regulariser)({"kernel": kernel})
        assert np.isfinite(value)
        assert np.isfinite(slope["kernel"]).all()
    assert regulariser({"bias": jnp.ones(3)}) == 0


def test_lecam_as_a_memory():
    """The means move before the cost is taken; until `start` turns have passed they are the turn's, and it is free."""
    memory = penalties.LeCam(weight=2.0, decay=0.5, start=1)
    variables = memory.init(jax.random.key(0), jnp.zeros(2), jnp.zeros(2))
    assert "params" not in variables
    first = jnp.array([1.0, 3.0]), jnp.array([-2.0, 0.0])
    cost, variables = memory.apply(variables, *first, mutable=["lecam"])
    assert cost == 0
    np.testing.assert_allclose([variables["lecam"][side] for side in ("real", "fake")], [2, -1])
    second = jnp.array([0.0, 0.0]), jnp.array([3.0, -1.0])
    cost, variables = memory.apply(variables, *second, mutable=["lecam"])
    state = penalties.LeCamState(jnp.asarray(1.0), jnp.asarray(0.0))  # (2 + 0) / 2, (-1 + 1) / 2
    np.testing.assert_allclose([variables["lecam"][side] for side in ("real", "fake")], state)
    np.testing.assert_allclose(cost, 2 * penalties.lecam(state, *second))
    assert variables["lecam"]["turns"] == 2
    with pytest.raises(ValueError, match="LeCam needs a weight >= 0; got -1"):
        penalties.LeCam(weight=-1.0).init(jax.random.key(0), jnp.zeros(2), jnp.zeros(2))
