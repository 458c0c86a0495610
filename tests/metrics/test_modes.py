"""Mode coverage: by hand, the perfect sampler, a collapsed one, a bad one, and what it refuses."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.metrics.modes import label_coverage, mode_coverage, stacked_labels

RING = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)


def test_by_hand():
    centres = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]]
    samples = [[0.0, 3.0], [0.0, 0.0], [2.0, 0.0], [10.0, -3.1], [0.0, 9.0], [5.1, 5.1]]  # std 1: the 4th, 6th are bad
    found = mode_coverage(samples, centres, std=1.0)
    assert found.modes == 2
    assert found.high_quality == pytest.approx(4 / 6)
    assert found.histogram.tolist() == [3, 0, 1, 0]
    assert found.reverse_kl == pytest.approx(0.75 * math.log(3.0) + 0.25 * math.log(1.0))
    assert mode_coverage(samples, centres, std=1.0, within=3.2).modes == 3


def test_perfect_sampler():
    rng = np.random.default_rng(0)
    which = rng.integers(8, size=(20, 2500))
    runs = [mode_coverage(RING[i] + 0.01 * rng.normal(size=(2500, 2)), RING, std=0.01) for i in which]
    assert all(run.modes == 8 for run in runs)
    assert np.mean([run.high_quality for run in runs]) == pytest.approx(1.0 - math.exp(-4.5), abs=0.0015)
    assert np.mean([run.reverse_kl for run in runs]) == pytest.approx(7 / (2 * 2500), rel=0.4)


def test_collapse_to_one_mode():
    found = mode_coverage(jnp.tile(jnp.asarray(RING[2:3]), (50, 1)), jnp.asarray(RING), std=0.01)
    assert (found.modes, found.high_quality) == (1, 1.0)
    assert found.reverse_kl == pytest.approx(math.log(8.0))


def test_no_sample_near_a_mode():
    found = mode_coverage(np.zeros((5, 2)), RING, std=0.01)
    assert (found.modes, found.high_quality, found.reverse_kl) == (0, 0.0, math.inf)
    assert found.histogram.tolist() == [0] * 8


@pytest.mark.parametrize(
    ("samples", "centres", "std", "message"),
    [
        (np.zeros((5, 3)), RING, 0.1, r"got \(5, 3\) and \(8, 2\)"),
        (np.zeros((0, 2)), RING, 0.1, "neither empty"),
        (np.full((5, 2), np.nan), RING, 0.1, "finite"),
        (np.zeros((5, 2)), RING, 0.0, "std and within must be > 0"),
    ],
)
def test_refuses(samples, centres, std, message):
    with pytest.raises(ValueError, match=message):
        mode_coverage(samples, centres, std)


def test_labels_by_hand():
    found = label_coverage([0, 0, 3, 0], modes=4)
    assert (found.modes, found.histogram.tolist()) == (2, [3, 0, 0, 1])
    assert found.reverse_kl == pytest.approx(0.75 * math.log(3.0))
    assert label_coverage(np.zeros(50, np.int32)).reverse_kl == pytest.approx(math.log(1000))
    assert label_coverage(np.arange(1000))[:2] == (1000, pytest.approx(0.0, abs=1e-12))


def test_floor_of_a_perfect_sampler_of_stacks():
    rng = np.random.default_rng(0)
    runs = [label_coverage(stacked_labels(rng.integers(10, size=(26_000, 3)))) for _ in range(20)]
    # chi squared / (2 N): mean (K - 1) / (2 N) = 0.0192, deviation sqrt(2 (K - 1)) / (2 N) = 0.00086; 20 runs
    assert np.mean([run.reverse_kl for run in runs]) == pytest.approx(999 / 52_000, abs=4 * 0.00086 / math.sqrt(20))
    assert all(run.modes == 1000 for run in runs)


def test_expected_number_of_modes_of_few_samples():
    rng = np.random.default_rng(0)
    found = np.mean([label_coverage(rng.integers(1000, size=500)).modes for _ in range(50)])
    assert found == pytest.approx(1000 * (1 - 0.999**500), abs=5)  # 393.6; deviation of one run is about 8


def test_stacked_labels():
    assert stacked_labels([[0, 0, 0], [9, 9, 9], [1, 2, 3]]).tolist() == [0, 999, 123]
    assert stacked_labels(np.array([[9, 9, 9]], np.uint8)).tolist() == [999]


@pytest.mark.parametrize(
    ("function", "labels", "message"),
    [
        (label_coverage, [0, 1000, -1], r"2 of 3 labels lie outside 0\.\.999"),
        (label_coverage, [0.0, 1.0], r"got float64 of shape \(2,\)"),
        (label_coverage, np.zeros(0, int), "labels"),
        (label_coverage, np.zeros((2, 2), int), r"shape \(2, 2\)"),
        (stacked_labels, [[0, 10, 1]], r"1 of 3 digits lie outside 0\.\.9"),
        (stacked_labels, [[0, 1]], r"\[N, 3\] integers"),
        (stacked_labels, [[0.0, 1.0, 2.0]], r"\[N, 3\] integers; got float64"),
    ],
)
def test_labels_refuse(function, labels, message):
    with pytest.raises(ValueError, match=message):
        function(labels)


def test_many_dimensions_take_a_wider_radius():
    rng = np.random.default_rng(0)  # 700 noisy dimensions of 1200: radius sqrt(700) = 26.5 std
    centres = np.zeros((2, 1200))
    centres[1] = 10.0
    x = centres[rng.integers(2, size=40)]
    x[:, :700] += rng.normal(size=(40, 700))
    assert mode_coverage(x, centres, std=1.0, within=10.0).high_quality == 0.0
    assert mode_coverage(x, centres, std=1.0, within=30.0)[:2] == (2, 1.0)
