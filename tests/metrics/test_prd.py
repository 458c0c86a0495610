"""PRD: curves by hand and by their geometry, collapse against invention, refusals."""

import numpy as np
import pytest

from jaxgan.metrics.clusters import kmeans
from jaxgan.metrics.prd import prd, prd_of_histograms


def test_by_hand_at_slope_one():
    found = prd_of_histograms([0.5, 0.5, 0.0], [0.25, 0.25, 0.5], angles=3)  # the middle angle is pi / 4
    assert found.precision[1] == pytest.approx(0.5)
    assert found.recall[1] == pytest.approx(0.5)
    assert found.precision == pytest.approx([1e-6, 0.5, 0.5], rel=1e-4)
    assert found.recall == pytest.approx([1.0, 0.5, 5e-7], rel=1e-4)


def test_equal_histograms_reach_the_corner_and_disjoint_ones_the_origin():
    p = np.random.default_rng(0).dirichlet(np.ones(9))
    same = prd_of_histograms(p, p)
    assert (same.f_8, same.f_1_8) == (pytest.approx(1.0), pytest.approx(1.0))
    assert max(same.precision.max(), same.recall.max()) <= 1.0
    apart = prd_of_histograms([1.0, 0.0], [0.0, 1.0])
    assert not apart.precision.any()
    assert (apart.f_8, apart.f_1_8) == (0.0, 0.0)


def test_the_ends_of_the_curve_are_the_supports():
    p, q = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.1, 0.4, 0.0, 0.5])
    found = prd_of_histograms(p, q)
    assert found.precision[-1] == pytest.approx(q[p > 0].sum(), abs=1e-4)  # share of q on the support of p
    assert found.recall[0] == pytest.approx(p[q > 0].sum(), abs=1e-4)
    assert (np.diff(found.precision) >= 0.0).all()
    assert (np.diff(found.recall) <= 1e-12).all()
    slopes = found.precision / found.recall
    assert np.arctan(slopes) == pytest.approx(np.linspace(1e-6, np.pi / 2 - 1e-6, 1001), rel=1e-9)


def test_swapping_the_sides_swaps_precision_and_recall():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(6), size=2)
    there, back = prd_of_histograms(p, q), prd_of_histograms(q, p)
    np.testing.assert_allclose(there.precision, back.recall[::-1], atol=1e-9)
    assert (there.f_8, there.f_1_8) == (pytest.approx(back.f_1_8), pytest.approx(back.f_8))


def test_f_scores_of_a_collapsed_and_of_an_inventing_generator():
    modes = np.stack([np.arange(10.0) * 100.0, np.zeros(10)], axis=1)
    rng = np.random.default_rng(0)

    def draw(which, n=400):
        return modes[which[np.arange(n) % len(which)]] + rng.normal(size=(n, 2))

    real = draw(np.arange(5))
    collapsed = prd(real, draw(np.arange(1)), seed=0, clusters=10, runs=2)
    assert collapsed.f_1_8 > 0.9 > 0.3 > collapsed.f_8  # precise, one fifth of the variety
    inventing = prd(real, draw(np.arange(10)), seed=0, clusters=10, runs=2)
    assert inventing.f_8 > 0.9 > 0.6 > inventing.f_1_8  # everything is there, half is not real


def test_same_distribution_seed_and_average_of_runs():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 500, 3))
    found = prd(real, fake, seed=0, runs=3)
    assert min(found.f_8, found.f_1_8) > 0.9
    again = prd(real, fake, seed=0, runs=3)
    np.testing.assert_array_equal(found.precision, again.precision)
    draw, curves = np.random.default_rng(0), []
    for _ in range(3):
        labels = kmeans(np.concatenate([real, fake]), 20, draw).cells
        shares = [np.bincount(part, minlength=20) / 500 for part in (labels[:500], labels[500:])]
        curves.append(prd_of_histograms(*shares).recall)
    np.testing.assert_allclose(found.recall, np.mean(curves, axis=0), rtol=1e-12)


def test_constant_features():
    assert prd(np.ones((5, 3)), np.ones((5, 3)), seed=0, clusters=4, runs=2).f_8 == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: prd(np.zeros((5, 2)), np.zeros((5, 2)), 0), r"1\.\.N \+ M = 10 and runs >= 1; got 20 and 10"),
        (lambda: prd(np.zeros((5, 2)), np.zeros((5, 2)), 0, clusters=3, runs=0), "got 3 and 0"),
        (lambda: prd(np.full((5, 2), np.nan), np.zeros((5, 2)), 0), "real features hold 10 non-finite"),
        (lambda: prd_of_histograms([0.5, 0.5], [1.0]), r"same bins; got shapes \(2,\) and \(1,\)"),
        (lambda: prd_of_histograms([0.5, 0.4], [0.5, 0.5]), "sum 1; got sums 0.9 and 1"),
        (lambda: prd_of_histograms([1.5, -0.5], [0.5, 0.5]), ">= 0"),
        (lambda: prd_of_histograms([1.0], [1.0], angles=1), "at least 2 angles; got 1"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
