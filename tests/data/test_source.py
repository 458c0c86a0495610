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


def labelled(y, **options):
    return data.arrays(np.zeros((len(y), 2), np.float32), np.asarray(y), **options)


def test_labels_are_counted_where_the_source_knows_and_drawn_where_not():
    source = labelled([2, 0, 2, 2], classes=5)
    assert data.label_counts(source) == source.counts == (1, 0, 3, 0, 0)
    assert data.label_counts(source._replace(counts=())) == (1, 0, 3, 0, 0)  # a user's own says nothing: all are read
    assert data.label_counts(data.unlabelled(source)) == data.unlabelled(source).counts == ()
    heavier = data.weighted(source, [1, 3, 0, 0])  # shares 1/4 of class 2 and 3/4 of class 0
    counts = np.array(data.label_counts(heavier))
    assert counts.sum() == 4096
    assert abs(counts[0] / 4096 - 0.75) < 0.03
    assert counts[[1, 3, 4]].sum() == 0
    wrong = source._replace(counts=(), classes=2)
    with pytest.raises(ValueError, match="has 2 classes; its 'y' are no labels of these"):
        data.label_counts(wrong)


def test_integers_that_32_bits_do_not_hold_never_become_others():
    """2**32 + 1 cut to 32 bits is 1, another class."""
    source = labelled([7, 2**32 + 1, 3, 3])
    y = data.batch_at(source, 4, seed=0)(0)["y"]
    assert sorted(y.tolist()) == [3, 3, 7, 2**32 + 1]
    with pytest.raises(ValueError, match=r"4294967297 at \d, which int32 does not"):
        next(data.batches(source, 4, seed=0))
    with pytest.raises(ValueError, match="labels must be int32"):
        data.check_batch(data.batch_at(source, 4, seed=0)(0))
    with pytest.raises(ValueError, match="x holds 4294967297 at 1"):
        data.arrays(np.array([[0, 2**32 + 1]]))  # tokens
    for y in ([7, 2**31 - 1], np.array([7, 2**31 - 1], np.uint64)):
        source = labelled(y)
        assert next(data.batches(source, 2, seed=0))["y"].dtype == np.int32
        assert (source.classes, source.counts) == (2**31, ())  # too many to be counted


def test_classes_have_names_and_a_digest_tells_data_apart():
    source = labelled([1, 0], names=("cat", "dog"))
    assert (source.classes, source.names) == (2, ("cat", "dog"))
    assert labelled([0, 0], names=("cat", "dog")).classes == 2
    with pytest.raises(ValueError, match="names has 1 classes, where labels have 2"):
        labelled([1, 0], names=("cat",))
    assert source.digest() == labelled([1, 0], names=("cat", "dog")).digest()
    others = [labelled([0, 1], names=("cat", "dog")), labelled([1, 0], names=("dog", "cat")), labelled([1, 0])]
    others += [data.weighted(source, [1, 2]), data.arrays(np.ones((2, 2), np.float32)), data.paired(a=source, b=source)]
    assert len({each.digest() for each in [source, *others]}) == 7
    assert data.ring().digest is None
