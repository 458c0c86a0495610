"""Pictures of any form by one word: each comes out as the folder of the same pictures does, by value."""

import io
import stat
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from jaxgan import data
from jaxgan.data import huggingface, zipped

RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5  # [6, 8], wider than high


def everything(source):
    return source.read(data.Draw(0, np.arange(source.size), np.arange(source.size)))


def pixels(source):
    return np.round((everything(source)["x"] + 1) * 127.5).astype(int)


def png(image):
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


@pytest.fixture
def mixed(tmp_path):
    """One picture in six forms, in two classes: each is RAMP once it is read right."""
    for name in ("cat", "owl"):
        (tmp_path / "pets" / name).mkdir(parents=True)
    grey = Image.fromarray(RAMP)
    cat, owl = tmp_path / "pets" / "cat", tmp_path / "pets" / "owl"
    grey.save(cat / "1_plain.png")
    rgba = np.dstack([RAMP, RAMP, RAMP, np.where(RAMP > 100, 255, 0)]).astype(np.uint8)
    Image.fromarray(rgba).save(cat / "2_rgba.png")
    palette = Image.fromarray(RAMP // 5)
    palette = Image.frombytes("P", palette.size, palette.tobytes())
    palette.putpalette([5 * (k // 3) for k in range(144)])
    palette.save(cat / "3_palette.png", transparency=bytes([255] * 40 + [0] * 8))
    Image.fromarray(RAMP.astype(np.uint16) * 256 + 99).save(owl / "1_deep.png")
    turned, exif = Image.fromarray(np.rot90(RAMP)), Image.Exif()  # counterclockwise; 6: show it turned clockwise
    exif[0x0112] = 6
    turned.convert("RGB").save(owl / "2_turned.jpg", quality=100, subsampling=0, exif=exif)
    Image.fromarray(RAMP).convert("RGB").save(owl / "3.webp", lossless=True)
    return tmp_path / "pets"


def zip_of(folder, path, top=True):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            archive.write(file, file.relative_to(folder.parent if top else folder))
    return path


def test_every_kind_of_picture_comes_out_right_by_value(mixed):
    source = data.open_data(mixed, labels=True)
    assert (source.size, source.names, source.counts) == (6, ("cat", "owl"), (3, 3))
    assert everything(source)["y"].tolist() == [0, 0, 0, 1, 1, 1]
    x = pixels(source)
    assert x.shape == (6, 6, 8, 3)
    white, index = np.where(RAMP > 100, RAMP, 255), RAMP // 5
    expected = [RAMP, white, np.where(index < 40, RAMP, 255), RAMP, RAMP, RAMP]
    for got, want, tolerance in zip(x, expected, [0, 0, 0, 0, 3, 0], strict=True):
        assert np.abs(got - want[..., None]).max() <= tolerance


def test_channels_are_grey_where_every_picture_is(mixed):
    assert data.open_data(mixed / "owl").read(data.Draw(0, np.arange(1), np.arange(1)))["x"].shape[-1] == 3
    for name in ("2_turned.jpg", "3.webp"):
        (mixed / "owl" / name).unlink()
    Image.fromarray(RAMP > 9).save(mixed / "owl" / "bits.png")
    assert everything(data.open_data(mixed / "owl"))["x"].shape == (2, 6, 8, 1)
    (mixed / "owl" / "torn.png").write_bytes(b"torn")
    with pytest.warns(UserWarning, match="1 unreadable of 3 pictures: torn.png"):
        assert everything(data.open_data(mixed / "owl"))["x"].shape == (2, 6, 8, 1)
    with pytest.warns(UserWarning, match="1 unreadable"):
        assert everything(data.open_data(mixed / "owl", channels=4, max_corrupt=1))["x"].shape == (2, 6, 8, 4)


def test_sizes_that_differ_are_named_with_the_remedy(mixed):
    Image.new("L", (5, 9)).save(mixed / "cat" / "odd.png")
    with pytest.raises(ValueError, match=r"6 of 6x8, 1 of 9x5: cat/odd.png.*choose a size\), as size=64 or --size 64"):
        data.open_data(mixed)
    assert everything(data.open_data(mixed, size=4))["x"].shape == (7, 4, 4, 3)


@pytest.mark.parametrize("top", [True, False])
@pytest.mark.parametrize("memory", [2**30, 0])
def test_a_zip_is_the_folder_that_was_zipped(mixed, tmp_path, top, memory):
    (mixed / "cat" / ".hidden.png").write_bytes(b"preview")
    folder = data.open_data(mixed, labels=True, flip=True, memory=memory)
    source = data.open_data(zip_of(mixed, tmp_path / "p.zip", top), labels=True, flip=True, memory=memory)
    assert source.name == "zip:p.zip"
    assert (source.files, source.names, source.counts) == (folder.files, folder.names, folder.counts)
    assert source.digest() == folder.digest()
    assert (source.threads > 0) == (memory == 0)
    for step in range(3):
        one, other = (data.batch_at(each, 4, seed=1)(step) for each in (folder, source))
        assert all(np.array_equal(one[name], other[name]) for name in ("x", "y"))
    halves = [data.split(each, 0.5)[1] for each in (folder, source)]
    np.testing.assert_array_equal(*(everything(half)["x"] for half in halves))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["p.zip", "pets"]


def test_a_zip_changed_by_one_picture_has_another_digest(mixed, tmp_path):
    before = data.open_data(zip_of(mixed, tmp_path / "a.zip")).digest()
    Image.fromarray(RAMP + 1).save(mixed / "cat" / "1_plain.png")
    assert data.open_data(zip_of(mixed, tmp_path / "b.zip")).digest() != before


def test_labels_of_a_zip_come_from_a_file_too(mixed, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("\n".join(f"{file.name},{'w' if file.suffix == '.webp' else 'v'}" for file in mixed.rglob("*.*")))
    (mixed / "owl" / "1_deep.png").rename(mixed / "owl" / "deep.png")
    table.write_text(table.read_text().replace("1_deep.png", "deep.png"))
    source = data.open_data(zip_of(mixed, tmp_path / "p.zip"), labels_file=table)
    assert (source.names, source.counts) == (("v", "w"), (5, 1))


def zipped_as(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["../up.png", "a/../../up.png", "/etc/up.png", "a\\..\\..\\up.png", "C:\\up.png"])
def test_names_that_climb_out_of_a_zip_are_refused(tmp_path, name):
    path = zipped_as(tmp_path / "climbs.zip", [("a.png", png(Image.fromarray(RAMP))), (name, b"x")])
    with pytest.raises(ValueError, match=r"leads out of it, '.*up\.png'; make the zip anew"):
        data.open_data(path)
    assert [file.name for file in tmp_path.rglob("*")] == ["climbs.zip"]


def test_links_in_a_zip_are_not_followed(tmp_path):
    (tmp_path / "secret.png").write_bytes(png(Image.new("L", (8, 6), 77)))
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    away = zipfile.ZipInfo("elsewhere")
    away.external_attr = link.external_attr
    secret = str(tmp_path / "secret.png")
    path = zipped_as(tmp_path / "l.zip", [("a.png", png(Image.fromarray(RAMP))), (link, secret), (away, str(tmp_path))])
    with pytest.warns(UserWarning, match="not") as caught:
        source = data.open_data(path)
    assert "link.png (a link, which is not followed in a zip)" in str(caught[0].message)
    assert "files that are not read: elsewhere" in str(caught[1].message)
    assert source.files == ("a.png",)


def patched(path, old, new, times):
    content = path.read_bytes()
    assert content.count(old) == times
    path.write_bytes(content.replace(old, new))
    return path


def test_encrypted_members_are_refused_by_name(tmp_path):
    path = zipped_as(tmp_path / "e.zip", [("a.png", png(Image.fromarray(RAMP)))], zipfile.ZIP_STORED)
    path = patched(path, b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00", 1)
    with pytest.raises(ValueError, match=r"a.png \(encrypted; unpack it with its password"):
        data.open_data(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_limit_are_refused(tmp_path, method):
    path = zipped_as(tmp_path / "m.zip", [("a.png", bytes(2**24))], method)
    tracemalloc.start()
    with pytest.raises(ValueError, match="zip it by deflate, as is usual"):
        data.open_data(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_no_more_is_unpacked_than_a_member_declares(tmp_path):
    size = 2**26
    path = zipped_as(tmp_path / "bomb.zip", [("a.png", bytes(size))])
    path = patched(path, size.to_bytes(4, "little"), (1000).to_bytes(4, "little"), 2)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"a.png \(Bad CRC-32"):
        data.open_data(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_declared_sizes_are_limited_one_by_one_and_together(tmp_path, monkeypatch):
    path = zipped_as(tmp_path / "bomb.zip", [(f"{k}.png", bytes(2**20)) for k in range(3)])
    monkeypatch.setattr(zipped, "MAX_MEMBER", 2**19)
    with pytest.raises(ValueError, match="1048576 bytes unpacked, more than 524288"):
        data.open_data(path)
    monkeypatch.setattr(zipped, "SMALL", 2**21)
    with pytest.raises(ValueError, match=r"declares 3145728 unpacked, as a bomb does"):
        data.open_data(path)
    monkeypatch.setattr(zipped, "RATIO", 10**6)
    with pytest.raises(ValueError, match="more than 524288"):
        data.open_data(path)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([], "has no pictures; looked for"),
        ([("clip.mp4", b"")], "not read: clip.mp4"),
        ([("a.png", b"x"), ("./a.png", b"y")], "two members of the name 'a.png'"),
        ([("loose.png", b"")], "1 unreadable of 1 pictures"),
    ],
)
def test_zips_without_pictures_and_with_bad_ones(tmp_path, members, says):
    with pytest.raises(ValueError, match=says):
        data.open_data(zipped_as(tmp_path / "z.zip", members))


def test_a_picture_that_is_a_bomb_is_refused_in_a_zip_too(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxgan.data.pictures.MAX_PIXELS", 47)
    with pytest.raises(ValueError, match="8x6 pixels, more than 47"):
        data.open_data(zipped_as(tmp_path / "z.zip", [("a.png", png(Image.fromarray(RAMP)))]))


def test_what_is_no_data_is_said_with_the_forms(tmp_path):
    with pytest.raises(ValueError, match="nowhere does not exist; data are a folder of pictures, a zip of one"):
        data.open_data(tmp_path / "nowhere")
    (tmp_path / "pictures.tar").write_bytes(bytes(9))
    with pytest.raises(ValueError, match=r"pictures.tar is none of a folder of pictures, .*tfds:NAME"):
        data.open_data(tmp_path / "pictures.tar")
    (tmp_path / "torn.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"torn.zip cannot be read: File is not a zip file"):
        data.open_data(tmp_path / "torn.zip")
    with pytest.raises(ValueError, match="set nowhere is no dataset on disk"):
        data.open_data("hf:nowhere")
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="has no splits, such as 'test'"):
        data.open_data(tmp_path, split="test")
    with pytest.raises(ValueError, match="choose labels= or labels_file="):
        data.open_data(tmp_path, labels=True, labels_file="x.csv")


# NumPy's files


def test_arrays_of_bytes_are_read_as_they_are(tmp_path):
    x = np.stack([RAMP, RAMP + 1, RAMP + 2])
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "a.npz", x=x[..., None], y=np.array([1, 0, 1]))
    for name in ("a.npy", "a.npz"):
        source = data.open_data(tmp_path / name)
        assert (source.size, source.classes) == (3, 0)
        np.testing.assert_array_equal(pixels(source)[..., 0], x)
    source = data.open_data(str(tmp_path / "a.npz"), labels=True)
    batch = everything(source)
    data.check_batch(batch, 2)
    assert (batch["y"].tolist(), source.counts) == ([1, 0, 1], (1, 2))
    np.savez(tmp_path / "b.npz", x=x[..., None], y=np.array([1, 1, 1]))
    assert data.open_data(tmp_path / "b.npz", labels=True).digest() != source.digest()


def test_usual_names_splits_and_named_labels(tmp_path):
    x = np.stack([RAMP, RAMP + 1])
    np.savez(tmp_path / "m.npz", train_images=x, train_labels=[[0], [1]], test_images=x[:1], test_labels=[[1]])
    assert data.open_data(tmp_path / "m.npz", labels=True).size == 2
    test = data.open_data(tmp_path / "m.npz", labels=True, split="test")
    assert (test.size, everything(test)["y"].tolist()) == (1, [1])
    with pytest.raises(ValueError, match=r"arrays test_images, .*pictures of split 'val' are: x_val, val_images"):
        data.open_data(tmp_path / "m.npz", split="val")
    np.savez(tmp_path / "n.npz", faces=x)
    assert data.open_data(tmp_path / "n.npz").size == 2
    np.savez(tmp_path / "n.npz", images=x, labels=np.array(["owl", "cat"]))
    assert data.open_data(tmp_path / "n.npz", labels=True).names == ("cat", "owl")


def test_floats_keep_their_range_and_are_fitted_as_bytes(tmp_path):
    x = np.stack([RAMP, RAMP + 1])[..., None] / 255
    for stored, name in ((x, "unit.npy"), (x * 2 - 1, "signed.npy"), ((x * 65535).astype(np.uint16), "deep.npy")):
        np.save(tmp_path / name, stored)
        got = everything(data.open_data(tmp_path / name))["x"]
        np.testing.assert_allclose(got, x * 2 - 1, atol=1e-6 if name != "deep.npy" else 0.01)
        assert everything(data.open_data(tmp_path / name, size=4, channels=3))["x"].shape == (2, 4, 4, 3)
    crop = pixels(data.open_data(tmp_path / "signed.npy", size=6))
    np.testing.assert_array_equal(crop[0, ..., 0], RAMP[:, 1:7])


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": np.zeros((4, 3, 8, 8), np.uint8)}, r"channels come last: transpose\(0, 2, 3, 1\)"),
        ({"x": np.zeros((4, 64), np.uint8)}, r"pictures \(4, 64\); use \[N, H, W\]"),
        ({"x": np.full((4, 8, 8), 3.0)}, "pictures from 3.0 to 3.0; save them as uint8"),
        ({"x": np.full((4, 8, 8), np.nan)}, "from nan to nan"),
        ({"x": np.zeros((4, 8, 8), np.int64)}, "pictures of int64"),
        ({"x": np.zeros((4, 8, 8), np.uint8), "y": np.eye(4)}, "of one-hot rows, argmax"),
        ({"x": np.zeros((4, 8, 8), np.uint8), "y": np.array([0, 1, 2])}, r"labels of int64 \(3,\) for 4 pictures"),
        ({"x": np.zeros((4, 8, 8), np.uint8), "y": np.array([0, 1, 2, -1])}, "labels"),
        ({"x": np.zeros((4, 8, 8), np.uint8), "kind": np.zeros(4, int)}, "labels of split 'train' are: y_train"),
        ({"a": np.zeros((4, 8, 8), np.uint8), "y": np.zeros(4, int)}, "has arrays a, y, none of which is called"),
        ({"x": np.array([None, {}]), "y": np.zeros(2, int)}, r"bad.npz cannot be read: Object arrays"),
    ],
)
def test_arrays_that_are_no_pictures_or_labels(tmp_path, arrays, says):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=says):
        data.open_data(tmp_path / "bad.npz", labels=len(arrays) > 1)


def test_files_that_numpy_cannot_read(tmp_path, monkeypatch):
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04torn")
    (tmp_path / "torn.npy").write_bytes(b"\x93NUMPYtorn")
    for name in ("torn.npz", "torn.npy"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read"):
            data.open_data(tmp_path / name)
    np.save(tmp_path / "a.npy", RAMP[None])
    with pytest.raises(ValueError, match=r"pictures alone; save labels or splits as \.npz"):
        data.open_data(tmp_path / "a.npy", labels=True)
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((64, 64, 64), np.uint8))
    monkeypatch.setattr(zipped, "SMALL", 2**16)
    with pytest.raises(ValueError, match="as a bomb does"):
        data.open_data(tmp_path / "bomb.npz")


# Hugging Face


@pytest.fixture
def hugging(mixed, tmp_path):
    datasets = pytest.importorskip("datasets")
    files = sorted(str(file) for file in mixed.rglob("*.*"))
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "owl"])}
    rows = {"image": files, "label": [0, 0, 0, 1, 1, 1]}
    data = datasets.Dataset.from_dict(rows, features=datasets.Features(features))
    data.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=data, test=data.select([5, 0])).save_to_disk(tmp_path / "several")
    return tmp_path


def test_a_dataset_of_hugging_face_is_its_pictures(mixed, hugging):
    folder = data.open_data(mixed, labels=True)
    for file in mixed.rglob("*.*"):
        file.unlink()  # they are in the set
    for word in (f"hf:{hugging / 'one'}", hugging / "one", f"hf:{hugging / 'several'}"):
        source = data.open_data(word, labels=True)
        assert (source.names, source.counts) == (folder.names, folder.counts)
        for name, value in everything(folder).items():
            np.testing.assert_array_equal(everything(source)[name], value)
    assert source.digest() == data.open_data(hugging / "one", labels=True).digest()
    test = data.open_data(hugging / "several", labels=True, split="test", size=4, channels=1)
    assert (everything(test)["y"].tolist(), everything(test)["x"].shape) == ([1, 0], (2, 4, 4, 1))
    assert data.open_data(hugging / "one").classes == 0
    with pytest.raises(ValueError, match="has no split 'dev'; it has test, train"):
        data.open_data(hugging / "several", split="dev")


def test_without_the_library_the_remedy_is_named(hugging, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match="pip install"):
        data.open_data(hugging / "one")


def test_paths_in_a_dataset_are_not_followed(tmp_path):
    import pyarrow

    datasets = pytest.importorskip("datasets")
    (tmp_path / "secret.png").write_bytes(png(Image.fromarray(RAMP)))
    features = datasets.Features({"image": datasets.Image()})
    storage = [{"bytes": None, "path": str(tmp_path / "secret.png")}]
    table = pyarrow.table({"image": pyarrow.array(storage, pyarrow.struct({"bytes": "binary", "path": "string"}))})
    place = tmp_path / "set"
    datasets.Dataset.from_dict({"image": [Image.fromarray(RAMP)]}, features=features).save_to_disk(place)
    with pyarrow.OSFile(str(next(place.glob("*.arrow"))), "wb") as sink:
        schema = pyarrow.schema(table.schema, features.arrow_schema.metadata)
        with pyarrow.ipc.new_stream(sink, schema) as writer:
            writer.write_table(table.cast(schema))
    with pytest.raises(ValueError, match=r"has only its path, .*secret.png"):
        data.open_data(place)


def test_columns_of_a_dataset_are_chosen_or_asked_for(hugging):
    datasets = pytest.importorskip("datasets")
    one = datasets.load_from_disk(str(hugging / "one"))
    one.rename_column("label", "kind").save_to_disk(hugging / "kind")
    assert data.open_data(hugging / "kind", labels=True).names == ("cat", "owl")
    one.remove_columns("label").save_to_disk(hugging / "bare")
    with pytest.raises(ValueError, match="columns image, of which 0 are classes; call the one that is meant 'label'"):
        data.open_data(hugging / "bare", labels=True)
    one.remove_columns("image").save_to_disk(hugging / "blind")
    with pytest.raises(ValueError, match="0 are pictures"):
        data.open_data(hugging / "blind")
    assert huggingface.is_huggingface(hugging / "one")
    assert not huggingface.is_huggingface(hugging)
