"""A folder of pictures as a source: found, verified, cropped and resized once, and kept in memory if they fit."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypedDict, Unpack

import numpy as np

from jaxgan.data.labels import Labels, from_file, from_subfolders
from jaxgan.data.memory import from_uint8
from jaxgan.data.pixels import SUFFIXES, Size, fit, flip_some, form
from jaxgan.data.source import Draw, Examples, Source, digest_of

# What may be meant as examples, and is not read: said, and not left out in silence.
OTHERS: tuple[str, ...] = (
    ".heic",
    ".heif",
    ".avif",
    ".jxl",
    ".jp2",
    ".svg",
    ".tga",
    ".exr",
    ".hdr",
    ".psd",
    ".ico",
    ".pcx",
    ".dds",
)
OTHERS += (".dng", ".cr2", ".nef", ".arw", ".raw", ".dcm", ".nii", ".npy", ".npz", ".mp4", ".avi", ".mov", ".webm")
MAX_PIXELS = 64_000_000  # of one file, from its header: beyond lies a decompression bomb, or a mistake
THREADS = 2
SHOWN = 5  # files that a message names

Decode = Callable[[str], np.ndarray]  # relative path -> [H, W, channels] uint8


class Limits(TypedDict, total=False):
    """What a folder may cost."""

    memory: int  # bytes of resized pixels that may be kept; a larger folder is decoded anew as it is used. 1 GiB
    max_corrupt: int  # more unreadable files are refused under "skip" too: something else is wrong then. 100


class _Verified(NamedTuple):
    """The files that can be read."""

    files: list[str]  # relative paths
    pixels: np.ndarray | None  # [N, H, W, channels] uint8, if they are kept


def folder(
    path: str | os.PathLike[str],
    size: Size | None = 32,
    channels: int = 3,
    flip: bool = False,
    on_corrupt: str = "skip",
    labels: bool = False,
    labels_file: str | os.PathLike[str] | None = None,
    **limits: Unpack[Limits],
) -> Source:
    """Every picture below a folder, in the order of relative paths.

    All files are opened and decoded once, here: what cannot be read is found before training and not during it. Hidden
    files and folders (.name) are left out. Links are followed, but for those that lead back to where they lie.

    Args:
      path: the folder, searched recursively for png, jpg, bmp, webp, gif, tif and pnm files (of several frames, the
        first).
      size: side, (height, width) or "HEIGHTxWIDTH" to centre-crop and resize to; None: as they are, all of one size.
      channels: 1 (grey), 3 (RGB), where transparency becomes white, or 4 (RGBA), where it is kept.
      flip: mirror about half of the images, anew at each use.
      on_corrupt: "skip" warns and goes on without the unreadable files; "error" refuses.
      labels: take the first subfolder's name as the class, numbered in sorted order.
      labels_file: CSV, TSV or JSON file that says what each picture is, in the forms of `labels.from_file`: labels, or
        attributes [A].
      **limits: memory, max_corrupt (see `Limits`).
    Returns:
      Source of "x" [n, H, W, channels] float32 in [-1, 1], of the asked size if given, and, if labelled, "y" [n] int32,
      or [n, A] float32; `Source.names` says what the classes, or the attributes, are.
    Raises:
      ValueError: no such folder, unreadable or without pictures, a bad argument, pictures of several sizes where none
        is asked for, a labels file that does not fit, or a corrupt file to be refused.
    Warns:
      UserWarning: how many files were skipped, and which; files that may be pictures and are of a kind not read.
    """
    sides = form(size, channels)
    if on_corrupt not in ("skip", "error"):
        raise ValueError(f"on_corrupt is {on_corrupt!r}; use 'skip' or 'error'")
    if unknown := sorted(limits.keys() - Limits.__annotations__.keys()):
        raise TypeError(f"folder has no argument {unknown[0]!r}; its limits are {', '.join(Limits.__annotations__)}")
    if labels and labels_file is not None:
        raise ValueError(f"labels come from subfolders or from {labels_file}; choose one of labels= and labels_file=")
    root = Path(path)
    files, others = _find(root)
    table = None if labels_file is None else from_file(Path(labels_file), files)  # before pictures are decoded
    decode = partial(_decode, root, size=sides, channels=channels)
    shape = (*sides, channels) if sides else _shape_of_first(files, decode)
    keep = len(files) * math.prod(shape) <= limits.get("memory", 2**30)
    good, pixels = _verify(root, files, decode, shape if keep else None, _allowed(on_corrupt, limits))
    if others:
        warnings.warn(f"folder {_printable(str(root))} has files that are not read: {_named(others)}", stacklevel=2)
    known = from_subfolders(_printable(str(root)), good) if labels else _only(table, files, good)
    y, classes, names = known or Labels(np.empty(0), 0, ())

    def read(draw: Draw) -> Examples:
        index = np.asarray(draw.index)
        stack = pixels[index] if pixels is not None else np.stack([_of_shape(decode, shape, good[i]) for i in index])
        x = from_uint8(stack)
        batch: Examples = {"x": flip_some(x, draw) if flip else x}
        return batch | {"y": y[index]} if known else batch

    return Source(
        f"folder:{_printable(root.name)}",
        len(good),
        read,
        classes,
        threads=0 if keep else THREADS,
        names=tuple(map(_printable, names)),
        counts=tuple(np.bincount(y, minlength=classes).tolist()) if classes else (),
        digest=lambda: digest_of(*(part for file in good for part in (file, _hash(root / file))), y, *names),
        files=tuple(good),
    )


def _find(root: Path) -> tuple[list[str], list[str]]:
    """Returns the relative paths of all pictures, sorted, with forward slashes; and of what is not read, likewise."""

    def refuse(error: OSError) -> None:
        raise ValueError(f"folder {root} cannot be read: {error.strerror} ({error.filename})") from error

    if not root.is_dir():
        raise ValueError(f"folder {root} {'is not a folder' if root.exists() else 'does not exist'}")
    files, others = [], []
    for place, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        folders[:] = [name for name in folders if name[0] != "." and not _leads_back(root, Path(place, name))]
        for name in (name for name in names if name[0] != "."):  # hidden: previews, and what editors leave behind
            file, kind = Path(place, name), os.path.splitext(name)[1].lower()
            if kind in SUFFIXES:
                files.append(file.relative_to(root).as_posix())
            elif kind in OTHERS or (file.is_symlink() and not file.exists()):  # a link to nothing: a lost folder?
                others.append(file.relative_to(root).as_posix())
    if not files:
        left = f"; not read: {_named(sorted(others))}" if others else ""
        raise ValueError(f"folder {root} has no pictures; looked for {', '.join(SUFFIXES)}{left}")
    return sorted(files), sorted(others)


def _leads_back(root: Path, place: Path) -> bool:
    """Tells whether a folder is a link to one that holds it, which would be walked in circles."""
    if not place.is_symlink():
        return False
    target, above = place.resolve(), [place.parent, *place.parent.parents]
    return any(each.resolve().is_relative_to(target) for each in above if each.is_relative_to(root))


def _decode(root: Path, file: str, size: tuple[int, int] | None, channels: int) -> np.ndarray:
    """Returns a file's picture, [H, W, channels] uint8, turned upright as its EXIF data say."""
    from PIL import Image, ImageOps

    if not (root / file).is_file():
        raise ValueError("no regular file, or a link to nothing")  # a pipe would be waited for
    with Image.open(root / file) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels, more than {MAX_PIXELS}")
        return fit(ImageOps.exif_transpose(image), size, channels)


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _shape_of_first(files: list[str], decode: Decode) -> tuple[int, ...]:
    """Returns (H, W, C) of the first picture that can be read, or zeros: `_verify` says why none can."""
    for file in files:
        with contextlib.suppress(Exception):  # decoders raise nearly anything on corrupt input
            return decode(file).shape
    return (0, 0, 0)


def _of_shape(decode: Decode, shape: tuple[int, ...], file: str) -> np.ndarray:
    pixels = decode(file)
    if pixels.shape != shape:
        raise ValueError(f"{_printable(file)} has changed to {pixels.shape[0]}x{pixels.shape[1]} pixels meanwhile")
    return pixels


def _allowed(on_corrupt: str, limits: Limits) -> int:
    return 0 if on_corrupt == "error" else limits.get("max_corrupt", 100)


def _verify(root: Path, files: list[str], decode: Decode, kept: tuple[int, ...] | None, allowed: int) -> _Verified:
    """Decodes every file; returns the readable ones and, if they are kept in this shape, their pixels."""
    from PIL.Image import DecompressionBombWarning

    def attempt(file: str) -> tuple[tuple[int, ...], np.ndarray | None] | str:
        try:
            pixels = decode(file)
        except Exception as error:  # decoders raise nearly anything on corrupt input
            return f"{_printable(file)} ({error})"
        return pixels.shape, pixels if pixels.shape == kept else None

    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as pool:
        warnings.simplefilter("error", DecompressionBombWarning)
        results = list(pool.map(attempt, files))
    bad = [result for result in results if isinstance(result, str)]
    good = {file: result for file, result in zip(files, results, strict=True) if not isinstance(result, str)}
    if bad:
        complaint = f"folder {_printable(str(root))} has {len(bad)} unreadable of {len(files)} pictures: {_named(bad)}"
        if len(bad) > allowed or not good:
            raise ValueError(f"{complaint}; mend or remove them" + (f" (max_corrupt is {allowed})" if allowed else ""))
        warnings.warn(f"{complaint}; skipped", stacklevel=3)
    _check_one_size(root, {file: shape for file, (shape, _) in good.items()})
    pixels = [each for _, each in good.values() if each is not None]
    return _Verified(list(good), np.stack(pixels) if kept else None)


def _check_one_size(root: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raises where pictures differ in size: which of them are meant is not ours to choose."""
    sizes = Counter(f"{shape[0]}x{shape[1]}" for shape in shapes.values()).most_common()
    if len(sizes) > 1:
        usual = sizes[0][0]
        file, other = next((f, size) for f, s in shapes.items() if (size := f"{s[0]}x{s[1]}") != usual)
        raise ValueError(
            f"folder {_printable(str(root))} has pictures of {len(sizes)} sizes, height x width: "
            f"{_named([f'{n} of {size}' for size, n in sizes])}: {_printable(file)} ({other} pixels, others {usual}; "
            "choose a size), as size=64 or --size 64"
        )


def _only(table: Labels | None, files: list[str], good: Sequence[str]) -> Labels | None:
    """Returns the labels of those files that can be read."""
    row = {file: k for k, file in enumerate(files)}
    return table and table._replace(y=table.y[[row[file] for file in good]])


def _named(items: Sequence[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(map(_printable, items[:SHOWN])) + more


def _printable(file: str) -> str:
    """Returns a name that any terminal and log takes: bytes of it that are no UTF-8 are written as such."""
    return file.encode(errors="surrogateescape").decode(errors="backslashreplace")
