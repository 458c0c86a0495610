"""Sequences that are read by number: lists, Hugging Face sets, torch-style sets and Grain sources are sources."""

import numpy as np
import pytest

import jaxgan as jg

PIXELS = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 1)).astype(np.uint8)
LABELS = np.arange(10) % 3


def example(row):
    return {"x": jg.data.from_uint8(np.asarray(row["image"], np.uint8).reshape(4, 4, 1)), "y": row["label"]}


def rows():
    return [{"image": image, "label": int(label)} for image, label in zip(PIXELS, LABELS, strict=True)]


def as_hugging_face():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b", "c"])})
    images = [image[..., 0] for image in PIXELS]
    return datasets.Dataset.from_dict({"image": images, "label": LABELS.tolist()}, features=features)


class TorchStyle:
    def __len__(self):
        return 10

    def __getitem__(self, index):
        if not 0 <= index < 10:
            raise IndexError(index)
        return {"image": PIXELS[index], "label": int(LABELS[index])}


def as_grain():
    import grain

    return grain.MapDataset.source(rows())


@pytest.mark.parametrize("made", [rows, as_hugging_face, TorchStyle, as_grain])
@pytest.mark.parametrize("threads", [0, 2])
def test_batches_are_those_of_the_arrays(made, threads):
    source = jg.data.records(made(), example, classes=3, threads=threads)
    wanted = jg.data.arrays(jg.data.from_uint8(PIXELS), LABELS, classes=3)
    stream = jg.data.batches(source, 4, seed=3, start=2)
    for step in (2, 3, 4):
        batch, alike, placed = (
            jg.data.batch_at(source, 4, 3)(step),
            jg.data.batch_at(wanted, 4, 3)(step),
            next(stream),
        )
        for name in ("x", "y"):
            np.testing.assert_array_equal(batch[name], alike[name])
            np.testing.assert_array_equal(placed[name], alike[name])
            assert batch[name].dtype == alike[name].dtype


def test_a_record_may_be_the_example():
    source = jg.data.records([{"tokens": np.arange(5, dtype=np.int32) + k} for k in range(3)])
    batch = jg.data.batch_at(source, 3, 0)(0)
    assert batch["tokens"].dtype == np.int32
    assert sorted(batch["tokens"][:, 0].tolist()) == [0, 1, 2]


def test_a_game_is_trained_on_records():
    source = jg.data.records(rows(), example, classes=3, names=("a", "b", "c"))
    assert jg.data.label_counts(source) == (4, 3, 3)
    assert source.names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("sequence", "options", "message"),
    [
        ([], {}, "the sequence is empty"),
        (iter(()), {}, r"got list_iterator: list\(...\) it|got tuple_iterator"),
        (rows(), {"read": lambda row: row["image"]}, "of record 0 read gives ndarray"),
        (rows(), {"read": lambda row: {"x": row["image"]}}, "record 0, x is uint8"),
        (rows(), {"read": example, "classes": 2, "names": ("a",)}, "1 names of 2 classes"),
        (rows(), {"read": lambda row: {"x": example(row)["x"]}, "classes": 2}, "classes is 2, but read gives"),
        (rows(), {"read": example, "classes": 3, "threads": -1}, "threads is -1"),
    ],
)
def test_bad_sequences_are_refused_when_they_are_given(sequence, options, message):
    with pytest.raises(ValueError, match=message):
        jg.data.records(sequence, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((4, 5, 1), np.uint8)}, r"record 7 gives .*\(4, 5, 1\).*, but record 0"),
        ({"label": 3}, r"label 3 out of range \[0, 3\)"),
        ({"label": 2**40}, "y of record 7 holds"),
    ],
)
def test_a_bad_record_is_named_when_it_is_read(change, message):
    given = rows()
    given[7] |= change
    source = jg.data.records(given, lambda row: {"x": jg.data.from_uint8(row["image"]), "y": row["label"]}, classes=3)
    with pytest.raises(ValueError, match=message):
        jg.data.batch_at(source, 10, 0)(0)
