"""Mode coverage: by hand, the perfect sampler, a collapsed one, a bad one, and what it refuses."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.metrics import mode_coverage

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
