"""Sources side by side: pairs stay together, sets without pairs never meet in one order."""

import numpy as np
import pytest

from jaxgan import data


def ramp(n, name="ramp", y=None):
    return data.arrays(np.arange(2 * n, dtype=np.float32).reshape(n, 2), y, name=name)


def test_pairs_stay_together_under_their_names():
    source = data.paired(photo=ramp(7), sketch=ramp(7, y=np.arange(7)))
    assert source.size == 7
    assert source.name == "paired(photo=ramp, sketch=ramp)"
    for step in range(5):
        batch = data.batch_at(source, 3, seed=1)(step)
        assert set(batch) == {"photo", "sketch", "sketch_y"}
        np.testing.assert_array_equal(batch["photo"], batch["sketch"])
        np.testing.assert_array_equal(batch["sketch"][:, 0], 2 * batch["sketch_y"])
    whole = data.batch_at(source, 7, seed=1)(0)
    assert len(np.unique(whole["photo"][:, 0])) == 7


def test_sets_without_pairs_have_an_order_each():
    """Each source is walked through in epochs of its own, whatever the others are."""
    source = data.unpaired(a=ramp(8), b=ramp(5))
    batches = [data.batch_at(source, 4, seed=0)(step) for step in range(10)]
    a = np.concatenate([batch["a"][:, 0] for batch in batches])
    b = np.concatenate([batch["b"][:, 0] for batch in batches])
    for epoch in range(5):
        assert sorted(a[8 * epoch : 8 * epoch + 8]) == list(range(0, 16, 2))
        assert sorted(b[5 * epoch : 5 * epoch + 5]) == list(range(0, 10, 2))
    equal = data.unpaired(a=ramp(100), b=ramp(100))
    batch = data.batch_at(equal, 100, seed=0)(0)
    assert (batch["a"] == batch["b"]).mean() < 0.1  # chance: 1 in 100
    swapped = data.batch_at(data.unpaired(b=ramp(5), a=ramp(8)), 4, seed=0)(3)
    np.testing.assert_array_equal(swapped["a"], batches[3]["a"])
    other = data.batch_at(source, 4, seed=1)(0)
    assert (other["a"] != batches[0]["a"]).any()


@pytest.mark.parametrize("combine", [data.paired, data.unpaired])
def test_names_that_meet(combine):
    source = combine(a=ramp(3, y=np.arange(3)), a_y=ramp(3))
    with pytest.raises(ValueError, match=r"two sources give entries \['a_y'\]; call one of \['a', 'a_y'\] by another"):
        data.batch_at(source, 2, seed=0)(0)


@pytest.mark.parametrize(
    ("combine", "sources", "message"),
    [
        (data.paired, {"a": ramp(3), "b": ramp(4)}, r"as many examples each; got \{'a': 3, 'b': 4\}: use unpaired"),
        (data.paired, {"a": ramp(3)}, "two sources or more"),
        (data.unpaired, {"a": ramp(3), "b": data.ring()}, r"\['b'\] have none"),
    ],
)
def test_what_cannot_be_combined(combine, sources, message):
    with pytest.raises(ValueError, match=message):
        combine(**sources)


def test_arrays_of_any_names():
    tokens = np.arange(12).reshape(4, 3)
    source = data.arrays({"tokens": tokens, "index": np.arange(4), "photo": np.zeros((4, 2, 2, 1), np.float32)})
    batch = data.batch_at(source, 4, seed=0)(0)
    assert {name: value.dtype.name for name, value in batch.items()} == {
        "tokens": "int32",
        "index": "int32",
        "photo": "float32",
    }
    np.testing.assert_array_equal(batch["tokens"], tokens[batch["index"]])
    assert source.classes == 0  # integers are data unless they are given as y
    with pytest.raises(ValueError, match=r"tokens has 4 examples, but \{'other': 3\}"):
        data.arrays({"tokens": tokens, "other": tokens[:3]})
    with pytest.raises(ValueError, match="give conditions as y"):
        data.arrays({"tokens": tokens, "y": tokens})
