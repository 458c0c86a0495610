"""Voxels of one's own: folders and single files, by class, and errors that name the file."""

import numpy as np
import pytest

import jaxgan as jg

SOLIDS = np.arange(3 * 64).reshape(3, 4, 4, 4) % 5 == 0


@pytest.fixture
def place(tmp_path):
    for k, name in enumerate(("chair/b.npy", "chair/a.npy", "lamp/x.npy")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, SOLIDS[k])
    np.save(tmp_path / ".hidden.npy", np.zeros(3))
    return tmp_path


def test_a_folder_with_classes(place):
    source = jg.data.voxels(place, labels=True)
    assert (source.size, source.names, source.counts) == (3, ("chair", "lamp"), (2, 1))
    assert source.files == ("chair/a.npy", "chair/b.npy", "lamp/x.npy")
    batch = jg.data.whole(source)
    jg.data.check_batch(batch, classes=2)
    np.testing.assert_array_equal(batch["x"][..., 0], 2.0 * SOLIDS[[1, 0, 2]] - 1)
    assert batch["y"].tolist() == [0, 0, 1]
    assert "y" not in jg.data.whole(jg.data.voxels(place))
    assert source.digest() != jg.data.voxels(place).digest()


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float16, np.float64])
def test_one_file_of_many(tmp_path, kind):
    np.save(tmp_path / "all.npy", SOLIDS[..., None].repeat(2, axis=-1).astype(kind))
    x = jg.data.whole(jg.data.voxels(tmp_path / "all.npy"))["x"]
    assert (x.shape, x.dtype) == ((3, 4, 4, 4, 2), np.float32)
    np.testing.assert_array_equal(x[..., 1], 2.0 * SOLIDS - 1)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((4, 4, 5)), r"lamp.x.npy has shape \(4, 4, 5\), where chair/a.npy has \(4, 4, 4\)"),
        (np.zeros((4, 4)), r"lamp.x.npy has shape \(4, 4\); expected \[D, H, W\] or \[D, H, W, C\]"),
        (np.full((4, 4, 4), 255, np.uint8), r"lamp.x.npy has values from 255 to 255; expected occupancies in \[0, 1\]"),
        (np.full((4, 4, 4), np.nan), "lamp.x.npy has values from nan to nan"),
        (np.full((4, 4, 4), "a"), "lamp.x.npy is <U1; expected booleans or numbers"),
        (np.full((4, 4, 4), None), "lamp.x.npy cannot be read as a .npy array: Object arrays"),
    ],
)
def test_a_bad_file_is_named(place, array, says):
    np.save(place / "lamp" / "x.npy", array)
    with pytest.raises(ValueError, match=says):
        jg.data.voxels(place)


def test_bad_places(place):
    (place / "lamp" / "x.npy").write_bytes(b"\x93NUMPY torn")
    with pytest.raises(ValueError, match=r"lamp.x.npy cannot be read as a .npy array"):
        jg.data.voxels(place)
    with pytest.raises(ValueError, match=r"a.npy is one file"):
        jg.data.voxels(place / "chair" / "a.npy", labels=True)
    with pytest.raises(ValueError, match=r"a.npy has shape \(4, 4, 4\); expected \[N, D, H, W\]"):
        jg.data.voxels(place / "chair" / "a.npy")
    (place / "lamp" / "x.npy").unlink()
    (place / "chair" / "a.npy").unlink()
    with pytest.raises(ValueError, match=r"chair.b.npy lies in no subfolder, and so has no class"):
        jg.data.voxels(place / "chair", labels=True)
    with pytest.raises(ValueError, match=r"lamp has no .npy file"):
        jg.data.voxels(place / "lamp")
    with pytest.raises(ValueError, match="nowhere does not exist"):
        jg.data.voxels(place / "nowhere")
