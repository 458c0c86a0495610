"""Memorisation: neighbours by brute force, the picture, calibrated copies, authenticity in closed form, refusals."""

import math

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from jaxgan.metrics.memorization import Neighbours, authenticity, copies, nearest_training, neighbour_rows
from jaxgan.sample import grid, save_grid


def pictures(n, seed=0, channels=1):
    return np.random.default_rng(seed).uniform(-1, 1, size=(n, 4, 5, channels)).astype(np.float32)


def test_neighbours_against_scikit_learn(monkeypatch):
    x, y = pictures(6), pictures(50, 1)
    monkeypatch.setattr("jaxgan.metrics.memorization.VALUES", 7 * 20)  # blocks of 7
    found = nearest_training(x, y, k=4)
    search = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(y.reshape(50, -1))
    distances, indices = search.kneighbors(x.reshape(6, -1))
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-5)
    itself = nearest_training(y[:3], y, k=1)
    assert itself.indices.tolist() == [[0], [1], [2]]
    assert itself.distances.tolist() == [[0.0], [0.0], [0.0]]
    assert nearest_training(np.ones((2, 3)), np.ones((2, 3)), k=2).indices.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("channels", [1, 3])
def test_picture(channels, tmp_path):
    x, y = pictures(2, channels=channels), pictures(9, 1, channels)
    found = nearest_training(x, y, k=3)
    rows = neighbour_rows(x, y, found)
    picture = grid(rows, columns=4)
    assert picture.shape == (2 * 4, 4 * 5, channels)
    np.testing.assert_array_equal(picture[4:8, 0:5], grid(x[1:2]))
    np.testing.assert_array_equal(picture[4:8, 10:15], grid(y[found.indices[1, 1]][None]))
    assert save_grid(tmp_path / "neighbours.png", rows, columns=4).exists()


def test_copies_are_found_and_honest_samples_are_not():
    rng = np.random.default_rng(0)
    train, held_out, honest = (rng.normal(size=(n, 4)) for n in (500, 2000, 2000))
    stolen = train[rng.integers(500, size=400)] + 1e-3 * rng.normal(size=(400, 4))
    assert copies(train, held_out, stolen).share == 1.0
    found = copies(train, held_out, honest, level=0.05)
    # two shares of 2000 each: standard error sqrt(2 * 0.05 * 0.95 / 2000) = 0.007
    assert found.share == pytest.approx(0.05, abs=0.03)
    itself = copies(train, held_out, held_out, level=0.05)
    assert itself.share == pytest.approx(0.05)
    assert np.mean(itself.distances <= itself.threshold) == pytest.approx(0.05)
    mixed = copies(train, held_out, np.concatenate([stolen, honest[:400]]))
    assert mixed.share == pytest.approx(0.5, abs=0.02)
    distance = NearestNeighbors(n_neighbors=1).fit(train).kneighbors(honest)[0][:, 0]
    np.testing.assert_allclose(found.distances, distance, rtol=1e-9)


def test_authenticity_by_hand():
    real = np.array([[0.0], [1.0], [5.0]])  # own nearest: 1, 1, 4
    fake = np.array(
        [[-0.5], [-1.5], [8.9], [9.1], [2.0], [-1.0]]
    )  # nearest: 0, 0, 5, 5, 1, 0 at 0.5, 1.5, 3.9, 4.1, 1, 1
    assert authenticity(real, fake) == pytest.approx(2 / 6)  # -1.5 and 9.1; ties do not count


@pytest.mark.parametrize(("dimension", "mutual"), [(1, 2 / 3), (2, 6 * math.pi / (8 * math.pi + 3 * math.sqrt(3)))])
def test_authenticity_of_the_true_distribution(dimension, mutual):
    rng = np.random.default_rng(0)
    found = [authenticity(rng.random((1500, dimension)), rng.random((1500, dimension))) for _ in range(4)]
    # 6000 samples, not quite independent: twice the binomial error
    assert np.mean(found) == pytest.approx(1.0 - mutual, abs=8 * math.sqrt(mutual * (1 - mutual) / 6000))


def test_authenticity_of_copies_and_strangers():
    x = np.random.default_rng(0).normal(size=(60, 5))
    assert authenticity(x, x) == 0.0
    assert authenticity(x, x + 1e-6) == 0.0
    assert authenticity(x, x + 100.0) == 1.0
    assert authenticity(np.ones((2, 3)), np.ones((2, 3))) == 0.0


@pytest.mark.parametrize(
    ("x", "y", "k", "message"),
    [
        (pictures(2), pictures(3, channels=3), 1, r"one shape; got \(4, 5, 1\) and \(4, 5, 3\)"),
        (pictures(2), pictures(3), 4, r"k must lie in 1\.\.3"),
        (pictures(2), (pictures(3) * 100).astype(np.uint8), 1, "training examples are uint8"),
        (np.full((2, 3), np.nan), np.zeros((2, 3)), 1, "samples hold 6 non-finite values of 6"),
        (np.zeros((0, 3)), np.zeros((2, 3)), 1, "none empty"),
    ],
)
def test_neighbours_refuse(x, y, k, message):
    with pytest.raises(ValueError, match=message):
        nearest_training(x, y, k)


def test_others_refuse():
    with pytest.raises(ValueError, match="neighbour 7 is not among the 3"):
        neighbour_rows(pictures(1), pictures(3), Neighbours(np.array([[7]]), np.zeros((1, 1))))
    with pytest.raises(ValueError, match="neighbours of all samples"):
        neighbour_rows(pictures(2), pictures(3), Neighbours(np.array([[0]]), np.zeros((1, 1))))
    with pytest.raises(ValueError, match="at least 2 real features"):
        authenticity(np.zeros((1, 2)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="level"):
        copies(np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 2)), level=0.0)
    with pytest.raises(ValueError, match="same F; got 2 and 3"):
        copies(np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 3)))
