"""Precision and recall: by hand on a line, against an independent neighbour search, duplicates, blocks, refusals."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from jaxgan.metrics import pairs, precision_recall


def line(*points):
    return np.array(points, np.float64)[:, None]


def test_by_hand_on_a_line():
    # k = 1. Real radii: 1, 1, 3 (nearest others); balls [-1, 1], [0, 2], [1, 7]. Fake radii: 0.5, 0.5, 5, 5.
    real, fake = line(0.0, 1.0, 4.0), line(-1.5, -2.0, 8.5, 13.5)
    # Fake in a real ball: none. Real in a fake ball: [3.5, 13.5] around 8.5 (radius 5) holds 4.
    assert precision_recall(real, fake, k=1) == (0.0, pytest.approx(1 / 3))
    assert precision_recall(fake, real, k=1) == (pytest.approx(1 / 3), 0.0)


def test_the_boundary_belongs_to_the_ball():
    real = line(0.0, 1.0, 10.0)  # k = 1: balls [-1, 1], [0, 2], [1, 19]
    fake = line(-1.0, 19.0, -1.001, 19.001)
    assert precision_recall(real, fake, k=1).precision == 0.5


def test_kth_neighbour_does_not_count_the_point_itself():
    real = line(0.0, 1.0, 3.0)  # k = 2: radii 3, 2, 3, so the balls cover [-3, 6]
    assert precision_recall(real, line(-3.0, 6.0, 50.0), k=2).precision == pytest.approx(2 / 3)
    assert precision_recall(real, line(-3.0, 6.0, 50.0), k=1).precision == 0.0  # [-1, 1], [0, 2], [1, 5]


@pytest.mark.parametrize("k", [1, 2, 4])
def test_against_neighbour_search(k):
    rng = np.random.default_rng(k)
    real, fake = rng.normal(size=(300, 5)), 0.9 * rng.normal(size=(200, 5)) + 0.8

    def covered(x, centres):
        radii = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(centres).kneighbors(centres)[0][:, k]
        return np.mean([(np.linalg.norm(centres - point, axis=1) <= radii).any() for point in x])

    found = precision_recall(real, fake, k=k)
    assert 0.1 < min(found) < max(found) < 1.0
    assert found == (pytest.approx(covered(fake, real)), pytest.approx(covered(real, fake)))


def test_identical_sets_give_one_even_with_duplicates_far_from_zero():
    x = np.random.default_rng(0).normal(size=(60, 16)).astype(np.float32) + 1000.0
    x = np.concatenate([x, x[:20], x[:20], x[:20], x[:20]])  # more copies than k: their balls have radius 0
    assert precision_recall(x, x) == (1.0, 1.0)
    assert precision_recall(x, x[::-1]) == (1.0, 1.0)


def test_a_common_offset_changes_nothing():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(80, 4)), 0.9 * rng.normal(size=(70, 4)) + 0.8
    assert precision_recall(real + 2.0**24, fake + 2.0**24) == precision_recall(real, fake)


def test_disjoint_sets_give_zero():
    x = np.random.default_rng(0).normal(size=(50, 4))
    assert precision_recall(x, x + 100.0) == (0.0, 0.0)


def test_a_collapsed_generator_has_precision_without_recall():
    real = np.random.default_rng(0).normal(size=(200, 2))
    assert precision_recall(real, np.tile(real[:1], (100, 1))) == (1.0, 1 / 200)


def test_blocks_do_not_change_the_figures(monkeypatch):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(150, 3)), rng.normal(size=(130, 3)) + 0.7
    whole = precision_recall(jnp.asarray(real), jnp.asarray(fake))
    assert pairs.ENTRIES > 150 * 130
    monkeypatch.setattr(pairs, "ENTRIES", 7 * 150)
    assert precision_recall(jnp.asarray(real), jnp.asarray(fake)) == whole


@pytest.mark.parametrize(
    ("real", "fake", "k", "message"),
    [
        (np.zeros((3, 2)), np.zeros((9, 2)), 3, r"min\(N, M\) = 3; got k = 3"),
        (np.zeros((9, 2)), np.zeros((9, 2)), 0, "got k = 0"),
        (np.zeros((9, 2)), np.zeros((9, 3)), 3, "same F; got 2 and 3"),
        (np.full((9, 2), np.nan), np.zeros((9, 2)), 3, "real features hold 18 non-finite values of 18"),
    ],
)
def test_refuses(real, fake, k, message):
    with pytest.raises(ValueError, match=message):
        precision_recall(real, fake, k=k)
