"""A folder of recordings as a source: each use of one cuts a piece out of it, at a place of its own."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.data.labels import Labels, from_subfolders
from jaxgan.data.source import Draw, Examples, Source, digest_of, uniform
from jaxgan.types import name_index

SUFFIXES = (".wav", ".flac", ".aif", ".aiff")
SHOWN = 5  # files that a message names


class _Recording(NamedTuple):
    """What a file's header says."""

    file: str  # relative path
    rate: int  # samples a second
    channels: int
    length: int  # samples of each channel


def sounds(
    path: str | os.PathLike[str],
    rate: int,
    length: int,
    *,
    channels: int = 1,
    labels: bool = False,
    short: str = "error",
) -> Source:
    """Every WAV, FLAC or AIFF file below a folder, in the order of relative paths, in pieces of one length.

    All files are opened here, and read a piece at a time as they are used: a longer recording is cut at a place that
    each use draws anew. Nothing is resampled or mixed. Hidden files and folders (.name) are left out.

    Args:
      path: the folder, searched recursively.
      rate: samples a second, which all files must have.
      length: samples of a piece, >= 1.
      channels: which all files must have; 1: mono.
      labels: take the first subfolder's name as the class, numbered in sorted order.
      short: what is done with recordings shorter than a piece: "error" refuses them, "pad" adds silence behind.
    Returns:
      Source of "x" [n, length, channels] float32 in [-1, 1] and, if labelled, "y" [n] int32.
    Raises:
      ImportError: soundfile is not installed.
      ValueError: no such folder, or none of these files in it; a file that cannot be read, or of another rate, of other
        channels or too short, with what it has and what is asked for; a bad argument; when examples are read, a file
        that has changed.
    """
    if length < 1 or rate < 1 or channels < 1 or short not in ("error", "pad"):
        raise ValueError(
            "sounds needs rate, length and channels >= 1 and short='error' or 'pad'; got "
            f"{rate}, {length}, {channels} and {short!r}"
        )
    root = Path(path)
    recordings = [_opened(root, file) for file in _files(root)]
    _check(root, recordings, rate, channels, 1 if short == "pad" else length)
    files = [each.file for each in recordings]
    known = from_subfolders(f"folder {root}", files) if labels else None
    y, classes, names = known or Labels(np.empty(0), 0, ())
    key = name_index("sounds")

    def read(draw: Draw) -> Examples:
        index = np.asarray(draw.index)
        where = uniform((draw.seed + key) % 2**32, draw.position)
        x = np.stack([_piece(root, recordings[k], length, u) for k, u in zip(index, where, strict=True)])
        return {"x": x} | ({"y": y[index]} if known else {})

    return Source(
        f"sounds:{root.name}",
        len(files),
        read,
        classes,
        names=names,
        counts=tuple(np.bincount(y, minlength=classes).tolist()) if classes else (),
        digest=lambda: digest_of(*(part for file in files for part in (file, _hash(root / file))), rate, length, y),
        files=tuple(files),
    )


def _soundfile() -> Any:
    try:
        import soundfile
    except ImportError as error:
        raise ImportError("recordings are read by soundfile: pip install 'jaxgan[sound]'") from error
    return soundfile


def _files(root: Path) -> list[str]:
    """Returns the relative paths of all recordings, sorted, with forward slashes."""
    if not root.is_dir():
        raise ValueError(f"folder {root} {'is not a folder' if root.exists() else 'does not exist'}")
    paths = [path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in SUFFIXES]
    files = sorted(path.as_posix() for path in paths if not any(part[0] == "." for part in path.parts))
    if not files:
        raise ValueError(f"folder {root} has no recordings; looked for {', '.join(SUFFIXES)}")
    return files


def _opened(root: Path, file: str) -> _Recording:
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(root / file) as opened:
            return _Recording(file, opened.samplerate, opened.channels, opened.frames)
    except (RuntimeError, OSError) as error:  # soundfile's own are RuntimeErrors
        raise ValueError(f"folder {root}: {file} cannot be read ({error}); mend or remove it") from error


def _check(root: Path, recordings: list[_Recording], rate: int, channels: int, length: int) -> None:
    """Raises where recordings are not what is asked for: all that are not, by what they are."""
    for name, asked, remedy in (("rate", rate, "resample"), ("channels", channels, "mix")):
        wrong = [each for each in recordings if getattr(each, name) != asked]
        if wrong:
            has = f"{wrong[0].file}{_more(wrong)} has {name}={getattr(wrong[0], name)}"
            raise ValueError(
                f"folder {root}: {has}, where {name}={asked} is asked for: {remedy} it, or pass the {name} of all files"
            )
    if brief := [each for each in recordings if each.length < length]:
        least = min(each.length for each in brief)
        raise ValueError(
            f"folder {root}: {len(brief)} of {len(recordings)} recordings are shorter than length={length}, the first "
            f"{brief[0].file} with {brief[0].length} samples; use length <= {least}, leave them out, or pad them with "
            "silence by short='pad'"
        )


def _more(items: list[_Recording]) -> str:
    return f" (and {len(items) - 1} more)" if len(items) > 1 else ""


def _piece(root: Path, recording: _Recording, length: int, u: float) -> np.ndarray:
    """Reads a piece [length, channels] from the place that u in [0, 1) chooses."""
    soundfile = _soundfile()
    start = int(u * (max(recording.length - length, 0) + 1))
    try:
        piece, rate = soundfile.read(
            root / recording.file, frames=length, start=start, dtype="float32", always_2d=True, fill_value=0.0
        )
    except (RuntimeError, OSError) as error:
        raise ValueError(f"folder {root}: {recording.file} cannot be read any more ({error})") from error
    if piece.shape != (length, recording.channels) or rate != recording.rate or not np.all(np.isfinite(piece)):
        raise ValueError(f"folder {root}: {recording.file} has changed meanwhile, or holds values that are not finite")
    return np.clip(piece, -1, 1)


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
