"""Formula solids: volumes as of their formulas, one part each, inside the cube, batches by seed and step."""

import numpy as np
import pytest

from jaxgan import data, metrics
from jaxgan.data.voxel_solids import _SHAPES, KINDS, _turn


@pytest.fixture(scope="module")
def batch():
    return data.batch_at(data.voxel_solids(24), 200, seed=0)(0)


def test_volumes_are_their_formulas_within_two_percent(batch):
    off = metrics.occupied(batch["x"]) / batch["volume"][:, 0] - 1
    assert np.abs(off).max() < 0.02
    assert np.std(off) < 0.004
    assert sorted(np.unique(batch["y"])) == list(range(len(KINDS)))


@pytest.mark.parametrize(
    ("kind", "numbers", "volume"),
    [
        ("sphere", (1.0, 0.5), 4 / 3 * np.pi * 6**3),
        ("box", (1.0, 1.0), (12 / np.sqrt(3)) ** 3),  # a cube inside a ball of radius 6
        ("cylinder", (0.5, 0.5), np.pi * 6**2 / 2 * 2 * 6 / np.sqrt(2)),  # as high as it is wide
        ("torus", (0.0, 0.5), 2 * np.pi**2 * 4.5 * 1.5**2),
        ("cone", (0.5, 0.5), np.pi / 3 * 18 * (6 + 6 / np.sqrt(2))),
    ],
)
def test_formulas_by_hand(kind, numbers, volume):
    """A solid that fills a ball of radius 6: its formula, and points of a fine grid that lie in it and in the ball."""
    inside, stated = _SHAPES[KINDS.index(kind)](6.0, *numbers)
    assert stated == pytest.approx(volume, rel=1e-6)
    along = (np.arange(97) + 0.3) / 97 * 13 - 6.5
    x, y, z = np.meshgrid(along, along, along, indexing="ij")
    points = inside(x, y, z)
    assert points.sum() * (13 / 97) ** 3 == pytest.approx(volume, rel=0.02)
    assert np.sqrt(x**2 + y**2 + z**2)[points].max() <= 6 + 1e-6


def test_turns_are_rotations_and_the_cubes_24_permute_voxels(batch):
    for u in np.random.default_rng(0).uniform(size=(20, 3)):
        turn = _turn(u)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1)
    solid = batch["x"][:1, ..., 0]
    tips = [np.rot90(solid, k, axes) for axes in ((1, 2), (1, 3)) for k in range(4)]
    turned = {np.rot90(tip, k, (2, 3)).tobytes() for tip in tips for k in range(4)}
    assert len(turned) == 24
    for each in turned:
        other = np.frombuffer(each, np.float32).reshape(solid.shape)
        assert metrics.occupied(other) == pytest.approx(metrics.occupied(solid))
        np.testing.assert_array_equal(np.sort(other, axis=None), np.sort(solid, axis=None))
        assert metrics.connected(other).components == metrics.connected(solid).components


def test_solids_hang_together_and_leave_the_border_free(batch):
    assert metrics.connected(batch["x"]).largest.min() > 0.95
    for axis in (1, 2, 3):
        border = np.take(batch["x"], [0, -1], axis=axis)
        assert border.mean() < -0.98


def test_a_batch_is_a_pure_function_of_seed_and_step():
    read = data.batch_at(data.voxel_solids(8), 6, seed=1)
    whole, part = read(2), data.batch_at(data.voxel_solids(8), 6, seed=1, rows=np.array([1, 4]))(2)
    for name, value in whole.items():
        np.testing.assert_array_equal(value[[1, 4]], part[name])
    data.check_batch(whole, classes=5)
    assert (data.batch_at(data.voxel_solids(8), 6, seed=2)(2)["volume"] != whole["volume"]).all()
    with pytest.raises(ValueError, match="voxel_solids need size >= 8; got 4"):
        data.voxel_solids(4)
