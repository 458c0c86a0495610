"""Intervals: known quantiles of a mean, coverage on known cases, why halves and not copies, structure, refusals."""

import numpy as np
import pytest
from scipy import stats

from jaxgan.metrics import fid, precision_recall
from jaxgan.metrics.bootstrap import SHARE, Interval, Range, bootstrap
from jaxgan.metrics.kernel import kid


@pytest.mark.parametrize("options", [{}, {"replace": True}, {"share": 0.2}, {"share": 0.8}])
@pytest.mark.parametrize("level", [0.95, 0.5])
def test_interval_of_a_mean(options, level):
    x = np.random.default_rng(0).normal(size=500) * 3.0 + 1.0
    found = bootstrap(np.mean, x, seed=0, resamples=2000, level=level, **options)
    half = stats.norm.ppf((1.0 + level) / 2.0) * x.std(ddof=1) / np.sqrt(500)
    assert found.value == pytest.approx(x.mean())
    assert found.high - found.value == pytest.approx(half, rel=0.08)  # quantiles of 2000 draws are known to 4 %
    assert found.value - found.low == pytest.approx(half, rel=0.08)


def test_a_skewed_statistic_is_turned_around():
    x = np.zeros(200)
    x[:4] = 100.0
    found = bootstrap(lambda a: a.mean() ** 2, x, seed=0, resamples=500)
    assert found.value - found.low > 1.2 * (found.high - found.value)  # its draws reach further up than down


@pytest.mark.parametrize("options", [{}, {"share": 0.3}])
def test_coverage_on_a_mean_and_a_difference(options):
    rng = np.random.default_rng(0)

    def covers():
        a, b = rng.exponential(size=40), rng.normal(size=60) * 2.0
        found = bootstrap(lambda a, b: a.mean() - b.mean(), a, b, seed=0, resamples=99, level=0.9, **options)
        return found.low <= 1.0 <= found.high

    assert np.mean([covers() for _ in range(400)]) == pytest.approx(0.88, abs=0.05)  # standard error 0.016


def test_coverage_of_fid_expected_at_these_sizes_bias_included():
    rng, n = np.random.default_rng(0), 100

    def draw():
        return rng.normal(size=(n, 2)), 1.5 * rng.normal(size=(n, 2)) + 0.5

    expected = np.mean([fid(*draw()) for _ in range(2000)])
    found = [bootstrap(fid, *draw(), seed=0, resamples=60, level=0.9) for _ in range(120)]
    share = np.mean([f.low <= expected <= f.high for f in found])
    assert 0.8 < share < 0.97  # standard error 0.03


def test_copies_distort_where_halves_do_not():
    rng = np.random.default_rng(0)

    def draw():
        return rng.normal(size=(100, 6)), rng.normal(size=(100, 6)) + 1.0

    def excess(x):  # of the kernel of an example with its own copy over that of two examples
        kernel = (x @ x.T / 6 + 1.0) ** 3
        return np.trace(kernel) / 100 - (kernel.sum() - np.trace(kernel)) / (100 * 99)

    real, fake = draw()
    copies = [kid(real[rng.integers(100, size=100)], fake[rng.integers(100, size=100)]) for _ in range(1000)]
    bias = (excess(real) + excess(fake)) / 100  # one pair in a hundred is a pair of copies
    error = np.std(copies) / np.sqrt(1000)
    assert np.mean(copies) - kid(real, fake) == pytest.approx(bias, abs=4 * error)
    assert bias > 5 * error
    halves = bootstrap(kid, real, fake, seed=0, resamples=200)
    width = np.subtract(*np.quantile([kid(*draw()) for _ in range(400)], [0.975, 0.025]))
    assert halves.high - halves.low == pytest.approx(width, rel=0.35)


def test_named_results_keep_their_names_and_the_seed_decides():
    real, fake = np.random.default_rng(0).normal(size=(2, 40, 2))
    found = bootstrap(precision_recall, real, fake, seed=1, resamples=10)
    assert type(found).__name__ == "PrecisionRecall"
    assert isinstance(found.recall, Interval)
    assert found.precision.value == precision_recall(real, fake).precision
    assert found.precision.low < found.precision.high
    assert found == bootstrap(precision_recall, real, fake, seed=1, resamples=10)
    assert found != bootstrap(precision_recall, real, fake, seed=2, resamples=10)
    pair = bootstrap(lambda x: (x.mean(), 7), real, seed=0, resamples=10)
    assert pair[1] == (7.0, 7.0, 7.0)


def test_every_set_is_drawn_by_itself_and_without_copies():
    seen = []
    bootstrap(lambda a, b: seen.append((a, b)) or 0.0, np.arange(9), np.arange(100, 120), seed=0, resamples=10)
    assert [len(a) for a, _ in seen] == [9] + [4] * 10
    assert [len(b) for _, b in seen] == [20] + [10] * 10
    assert all(len(set(a)) == len(a) and len(set(b)) == len(b) for a, b in seen)
    assert len({tuple(b) for _, b in seen[1:]}) == 10
    assert not any(set(b) == set(a + 100) for a, b in seen[1:])


@pytest.mark.parametrize(
    ("sets", "options", "message"),
    [
        ([], {}, r"at least 4 examples each; got shapes \[\]"),
        ([np.zeros((3, 2))], {}, r"got shapes \[\(3, 2\)\]"),
        ([np.zeros(9)], {"resamples": 9}, "resamples >= 10"),
        ([np.zeros(9)], {"level": 95}, "got 200, 95 and 0.5"),
        ([np.zeros(9)], {"share": 1.0}, "got 200, 0.95 and 1.0"),
    ],
)
def test_refuses(sets, options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap(np.mean, *sets, seed=0, **options)


def test_the_larger_bias_of_halves_does_not_shift_the_interval():
    real, fake = np.random.default_rng(0).normal(size=(2, 40, 16))
    found = bootstrap(fid, real, fake, seed=0, resamples=50)
    halves = fid(real[:20], fake[:20])
    assert halves > found.high  # so biased are they
    assert found.low < found.value < found.high


def shares(real, fake):
    """Precision, recall and coverage by their definitions."""

    def distances(a, b):
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))

    def radii(a, k):
        return np.sort(distances(a, a), axis=1)[:, k]

    between = distances(real, fake)
    precision = (between <= radii(real, 3)[:, None]).any(0).mean()
    recall = (between <= radii(fake, 3)).any(1).mean()
    return precision, recall, (between.min(1) <= radii(real, 5)).mean()


@pytest.mark.parametrize(
    ("shift", "scale"),
    [(0.0, 1.0), (0.0, 0.3), (3.5, 1.0), (0.0, 4.0), (2.0, 1.0)],
    ids=["equal", "narrow", "far", "wide", "near"],
)
def test_intervals_of_shares_cover_and_stay_between_0_and_1(shift, scale):
    rng, n = np.random.default_rng(0), 60

    def draw():
        return rng.normal(size=(n, 2)), scale * rng.normal(size=(n, 2)) + shift

    expected = np.mean([shares(*draw()) for _ in range(300)], axis=0)
    found = [bootstrap(shares, *draw(), seed=0, resamples=25, within=SHARE) for _ in range(100)]
    ends = np.array([[(each.low, each.high) for each in figures] for figures in found])  # [100, 3, 2]
    assert ends.min() >= 0
    assert ends.max() <= 1
    covered = np.mean((ends[..., 0] <= expected) & (expected <= ends[..., 1]), axis=0)
    assert (covered >= 0.82).all(), covered


@pytest.mark.parametrize(("value", "low", "high"), [(0.0, 0.0, 0.0713), (1.0, 0.9287, 1.0)])
def test_a_share_that_no_draw_varies_has_the_interval_of_half_as_many_trials(value, low, high):
    found = bootstrap(np.mean, np.full(100, value), seed=0, resamples=20, within=SHARE)
    exact = stats.binomtest(int(50 * value), 50).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_other_intervals_end_where_the_range_does():
    x = np.random.default_rng(0).normal(size=(40, 2))
    free, ended = (bootstrap(fid, x, x + 1e-3, seed=0, resamples=20, **o) for o in ({}, {"within": Range(low=0.0)}))
    assert free.low < 0 == ended.low
    assert free.high == ended.high
    both = bootstrap(lambda a: (a.mean(), (a > 9).mean()), x[:, 0], seed=0, resamples=20, within=(Range(), SHARE))
    assert both[0].low < 0 <= both[1].low
