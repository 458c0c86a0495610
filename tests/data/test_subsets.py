"""Subsets, splits and a few examples that are spread over a source."""

import numpy as np
import pytest

import jaxgan as jg

NUMBERS = jg.data.arrays(np.arange(10, dtype=np.float32)[:, None])


def values(source, n=None):
    return jg.data.evenly(source, n or source.size)["x"][:, 0].tolist()


def test_a_subset_is_in_the_order_that_is_asked_for():
    chosen = jg.data.subset(NUMBERS, [7, 2, 2])
    assert (chosen.size, values(chosen)) == (3, [7, 2, 2])
    assert chosen.digest() != NUMBERS.digest() != jg.data.subset(NUMBERS, [2, 7, 2]).digest()
    batch = jg.data.batch_at(chosen, batch_size=3, seed=0)(5)
    assert sorted(batch["x"][:, 0].tolist()) == [2, 2, 7]


def test_a_split_parts_all_examples_and_depends_on_its_seed_alone():
    train, held_out = jg.data.split(NUMBERS, 0.3)
    assert sorted(values(train) + values(held_out)) == list(range(10))
    assert (len(values(held_out)), values(held_out)) == (3, sorted(values(held_out)))
    assert values(jg.data.split(NUMBERS, 0.3)[1]) == values(held_out)
    others = {tuple(values(jg.data.split(NUMBERS, 0.3, seed)[1])) for seed in range(5)}
    assert len(others) > 1
    assert [len(values(part)) for part in jg.data.split(NUMBERS, 0.01)] == [9, 1]
    assert [len(values(part)) for part in jg.data.split(NUMBERS, 0.99)] == [1, 9]


def test_evenly_spread():
    assert values(NUMBERS, 4) == [0, 3, 6, 9]
    assert values(NUMBERS, 1) == [0]
    assert jg.data.evenly(jg.data.ring(), 5)["x"].shape == (5, 2)


def test_the_whole():
    assert jg.data.whole(NUMBERS)["x"][:, 0].tolist() == list(range(10))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jg.data.subset(NUMBERS, [10]), r"examples 0..9; got 10..10"),
        (lambda: jg.data.subset(NUMBERS, [-1]), r"examples 0..9; got -1..-1"),
        (lambda: jg.data.subset(NUMBERS, []), r"indices \[n\], n >= 1"),
        (lambda: jg.data.subset(NUMBERS, [0.5]), "integers; got float64"),
        (lambda: jg.data.subset(jg.data.ring(), [0]), "no number of examples"),
        (lambda: jg.data.whole(jg.data.ring()), "no number of examples; read some of it with evenly"),
        (lambda: jg.data.split(NUMBERS, 0), r"in \(0, 1\); got 0"),
        (lambda: jg.data.split(NUMBERS, 1), r"in \(0, 1\); got 1"),
        (lambda: jg.data.split(jg.data.ring(), 0.5), "needs 2 examples or more, and has None"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
