"""The protocol: a batch is a pure function of (seed, step)."""

import itertools
import subprocess
import sys

import jax
import numpy as np
import pytest

from jaxgan import data


def numbered(size, threads=0):
    """A source whose examples tell their index and the position of their draw."""

    def read(draw):
        return {"x": np.stack([draw.index, draw.position], axis=1).astype(np.float32)}

    return data.Source("numbered", size, read, threads=threads)


def take(iterator, n):
    return [np.asarray(batch["x"]) for batch in itertools.islice(iterator, n)]


def test_every_epoch_is_a_fresh_permutation():
    at = data.batch_at(numbered(12), batch_size=4, seed=0)
    epochs = [np.concatenate([at(3 * e + s)["x"][:, 0] for s in range(3)]) for e in range(3)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(12))
        assert (epoch != np.arange(12)).any()
    assert (epochs[0] != epochs[1]).any()
    assert (epochs[1] != epochs[2]).any()


def test_batches_across_epochs_drop_nothing():
    at = data.batch_at(numbered(7), batch_size=4, seed=3)
    drawn = np.concatenate([at(step)["x"] for step in range(7)])
    np.testing.assert_array_equal(drawn[:, 1], np.arange(28))
    np.testing.assert_array_equal(np.sort(drawn[:, 0].reshape(4, 7), axis=1), np.tile(np.arange(7), (4, 1)))


def test_order_does_not_depend_on_the_batch_size():
    five, two = (data.batch_at(numbered(10), batch_size=n, seed=1) for n in (5, 2))
    np.testing.assert_array_equal(
        np.concatenate([five(s)["x"] for s in range(4)]), np.concatenate([two(s)["x"] for s in range(10)])
    )


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("prefetch", [0, 2])
def test_iterating_is_seeking(threads, prefetch):
    at = data.batch_at(numbered(11), batch_size=4, seed=5)
    run = take(data.batches(numbered(11, threads), 4, seed=5, prefetch=prefetch), 9)
    late = take(data.batches(numbered(11, threads), 4, seed=5, start=6, prefetch=prefetch), 3)
    for step, x in enumerate(run):
        np.testing.assert_array_equal(x, at(step)["x"])
    np.testing.assert_array_equal(late, run[6:])


def test_batches_are_on_the_device_and_prefetched():
    steps = []

    def read(draw):
        steps.append(int(draw.position[0]))
        return {"x": np.zeros((1, 1), np.float32)}

    batch = next(data.batches(data.Source("spy", 5, read), batch_size=1, seed=0, prefetch=2))
    assert isinstance(batch["x"], jax.Array)
    assert steps == [0, 1, 2]


def test_seeds_differ():
    a, b = (data.indices(seed, 50, np.arange(50)) for seed in (0, 1))
    assert (a != b).any()


def test_order_is_pinned():
    """Saved runs resume by their step, so the order may never change."""
    assert data.indices(0, 8, np.arange(16)).tolist() == GOLDEN
    assert data.indices(0, 8, np.array([15, 3])).tolist() == [GOLDEN[15], GOLDEN[3]]


GOLDEN = [0, 3, 7, 5, 1, 2, 6, 4, 3, 7, 4, 2, 1, 6, 5, 0]


@pytest.mark.parametrize(
    ("size", "arguments", "message"),
    [
        (10, {"batch_size": 0}, r"batch_size is 0; use 1 or more"),
        (10, {"batch_size": 64}, r"batch_size 64 is larger than the 10 examples of 'numbered'; use 10 or fewer"),
        (10, {"batch_size": 4, "start": -1}, r"start is -1; use 0 or more"),
        (10, {"batch_size": 4, "prefetch": -1}, r"prefetch is -1; use 0 or more"),
        (10, {"batch_size": 4, "seed": -1}, r"seed is -1; use 0\.\.4294967295"),
        (10, {"batch_size": 4, "seed": 2**32}, r"seed is 4294967296"),
        (0, {"batch_size": 4}, r"'numbered' is empty"),
    ],
)
def test_bad_arguments(size, arguments, message):
    with pytest.raises(ValueError, match=message):  # at once, not at the first batch
        data.batches(numbered(size), **{"seed": 0, **arguments})


def test_negative_step():
    with pytest.raises(ValueError, match="step is -1"):
        data.batch_at(numbered(4), 2, 0)(-1)


def test_sources_in_memory_import_no_reader():
    code = (
        "import sys, numpy as np, jaxgan.data as d; d.digits(source='sklearn')\n"
        "next(d.batches(d.arrays(np.zeros((4, 2), np.float32)), 2, seed=0))\n"
        "print([m for m in ('grain', 'tensorflow_datasets', 'PIL', 'pandas', 'mlxtend') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
