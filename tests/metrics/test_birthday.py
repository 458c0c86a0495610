"""The birthday test: closest pairs by brute force, collision rates and supports of known distributions, refusals."""

import math

import jax
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from jaxgan.metrics.birthday import birthday, closest_pairs, collision_rate, support_estimate


def faces(n, support, seed=0, noise=0.0):
    """Draws n samples, with replacement, of `support` points far apart."""
    rng = np.random.default_rng(seed)
    points = 10.0 * rng.normal(size=(support, 6))
    return points[rng.integers(support, size=n)] + noise * rng.normal(size=(n, 6))


@pytest.mark.parametrize("n", [1, 7, 1000])
def test_closest_pairs_against_brute_force(n):
    x = np.random.default_rng(0).normal(size=(30, 2, 3)) + 1e4
    found = closest_pairs(x, n)
    expected = np.sort(pdist(x.reshape(30, 6)))[:n]
    np.testing.assert_allclose(found.distances, expected, rtol=1e-9)
    assert (found.indices[:, 0] < found.indices[:, 1]).all()
    flat = x.reshape(30, 6)
    measured = np.linalg.norm(flat[found.indices[:, 0]] - flat[found.indices[:, 1]], axis=1)
    np.testing.assert_allclose(found.distances, measured, rtol=1e-9)
    assert len({tuple(pair) for pair in found.indices}) == min(n, 435)


def test_closest_pairs_of_copies():
    assert closest_pairs(np.ones((3, 2)), 2).indices.tolist() == [[0, 1], [0, 2]]
    assert closest_pairs(np.ones((2, 4, 4, 1)), 5) == (pytest.approx(np.array([[0, 1]])), pytest.approx(np.zeros(1)))


@pytest.mark.parametrize(("support", "batch"), [(100, 8), (100, 15), (365, 23)])
def test_collision_rate_of_a_uniform_support(key, support, batch):
    rates = [
        collision_rate(faces(1000, support, n), batch, 1e-6, jax.random.fold_in(key, n), trials=100)
        for n in (1, 2, 3, 4)
    ]
    exact = 1.0 - math.prod(1.0 - i / support for i in range(batch))  # 23 people: 0.507
    assert np.mean(rates) == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 400) + 0.01)


def test_support_of_a_uniform_distribution(key):
    for support in (50, 200):
        pool = faces(500, support)
        found = birthday(pool, 1e-6, key, trials=100)
        # the median of the first collision is near 1.18 sqrt(n); that of 100 trials has a standard error of 7 %
        assert found.batch == pytest.approx(1.18 * math.sqrt(support), rel=0.25)
        assert found.support == pytest.approx(support, rel=0.5)
        assert found.support == support_estimate(found.batch)
        assert 0.5 <= found.rate < 0.65
        assert collision_rate(pool, found.batch - 1, 1e-6, key, trials=100) < 0.5


def test_support_estimate():
    assert support_estimate(23) == pytest.approx(23**2 / (2 * math.log(2)))
    for n, s in ((10_000, 100), (10_000, 300)):  # right to order 1 / s + s / n
        rate = 1.0 - math.prod(1.0 - i / n for i in range(s))
        assert support_estimate(s, rate) == pytest.approx(n, rel=2 / s + s / (2 * n))


def test_no_duplicate_and_nothing_but_duplicates(key):
    x = np.random.default_rng(0).normal(size=(40, 3))
    assert birthday(x, 1e-6, key, trials=3) == (None, 0.0, support_estimate(40))
    assert birthday(np.ones((40, 3)), 0.0, key, trials=3) == (2, 1.0, support_estimate(2))
    assert birthday(np.ones((2, 3)), 0.0, key, trials=3).batch == 2


def test_a_judge_sees_samples_chosen_by_features(key):
    x = faces(200, 20, noise=0.1)
    pictures = np.repeat(x[:, None, None, :1], 4, axis=1)
    seen = []

    def same(a, b):
        seen.append((a.shape, b.shape))
        return np.abs(a - b).max((1, 2, 3)) < 0.5

    by_judge = collision_rate(pictures, 8, same, key, features=x, trials=20, candidates=5)
    assert set(seen) == {((5, 4, 1, 1), (5, 4, 1, 1))}
    assert by_judge == collision_rate(x, 8, 2.0, key, trials=20)
    assert 0.3 < by_judge < 1.0
    assert collision_rate(pictures, 8, lambda a, b: np.zeros(len(a), bool), key, trials=5) == 0.0


def test_rates_never_fall_as_the_batch_grows(key):
    x = faces(300, 60)
    rates = [collision_rate(x, s, 1e-6, key, trials=20) for s in range(2, 20)]
    assert rates == sorted(rates)
    assert rates[0] < rates[-1]


@pytest.mark.parametrize(
    ("samples", "batch", "same", "kwargs", "message"),
    [
        (np.zeros((5, 2)), 6, 0.1, {}, r"batch in 2\.\.5"),
        (np.zeros((5, 2)), 1, 0.1, {}, r"batch in 2\.\.5"),
        (np.zeros((5, 2)), 2, -0.1, {}, "must be >= 0; got -0.1"),
        (np.zeros((5, 2)), 2, math.nan, {}, "must be >= 0; got nan"),
        (np.zeros((5, 2)), 2, 0.1, {"features": np.zeros((4, 2))}, r"features \[5, F\]"),
        (np.zeros((5, 2)), 2, lambda a, b: True, {}, "one a pair"),
        (np.zeros((5, 2)), 2, 0.1, {"trials": 0}, "trials"),
        (np.zeros((5, 2), np.uint8), 2, 0.1, {}, "uint8.*from_uint8"),
        (np.full((5, 2), np.nan), 2, 0.1, {}, "10 non-finite values of 10"),
        (np.zeros((1, 2)), 2, 0.1, {}, "N >= 2"),
    ],
)
def test_refuses(key, samples, batch, same, kwargs, message):
    with pytest.raises(ValueError, match=message):
        collision_rate(samples, batch, same, key, **kwargs)


def test_other_refusals():
    with pytest.raises(ValueError, match="n >= 1"):
        closest_pairs(np.zeros((3, 2)), 0)
    with pytest.raises(ValueError, match="rate in"):
        support_estimate(10, 1.0)
