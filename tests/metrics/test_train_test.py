"""GAN-train and GAN-test: with a nearest-mean classifier by hand, with the judge of the digits, refusals."""

import jax
import numpy as np
import pytest

from jaxgan.metrics import probabilities, train_classifier
from jaxgan.metrics.train_test import gan_train_test


def nearest_mean(x, y):
    classes = np.unique(y)
    means = np.stack([x[y == c].mean(axis=0) for c in classes])
    return lambda x: classes[np.linalg.norm(x[:, None] - means, axis=2).argmin(axis=1)]


def points(*pairs):
    x, y = zip(*pairs, strict=True)
    return np.array(x, float)[:, None], np.array(y)


REAL = points((0.0, 0), (2.0, 0), (9.0, 1), (11.0, 1))  # boundary at 5.5
HELD_OUT = points((1.0, 0), (5.0, 0), (6.0, 1), (5.2, 1), (10.0, 1))


def test_by_hand():
    fake = points((0.0, 0), (6.0, 0), (9.0, 1), (4.0, 1), (12.0, 1))  # means 3 and 8.33: boundary at 5.67
    found = gan_train_test(nearest_mean, REAL, HELD_OUT, fake)
    assert found.baseline == pytest.approx(4 / 5)
    assert found.gan_test == pytest.approx(3 / 5)
    assert found.gan_train == pytest.approx(4 / 5)
    wrong = gan_train_test(nearest_mean, REAL, HELD_OUT, (fake[0], 1 - fake[1]))
    assert wrong == (pytest.approx(1 / 5), pytest.approx(2 / 5), pytest.approx(4 / 5))


def test_a_collapsed_class_lowers_gan_train_alone():
    rng = np.random.default_rng(0)

    def draw(n, modes):
        mode = rng.choice(modes, size=n)  # at 0, 5, 10, 15, of class 0, 1, 0, 1
        return 5.0 * mode[:, None] + rng.normal(size=(n, 1)) * 0.5, mode % 2

    def nearest(x, y):
        return lambda new: y[np.linalg.norm(new[:, None] - x, axis=2).argmin(axis=1)]

    found = gan_train_test(nearest, draw(400, range(4)), draw(400, range(4)), draw(400, [0, 1, 3]))
    assert found.baseline > 0.99
    assert found.gan_test > 0.99
    assert found.gan_train == pytest.approx(0.75, abs=0.07)  # a quarter of the real data is a mode it never saw


def test_with_the_judge(key):
    rng = np.random.default_rng(0)

    def draw(n):
        y = rng.integers(2, size=n)
        x = rng.uniform(-1, -0.8, size=(n, 8, 8, 1)).astype(np.float32)
        x[y == 1, :, 2:5] = 0.8
        return x, y

    def train(x, y):
        judge = train_classifier(x, y, jax.random.key(0), steps=60, batch_size=16)
        return lambda new: probabilities(judge, new).argmax(axis=1)

    assert gan_train_test(train, draw(40), draw(30), draw(40)) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("fake", "train", "message"),
    [
        ((np.zeros((3, 1)), np.zeros(3)), nearest_mean, r"fake labels must be \[3\] integers; got float64"),
        ((np.zeros((3, 1)), np.zeros(2, int)), nearest_mean, r"fake labels must be \[3\] integers"),
        ((np.zeros((3, 2)), np.zeros(3, int)), nearest_mean, "one shape"),
        ((np.zeros((3, 1), np.uint8), np.zeros(3, int)), nearest_mean, "fake examples are uint8.*from_uint8"),
        ((np.full((3, 1), np.nan), np.zeros(3, int)), nearest_mean, "3 non-finite values of 3"),
        (REAL, lambda x, y: lambda x: np.zeros((len(x), 2)), r"labels of shape \(5,\); got \(5, 2\)"),
    ],
)
def test_refuses(fake, train, message):
    with pytest.raises(ValueError, match=message):
        gan_train_test(train, REAL, HELD_OUT, fake)
