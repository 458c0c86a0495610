"""Pictures in a zip file, each read into memory when it is asked for. Nothing is ever written to disk.

A zip from a stranger may lie: in names that lead elsewhere, in links, in sizes. So names are names and no paths, links
are not followed, and no more is unpacked of a member than it declares, which is limited.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

from jaxgan.data.pixels import SUFFIXES
from jaxgan.data.stores import OTHERS, Store, named, printable

MAX_MEMBER = 2**28  # bytes of one picture, unpacked
SMALL = 2**30  # bytes that all members together may always have, unpacked
RATIO = 100  # and beyond that, at most so many for each byte of the file: pictures hardly shrink
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of others a few bytes may be unpacked to any number at once


def is_zip(path: Path) -> bool:
    """Tells whether a path is a zip file, or called one."""
    return path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path))


def in_zip(path: Path) -> Store:
    """Finds the pictures in a zip file.

    Names are what they are in a folder: hidden ones are left out, and where all lie in one folder that has further
    ones, as when that folder was zipped, its name is left out. So a folder and a zip of it have one digest.

    Args:
      path: the file.
    Returns:
      Store; a member that is a link, encrypted, packed in an unusual way or larger than MAX_MEMBER is unreadable.
    Raises:
      ValueError: it is no zip file or has no pictures, two members have one name, a name leads out of the zip, or all
        together are beyond what pictures come to: a bomb.
    """
    where = f"zip {printable(str(path))}"
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ValueError(f"{where} cannot be read: {error}") from error
    members = _members(archive, where)
    check_sizes(archive.infolist(), path)
    prefix = _common_folder([name for name in members if _is(name, SUFFIXES)])
    inside = {name.removeprefix(prefix): info for name, info in members.items()}
    files = sorted(name for name in inside if _is(name, SUFFIXES))
    others = sorted(name for name, info in inside.items() if _is(name, OTHERS) or (name not in files and _link(info)))
    if not files:
        left = f"; not read: {named(others)}" if others else ""
        raise ValueError(f"{where} has no pictures; looked for {', '.join(SUFFIXES)}{left}")
    name = f"zip:{printable(path.name)}"
    return Store(name, where, files, others, lambda file: io.BytesIO(_read(archive, inside[file])))


def check_sizes(members: Sequence[zipfile.ZipInfo], path: Path) -> None:
    """Refuses a zip file whose members declare far more than it could hold of pictures.

    Args:
      members: of the zip file.
      path: the file.
    Raises:
      ValueError: more than SMALL bytes, and more than RATIO times the file.
    """
    declared, size = sum(member.file_size for member in members), os.path.getsize(path)
    if declared > max(SMALL, RATIO * size):
        raise ValueError(
            f"zip {printable(str(path))} of {size} bytes declares {declared} unpacked, as a bomb does; if it is what "
            "you made, unpack it and name the folder"
        )


def _members(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    """Returns the files of the zip by name, without hidden ones."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.replace("\\", "/").removeprefix("./")  # some programs write paths as Windows does
        parts = name.rstrip("/").split("/")
        if name.startswith("/") or ".." in parts or parts[0].endswith(":"):
            raise ValueError(f"{where} has a member that leads out of it, {printable(name)!r}; make the zip anew")
        if info.is_dir() or name.endswith("/") or any(part.startswith(".") for part in parts):
            continue
        if name in members:
            raise ValueError(f"{where} has two members of the name {printable(name)!r}; make the zip anew")
        members[name] = info
    return members


def _common_folder(names: Sequence[str]) -> str:
    """Returns the folder, with its slash, that holds all names and further folders; "" where there is none."""
    tops = {name.split("/")[0] for name in names}
    zipped = len(tops) == 1 and any(name.count("/") > 1 for name in names)
    return f"{tops.pop()}/" if zipped else ""


def _is(name: str, suffixes: Sequence[str]) -> bool:
    return os.path.splitext(name)[1].lower() in suffixes


def _link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Unpacks a member, and no more of it than it declares."""
    if _link(info):
        raise ValueError("a link, which is not followed in a zip")
    if info.flag_bits & 1:
        raise ValueError("encrypted; unpack it with its password and name the folder")
    if info.compress_type not in METHODS:
        raise ValueError(f"packed by method {info.compress_type}; zip it by deflate, as is usual")
    if info.file_size > MAX_MEMBER:
        raise ValueError(f"{info.file_size} bytes unpacked, more than {MAX_MEMBER}")
    with archive.open(info) as stream:
        # The number matters: without it zlib may unpack 2 GiB at once, whatever size the member declares.
        data = stream.read(info.file_size)
    if len(data) != info.file_size:
        raise ValueError(f"{len(data)} bytes, where {info.file_size} are declared")
    return data
