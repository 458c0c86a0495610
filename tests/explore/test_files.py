"""What comes from a browser: pictures and latents that are none, too large, broken, or of something else."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxgan.explore import files, markup
from jaxgan.explore.markup import Cell

LIKE = {"seed": np.zeros(4, np.int32), "index": np.arange(4, dtype=np.int32), "z": np.ones((4, 3), np.float32)}


def encoded(image, kind="PNG", **settings):
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def bomb(side):
    """A PNG of a few hundred bytes whose header says side x side pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def test_a_png_is_the_image():
    for channels in (1, 3, 4):
        image = np.random.default_rng(0).integers(0, 255, (5, 7, channels), np.uint8)
        assert (np.asarray(Image.open(io.BytesIO(files.png(image)))).reshape(5, 7, channels) == image).all()


def test_pictures_are_turned_cropped_and_resized():
    image = Image.new("RGB", (40, 20), "red")
    image.paste((0, 0, 255), (0, 0, 16, 16))
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned a quarter
    x = files.read_picture(encoded(image, "JPEG", exif=turned), (40, 20, 3))
    assert x.shape == (1, 40, 20, 3)
    assert x.dtype == np.float32
    assert -1 <= x.min() <= x.max() <= 1
    assert x[0, 0, -1, 2] > x[0, -1, 0, 2]  # what was at the left above is at the right
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert files.read_picture(encoded(clear), (4, 4, 1)).min() == 1  # transparency is white
    deep = Image.fromarray(np.full((8, 8), 65535, np.uint16))
    assert files.read_picture(encoded(deep), (4, 4, 3)).min() == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no picture"),
        (b"import os; os.remove('/')", "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),  # Pillow would start Ghostscript
        (encoded(Image.new("RGB", (64, 64)))[:60], "decoded|no picture"),
        (bomb(30_000), "more than the 64,000,000 pixels"),
        (bomb(9_000), "81,000,000 pixels"),
        (b"\x89PNG" + bytes(files.MAX_BYTES), "bytes; pictures of at most"),
    ],
    ids=["nothing", "code", "svg", "eps", "cut", "bomb", "large", "long"],
)
def test_what_is_no_picture_is_refused_by_a_line(content, words):
    with pytest.raises(ValueError, match=words) as refusal:
        files.read_picture(content, (32, 32, 3))
    assert "\n" not in str(refusal.value)


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def packed(name, size):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(size))
    return file.getvalue()


ONE = {name: array[:1] for name, array in LIKE.items()}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no file of a latent"),
        (b"PK\x03\x04" + bytes(40), "no file of a latent"),
        (npz(**ONE)[:150], "no file of a latent"),
        (npz(**(ONE | {"z": np.array([[{"a": 1}] * 3], object)})), "no file of a latent"),
        (packed("z.npy", 10**8), "bytes unpacked, more than"),
        (npz(z=ONE["z"]), "of another generator"),
        (npz(**(ONE | {"z": np.ones((1, 4), np.float32)})), "of another generator"),
        (npz(**(ONE | {"z": ONE["z"].astype(np.float64)})), "of another generator"),
        (npz(**LIKE), "of another generator"),
        (npz(**(ONE | {"z": ONE["z"] * np.float32("nan")})), "not finite"),
        (npz(**(ONE | {"seed": np.full(1, -1, np.int32)})), "below 0"),
    ],
    ids=["nothing", "zip", "cut", "objects", "bomb", "few", "wide", "double", "four", "nan", "negative"],
)
def test_what_is_no_latent_is_refused_by_a_line(content, words):
    with pytest.raises(ValueError, match=words):
        files.read_latents(content, LIKE)


def test_a_latent_comes_back_as_it_went():
    back = files.read_latents(files.latents_file(LIKE, 2), LIKE)
    assert {name: array.tolist() for name, array in back.items()} == {"seed": [0], "index": [2], "z": [[1, 1, 1]]}


def test_names_are_words_on_the_page():
    evil = "<script>alert(1)</script>\" onload='x'"
    page = markup.gallery([Cell(b"", evil, evil, b"", "pin")], 8) + markup.head(evil, evil) + markup.line(evil, True)
    assert "<script" not in page
    assert '" onload' not in page
