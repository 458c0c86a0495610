"""Pictures of a folder or a zip as a source: verified, cropped and resized once, and kept in memory if they fit."""

from __future__ import annotations

import contextlib
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
from jaxgan.data.pixels import GREY, Size, fit, flip_some, form
from jaxgan.data.source import Draw, Examples, Source, digest_of
from jaxgan.data.stores import Store, named, on_disk, printable, sha256
from jaxgan.data.zipped import in_zip, is_zip

MAX_PIXELS = 64_000_000  # of one file, from its header: beyond lies a decompression bomb, or a mistake
THREADS = 2

Decode = Callable[[str], np.ndarray]  # name of a picture -> [H, W, channels] uint8


class Limits(TypedDict, total=False):
    """What a folder may cost."""

    memory: int  # bytes of resized pixels that may be kept; a larger folder is decoded anew as it is used. 1 GiB
    max_corrupt: int  # more unreadable files are refused under "skip" too: something else is wrong then. 100


class Wanted(NamedTuple):
    """What pictures are to become."""

    size: tuple[int, int] | None  # height and width; None: as they are
    channels: int | None  # 1, 3 or 4; None: 1 if every picture is grey, else 3
    flip: bool  # mirror half of them, anew at each use
    on_corrupt: str  # "skip" or "error"


class _Verified(NamedTuple):
    """The files that can be read."""

    files: list[str]  # names
    pixels: np.ndarray | None  # [N, H, W, channels] uint8, if they are kept


def folder(
    path: str | os.PathLike[str],
    size: Size | None = 32,
    channels: int | None = 3,
    flip: bool = False,
    on_corrupt: str = "skip",
    labels: bool = False,
    labels_file: str | os.PathLike[str] | None = None,
    **limits: Unpack[Limits],
) -> Source:
    """Every picture below a folder or in a zip file, in the order of relative paths.

    All files are opened and decoded once, here: what cannot be read is found before training and not during it. Hidden
    files and folders (.name) are left out. Links are followed, but for those that lead back to where they lie, and for
    those of a zip. A zip is never unpacked to disk; it has the digest of the folder that was zipped.

    Args:
      path: the folder, searched recursively for png, jpg, bmp, webp, gif, tif and pnm files (of several frames, the
        first); or a zip file, read as if it were that folder.
      size: side, (height, width) or "HEIGHTxWIDTH" to centre-crop and resize to; None: as they are, all of one size.
      channels: 1 (grey), 3 (RGB), where transparency becomes white, or 4 (RGBA), where it is kept; None: 1 if every
        picture is grey, else 3.
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
      ValueError: no such folder, unreadable or without pictures, a zip that leads out of itself or is a bomb, a bad
        argument, pictures of several sizes where none is asked for, a labels file that does not fit, or a corrupt file
        to be refused.
    Warns:
      UserWarning: how many files were skipped, and which; files that may be pictures and are of a kind not read.
    """
    wanted = check_wanted(size, channels, flip, on_corrupt, limits)
    if labels and labels_file is not None:
        raise ValueError(f"labels come from subfolders or from {labels_file}; choose one of labels= and labels_file=")
    store = in_zip(Path(path)) if is_zip(Path(path)) else on_disk(Path(path))
    if labels:
        store = store._replace(labels=partial(from_subfolders, store.where))
    elif labels_file is not None:
        table = from_file(Path(labels_file), store.files)  # before pictures are decoded
        store = store._replace(labels=partial(_only, table, store.files))
    return from_store(store, wanted, limits)


def check_wanted(size: Size | None, channels: int | None, flip: bool, on_corrupt: str, limits: Limits) -> Wanted:
    """Checks what is asked of pictures.

    Args:
      size: as `folder` takes it, as all others.
      channels: see there.
      flip: see there.
      on_corrupt: see there.
      limits: see there.
    Raises:
      ValueError: one of them is out of range; TypeError: a limit that there is not.
    """
    sides = form(size, channels)
    if on_corrupt not in ("skip", "error"):
        raise ValueError(f"on_corrupt is {on_corrupt!r}; use 'skip' or 'error'")
    if unknown := sorted(limits.keys() - Limits.__annotations__.keys()):
        raise TypeError(f"folder has no argument {unknown[0]!r}; its limits are {', '.join(Limits.__annotations__)}")
    return Wanted(sides, channels, flip, on_corrupt)


def from_store(store: Store, wanted: Wanted, limits: Limits) -> Source:
    """Verifies pictures, wherever they lie, and makes a source of them.

    Args:
      store: where they lie, and what their labels are.
      wanted: what they are to become.
      limits: what that may cost.
    Returns:
      Source, as `folder` gives it.
    Raises:
      ValueError: as `folder`.
    """
    channels = wanted.channels or (1 if all(_grey(store, file) for file in store.files) else 3)
    decode = partial(_decode, store, size=wanted.size, channels=channels)
    shape = (*wanted.size, channels) if wanted.size else _shape_of_first(store.files, decode)
    keep = len(store.files) * math.prod(shape) <= limits.get("memory", 2**30)
    good, pixels = _verify(store, decode, shape if keep else None, _allowed(wanted.on_corrupt, limits))
    if store.others:
        warnings.warn(f"{store.where} has files that are not read: {named(store.others)}", stacklevel=3)
    known = store.labels(good) if store.labels else None
    y, classes, names = known or Labels(np.empty(0), 0, ())

    def read(draw: Draw) -> Examples:
        index = np.asarray(draw.index)
        stack = pixels[index] if pixels is not None else np.stack([_of_shape(decode, shape, good[i]) for i in index])
        x = from_uint8(stack)
        batch: Examples = {"x": flip_some(x, draw) if wanted.flip else x}
        return batch | {"y": y[index]} if known else batch

    return Source(
        store.name,
        len(good),
        read,
        classes,
        threads=0 if keep else THREADS,
        names=tuple(map(printable, names)),
        counts=tuple(np.bincount(y, minlength=classes).tolist()) if classes else (),
        digest=lambda: digest_of(*(part for file in good for part in (file, sha256(store, file))), y, *names),
        files=tuple(good),
    )


def _grey(store: Store, file: str) -> bool:
    """Tells by its header whether a picture has no colours; one that cannot be opened is left to `_verify`."""
    from PIL import Image

    try:
        with store.open(file) as stream, Image.open(stream) as image:
            return image.mode in GREY or image.mode.startswith("I")
    except Exception:  # decoders raise nearly anything on corrupt input
        return True


def _decode(store: Store, file: str, size: tuple[int, int] | None, channels: int) -> np.ndarray:
    """Returns a file's picture, [H, W, channels] uint8, turned upright as its EXIF data say."""
    from PIL import Image, ImageOps

    with store.open(file) as stream, Image.open(stream) as image:
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
        raise ValueError(f"{printable(file)} has changed to {pixels.shape[0]}x{pixels.shape[1]} pixels meanwhile")
    return pixels


def _allowed(on_corrupt: str, limits: Limits) -> int:
    return 0 if on_corrupt == "error" else limits.get("max_corrupt", 100)


def _verify(store: Store, decode: Decode, kept: tuple[int, ...] | None, allowed: int) -> _Verified:
    """Decodes every file; returns the readable ones and, if they are kept in this shape, their pixels."""
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombWarning

    def attempt(file: str) -> tuple[tuple[int, ...], np.ndarray | None] | str:
        try:
            pixels = decode(file)
        except UnidentifiedImageError:  # whose words would be the stream's, and not the file's
            return f"{printable(file)} (cannot identify image file)"
        except Exception as error:  # decoders raise nearly anything on corrupt input
            return f"{printable(file)} ({error})"
        return pixels.shape, pixels if pixels.shape == kept else None

    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as pool:
        warnings.simplefilter("error", DecompressionBombWarning)
        results = list(pool.map(attempt, store.files))
    bad = [result for result in results if isinstance(result, str)]
    good = {file: result for file, result in zip(store.files, results, strict=True) if not isinstance(result, str)}
    if bad:
        complaint = f"{store.where} has {len(bad)} unreadable of {len(store.files)} pictures: {named(bad)}"
        if len(bad) > allowed or not good:
            raise ValueError(f"{complaint}; mend or remove them" + (f" (max_corrupt is {allowed})" if allowed else ""))
        warnings.warn(f"{complaint}; skipped", stacklevel=4)
    _check_one_size(store.where, {file: shape for file, (shape, _) in good.items()})
    pixels = [each for _, each in good.values() if each is not None]
    return _Verified(list(good), np.stack(pixels) if kept else None)


def _check_one_size(where: str, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raises where pictures differ in size: which of them are meant is not ours to choose."""
    sizes = Counter(f"{shape[0]}x{shape[1]}" for shape in shapes.values()).most_common()
    if len(sizes) > 1:
        usual = sizes[0][0]
        file, other = next((f, size) for f, s in shapes.items() if (size := f"{s[0]}x{s[1]}") != usual)
        raise ValueError(
            f"{where} has pictures of {len(sizes)} sizes, height x width: "
            f"{named([f'{n} of {size}' for size, n in sizes])}: {printable(file)} ({other} pixels, others {usual}; "
            "choose a size), as size=64 or --size 64"
        )


def _only(table: Labels, files: list[str], good: Sequence[str]) -> Labels:
    """Returns the labels of those files that can be read."""
    row = {file: k for k, file in enumerate(files)}
    return table._replace(y=table.y[[row[file] for file in good]])
