"""Kernel distance: plain loops, the closed form, unbiased under equality, blocks and subsets, refusals."""

import itertools
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.metrics.kernel import kid, kid_blocks, kid_subsets


def loops(real, fake):
    def kernel(x, y):
        return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1.0) ** 3

    def pairs(x):
        return np.mean([kernel(a, b) for a, b in itertools.permutations(x, 2)])

    return pairs(real) + pairs(fake) - 2.0 * np.mean([kernel(a, b) for a in real for b in fake])


def expected_kernel(a, b):
    """E (x.y / d + 1)^3 of x ~ N(a, I) and y ~ N(b, I)."""
    d, c, squares = len(a), a @ b, a @ a + b @ b
    return 1 + 3 * c / d + 3 * (c**2 + squares + d) / d**2 + (c**3 + 3 * c * (squares + d) + 6 * c) / d**3


def test_by_hand():
    # F = 1, k(x, y) = (x y + 1)^3: real pair k(0, 1) = 1, fake pair k(1, 2) = 27, across 1, 1, 8, 27.
    assert kid([[0.0], [1.0]], [[1.0], [2.0]]) == pytest.approx(1 + 27 - 2 * 37 / 4, rel=1e-14)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (23, 31)])
def test_against_loops(n, m):
    rng = np.random.default_rng(n)
    real, fake = rng.normal(size=(n, 5)) + 1.0, 1.2 * rng.normal(size=(m, 5))
    assert kid(real, fake) == pytest.approx(loops(real, fake), rel=1e-10)
    assert isinstance(kid(jnp.asarray(real), jnp.asarray(fake)), float)


def test_blocks_of_the_matrix_do_not_change_the_figure(monkeypatch):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(40, 3)) + 1.0, rng.normal(size=(33, 3))
    whole = kid(real, fake)
    monkeypatch.setattr(sys.modules["jaxgan.metrics.kernel"], "BLOCK", 7)
    assert kid(real, fake) == pytest.approx(whole, rel=1e-12)


def test_closed_form_and_no_bias_at_small_samples():
    rng, d, runs = np.random.default_rng(0), 6, 1500
    a, b = np.full(d, 0.3), np.full(d, -0.2)
    expected = expected_kernel(a, a) + expected_kernel(b, b) - 2.0 * expected_kernel(a, b)
    draws = [kid(rng.normal(size=(12, d)) + a, rng.normal(size=(9, d)) + b) for _ in range(runs)]
    error = np.std(draws) / np.sqrt(runs)
    assert error < 0.05 * expected
    assert abs(np.mean(draws) - expected) < 3.5 * error


def test_under_equality_it_is_zero_on_average_and_negative_half_of_the_time():
    rng, runs = np.random.default_rng(0), 1500
    draws = np.array([kid(rng.normal(size=(10, 4)), rng.normal(size=(10, 4))) for _ in range(runs)])
    assert abs(draws.mean()) < 3.5 * draws.std() / np.sqrt(runs)
    assert 0.3 < np.mean(draws < 0.0) < 0.7


def test_subsets_of_everything_are_the_whole():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(30, 3)) + 1.0, rng.normal(size=(30, 3))
    found = kid_subsets(real, fake, seed=0, subsets=4, size=30)
    assert found.value == pytest.approx(kid(real, fake), rel=1e-10)
    assert found.deviation < 1e-12


def test_subsets_are_seeded_drawn_without_replacement_and_unbiased():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(200, 3)) + 0.5, rng.normal(size=(150, 3))
    found = kid_subsets(real, fake, seed=1, subsets=300, size=20)
    assert found == kid_subsets(real, fake, seed=1, subsets=300, size=20)
    assert found != kid_subsets(real, fake, seed=2, subsets=300, size=20)
    assert abs(found.value - kid(real, fake)) < 4.0 * found.standard_error
    assert found.standard_error == pytest.approx(found.deviation / np.sqrt(299), rel=1e-12)


def test_blocks_are_disjoint_and_their_standard_error_is_that_of_the_figure():
    rng, runs = np.random.default_rng(0), 200
    found = [kid_blocks(rng.normal(size=(83, 3)), rng.normal(size=(90, 3)), seed=0, size=8) for _ in range(runs)]
    values = np.array([f.value for f in found])
    observed = values.std(ddof=1)  # known to 1 / sqrt(2 * 200) = 5 %
    assert np.sqrt(np.mean([f.standard_error**2 for f in found])) == pytest.approx(observed, rel=0.2)
    assert abs(values.mean()) < 3.5 * observed / np.sqrt(runs)
    x = np.zeros((20, 1))
    x[0] = 3.0  # one example that matters lies in exactly one block, whatever the seed
    expected = kid_blocks(x, np.zeros((20, 1)), seed=0, size=5)
    assert all(kid_blocks(x, np.zeros((20, 1)), seed=s, size=5) == pytest.approx(expected) for s in range(5))


def test_constant_features_and_fewer_examples_than_features():
    assert kid(np.full((5, 3), 2.0), np.full((4, 3), 2.0)) == pytest.approx(0.0, abs=1e-12)
    assert kid(np.full((5, 2), 1.0), np.zeros((4, 2))) == pytest.approx(8.0 + 1.0 - 2.0, rel=1e-12)
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(4, 50)), rng.normal(size=(3, 50))
    assert kid(real, fake) == pytest.approx(loops(real, fake), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: kid(x[:1], x), "at least 2 real features; got 1"),
        (lambda x: kid(x, x * np.nan), "fake features hold 60 non-finite values of 60"),
        (lambda x: kid(x, x[:, :1]), "same F; got 3 and 1"),
        (lambda x: kid_subsets(x, x, seed=0), r"parts of 2\.\.20 examples of each set; got 100 of 1000"),
        (lambda x: kid_subsets(x, x, seed=0, subsets=1, size=5), "got 1 of 5"),
        (lambda x: kid_blocks(x, x, seed=0, size=11), "at least 2 parts .* got 1 of 11"),
        (lambda x: kid_blocks(x, x, seed=0, size=0), "of 0"),
        (lambda x: kid_blocks(x, x, seed=0, size=1), "got 20 of 1"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0).normal(size=(20, 3)))
