"""The order of large sets: a permutation for any size, one for each seed and epoch, in memory that does not grow."""

import tracemalloc

import numpy as np
import pytest

from jaxgan import data
from jaxgan.data.shuffled import permuted
from jaxgan.data.source import LISTED
from tests.data.test_source import numbered, take


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 1000, 1023, 1024, 1025, LISTED + 1, LISTED + 77])
def test_it_is_a_permutation(size):
    order = permuted(3, 1, size, np.arange(size))
    np.testing.assert_array_equal(np.sort(order), np.arange(size))


def test_seeds_and_epochs_differ_and_places_do_not_depend_on_each_other():
    place = np.arange(5000)
    order = permuted(0, 0, 10**7, place)
    for seed, epoch in ((1, 0), (0, 1), (1, 1)):
        assert np.mean(permuted(seed, epoch, 10**7, place) == order) < 0.01
    np.testing.assert_array_equal(permuted(0, 0, 10**7, place[::-7]), order[::-7])


def test_it_looks_random():
    """Fixed points, neighbours, ranges and places are as of random permutations."""
    size = 4099
    fixed = []
    for epoch in range(200):
        order = permuted(0, epoch, size, np.arange(size))
        fixed.append(np.sum(order == np.arange(size)))
        steps = np.diff(order)
        assert abs(np.mean(np.abs(steps)) - size / 3) < 6 * size / np.sqrt(18 * size)  # |U - V| has variance 1/18
        counts = np.bincount(order[: size // 2] * 16 // size, minlength=16)
        assert np.sum((counts - size / 32) ** 2 / (size / 32)) < 45  # chi squared of 15: fewer than 1 in 10,000 exceed
    assert 0.7 < np.mean(fixed) < 1.3
    table = np.zeros((12, 12))
    for epoch in range(3000):
        table[np.arange(12), permuted(1, epoch, 12, np.arange(12))] += 1
    assert np.sum((table - 250) ** 2 / 250) < 121 + 6 * np.sqrt(242)  # each number comes to each place as often


def test_the_order_of_a_large_set_is_pinned():
    """A resumed run, and another machine, go on in the same order."""
    np.testing.assert_array_equal(permuted(7, 3, 10**9, np.arange(4)), [278707756, 730595549, 707107558, 47758461])


def test_a_large_source_resumes_and_processes_agree():
    source = numbered(LISTED + 1)
    at = data.batch_at(source, 8, seed=2)
    border = (LISTED + 1) // 8  # the batch with the end of the first epoch
    run = take(data.batches(source, 8, seed=2, start=border - 1), 3)
    late = take(data.batches(source, 8, seed=2, start=border), 2)
    np.testing.assert_array_equal(run[1:], late)
    np.testing.assert_array_equal(run[1], at(border)["x"])
    halves = [data.batch_at(source, 8, seed=2, rows=np.arange(4) + 4 * k)(border)["x"] for k in range(2)]
    np.testing.assert_array_equal(np.concatenate(halves), run[1])


def test_sets_of_a_million_keep_their_order():
    words = np.random.Philox(np.random.SeedSequence([5, 0])).random_raw(LISTED)
    np.testing.assert_array_equal(data.indices(5, LISTED, np.arange(9)), np.argsort(words, kind="stable")[:9])


def test_memory_does_not_grow_with_the_set():
    tracemalloc.start()
    try:
        for size in (10**7, 10**12):
            assert data.indices(0, size, np.arange(size - 100, size + 100)).max() < size
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
