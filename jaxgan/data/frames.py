"""Clips of one's own: folders of numbered pictures, and animated GIFs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from jaxgan.data.memory import from_uint8
from jaxgan.data.pixels import SUFFIXES, Size, fit, form
from jaxgan.data.source import Draw, Examples, Source, digest_of


def frames(
    path: str | os.PathLike[str], count: int = 5, size: Size = 32, channels: int = 1, *, apart: int = 1
) -> Source:
    """Every run of some frames of the sequences below a folder.

    A sequence is a folder with pictures, in the order of their names (numbers in names by their value: `2.png` comes
    before `10.png`), or an animated GIF. All are decoded at once, here, and kept as bytes.

    Args:
      path: the folder, searched recursively; hidden files and folders (.name) are left out.
      count: frames of a clip, >= 2.
      size: as `folder` takes it: frames are centre-cropped and resized to it.
      channels: 1 (grey) or 3 (RGB).
      apart: of a clip's frames, every how many of the sequence's; >= 1.
    Returns:
      Source of "x" [n, count, H, W, channels] float32 in [-1, 1]: a clip for each frame that one can begin with, those
      of one sequence after another; `Source.files` names the sequence of each.
    Raises:
      ValueError: no such folder, no sequence in it, one that is too short for a clip (its name and length), a file that
        cannot be read (its name), or an argument out of range.
    """
    root, sides = Path(path), form(size, channels)
    if count < 2 or apart < 1 or sides is None:
        raise ValueError(f"frames needs count >= 2, apart >= 1 and a size; got {count}, {apart} and {size}")
    if not root.is_dir():
        raise ValueError(f"frames: {root} {'is not a folder' if root.exists() else 'does not exist'}")
    sequences = _sequences(root)
    if not sequences:
        raise ValueError(f"frames: {root} has no sequence: neither a folder of pictures nor an animated GIF")
    span = (count - 1) * apart + 1
    parts: list[np.ndarray] = []
    starts: list[int] = []
    names: list[str] = []
    for name, files in sequences.items():
        pixels = np.stack([picture for file in files for picture in _decoded(root / file, sides, channels)])
        if len(pixels) < span:
            raise ValueError(
                f"frames: {root / name} has {len(pixels)} frames, where a clip of {count}, {apart} apart, needs "
                f"{span}; ask for fewer, or take it out"
            )
        first = sum(len(part) for part in parts)
        starts += range(first, first + len(pixels) - span + 1)
        names += [name] * (len(pixels) - span + 1)
        parts.append(pixels)
    whole, begin = np.concatenate(parts), np.array(starts)

    def read(draw: Draw) -> Examples:
        return {"x": from_uint8(whole[begin[draw.index][:, None] + apart * np.arange(count)])}

    digest = digest_of(whole, begin, str(apart))
    return Source(f"frames:{root.name}", len(begin), read, digest=lambda: digest, files=tuple(names))


def _sequences(root: Path) -> dict[str, list[str]]:
    """Returns the files of each sequence, by its name: a folder of pictures, or an animated GIF."""
    sequences: dict[str, list[str]] = {}
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        for name in sorted((name for name in names if name[0] != "."), key=_by_numbers):
            file = Path(place, name)
            kind, relative = file.suffix.lower(), file.relative_to(root).as_posix()
            if kind == ".gif" and _moves(file):
                sequences[relative] = [relative]
            elif kind in SUFFIXES:
                sequences.setdefault(Path(place).relative_to(root).as_posix(), []).append(relative)
    return sequences


def _by_numbers(name: str) -> list[tuple[int, str]]:
    """Returns what names are sorted by: digits as numbers, other signs as they are."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _moves(file: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(file) as image:
            return getattr(image, "n_frames", 1) > 1
    except OSError as error:
        raise ValueError(f"frames: {file} cannot be read: {error}") from error


def _decoded(file: Path, sides: tuple[int, int], channels: int) -> list[np.ndarray]:
    """Returns all frames of a file, [H, W, channels] uint8 each."""
    from PIL import Image, ImageSequence

    try:
        with Image.open(file) as image:
            return [fit(frame.copy(), sides, channels) for frame in ImageSequence.Iterator(image)]
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise ValueError(f"frames: {file} cannot be read: {error}; mend it or take it out") from error
