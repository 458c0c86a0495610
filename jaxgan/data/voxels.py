"""Volumes of voxels of one's own: a folder of NumPy files, or one file of many."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from jaxgan.data.source import Draw, Examples, Source, digest_of


def voxels(path: str | os.PathLike[str], labels: bool = False) -> Source:
    """Volumes from `.npy` files: one of each file below a folder, or all of one file.

    Values are occupancies: False and True, or 0 to 1 of any type, and become 2 occupancy - 1. They stay in memory in
    their own type. Files come in the order of relative paths; hidden ones (.name) are left out.

    Args:
      path: a folder, searched recursively for files of one volume [D, H, W] or [D, H, W, C] each; or one file
        [N, D, H, W] or [N, D, H, W, C].
      labels: take the first subfolder's name as the class, numbered in sorted order; of a folder alone.
    Returns:
      Source of "x" [n, D, H, W, C] float32 in [-1, 1], and, if labelled, "y" [n] int32; `Source.names` says what the
      classes are. C is 1 where the files do not say.
    Raises:
      ValueError: there is no such place or no `.npy` file in it, or, by its name, a file that cannot be read, has
        another rank or other sides than the first, or values that are no occupancies; labels that are not there.
    """
    root = Path(path)
    if root.is_dir():
        files = sorted(
            file.relative_to(root).as_posix()
            for file in root.rglob("*.npy")
            if not any(part.startswith(".") for part in file.relative_to(root).parts)
        )
        if not files:
            raise ValueError(f"voxels: {root} has no .npy file; save each volume by numpy.save")
        volumes = np.stack(_alike(root, files))
    elif root.is_file():
        if labels:
            raise ValueError(f"voxels: labels=True takes a folder with a subfolder of each class; {root} is one file")
        files, volumes = [], _read(root, ranks=(4, 5), form="[N, D, H, W] or [N, D, H, W, C]")
    else:
        raise ValueError(f"voxels: {root} does not exist")
    volumes = volumes[..., None] if volumes.ndim == 4 else volumes
    y, names = _classes(root, files) if labels else (np.empty(0, np.int32), ())

    def read(draw: Draw) -> Examples:
        x = volumes[draw.index].astype(np.float32) * 2 - 1
        return {"x": x, "y": y[draw.index]} if labels else {"x": x}

    return Source(
        f"voxels:{root.name}",
        len(volumes),
        read,
        len(names),
        names=names,
        counts=tuple(np.bincount(y, minlength=len(names)).tolist()) if labels else (),
        digest=lambda: digest_of(volumes, y, *names),
        files=tuple(files),
    )


def _alike(root: Path, files: list[str]) -> list[np.ndarray]:
    """Returns the volumes of files, all of one shape."""
    volumes = [_read(root / file, ranks=(3, 4), form="[D, H, W] or [D, H, W, C]") for file in files]
    for file, volume in zip(files, volumes, strict=True):
        if volume.shape != volumes[0].shape:
            raise ValueError(
                f"voxels: {root / file} has shape {volume.shape}, where {files[0]} has {volumes[0].shape}; all need "
                "one shape: pad or crop them"
            )
    return volumes


def _read(file: Path, ranks: tuple[int, ...], form: str) -> np.ndarray:
    """Returns an array of occupancies."""
    try:
        volume = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"voxels: {file} cannot be read as a .npy array: {error}") from error
    if not isinstance(volume, np.ndarray) or volume.ndim not in ranks or not volume.size:
        shape = getattr(volume, "shape", type(volume).__name__)
        raise ValueError(f"voxels: {file} has shape {shape}; expected {form}, not empty")
    if volume.dtype.kind not in "biuf":
        raise ValueError(f"voxels: {file} is {volume.dtype}; expected booleans or numbers")
    low, high = volume.min(), volume.max()
    if not (np.isfinite(low) and np.isfinite(high) and low >= 0 and high <= 1):
        raise ValueError(f"voxels: {file} has values from {low} to {high}; expected occupancies in [0, 1]: scale them")
    return volume


def _classes(root: Path, files: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns the label of each file, and the names of the classes: its first subfolders."""
    if lone := [file for file in files if "/" not in file]:
        raise ValueError(f"voxels: {root / lone[0]} lies in no subfolder, and so has no class; move it into one")
    names = sorted({file.split("/")[0] for file in files})
    return np.array([names.index(file.split("/")[0]) for file in files], np.int32), tuple(names)
