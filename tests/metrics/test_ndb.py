"""NDB: by hand, its expectation under equality, a dropped mode, k-means against scikit-learn's cost, refusals."""

import math

import jax
import numpy as np
import pytest
from scipy import stats
from sklearn.cluster import KMeans

from jaxgan.metrics.ndb import Bins, fit_bins, ndb


def test_by_hand():
    bins = Bins(np.array([[0.0], [10.0], [20.0]]), np.array([50, 30, 20]))
    fake = np.repeat([[1.0], [9.0], [24.0]], [80, 20, 0], axis=0)
    found = ndb(bins, fake)
    assert found.histogram.tolist() == [80, 20, 0]
    for n, (x, y) in enumerate(((50, 80), (30, 20), (20, 0))):
        pooled = (x + y) / 200
        assert found.z[n] == pytest.approx((y - x) / 100 / math.sqrt(pooled * (1 - pooled) * 2 / 100))
    p = 2 * stats.norm.sf(np.abs(found.z))
    assert (p < 0.05).tolist() == [True, False, True]
    assert (found.different, found.share) == (2, pytest.approx(2 / 3))
    assert ndb(bins, fake, level=0.9).different == 3
    assert ndb(bins, fake, level=5e-6).different == 1
    p, q, m = ([0.5, 0.3, 0.2], [0.8, 0.2, 0.0], [0.65, 0.25, 0.1])
    assert found.jensen_shannon == pytest.approx((stats.entropy(p, m) + stats.entropy(q, m)) / 2)


def test_under_equality_one_bin_in_twenty_differs():
    rng = np.random.default_rng(0)
    shares = []
    for trial in range(10):
        bins = fit_bins(rng.normal(size=(4000, 2)), jax.random.key(trial), bins=50)
        shares.append(ndb(bins, rng.normal(size=(3000, 2))).share)
    # 500 tests at level 0.05, nearly independent: standard error sqrt(0.05 * 0.95 / 500) = 0.01
    assert np.mean(shares) == pytest.approx(0.05, abs=0.035)
    assert np.mean(shares) > 0.01


def test_a_dropped_mode_is_found(key):
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]]) + 1000.0
    draw = lambda which: centres[which] + rng.normal(size=(len(which), 2))  # noqa: E731
    bins = fit_bins(draw(rng.integers(4, size=2000)), key, bins=4)
    assert ndb(bins, draw(rng.integers(4, size=2000)), level=1e-3).different == 0
    found = ndb(bins, draw(rng.integers(3, size=2000)))
    assert found.different == 4
    lost = int(np.argmin(np.linalg.norm(bins.centres - centres[3], axis=1)))
    assert (found.histogram[lost], np.count_nonzero(found.z < 0)) == (0, 1)
    collapsed = ndb(bins, np.tile(centres[:1], (500, 1)))
    assert collapsed.jensen_shannon > 0.3
    assert sorted(collapsed.histogram) == [0, 0, 0, 500]


def test_bins_are_a_fixed_point_as_good_as_scikit_learn(key):
    x = np.random.default_rng(0).normal(size=(600, 3)) + 50.0
    bins = fit_bins(x, key, bins=12)
    distance = np.linalg.norm(x[:, None] - bins.centres, axis=2)
    cell = distance.argmin(axis=1)
    np.testing.assert_array_equal(bins.counts, np.bincount(cell, minlength=12))
    np.testing.assert_allclose(bins.centres, [x[cell == k].mean(axis=0) for k in range(12)], rtol=1e-10)
    best = KMeans(12, n_init=10, random_state=0).fit(x).inertia_
    assert np.sum(distance.min(axis=1) ** 2) < 1.1 * best
    again = fit_bins(x, key, bins=12)
    np.testing.assert_array_equal(again.centres, bins.centres)
    assert not np.array_equal(fit_bins(x, jax.random.key(1), bins=12).centres, bins.centres)


def test_small_and_equal_sets(key):
    bins = fit_bins([[0.0], [1.0]], key, bins=2)
    assert sorted(bins.centres[:, 0]) == [0.0, 1.0]
    assert ndb(bins, [[0.1], [0.9]])[:3] == (0, 0.0, 0.0)
    one = Bins(np.zeros((1, 1)), np.array([7]))
    assert ndb(one, np.ones((3, 1)))[:3] == (0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("x", "bins", "message"),
    [
        (np.ones((50, 2)), 3, "only 1 different examples"),
        (np.zeros((5, 2)), 6, r"2\.\.N = 5; got 6"),
        (np.zeros((5, 2)), 1, "got 1"),
        (np.full((5, 2), np.nan), 2, "10 non-finite values of 10"),
        (np.zeros(5), 2, "rank 2"),
    ],
)
def test_fit_refuses(key, x, bins, message):
    with pytest.raises(ValueError, match=message):
        fit_bins(x, key, bins)


def test_ndb_refuses():
    bins = Bins(np.zeros((1, 2)), np.array([1]))
    with pytest.raises(ValueError, match="same F; got 2 and 3"):
        ndb(bins, np.zeros((4, 3)))
    with pytest.raises(ValueError, match="1 non-finite"):
        ndb(bins, [[0.0, np.inf]])
    with pytest.raises(ValueError, match="level"):
        ndb(bins, np.zeros((4, 2)), level=1.0)
