"""Files that go to a browser and come from it: pictures, and what makes a picture again. Nothing lies on a disk."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxgan.data.pictures import MAX_PIXELS
from jaxgan.data.pixels import fit
from jaxgan.explore.views import Inputs
from jaxgan.explore.wishes import SEEDS
from jaxgan.sample import as_picture

MAX_BYTES = 20_000_000  # of a picture that a browser sends
MAX_LATENTS = 4_000_000  # bytes of latents that a browser sends, unpacked
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # of pictures that are decoded; others are refused
NAMES = ("seed", "index", "y", "z", "w")  # of what makes a sample again


def png(image: np.ndarray) -> bytes:
    """Returns an image [H, W, C] of bytes as a PNG."""
    file = io.BytesIO()
    as_picture(image).save(file, "PNG")
    return file.getvalue()


def latents_file(inputs: Mapping[str, np.ndarray], sample: int) -> bytes:
    """Returns what makes one of n samples again as an .npz file: arrays [1, ...] by name."""
    file = io.BytesIO()
    arrays: dict[str, Any] = {name: inputs[name][sample : sample + 1] for name in NAMES if name in inputs}
    np.savez(file, **arrays)
    return file.getvalue()


def read_latents(content: bytes, like: Inputs) -> Inputs:
    """Reads what `latents_file` wrote.

    Args:
      content: of the file, from whoever sent it.
      like: inputs of samples of the same generator, whose names, shapes and dtypes it must have.
    Returns:
      Arrays [1, ...] by name.
    Raises:
      ValueError: it is no such file, or of another generator.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_LATENTS:
            raise ValueError(f"{unpacked:,} bytes unpacked, more than {MAX_LATENTS:,}")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"this is no file of a latent, .npz as this page writes it: {error}") from error
    forms = {name: (array.shape[1:], array.dtype) for name, array in like.items() if name in NAMES}
    given = {name: (array.shape[1:], array.dtype) for name, array in arrays.items()}
    if given != forms or any(array.shape[:1] != (1,) for array in arrays.values()):
        raise ValueError(f"this latent is of another generator: it has {_words(given)}, this one {_words(forms)}")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("this latent has numbers that are not finite")
    if not 0 <= int(arrays["seed"][0]) < SEEDS or int(arrays["index"][0]) < 0:
        raise ValueError("this latent has a seed or a number below 0")
    return arrays


def read_picture(content: bytes, shape: Sequence[int]) -> np.ndarray:
    """Decodes a picture that a browser sent, as the pictures of folders are: upright, cropped, resized.

    Args:
      content: of the file, from whoever sent it.
      shape: [H, W, C] to bring it to.
    Returns:
      [1, H, W, C] float32 in [-1, 1].
    Raises:
      ValueError: it is no picture, is broken, or is larger than MAX_BYTES or, by its header, MAX_PIXELS.
    """
    from PIL import Image, ImageOps

    if len(content) > MAX_BYTES:
        raise ValueError(f"this file has {len(content):,} bytes; pictures of at most {MAX_BYTES:,} are taken")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of a bomb; here its size is refused below
            image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ValueError(f"this picture has more than the {MAX_PIXELS:,} pixels that are taken") from error
    except Exception as error:  # decoders raise nearly anything on what is no picture
        raise ValueError(f"this file is no picture: {', '.join(FORMATS)} are taken") from error
    if math.prod(image.size) > MAX_PIXELS:
        raise ValueError(f"this picture has {math.prod(image.size):,} pixels; at most {MAX_PIXELS:,} are taken")
    try:
        pixels = fit(ImageOps.exif_transpose(image), (shape[0], shape[1]), shape[2])
    except Exception as error:
        raise ValueError(f"this picture cannot be decoded: {error}") from error
    return pixels[None].astype(np.float32) / 127.5 - 1


def _words(forms: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {list(shape)} {dtype}" for name, (shape, dtype) in sorted(forms.items())) or "nothing"
