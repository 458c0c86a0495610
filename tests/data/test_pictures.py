"""A folder of pictures: forms, corrupt files, flips, labels."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxgan import data


def everything(source, first=0):
    return source.read(data.Draw(0, np.arange(first, first + source.size), np.arange(source.size)))


def colour(rgb, size=(40, 40), mode="RGB"):
    return Image.new("RGB", size, rgb).convert(mode)


def bomb(width, height):
    """A PNG of a few bytes whose header claims width x height."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.fixture
def pictures(tmp_path):
    """Ten gradients in two subfolders; the red channel tells which picture it is."""
    for i in range(10):
        place = tmp_path / "ab"[i % 2]
        place.mkdir(exist_ok=True)
        pixels = np.zeros((32, 32, 3), np.uint8)
        pixels[..., 0] = 20 * i
        pixels[..., 1] = np.arange(32) * 8
        Image.fromarray(pixels).save(place / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize("memory", [2**30, 0])
def test_pictures_in_sorted_order_kept_or_decoded_anew(pictures, memory):
    source = data.folder(pictures, memory=memory)
    assert source.size == 10
    assert (source.threads > 0) == (memory == 0)
    x = everything(source)["x"]
    np.testing.assert_allclose((x[:, 0, 0, 0] + 1) * 127.5, 20 * np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]), atol=1e-3)
    np.testing.assert_allclose((x[0, 0, :, 1] + 1) * 127.5, np.arange(32) * 8, atol=1e-3)
    at = data.batch_at(source, 4, seed=0)
    for step, batch in zip(range(3, 7), data.batches(source, 4, seed=0, start=3), strict=False):
        data.check_batch(batch)
        np.testing.assert_array_equal(batch["x"], at(step)["x"])


def test_labels_are_subfolders(pictures):
    source = data.folder(pictures, labels=True)
    assert source.classes == 2
    batch = everything(source)
    data.check_batch(batch, 2)
    assert batch["y"].tolist() == [0] * 5 + [1] * 5
    assert "y" not in everything(data.folder(pictures))
    colour("red").save(pictures / "loose.png")
    with pytest.raises(ValueError, match=r"labels come from subfolders, but loose.png is in none"):
        data.folder(pictures, labels=True)


def test_flips_are_drawn_from_seed_and_position(pictures):
    plain, source = everything(data.folder(pictures))["x"], data.folder(pictures, flip=True)
    choices = []
    for first in range(0, 1000, 10):  # a hundred epochs of ten
        x = everything(source, first)["x"]
        np.testing.assert_array_equal(x, everything(source, first)["x"])
        choices.append((x == plain[:, :, ::-1]).all(axis=(1, 2, 3)))
        np.testing.assert_array_equal(x[~choices[-1]], plain[~choices[-1]])
    choices = np.array(choices)
    assert 440 < choices.sum() < 560
    assert (choices.mean(0) > 0.3).all()
    assert (choices.mean(0) < 0.7).all()
    other = source.read(data.Draw(1, np.arange(1000), np.arange(1000) % 10))["x"]
    assert ((other[:, 0, 0, 1] > 0) != choices.ravel()).any()


@pytest.mark.parametrize(
    ("name", "image", "options"),
    [
        ("rgb.png", colour((200, 100, 50)), {}),
        ("photo.JPG", colour((200, 100, 50)), {"quality": 95}),
        ("cmyk.jpg", colour((200, 100, 50), mode="CMYK"), {"quality": 95}),
        ("palette.png", colour((200, 100, 50)).quantize(4), {}),
        ("clear.png", colour((200, 100, 50)).convert("RGBA"), {}),
        ("lossy.webp", colour((200, 100, 50)), {"lossless": True}),
        ("map.bmp", colour((200, 100, 50)), {}),
        ("still.gif", colour((200, 100, 50)), {}),
        ("wide.png", colour((200, 100, 50), size=(97, 31)), {}),
        ("tiny.png", colour((200, 100, 50), size=(1, 1)), {}),
    ],
)
def test_modes_and_formats(tmp_path, name, image, options):
    image.save(tmp_path / name, **options)
    with Image.open(tmp_path / name) as file:
        stored = np.asarray(file.convert("RGB"))[0, 0]
    assert np.abs(stored.astype(int) - (200, 100, 50)).max() < 10
    colours = everything(data.folder(tmp_path, size=16))["x"]
    assert colours.shape == (1, 16, 16, 3)
    np.testing.assert_allclose((colours + 1) * 127.5, np.broadcast_to(stored, colours.shape), atol=1.01)
    grey = everything(data.folder(tmp_path, size=16, channels=1))["x"]
    assert grey.shape == (1, 16, 16, 1)
    np.testing.assert_allclose((grey + 1) * 127.5, stored @ [0.299, 0.587, 0.114], atol=2)


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 32).astype(np.uint16), (32, 1))
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    for channels in (1, 3):
        x = everything(data.folder(tmp_path, channels=channels))["x"]
        np.testing.assert_allclose((x[0, 0, :, 0] + 1) * 127.5, ramp[0] // 256, atol=1e-3)


def test_transparency_is_white(tmp_path):
    colour("black").convert("RGBA").copy().save(tmp_path / "a.png")
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "b.png")
    Image.new("P", (8, 8), 0).save(tmp_path / "c.png", transparency=bytes([0]))
    x = everything(data.folder(tmp_path, size=8))["x"]
    assert [np.unique(image).tolist() for image in x] == [[-1], [1], [1]]


def test_animations_give_their_first_frame(tmp_path):
    colour("red").save(tmp_path / "film.gif", save_all=True, append_images=[colour("blue")])
    np.testing.assert_array_equal(everything(data.folder(tmp_path))["x"][0, 0, 0], [1, -1, -1])


def test_crop_is_central_and_resize_antialiased(tmp_path):
    pixels = np.zeros((64, 192), np.uint8)
    pixels[:, 64:128:2] = 255  # the central square: stripes one pixel wide, grey when averaged
    Image.fromarray(pixels).save(tmp_path / "stripes.png")
    x = everything(data.folder(tmp_path, size=8, channels=1))["x"][0, :, 1:-1]
    np.testing.assert_allclose(x, 0, atol=0.15)


@pytest.mark.parametrize("memory", [2**30, 0])
def test_pictures_may_stay_as_they_are(tmp_path, memory):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    for i, each in enumerate(pixels):
        Image.fromarray(each).save(tmp_path / f"{i}.png")
    x = everything(data.folder(tmp_path, size=None, memory=memory))["x"]
    np.testing.assert_allclose(x, pixels / 127.5 - 1, atol=1e-6)
    Image.fromarray(pixels[0, :10]).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match=r"small.png \(10x30 pixels, others 20x30; choose a size\)"):
        data.folder(tmp_path, size=None, on_corrupt="error")


def test_photos_are_turned_upright(tmp_path):
    image = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 2, axis=0))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    image.save(tmp_path / "turned.png", exif=exif)
    x = everything(data.folder(tmp_path, size=2, channels=1))["x"][0, :, :, 0]
    np.testing.assert_array_equal(x, [[-1, -1], [1, 1]])


def spoil(folder):
    """Adds five files that no decoder should accept."""
    whole = (folder / "a" / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.webp").write_text("not a picture")
    (folder / "bomb.png").write_bytes(bomb(9000, 8000))  # 72 MP: below Pillow's own warning
    (folder / "bigbomb.png").write_bytes(bomb(12000, 12000))  # 144 MP: Pillow only warns


@pytest.mark.parametrize("memory", [2**30, 0])
def test_corrupt_files_are_skipped_and_named(pictures, memory):
    clean = everything(data.folder(pictures))["x"]
    spoil(pictures)
    with pytest.warns(UserWarning, match=r"5 unreadable of 15 pictures: .*; skipped") as caught:
        source = data.folder(pictures, memory=memory)
    message = str(caught[0].message)
    assert all(name in message for name in ("cut.png", "empty.jpg", "text.webp", "bomb.png", "bigbomb.png"))
    assert "72000000" in message or "9000x8000" in message
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(everything(source)["x"], clean)


def test_corrupt_files_are_refused_on_request(pictures):
    spoil(pictures)
    (pictures / "zero.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"6 unreadable of 16 pictures: .*bomb.png .* and 1 more"):
        data.folder(pictures, on_corrupt="error")


def test_too_many_corrupt_files_are_refused(pictures):
    spoil(pictures)
    with pytest.warns(UserWarning, match="5 unreadable of 15"):
        data.folder(pictures, max_corrupt=5)
    with pytest.raises(ValueError, match=r"5 unreadable of 15 pictures: .*; mend or remove them \(max_corrupt is 4\)"):
        data.folder(pictures, max_corrupt=4)


def test_links_in_circles_pipes_and_names_that_are_not_text(pictures):
    clean = everything(data.folder(pictures))["x"]
    (pictures / "a" / "loop").symlink_to(pictures, target_is_directory=True)
    (pictures / "nowhere.png").symlink_to(pictures / "missing.png")
    os.mkfifo(pictures / "pipe.png")
    strange = os.fsencode(pictures / "a") + b"/\xff0.png"
    os.rename(pictures / "a" / "0.png", strange)
    os.link(strange, os.fsencode(pictures / "z") + b"\xfe.png")
    (pictures / "broken").mkdir()
    with open(os.fsencode(pictures / "broken") + b"/\xfd.png", "wb") as file:
        file.write(b"no picture")
    with pytest.warns(UserWarning, match=r"3 unreadable of 14 pictures: broken/\\xfd.png .*no regular file") as caught:
        source = data.folder(pictures)
    str(caught[0].message).encode()  # fit for any log
    x = everything(source)["x"]
    assert len(x) == 11
    assert {row.tobytes() for row in x} == {row.tobytes() for row in clean}


def test_pillows_own_limit_counts_too(pictures, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 600)  # pictures of 1024 are past the warning, not the error
    with pytest.raises(ValueError, match=r"10 unreadable of 10 pictures: .*exceeds limit of 600 pixels"):
        data.folder(pictures)


def test_bad_folders(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="missing does not exist"):
        data.folder(tmp_path / "missing")
    with pytest.raises(ValueError, match=r"has no pictures; looked for \.png"):
        data.folder(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ValueError, match=r"notes.txt is not a folder"):
        data.folder(tmp_path / "notes.txt")
    (tmp_path / "zero.png").write_bytes(b"")
    with pytest.raises(ValueError, match="1 unreadable of 1 pictures"):  # nothing left
        data.folder(tmp_path)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ValueError, match="cannot be read: Permission denied"):
        data.folder(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, r"size is 0; use 1\.\.4096"),
        ({"size": 5000}, "size is 5000"),
        ({"channels": 2}, r"channels is 2; use 1 \(grey\) or 3 \(RGB\)"),
        ({"on_corrupt": "ignore"}, "on_corrupt is 'ignore'; use 'skip' or 'error'"),
    ],
)
def test_bad_arguments(pictures, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.folder(pictures, **arguments)


def test_hidden_files_and_folders_are_neither_pictures_nor_classes(pictures):
    """Jupyter's .ipynb_checkpoints, macOS's ._name, thumbnails: copies that nobody meant."""
    before = data.folder(pictures, labels=True)
    for place in (".ipynb_checkpoints", "a/.thumbnails"):
        (pictures / place).mkdir()
        colour("red").save(pictures / place / "x.png")
    colour("red").save(pictures / "a" / "._0.png")
    after = data.folder(pictures, labels=True)
    assert (
        (after.size, after.classes, after.names) == (before.size, before.classes, before.names) == (10, 2, ("a", "b"))
    )


def test_linked_folders_are_read_and_circles_are_not(pictures, tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    (store / "owls").mkdir()
    colour("blue").save(store / "owls" / "0.png")
    (pictures / "owls").symlink_to(store / "owls", target_is_directory=True)
    (store / "owls" / "up").symlink_to(pictures, target_is_directory=True)  # leads back through the link
    (pictures / "a" / "all").symlink_to(pictures.parent, target_is_directory=True)  # holds the folder itself
    source = data.folder(pictures, labels=True)
    assert (source.size, source.names, source.counts) == (11, ("a", "b", "owls"), (5, 5, 1))


def test_what_may_be_meant_and_is_not_read_is_said(pictures):
    (pictures / "a" / "film.heic").write_bytes(b"")
    (pictures / "lost").symlink_to(pictures / "nowhere")  # a class that is gone
    (pictures / "labels.csv").write_text("")  # what lies beside pictures, and is none
    with pytest.warns(UserWarning, match=r"files that are not read: a/film.heic, lost$") as caught:
        assert data.folder(pictures).size == 10
    assert caught[0].filename == __file__


@pytest.mark.parametrize("memory", [2**30, 0])
def test_two_sizes_are_no_corruption(pictures, memory):
    """At a size of their own, which of several sizes is meant is not ours to choose: not even under "skip"."""
    for k in range(3):
        colour("red", size=(8, 6)).save(pictures / f"small{k}.png")
    message = r"2 sizes, height x width: 10 of 32x32, 3 of 6x8: small0.png \(6x8 pixels, others 32x32; choose a size\)"
    with pytest.raises(ValueError, match=message):
        data.folder(pictures, size=None, memory=memory)
    assert data.folder(pictures, size=8, memory=memory).size == 13


def test_tiff_of_eight_and_sixteen_bits(tmp_path):
    ramp = np.tile(np.arange(8, dtype=np.uint16) * 8192, (8, 1))
    Image.fromarray(ramp).save(tmp_path / "deep.tif")
    Image.fromarray((ramp >> 8).astype(np.uint8)).save(tmp_path / "plain.TIFF")
    x = everything(data.folder(tmp_path, size=None, channels=1))["x"]
    np.testing.assert_allclose((x[:, 0, :, 0] + 1) * 127.5, [np.arange(8) * 32] * 2, atol=1e-3)
    Image.fromarray(ramp.astype(np.float32)).save(tmp_path / "floating.tif")
    with pytest.raises(ValueError, match=r"floating.tif \(pixels are floating numbers of an unknown range"):
        data.folder(tmp_path, on_corrupt="error")


def test_transparency_is_kept_as_the_fourth_channel(tmp_path):
    Image.new("RGBA", (8, 8), (200, 100, 50, 128)).save(tmp_path / "a.png")
    colour((200, 100, 50), size=(8, 8)).save(tmp_path / "b.png")  # opaque
    Image.new("P", (8, 8), 0).save(tmp_path / "c.png", transparency=bytes([0]))
    x = everything(data.folder(tmp_path, size=8, channels=4))["x"]
    np.testing.assert_allclose(((x + 1) * 127.5)[:2, 0, 0], [[200, 100, 50, 128], [200, 100, 50, 255]], atol=1e-3)
    assert x[2, 0, 0, 3] == -1
    data.check_batch({"x": x})


@pytest.mark.parametrize("size", [(24, 32), [24, 32], "24x32", "24X32"])
def test_rectangles_are_cropped_to_their_shape(tmp_path, size):
    """96 x 128 pixels have the shape of 24 x 32; of 64 x 160, the middle 85 columns have."""
    pixels = np.zeros((64, 160), np.uint8)
    pixels[:, 80:] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    Image.fromarray(np.tile(np.arange(96, dtype=np.uint8)[:, None], (1, 128))).save(tmp_path / "whole.png")
    Image.fromarray(pixels.T).save(tmp_path / "tall.png")
    source = data.folder(tmp_path, size=size, channels=1)
    tall, whole, wide = (everything(source)["x"][..., 0] + 1) * 127.5
    assert wide.shape == (24, 32)
    np.testing.assert_allclose(whole[1:-1], np.tile((np.arange(24) * 4 + 1.5)[1:-1, None], (1, 32)), atol=0.6)
    for image in (wide, tall.T):  # the edge between black and white stays in the middle
        n = image.shape[1] // 2
        assert image[:, : n - 4].max() < 1
        assert image[:, n + 4 :].min() > 254


@pytest.mark.parametrize("size", [(24, 32, 3), "24x", "x", "", (0, 8), 2.5, "24*32"])
def test_sizes_that_are_none(pictures, size):
    with pytest.raises(ValueError, match=r"size is .*; use 1\.\.4096 pixels: a side, \(height, width\), or in words"):
        data.folder(pictures, size=size)


def test_the_digest_is_of_the_examples_and_not_of_their_place(pictures, tmp_path_factory):
    digest = data.folder(pictures, labels=True).digest()
    moved = tmp_path_factory.mktemp("moved") / "elsewhere"
    os.rename(pictures, moved)
    assert data.folder(moved, labels=True).digest() == digest
    colour("red").save(moved / "a" / "0.png")
    assert data.folder(moved, labels=True).digest() != digest


def test_unknown_limits_are_refused(pictures):
    with pytest.raises(TypeError, match="no argument 'max_memory'; its limits are memory, max_corrupt"):
        data.folder(pictures, max_memory=1)
