"""A folder of pictures as a source: found, verified, cropped and resized once, and kept in memory if they fit."""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from jaxgan.data.memory import from_uint8
from jaxgan.data.pixels import check_form, fit, flip_some
from jaxgan.data.source import Draw, Examples, Source

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif")
MAX_PIXELS = 64_000_000  # of one file, from its header: beyond lies a decompression bomb, or a mistake
THREADS = 2
SHOWN = 5  # bad files that a message names

Decode = Callable[[str], np.ndarray]  # relative path -> [H, W, channels] uint8


def folder(
    path: str | os.PathLike[str],
    size: int | None = 32,
    channels: int = 3,
    flip: bool = False,
    on_corrupt: str = "skip",
    labels: bool = False,
    memory: int = 2**30,
    max_corrupt: int = 100,
) -> Source:
    """Every picture below a folder, in the order of relative paths.

    All files are opened and decoded once, here: what cannot be read is found before training and not during it.

    Args:
      path: the folder, searched recursively for png, jpg, jpeg, bmp, webp and gif (of which the first frame).
      size: side to centre-crop and resize to; None: as they are, all of the first picture's height and width.
      channels: 1 (grey) or 3 (RGB); transparency becomes white.
      flip: mirror about half of the images, anew at each use.
      on_corrupt: "skip" warns and goes on without the unreadable files; "error" refuses.
      labels: take the first subfolder's name as the class, numbered in sorted order.
      memory: bytes of resized pixels that may be kept; a larger folder is decoded anew as it is used.
      max_corrupt: more unreadable files than this are refused under "skip" too: something else is wrong then.
    Returns:
      Source of "x" [n, H, W, channels] float32 in [-1, 1], H = W = size if given, and, if labelled, "y" [n] int32.
    Raises:
      ValueError: no such folder, unreadable or without pictures, a bad argument, or a corrupt file to be refused.
    Warns:
      UserWarning: how many files were skipped, and which.
    """
    check_form(size, channels)
    if on_corrupt not in ("skip", "error"):
        raise ValueError(f"on_corrupt is {on_corrupt!r}; use 'skip' or 'error'")
    root = Path(path)
    files = _find(root)
    decode = partial(_decode, root, size=size, channels=channels)
    shape = (size, size, channels) if size else _shape_of_first(files, decode)
    decode = partial(_of_shape, decode, shape)
    kept = len(files) * math.prod(shape) <= memory
    good, pixels = _verify(root, files, decode, kept, 0 if on_corrupt == "error" else max_corrupt)
    names, y = _labels(root, good) if labels else ([], None)

    def read(draw: Draw) -> Examples:
        index = np.asarray(draw.index)
        x = from_uint8(pixels[index] if kept else np.stack([decode(good[i]) for i in index]))
        batch: Examples = {"x": flip_some(x, draw) if flip else x}
        return batch if y is None else batch | {"y": y[index]}

    return Source(f"folder:{_printable(root.name)}", len(good), read, len(names), threads=0 if kept else THREADS)


def _find(root: Path) -> list[str]:
    """Returns the relative paths of all pictures, sorted, with forward slashes."""

    def refuse(error: OSError) -> None:
        raise ValueError(f"folder {root} cannot be read: {error.strerror} ({error.filename})") from error

    if not root.is_dir():
        raise ValueError(f"folder {root} {'is not a folder' if root.exists() else 'does not exist'}")
    files = []
    for place, _, names in os.walk(root, onerror=refuse):  # links to folders are not followed: they may run in circles
        files += [Path(place, name).relative_to(root).as_posix() for name in names if name.lower().endswith(SUFFIXES)]
    if not files:
        raise ValueError(f"folder {root} has no pictures; looked for {', '.join(SUFFIXES)}")
    return sorted(files)


def _decode(root: Path, file: str, size: int | None, channels: int) -> np.ndarray:
    """Returns a file's picture, [H, W, channels] uint8, turned upright as its EXIF data say."""
    from PIL import Image, ImageOps

    if not (root / file).is_file():
        raise ValueError("no regular file, or a link to nothing")  # a pipe would be waited for
    with Image.open(root / file) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels, more than {MAX_PIXELS}")
        return fit(ImageOps.exif_transpose(image), size, channels)


def _shape_of_first(files: list[str], decode: Decode) -> tuple[int, ...]:
    """Returns (H, W, C) of the first picture that can be read, or zeros: `_verify` says why none can."""
    for file in files:
        with contextlib.suppress(Exception):  # decoders raise nearly anything on corrupt input
            return decode(file).shape
    return (0, 0, 0)


def _of_shape(decode: Decode, shape: tuple[int, ...], file: str) -> np.ndarray:
    pixels = decode(file)
    if pixels.shape != shape:
        raise ValueError(f"{pixels.shape[0]}x{pixels.shape[1]} pixels, others {shape[0]}x{shape[1]}; choose a size")
    return pixels


def _verify(root: Path, files: list[str], decode: Decode, keep: bool, allowed: int) -> tuple[list[str], np.ndarray]:
    """Decodes every file; returns the readable ones and, if they are kept, their pixels [N, size, size, channels]."""
    from PIL.Image import DecompressionBombWarning

    def attempt(file: str) -> np.ndarray | str:
        try:
            pixels = decode(file)
        except Exception as error:  # decoders raise nearly anything on corrupt input
            return f"{_printable(file)} ({error})"
        return pixels if keep else pixels[:0]

    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as pool:
        warnings.simplefilter("error", DecompressionBombWarning)
        results = list(pool.map(attempt, files))
    bad = [result for result in results if isinstance(result, str)]
    good = [file for file, result in zip(files, results, strict=True) if not isinstance(result, str)]
    if bad:
        named = ", ".join(bad[:SHOWN]) + (f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else "")
        complaint = f"folder {root} has {len(bad)} unreadable of {len(files)} pictures: {named}"
        if len(bad) > allowed or not good:
            raise ValueError(f"{complaint}; mend or remove them" + (f" (max_corrupt is {allowed})" if allowed else ""))
        warnings.warn(f"{complaint}; skipped", stacklevel=3)
    return good, np.stack([result for result in results if not isinstance(result, str)])


def _printable(file: str) -> str:
    """Returns a name that any terminal and log takes: bytes of it that are no UTF-8 are written as such."""
    return file.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _labels(root: Path, files: list[str]) -> tuple[list[str], np.ndarray]:
    """Returns the sorted class names, and each file's class [N] int32."""
    loose = [file for file in files if "/" not in file]
    if loose:
        raise ValueError(f"folder {root}: labels come from subfolders, but {loose[0]} is in none")
    names = sorted({file.split("/")[0] for file in files})
    return names, np.array([names.index(file.split("/")[0]) for file in files], np.int32)
