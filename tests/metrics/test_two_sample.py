"""Classifier two-sample tests: the null distribution, the best accuracy in closed form, neighbours by scikit-learn."""

import math

import jax
import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from jaxgan.metrics.two_sample import _neighbours_vote, classifier_two_sample_test, nearest_neighbour_accuracy

KINDS = ["knn", "logistic", "mlp"]


def gaussians(n, shift=0.0, seed=0, dimension=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dimension)), rng.normal(size=(n, dimension)) + shift


@pytest.mark.parametrize("classifier", KINDS)
def test_under_equality_p_values_are_uniform_or_higher(classifier):
    found = []
    for seed in range(40):
        real, fake = gaussians(100, seed=seed)
        found.append(classifier_two_sample_test(real, fake, jax.random.key(seed), classifier, epochs=20))
    accuracy = np.array([f.accuracy for f in found])
    assert all(f.test_size == 100 for f in found)
    assert accuracy.mean() == pytest.approx(0.5, abs=4 * 0.05 / math.sqrt(40))
    assert accuracy.std() == pytest.approx(0.05, rel=0.4)  # sqrt(1 / (4 * 100))
    assert sum(f.p_value < 0.05 for f in found) <= 6  # binomial(40, 0.05): 2 expected


@pytest.mark.parametrize("classifier", KINDS)
def test_shifted_gaussians_reach_the_best_accuracy(key, classifier):
    real, fake = gaussians(2000, shift=0.8)
    found = classifier_two_sample_test(real, fake, key, classifier, epochs=30)
    best = stats.norm.cdf(0.8 * math.sqrt(3) / 2)
    assert found.accuracy == pytest.approx(best, abs=0.03)
    assert found.z == pytest.approx((found.accuracy - 0.5) / math.sqrt(1 / (4 * 2000)))
    assert found.p_value < 1e-30


def test_p_value_by_hand(key):
    real, fake = gaussians(50, shift=0.5)
    found = classifier_two_sample_test(real, fake, key)
    assert found.p_value == pytest.approx(stats.norm.sf(found.z))
    assert 0.0 < found.p_value < 0.2


def test_a_curved_boundary_needs_more_than_a_line(key):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(1000, 2)), 3.0 * rng.normal(size=(1000, 2))
    line, curve = (classifier_two_sample_test(real, fake, key, kind, epochs=60).accuracy for kind in KINDS[1:])
    assert line < 0.6
    assert curve > 0.72


def test_votes_of_neighbours():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(60, 3)) + 100.0, rng.normal(size=(40, 3)) + 100.0
    labels = rng.random(60) < 0.5
    k = 7  # floor(sqrt(60)) = 7, odd already
    expected = KNeighborsClassifier(k, algorithm="brute").fit(train, labels).predict(test)
    np.testing.assert_array_equal(_neighbours_vote(train, labels, test), expected)
    expected = KNeighborsClassifier(5, algorithm="brute").fit(train[:40], labels[:40]).predict(test)  # sqrt(40) = 6.3
    np.testing.assert_array_equal(_neighbours_vote(train[:40], labels[:40], test), expected)


def test_train_and_test_are_apart(key):
    rng = np.random.default_rng(0)  # any overlap of the halves would be remembered by one neighbour
    x = rng.normal(size=(6, 2))
    found = [classifier_two_sample_test(x[:3], x[3:], jax.random.key(n)) for n in range(30)]
    assert np.mean([f.accuracy for f in found]) < 0.75
    assert {f.test_size for f in found} == {2}


def test_leave_one_out_against_scikit_learn():
    real, fake = gaussians(80, shift=1.0)
    pooled, kind = np.concatenate([real, fake]), np.repeat([0, 1], 80)
    neighbour = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(pooled).kneighbors(pooled)[1][:, 1]
    right = kind[neighbour] == kind
    found = nearest_neighbour_accuracy(real, fake)
    assert found == (pytest.approx(right.mean()), pytest.approx(right[:80].mean()), pytest.approx(right[80:].mean()))
    assert found.real != found.fake


def test_leave_one_out_extremes():
    x, _ = gaussians(50)
    assert nearest_neighbour_accuracy(x, x) == (0.0, 0.0, 0.0)  # every nearest neighbour is the copy
    assert nearest_neighbour_accuracy(x, x + 100.0) == (1.0, 1.0, 1.0)
    assert nearest_neighbour_accuracy(np.ones((2, 3)), np.ones((2, 3))) == (0.5, 0.5, 0.5)
    collapsed = nearest_neighbour_accuracy(x, np.tile(x[:1] + 1e-3, (50, 1)))
    assert collapsed.fake == 1.0 > collapsed.real


@pytest.mark.parametrize("classifier", KINDS)
def test_constants_and_the_smallest_sets(key, classifier):
    found = classifier_two_sample_test(np.ones((2, 3)), np.ones((5, 3)), key, classifier, epochs=2)
    assert (found.accuracy, found.z, found.p_value, found.test_size) == (0.5, 0.0, 0.5, 2)


@pytest.mark.parametrize(
    ("real", "fake", "kwargs", "message"),
    [
        (np.zeros((1, 2)), np.zeros((5, 2)), {}, "at least 2 real features; got 1"),
        (np.zeros((5, 2)), np.zeros((5, 3)), {}, "same F; got 2 and 3"),
        (np.zeros((5, 2)), np.full((5, 2), np.nan), {}, "fake features hold 10 non-finite values of 10"),
        (np.zeros((5, 2)), np.zeros((5, 2)), {"classifier": "svm"}, "got 'svm'"),
        (np.zeros((5, 2)), np.zeros((5, 2)), {"epochs": 0}, "epochs >= 1"),
    ],
)
def test_refuses(key, real, fake, kwargs, message):
    with pytest.raises(ValueError, match=message):
        classifier_two_sample_test(real, fake, key, **kwargs)


def test_leave_one_out_refuses():
    with pytest.raises(ValueError, match="got 5 real and 4 fake"):
        nearest_neighbour_accuracy(np.zeros((5, 2)), np.zeros((4, 2)))
