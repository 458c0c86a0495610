"""Where pictures lie, as a folder or a zip: what reads pictures asks for their names and bytes, and for no more."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from jaxgan.data.labels import Labels
from jaxgan.data.pixels import SUFFIXES

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
SHOWN = 5  # files that a message names


class Store(NamedTuple):
    """Pictures by name, wherever they are."""

    name: str  # of the source that reads them
    where: str  # what messages call the place
    files: list[str]  # names of the pictures, sorted: relative paths with forward slashes
    others: list[str]  # what may be meant as pictures and is not read
    open: Callable[[str], IO[bytes]]  # name -> its bytes; raises on what cannot be read
    labels: Callable[[Sequence[str]], Labels] | None = None  # names of pictures -> what they are; None: not asked


def on_disk(root: Path) -> Store:
    """Finds the pictures below a folder.

    Raises:
      ValueError: there is no such folder, it cannot be read, or it holds no pictures.
    """
    files, others = _find(root)
    where = f"folder {printable(str(root))}"
    return Store(f"folder:{printable(root.name)}", where, files, others, lambda file: _open(root / file))


def sha256(store: Store, file: str) -> str:
    """Hashes a picture's bytes, in hexadecimal."""
    with store.open(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # IO[bytes] it is


def named(items: Sequence[str]) -> str:
    """Names the first few of many, and says how many more there are."""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(map(printable, items[:SHOWN])) + more


def printable(file: str) -> str:
    """Returns a name that any terminal and log takes: bytes of it that are no UTF-8 are written as such."""
    return file.encode(errors="surrogateescape").decode(errors="backslashreplace")


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
        left = f"; not read: {named(sorted(others))}" if others else ""
        raise ValueError(f"folder {root} has no pictures; looked for {', '.join(SUFFIXES)}{left}")
    return sorted(files), sorted(others)


def _leads_back(root: Path, place: Path) -> bool:
    """Tells whether a folder is a link to one that holds it, which would be walked in circles."""
    if not place.is_symlink():
        return False
    target, above = place.resolve(), [place.parent, *place.parent.parents]
    return any(each.resolve().is_relative_to(target) for each in above if each.is_relative_to(root))


def _open(file: Path) -> IO[bytes]:
    if not file.is_file():
        raise ValueError("no regular file, or a link to nothing")  # a pipe would be waited for
    return file.open("rb")
