"""Figures of solids by hand: parts, volumes, their law, and likeness."""

import numpy as np
import pytest

from jaxgan import metrics


def balls(*centres, side=16, radius=3):
    axes = np.meshgrid(*[np.arange(side)] * 3, indexing="ij")
    inside = [sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) <= radius**2 for centre in centres]
    return np.where(np.any(inside, axis=0), 1.0, -1.0)


def test_two_disjoint_spheres_are_two_parts():
    pair, small = balls((4, 4, 4), (11, 11, 11)), balls((4, 4, 4), radius=1)  # 123 voxels each, and 7
    x = np.stack([balls((4, 4, 4)), pair, np.maximum(small, balls((11, 11, 11))), np.full((16,) * 3, -1.0)])
    parts = metrics.connected(x)
    assert parts.components.tolist() == [1, 2, 2, 0]
    assert parts.largest == pytest.approx([1.0, 0.5, 123 / 130, 0.0])
    corner = np.full((1, 2, 2, 2, 1), -1.0)
    corner[0, 0, 0, 0] = corner[0, 1, 1, 0] = 1  # they share an edge, no face
    assert metrics.connected(corner).components.tolist() == [2]


def test_volumes_and_their_law():
    x = np.full((4, 2, 2, 2), -1.0)
    for k in range(4):
        x[k].flat[: 2 * k] = 1
    x[0, 0, 0, 0] = 0  # half full
    assert metrics.occupied(x).tolist() == [0.5, 2, 4, 6]
    assert metrics.volume_distance(x, x) == 0
    assert metrics.volume_distance(x[:2], x[2:]) == 1
    assert metrics.volume_distance(x, x[:3]) == pytest.approx(1 / 4)  # below 6 all of three, and three of four


def test_the_nearest_of_the_training_solids():
    one, other = balls((4, 4, 4)), balls((11, 11, 11))
    half = one.copy()
    half[:4] = -1
    share = (half > 0).sum() / (one > 0).sum()
    assert metrics.nearest_solid(np.stack([one, half, -np.ones_like(one)]), np.stack([other, one])) == pytest.approx(
        [1, share, 0]
    )


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"occupied takes volumes \[N, D, H, W\] .* got shape \(2, 2, 2\)"):
        metrics.occupied(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match=r"connected takes volumes in \[-1, 1\]"):
        metrics.connected(np.full((1, 2, 2, 2), 2.0))
    with pytest.raises(ValueError, match=r"same sides; got \(2, 2, 2\) and \(3, 3, 3\)"):
        metrics.nearest_solid(np.zeros((1, 2, 2, 2)), np.zeros((1, 3, 3, 3)))
