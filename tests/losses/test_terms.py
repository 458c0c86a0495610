"""Losses that are not pairs: energies, classes, features, information, policy gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from jaxgan import losses

RNG = np.random.default_rng(1)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


# Energies


def test_pulling_away_by_hand():
    """(1, 0), (3, 4), (0, -2): cosines .6, 0, -.8 and their mirror images, so 2 (.36 + 0 + .64) / 6."""
    features = jnp.array([[1.0, 0.0], [3.0, 4.0], [0.0, -2.0]])
    np.testing.assert_allclose(losses.pulling_away(features), 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(losses.pulling_away(features.reshape(3, 1, 2) * 1e-25), 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(losses.pulling_away(jnp.ones((4, 3)) * 1e25), 1.0, rtol=1e-6)


def test_pulling_away_of_nothing_is_finite():
    value, slope = jax.value_and_grad(losses.pulling_away)(jnp.zeros((3, 2)))
    assert value == 0
    assert np.isfinite(slope).all()
    with pytest.raises(ValueError, match="B >= 2"):
        losses.pulling_away(jnp.ones((1, 4)))


def test_balance_by_hand():
    """E real = 3, E fake = 1, gamma .5: surplus .5; measure 3 + .5. k stays in [0, 1]."""
    real, fake = jnp.array([2.0, 4.0]), jnp.array([0.5, 1.5])
    k, measure = losses.balance(0.2, real, fake, gamma=0.5, rate=0.1)
    np.testing.assert_allclose((k, measure), (0.25, 3.5), rtol=1e-6)
    np.testing.assert_allclose(losses.balance(0.99, real, fake, rate=1.0)[0], 1.0)
    k, measure = losses.balance(0.01, fake, real, gamma=0.5, rate=0.1)
    np.testing.assert_allclose((k, measure), (0.0, 1 + 2.5), rtol=1e-6)
    np.testing.assert_allclose(losses.balance(0.5, real, fake)[0], 0.5 + 0.001 * 0.5, rtol=1e-6)  # the paper's numbers
    with pytest.raises(ValueError, match="0 <= gamma <= 1; got 2"):
        losses.balance(0.0, real, fake, gamma=2.0)
    with pytest.raises(ValueError, match="must be equal"):
        losses.balance(0.0, real, fake[:1])


def test_equilibrium_remembers_its_balance():
    """A turn of the discriminator uses the k of before and moves it; the generator's leaves it."""
    memory = losses.Equilibrium(gamma=0.5, rate=0.1)
    real, fake = jnp.array([2.0, 4.0]), jnp.array([0.5, 1.5])
    variables = memory.init(jax.random.key(0), real, fake, method="discriminator")
    assert set(variables) == {"equilibrium"}
    assert variables["equilibrium"]["k"] == 0
    value, variables = memory.apply(variables, real, fake, method="discriminator", mutable=["equilibrium"])
    np.testing.assert_allclose(value, 3.0)  # k was 0
    np.testing.assert_allclose(variables["equilibrium"]["k"], 0.05, rtol=1e-6)  # 0.1 (0.5 * 3 - 1)
    value, after = memory.apply(variables, real, fake, method="generator", mutable=["equilibrium"])
    np.testing.assert_allclose(value, 1.0)
    assert after["equilibrium"] == variables["equilibrium"]
    value, after = memory.apply(variables, real, fake, method="discriminator", mutable=["equilibrium"])
    np.testing.assert_allclose(value, 3 - 0.05 * 1, rtol=1e-6)
    metrics = memory.apply(after, real, method="observe")
    np.testing.assert_allclose([metrics["balance"], metrics["convergence"]], [0.1, 3.5], rtol=1e-6)


# Classes


LOGITS, LABELS = RNG.normal(0, 2, (5, 4)), np.array([0, 3, 1, 1, 2])


def test_auxiliary_classifier_is_cross_entropy():
    expected = -np.mean([np.log(softmax(l)[y]) for l, y in zip(LOGITS, LABELS, strict=True)])
    np.testing.assert_allclose(losses.auxiliary_classifier(LOGITS, LABELS), expected, rtol=1e-5)


def test_multiclass_hinge_by_hand():
    """Own minus best other: 2 - 1 = 1, so no loss; -1 - 3 = -4, so 5; 0.5 - 0 = 0.5, so 0.5."""
    logits = jnp.array([[2.0, 1.0, -3.0], [3.0, -1.0, 0.0], [0.0, -2.0, 0.5]])
    np.testing.assert_allclose(losses.multiclass_hinge(logits, jnp.array([0, 1, 2])), 5.5 / 3, rtol=1e-6)
    slope = jax.grad(losses.multiclass_hinge)(logits, jnp.array([0, 1, 2]))
    np.testing.assert_allclose(slope * 3, [[0, 0, 0], [1, -1, 0], [1, 0, -1]], atol=1e-6)


def test_semi_supervised_is_a_softmax_over_one_class_more_whose_logit_is_zero():
    real, fake = RNG.normal(0, 2, (2, 6, 4))
    whole = [softmax(np.concatenate([x, np.zeros((len(x), 1))], axis=1)) for x in (LOGITS, real, fake)]
    labelled = -np.mean([np.log(p[y] / p[:4].sum()) for p, y in zip(whole[0], LABELS, strict=True)])
    expected = labelled - np.mean(np.log(1 - whole[1][:, 4])) - np.mean(np.log(whole[2][:, 4]))
    np.testing.assert_allclose(losses.semi_supervised(LOGITS, LABELS, real, fake), expected, rtol=1e-5)
    np.testing.assert_allclose(jax.nn.sigmoid(losses.real_evidence(real)), 1 - whole[1][:, 4], rtol=1e-5)


@pytest.mark.parametrize("term", [losses.auxiliary_classifier, losses.multiclass_hinge, losses.categorical_information])
def test_classes_at_their_extremes_and_of_wrong_shapes(term):
    for sign in (1, -1):
        value, slope = jax.value_and_grad(term)(jnp.array([[1e4, -1e4]]) * sign, jnp.array([0]))
        assert np.isfinite(value)
        assert np.isfinite(slope).all()
    for labels in (np.zeros((5, 1), int), np.zeros(4, int), np.zeros(5)):
        with pytest.raises(ValueError, match=r"logits \[B, K\] and integer"):
            term(LOGITS, labels)


def test_semi_supervised_at_its_extremes():
    for sign in (1, -1):
        logits = jnp.array([[1e4, -1e4, 0.0]]) * sign
        slopes = jax.grad(losses.semi_supervised, (0, 2, 3))(logits, jnp.array([0]), logits, logits)
        assert all(np.isfinite(slope).all() for slope in slopes)
    with pytest.raises(ValueError, match=r"class logits \[B, K\]"):
        losses.real_evidence(jnp.zeros(3))


# Features


def test_feature_matching_is_the_distance_of_moments():
    real, fake = RNG.normal(0, 1, (7, 2, 3)), RNG.normal(0.5, 2, (4, 2, 3))
    flat = real.reshape(7, 6), fake.reshape(4, 6)
    means = sum((a.mean() - b.mean()) ** 2 for a, b in zip(*(x.T for x in flat), strict=True))
    np.testing.assert_allclose(losses.feature_matching(real, fake), means, rtol=1e-5)
    covariances = np.square(np.subtract(*(np.cov(x.T, bias=True) for x in flat))).sum()
    value = losses.feature_matching(real, fake, covariances=True)
    np.testing.assert_allclose(value, means + covariances, rtol=1e-5)
    with pytest.raises(ValueError, match="of one layer"):
        losses.feature_matching(real, fake[:, :1])


# Information


def test_categorical_bound_is_the_information_at_the_posterior_and_below_it_elsewhere():
    """Three codes, four outcomes, counts that are exact: I(c; x) of the channel."""
    counts = np.array([[3, 1, 0, 0], [1, 1, 1, 1], [0, 0, 2, 2]])
    joint = counts / counts.sum()
    c, x = (np.repeat(i, counts.ravel()) for i in np.unravel_index(np.arange(12), (3, 4)))
    marginal = joint.sum(0)
    information = sum(
        joint[i, j] * np.log(3 * joint[i, j] / marginal[j]) for i in range(3) for j in range(4) if joint[i, j]
    )
    posterior = np.log(np.maximum(joint / marginal, 1e-30)).T[x]
    np.testing.assert_allclose(losses.categorical_information(posterior, c), information, rtol=1e-5)
    assert losses.categorical_information(posterior + RNG.normal(0, 1, (4, 3))[x], c) < information
    certain = 1e4 * np.eye(3)[c]
    np.testing.assert_allclose(losses.categorical_information(certain, c), np.log(3), rtol=1e-6)


def test_gaussian_bound_is_the_log_density_and_the_information_at_the_posterior():
    mean, log_std, codes = RNG.normal(0, 1, (3, 5, 2))
    expected = norm.logpdf(codes, mean, np.exp(log_std)).sum(1).mean() + 2 * np.log(2)
    np.testing.assert_allclose(losses.gaussian_information(mean, log_std, codes), expected, rtol=1e-5)
    fixed = norm.logpdf(codes, mean).sum(1).mean() + 2 * np.log(2)
    np.testing.assert_allclose(losses.gaussian_information(mean, 0.0, codes), fixed, rtol=1e-5)
    # c ~ N(0, 1) with a posterior of width .25, whose errors are as large as it says: I = log 4 in each dimension
    mean = codes + 0.25 * np.where(np.arange(10).reshape(5, 2) % 2, 1, -1)
    entropy = 0.5 * np.log(2 * np.pi * np.e)
    bound = losses.gaussian_information(mean, np.full((5, 2), np.log(0.25)), codes, entropy=entropy)
    np.testing.assert_allclose(bound, 2 * np.log(4), rtol=1e-5)
    with pytest.raises(ValueError, match=r"\[B, C\]"):
        losses.gaussian_information(mean, 0.0, codes[:, :1])


@pytest.mark.parametrize("kind", ["categorical", "gaussian"])
def test_the_bound_has_a_gradient_through_q_to_the_generator(kind):
    """A peer's is detached and teaches nothing. Against differences, for both players."""
    codes = np.array([0, 1, 1, 2])
    q, g = RNG.normal(0, 1, (2, 3)), RNG.normal(0, 1, (3, 2))

    def bound(g, q):
        one_hot = jnp.eye(3)[codes]
        sample = jnp.tanh(one_hot @ g)
        if kind == "categorical":
            return losses.categorical_information(sample @ q, codes)
        return losses.gaussian_information(sample @ q, 0.1 * sample @ q, one_hot)

    with jax.enable_x64(True):
        found = jax.grad(bound, (0, 1))(jnp.asarray(g), jnp.asarray(q))
        for side, slope in enumerate(found):
            for index in np.ndindex(slope.shape):
                ends = []
                for sign in (1, -1):
                    moved = [g.copy(), q.copy()]
                    moved[side][index] += sign * 1e-5
                    ends.append(float(bound(*map(jnp.asarray, moved))))
                np.testing.assert_allclose(slope[index], (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=1e-9)
            assert np.abs(slope).max() > 1e-2


# Text


FIRST, SECOND = RNG.normal(0, 1, 3), RNG.normal(0, 1, (3, 3))
REWARDS = RNG.normal(0, 1, (3, 3, 2))  # of each token, by the two tokens
REWARDS[:, :, 0] = REWARDS[:, :1, 0]  # the first token's knows nothing of the second
SENTENCES = np.array(list(itertools.product(range(3), repeat=2)))


def log_probabilities(first, second, tokens):
    return jnp.stack([jax.nn.log_softmax(first)[tokens[0]], jax.nn.log_softmax(second[tokens[0]])[tokens[1]]])


@pytest.mark.parametrize("kind", ["none", "constant", "prefix"])
def test_policy_gradient_is_exact_on_average_over_all_sentences(kind):
    """Three tokens, length two: summed over all nine with their probabilities, against differences of E R."""

    def expected_reward(first, second):
        p = softmax(first)[:, None] * softmax(second)
        return np.sum(p * REWARDS.sum(-1))

    baselines = {
        "none": np.zeros((3, 2)),
        "constant": np.full((3, 2), 1.7),
        "prefix": np.array([[9, 2], [9, 3], [9, 4]]),
    }

    def surrogate(parameters, tokens):
        returns = losses.discounted_returns(REWARDS[tuple(tokens)][None])
        baseline = jnp.asarray(baselines[kind][tokens[0]], float)[None]  # may look at what came before
        return losses.policy_gradient(log_probabilities(*parameters, tokens)[None], returns, baseline)

    with jax.enable_x64(True):
        parameters = jnp.asarray(FIRST), jnp.asarray(SECOND)
        estimate = [np.zeros(3), np.zeros((3, 3))]
        for tokens in SENTENCES:
            probability = softmax(FIRST)[tokens[0]] * softmax(SECOND)[tokens[0], tokens[1]]
            for total, slope in zip(estimate, jax.grad(surrogate)(parameters, tokens), strict=True):
                total += probability * np.asarray(slope)
    for side in range(2):
        for index in np.ndindex(estimate[side].shape):
            ends = []
            for sign in (1, -1):
                moved = [FIRST.copy(), SECOND.copy()]
                moved[side][index] += sign * 1e-5
                ends.append(expected_reward(*moved))
            np.testing.assert_allclose(-estimate[side][index], (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=1e-9)


def test_policy_gradient_moves_neither_reward_nor_baseline_and_heeds_the_mask():
    log_p, returns, baseline = jnp.asarray(RNG.normal(0, 1, (3, 2, 4)))
    mask = jnp.array([[1, 0, 1, 1], [0, 1, 1, 0]])
    to_log_p, *others = jax.grad(losses.policy_gradient, (0, 1, 2))(log_p, returns, baseline, mask)
    np.testing.assert_allclose(to_log_p, -mask * (returns - baseline) / 2, rtol=1e-6)
    for slope in others:
        np.testing.assert_array_equal(slope, 0.0)
    expected = np.mean(np.sum(np.asarray(mask) * np.square(np.asarray(returns - baseline)), axis=1))
    np.testing.assert_allclose(losses.baseline_error(baseline, returns, mask), expected, rtol=1e-6)
    assert np.abs(jax.grad(losses.baseline_error)(baseline, returns, mask)).max() > 0.1
    with pytest.raises(ValueError, match=r"arrays \[B, T\]"):
        losses.policy_gradient(log_p, returns[:, :1])


def test_returns_by_hand():
    """8, 4, 2 at discount 1/2: 8 + 2 + .5, 4 + 1, 2."""
    np.testing.assert_allclose(losses.discounted_returns([[8.0, 4.0, 2.0]], 0.5), [[10.5, 5.0, 2.0]])
    np.testing.assert_allclose(losses.discounted_returns([[8.0, 4.0, 2.0]]), [[14.0, 6.0, 2.0]])
    with pytest.raises(ValueError, match="0 <= discount <= 1"):
        losses.discounted_returns([[1.0]], 1.5)


# Refiners


def test_self_regularization_sums_over_pixels():
    x = np.zeros((2, 3, 1), np.float32)
    refined = np.array([[1.0, -2.0, 0.0], [0.0, 0.0, 0.5]], np.float32)[..., None]
    assert float(losses.self_regularization(refined, x)) == pytest.approx((3.0 + 0.5) / 2)
    assert float(losses.self_regularization(refined, refined)) == 0
    with pytest.raises(ValueError, match=r"arrays of one shape; got \(2, 3, 1\) and \(2, 1, 1\)"):
        losses.self_regularization(refined, x[:, :1])
