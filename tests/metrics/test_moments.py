"""Moments: equal to those of all features at once, in any parts and order, far from zero, and what they refuse."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.metrics import fid
from jaxgan.metrics.frechet import fid_of_moments
from jaxgan.metrics.moments import add, covariance, merge, moments_of, no_moments


def streamed(x, sizes):
    total, start = no_moments(x.shape[1]), 0
    for size in sizes:
        total = add(total, x[start : start + size])
        start += size
    assert start == len(x)
    return total


@pytest.mark.parametrize("sizes", [[100], [1] * 100, [1, 0, 39, 2, 58]])
def test_parts_equal_the_whole(sizes):
    x = np.random.default_rng(0).normal(size=(100, 5)) @ np.diag([1.0, 2.0, 3.0, 0.1, 10.0]) + 3.0
    found = streamed(x, sizes)
    assert found.count == 100
    np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(covariance(found), np.cov(x, rowvar=False), rtol=1e-11, atol=1e-13)


def test_merging_is_like_adding_in_any_order():
    x = np.random.default_rng(0).normal(size=(90, 4)) * 5.0 + 2.0
    parts = [moments_of(x[:10]), moments_of(x[10:70]), no_moments(4), moments_of(x[70:])]
    left = merge(merge(merge(parts[0], parts[1]), parts[2]), parts[3])
    right = merge(parts[3], merge(parts[2], merge(parts[1], parts[0])))
    for found in (left, right):
        assert found.count == 90
        np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-13)
        np.testing.assert_allclose(covariance(found), np.cov(x, rowvar=False), rtol=1e-12)


def test_a_large_offset_costs_no_more_digits_than_its_own():
    x = np.round(np.random.default_rng(0).normal(size=(500, 3)) * 2**20) / 2**20  # exact after the shift
    near, far = streamed(x, [7] * 71 + [3]), streamed(x + 2.0**30, [7] * 71 + [3])
    np.testing.assert_allclose(covariance(far), covariance(near), atol=1e-7)
    np.testing.assert_allclose(far.mean - 2.0**30, near.mean, atol=1e-6)


def test_fid_of_streams_is_fid():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(300, 6)), 1.3 * rng.normal(size=(200, 6)) + 0.4
    a, b = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    values = np.linalg.eigvals(a @ b).real
    expected = np.sum((real.mean(0) - fake.mean(0)) ** 2) + np.trace(a + b) - 2.0 * np.sqrt(values).sum()
    found = fid_of_moments(streamed(real, [64] * 4 + [44]), streamed(fake, [50] * 4))
    assert found == pytest.approx(fid(real, fake), rel=1e-9)
    assert found == pytest.approx(expected, rel=1e-9)


def test_any_float_type_and_an_argument_that_stays():
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    begun = no_moments(3)
    found = add(add(begun, jnp.asarray(x)), x.astype(np.float16))
    assert found.mean.dtype == found.scatter.dtype == np.float64
    assert begun.count == 0
    assert not begun.scatter.any()
    np.testing.assert_allclose(found.mean, x.mean(0), atol=1e-3)


def test_refuses():
    with pytest.raises(ValueError, match="hold 3 non-finite values of 8"):
        add(no_moments(2), [[0.0, 1.0], [np.nan, np.inf], [np.nan, 1.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="F = 2 features; got a batch of 3"):
        add(no_moments(2), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="same F; got 2 and 3"):
        merge(no_moments(2), no_moments(3))
    with pytest.raises(ValueError, match="at least 2 examples; got 1"):
        covariance(moments_of(np.zeros((1, 2))))
    with pytest.raises(ValueError, match="F = 0"):
        no_moments(0)
    with pytest.raises(ValueError, match=r"rank 2, \[N, F\]; got shape \(3,\)"):
        moments_of(np.zeros(3))
