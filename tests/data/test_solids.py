"""Shaded solids: Lambert's law, unit normals that belong to the shapes, batches by seed and step."""

import numpy as np
import pytest

from jaxgan import data

SIZE, N = 32, 300


@pytest.fixture(scope="module")
def batch():
    return data.batch_at(data.solids(SIZE), N, seed=0)(0)


def test_lamberts_law_and_unit_normals(batch):
    shaded = np.maximum(0, np.einsum("nijk,nk->nij", batch["normals"], batch["light"]))[..., None] * batch["albedo"]
    np.testing.assert_allclose((batch["x"] + 1) / 2, shaded, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(batch["normals"], axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(batch["light"], axis=-1), 1, atol=1e-6)
    assert batch["light"][:, 2].min() >= 0.5 - 1e-6  # within 60 degrees
    assert batch["normals"][..., 2].min() >= 0  # nothing faces away
    ground = batch["albedo"][..., 0] == 0
    assert (batch["x"][..., 0][ground] == -1).all()
    assert (batch["normals"][ground] == [0, 0, 1]).all()
    painted = batch["albedo"][batch["albedo"] > 0]
    assert 0.5 <= painted.min() < painted.max() <= 1


def kind_of(normals):
    """By the third entries of a solid's normals: a cone has one, a box at most three, a sphere many."""
    values = np.unique(np.round(normals[..., 2], 3))
    return "sphere" if len(values) > 6 else "cone" if np.allclose(values, [np.round(np.sqrt(0.5), 3)]) else "box"


def test_kinds_come_equally_often_and_have_their_normals(batch):
    kinds = []
    for normals, albedo in zip(batch["normals"], batch["albedo"], strict=True):
        inside = albedo[..., 0] > 0
        kinds.append(kind_of(normals[inside]))
        rows, columns = np.nonzero(inside)
        assert rows.min() + 1 > 0, "it lies inside the picture"
        if kinds[-1] == "box":  # the faces of a cube are at right angles
            faces = np.unique(np.round(normals[inside], 4), axis=0)
            assert len(faces) <= 3
            np.testing.assert_allclose(faces @ faces.T, np.eye(len(faces)), atol=1e-3)
        if kinds[-1] == "sphere":  # to the right of the middle, normals point to the right
            assert np.corrcoef(columns, normals[inside][:, 0])[0, 1] > 0.95
            assert np.corrcoef(rows, normals[inside][:, 1])[0, 1] > 0.95
    for kind in ("sphere", "cone", "box"):
        assert 0.25 < np.mean(np.array(kinds) == kind) < 0.42


def test_a_batch_is_a_pure_function_of_seed_and_step():
    read = data.batch_at(data.solids(8), 6, seed=1)
    whole, part = read(2), data.batch_at(data.solids(8), 6, seed=1, rows=np.array([1, 4]))(2)
    for name, value in whole.items():
        np.testing.assert_array_equal(value[[1, 4]], part[name])
        assert value.dtype == np.float32
    assert (read(3)["light"] != whole["light"]).all()
    assert (data.batch_at(data.solids(8), 6, seed=2)(2)["light"] != whole["light"]).all()


def test_size_out_of_range():
    with pytest.raises(ValueError, match="solids need size >= 8; got 4"):
        data.solids(4)
