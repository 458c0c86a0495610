"""k-means: known clusters are found, the result is a fixed point, and few different examples make few clusters."""

import numpy as np

from jaxgan.metrics.clusters import assigned, kmeans


def test_kmeans_finds_clusters_and_a_fixed_point():
    rng = np.random.default_rng(0)
    truth = rng.integers(6, size=300)
    x = rng.normal(size=(6, 4))[truth] * 50.0 + rng.normal(size=(300, 4)) + 1e4
    labels = kmeans(x, 6, np.random.default_rng(1)).cells
    assert len(set(zip(truth.tolist(), labels.tolist(), strict=True))) == len(set(labels.tolist())) == 6
    y = rng.normal(size=(200, 2))
    found, labels = kmeans(y, 8, np.random.default_rng(1))
    assert len(set(labels.tolist())) == 8
    centres = np.stack([y[labels == n].mean(axis=0) for n in range(8)])
    np.testing.assert_allclose(found, centres, atol=1e-12)
    np.testing.assert_array_equal(assigned(y, found), labels)
    distance = np.stack([((y - c) ** 2).sum(axis=1) for c in centres], axis=1)
    np.testing.assert_array_equal(distance.argmin(axis=1), labels)


def test_as_many_clusters_as_there_are_different_examples():
    assert sorted(kmeans(np.arange(5.0)[:, None], 5, np.random.default_rng(0)).cells) == [0, 1, 2, 3, 4]
    few = kmeans(np.array([[1.0], [1.0], [2.0]]), 3, np.random.default_rng(0))
    assert sorted(few.centres[:, 0]) == [1.0, 2.0]
    assert few.cells[0] == few.cells[1] != few.cells[2]
