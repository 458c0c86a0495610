"""Pictures in a `.npy` or `.npz` file of NumPy, by the names that such files commonly use."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxgan.data.check import check_conditions, narrow
from jaxgan.data.memory import from_uint8
from jaxgan.data.pictures import Wanted
from jaxgan.data.pixels import MODES, fit, flip_some
from jaxgan.data.source import COUNTABLE, Draw, Examples, Source, digest_of
from jaxgan.data.stores import printable
from jaxgan.data.zipped import check_sizes

SUFFIXES = (".npy", ".npz")
PICTURES = ("x", "images", "image", "data", "arr_0")  # of a file without splits, in the order of looking
LABELS = ("y", "labels", "label", "arr_1")
SPLITS = ("x_{}", "{}_images", "{}_x"), ("y_{}", "{}_labels", "{}_y")  # of one with them: x_train, train_images


def saved(path: Path, wanted: Wanted, labels: bool, split: str) -> Source:
    """Pictures of a file that NumPy wrote; kept in memory, as bytes where they are bytes.

    Args:
      path: .npy: pictures [N, H, W] or [N, H, W, C]; .npz: with these under "x", "images", "image", "data" or "arr_0",
        or "x_<split>" or "<split>_images"; or its only array. Labels [N] or [N, 1] are the same with "y", "labels",
        "label" or "arr_1".
      wanted: what they are to become; pictures that are no bytes become bytes where they are cropped or resized, or
        their channels change. "on_corrupt" means nothing here.
      labels: whether to take the labels.
      split: "train", "test", ... of a file that has them; a file without has "train" alone.
    Returns:
      Source of "x" [n, H, W, C] float32 in [-1, 1] and, with labels, "y" [n] int32. Whole numbers are of 0..255 as
      uint8, of 0..65535 as uint16; floats are of [0, 1] where none is negative, else of [-1, 1].
    Raises:
      ValueError: the file cannot be read, holds no pictures or labels by these names, or they are of another kind.
    """
    where = f"file {printable(str(path))}"
    x, given = _read(path, where, labels, split)
    x = _fitted(_pictures(x, where), wanted)
    y, names = _labels(given, len(x), where) if given is not None else (np.empty(0, np.int32), ())
    as_floats = from_uint8 if x.dtype == np.uint8 else np.asarray

    def read(draw: Draw) -> Examples:
        chosen = as_floats(x[draw.index])
        batch: Examples = {"x": flip_some(chosen, draw) if wanted.flip else chosen}
        return batch | {"y": y[draw.index]} if labels else batch

    counts = np.bincount(y) if labels and y.max() < COUNTABLE else np.empty(0, int)
    return Source(
        f"{path.suffix[1:].lower()}:{printable(path.name)}",
        len(x),
        read,
        int(y.max()) + 1 if labels else 0,
        names=names,
        counts=tuple(counts.tolist()),
        digest=lambda: digest_of(x, y, *names),
    )


def _read(path: Path, where: str, labels: bool, split: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads the arrays of pictures and, if they are asked for, of labels."""
    try:
        if zipfile.is_zipfile(path):  # as .npz is
            with zipfile.ZipFile(path) as archive:
                check_sizes(archive.infolist(), path)
        file = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        raise ValueError(f"{where} cannot be read: {error}") from error
    if isinstance(file, np.ndarray):
        if labels or split != "train":
            raise ValueError(f"{where} has pictures alone; save labels or splits as .npz, under names of their own")
        return file, None
    with file:
        names = [_name(file.files, where, split, PICTURES, SPLITS[0], "pictures")]
        names += [_name(file.files, where, split, LABELS, SPLITS[1], "labels")] if labels else []
        try:
            pictures, *given = (file[name] for name in names)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
            raise ValueError(f"{where} cannot be read: {error}") from error
    return pictures, given[0] if labels else None


def _name(
    names: Sequence[str], where: str, split: str, usual: Sequence[str], of_splits: Sequence[str], what: str
) -> str:
    """Returns which array is meant."""
    wanted = [form.format(split) for form in of_splits] + ([*usual] if split == "train" else [])
    if present := [name for name in wanted if name in names]:
        return present[0]
    if what == "pictures" and split == "train" and len(names) == 1:
        return names[0]
    raise ValueError(
        f"{where} has arrays {', '.join(map(printable, sorted(names))) or 'without names'}, none of which is called as "
        f"{what} of split {split!r} are: {', '.join(wanted)}; save it by numpy.savez(file, x=pictures, y=labels)"
    )


def _pictures(x: np.ndarray, where: str) -> np.ndarray:
    """Returns pictures as [N, H, W, C], uint8, or float32 in [-1, 1]."""
    x = x[..., None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[-1] not in MODES or not x.size:
        first = "; channels come last: transpose(0, 2, 3, 1)" if x.ndim == 4 and x.shape[1] in MODES else ""
        raise ValueError(f"{where} has pictures {x.shape}; use [N, H, W] or [N, H, W, C] of 1, 3 or 4 channels{first}")
    if x.dtype == np.uint8:
        return x
    if x.dtype == np.uint16:
        return (x >> 8).astype(np.uint8)
    if x.dtype.kind != "f":
        raise ValueError(f"{where} has pictures of {x.dtype}; save them as uint8, or floats in [-1, 1] or [0, 1]")
    low, high = float(x.min()), float(x.max())
    if not (low >= -1 and high <= 1):  # nor where one is no number
        raise ValueError(f"{where} has pictures from {low} to {high}; save them as uint8, or in [-1, 1] or [0, 1]")
    return x.astype(np.float32) if low < 0 else x.astype(np.float32) * 2 - 1


def _fitted(x: np.ndarray, wanted: Wanted) -> np.ndarray:
    """Brings pictures to the asked form; such as have it already stay as they are."""
    from PIL import Image

    channels = wanted.channels or (x.shape[-1] if x.shape[-1] in (1, 3) else 3)
    if wanted.size in (None, x.shape[1:3]) and channels == x.shape[-1]:
        return x
    if x.dtype != np.uint8:
        x = np.round((x + 1) * 127.5).astype(np.uint8)
    pictures = x[..., 0] if x.shape[-1] == 1 else x
    return np.stack([fit(Image.fromarray(picture), wanted.size, channels) for picture in pictures])


def _labels(y: np.ndarray, n: int, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns labels [N] int32, and the names of classes, where labels are names."""
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    names: tuple[str, ...] = ()
    if y.dtype.kind == "U" and y.ndim == 1:
        words, y = np.unique(y, return_inverse=True)
        names = tuple(map(printable, words.tolist()))
    if y.shape != (n,) or y.dtype.kind not in "iu":
        raise ValueError(
            f"{where} has labels of {y.dtype} {y.shape} for {n} pictures; save one whole number from 0, or one name, "
            "for each: of one-hot rows, argmax(axis=1)"
        )
    y = narrow(y, f"{where}: labels")
    check_conditions(y, n, None, f"{where}: labels")
    return y, names
