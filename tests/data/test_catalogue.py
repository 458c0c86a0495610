"""TensorFlow Datasets without TensorFlow, on a set prepared here from the embedded digits."""

import itertools
import sys
import time

import numpy as np
import pytest

from jaxgan import data
from tests.conftest import N, small_digits


def test_prepared_set_is_read_without_tensorflow(prepared):
    source = data.tfds("smalldigits", data_dir=prepared)
    assert source[:2] == ("tfds:smalldigits", N)
    assert source.classes == 10
    batch = data.batch_at(source, N, seed=0)(0)
    data.check_batch(batch, 10)
    pixels, labels = small_digits()
    found = sorted((x.tobytes(), int(y)) for x, y in zip(batch["x"], batch["y"], strict=True))
    expected = sorted((data.from_uint8(x).tobytes(), int(y)) for x, y in zip(pixels[:N], labels[:N], strict=True))
    assert found == expected
    assert "tensorflow" not in sys.modules


def test_grain_reads_ahead_in_our_order(prepared):
    source = data.tfds("smalldigits", data_dir=prepared, flip=True)
    at = data.batch_at(source, 16, seed=4)
    for step, batch in zip(range(5, 12), data.batches(source, 16, seed=4, start=5), strict=False):
        np.testing.assert_array_equal(batch["x"], at(step)["x"])
        np.testing.assert_array_equal(batch["y"], at(step)["y"])
    plain = data.batch_at(data.tfds("smalldigits", data_dir=prepared), 16, seed=4)(5)["x"]
    flipped = at(5)["x"]
    mirrored = (flipped == plain[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 0 < mirrored.sum() < 16
    np.testing.assert_array_equal(flipped[~mirrored], plain[~mirrored])


def test_form_and_slices(prepared):
    source = data.tfds("smalldigits", "train[:50%]", data_dir=prepared, size=16, channels=3)
    assert source.size == N // 2
    assert data.batch_at(source, 4, seed=0)(0)["x"].shape == (4, 16, 16, 3)


def test_one_word_opens_a_prepared_set(prepared, monkeypatch):
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(prepared))
    batch = data.batch_at(data.tfds("smalldigits", data_dir=prepared), 8, seed=0)(0)
    source = data.open_data("tfds:smalldigits", labels=True)
    opened = data.batch_at(source, 8, seed=0)(0)
    assert (source.name, source.classes) == ("tfds:smalldigits", 10)
    assert all(np.array_equal(batch[name], opened[name]) for name in ("x", "y"))
    assert data.open_data("tfds:smalldigits", split="train[:8]", size=4).size == 8
    assert "y" not in data.batch_at(data.open_data("tfds:smalldigits"), 8, seed=0)(0)
    with pytest.raises(ValueError, match="a labels file is for a folder or a zip"):
        data.open_data("tfds:smalldigits", labels_file="labels.csv")


def test_catalogue_sets_have_the_form_that_we_read(monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds.core.DatasetBuilder, "is_prepared", lambda self: True)
    with tfds.testing.mock_data(num_examples=8):
        for name, shape, classes in (("mnist", (28, 28, 1), 10), ("cifar10", (32, 32, 3), 10)):
            source = data.tfds(name)
            batch = next(itertools.islice(data.batches(source, 8, seed=0), 1))
            data.check_batch(batch, classes)
            assert batch["x"].shape == (8, *shape)
        with pytest.raises(ValueError, match="images of several shapes; pass size="):
            data.tfds("oxford_flowers102")
        with pytest.raises(ValueError, match=r"no feature 'image' of uint8; have .*'label'"):
            data.tfds("imdb_reviews")


def test_missing_sets_are_refused_quickly(tmp_path):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"'mnist' is not prepared in .*tfds build mnist --file_format=array_record"):
        data.tfds("mnist", data_dir=str(tmp_path))
    assert time.perf_counter() - start < 5


def test_bad_arguments(prepared, tmp_path):
    with pytest.raises(ValueError, match="no set 'no_such_set'"):
        data.tfds("no_such_set", data_dir=str(tmp_path))
    with pytest.raises(ValueError, match="'mnist/no_such_config' cannot be opened"):
        data.tfds("mnist/no_such_config", data_dir=str(tmp_path))
    for split in ("test", "test[:2]", "train[:"):
        with pytest.raises(ValueError, match=r"has no split '.*'; have \['train'\]"):
            data.tfds("smalldigits", split, data_dir=prepared)
    with pytest.raises(ValueError, match="channels is 2"):
        data.tfds("smalldigits", data_dir=prepared, channels=2)
    with pytest.raises(ValueError, match="size is 0"):
        data.tfds("smalldigits", data_dir=prepared, size=0)


def test_a_version_that_is_none_and_errors_of_any_kind_are_one_line(prepared):
    with pytest.raises(ValueError, match=r"'mnist:9\.9\.9' cannot be opened: .*9\.9\.9.*; a name is SET"):
        data.tfds("mnist:9.9.9", data_dir=prepared)
    with pytest.raises(ValueError, match=r"cannot be opened|has no set"):
        data.tfds("small digits/no config", data_dir=prepared)
    for split in ("valid", "train[:x]", "train[:200%]", "", "train["):
        with pytest.raises(ValueError, match=r"has no split .*have \['train'\]"):
            data.tfds("smalldigits", split, data_dir=prepared)


def test_labels_are_counted_and_named_without_decoding(prepared):
    labels = small_digits()[1][:N]
    source = data.tfds("smalldigits", data_dir=prepared, size=(8, 16))
    assert source.counts == tuple(np.bincount(labels, minlength=10).tolist())
    assert source.names == tuple("0123456789")
    assert data.batch_at(source, 4, seed=0)(0)["x"].shape == (4, 8, 16, 1)
    other = data.tfds("smalldigits", "train[:50%]", data_dir=prepared)
    assert len({source.digest(), other.digest()}) == 2
