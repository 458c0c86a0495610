"""Two folders of pictures, of which those of one name belong together."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Unpack

import numpy as np

from jaxgan.data.combined import paired
from jaxgan.data.pictures import Limits, folder
from jaxgan.data.pixels import Size
from jaxgan.data.source import Source
from jaxgan.data.stores import named
from jaxgan.data.subsets import subset


def folder_pairs(
    path: str | os.PathLike[str],
    names: Mapping[str, str] | None = None,
    *,
    size: Size | Mapping[str, Size] = 32,
    channels: int | Mapping[str, int] = 3,
    flip: bool = False,
    on_unpaired: str = "error",
    **limits: Unpack[Limits],
) -> Source:
    """Pictures of two folders by pairs: `A/cat/1.png` belongs to `B/cat/1.jpg`.

    Args:
      path: the folder that holds both.
      names: entry of the batch -> its folder below `path`; None: {"a": "A", "b": "B"}.
      size: as `folder` takes it; of all, or by entry.
      channels: 1, 3 or 4; of all, or by entry.
      flip: mirror about half of the pairs, both pictures of a pair alike.
      on_unpaired: "error" refuses pictures without a partner, "skip" warns and goes on without them.
      **limits: memory, max_corrupt, as `folder` takes them: a picture that cannot be read leaves its partner alone.
    Returns:
      Source of {"a": [n, H, W, C], "b": [n, H, W, C]} float32 in [-1, 1], in the order of names without suffix.
    Raises:
      ValueError: as `folder`; pictures without a partner (which) that are to be refused, no pair at all, two pictures
        of one folder whose names differ in their suffix alone, or an entry without size or channels.
    Warns:
      UserWarning: how many pictures were left out, and which.
    """
    if on_unpaired not in ("error", "skip"):
        raise ValueError(f"on_unpaired is {on_unpaired!r}; use 'error' or 'skip'")
    entries = dict(names or {"a": "A", "b": "B"})
    sizes, depths = ({e: _setting(n, v, e) for e in entries} for n, v in (("size", size), ("channels", channels)))
    every = {e: folder(Path(path) / place, sizes[e], depths[e], flip, **limits) for e, place in entries.items()}
    stems = {entry: _stems(f"{path}/{entries[entry]}", source) for entry, source in every.items()}
    common = set.intersection(*(set(known) for known in stems.values()))
    alone = [f"{entries[e]}/{every[e].files[k]}" for e in stems for stem, k in stems[e].items() if stem not in common]
    if not common:
        raise ValueError(f"{path} has no pairs: no two names agree; it has {named(alone)}")
    if alone:
        complaint = f"{path} has {len(alone)} pictures without a partner of their name: {named(alone)}"
        if on_unpaired == "error":
            raise ValueError(f"{complaint}; mend or remove them, or leave them out by on_unpaired='skip'")
        warnings.warn(f"{complaint}; skipped", stacklevel=2)
    return paired(
        **{e: subset(source, np.array([stems[e][stem] for stem in sorted(common)])) for e, source in every.items()}
    )


def _setting(name: str, value: Any, entry: str) -> Any:
    """Returns a setting of an entry: its own, or that of all."""
    if not isinstance(value, Mapping):
        return value
    if entry not in value:
        raise ValueError(f"folder_pairs has no {name} for entry {entry!r}; got {dict(value)}")
    return value[entry]


def _stems(path: str, source: Source) -> dict[str, int]:
    """Returns the number of each picture by its name without suffix."""
    stems = [str(PurePosixPath(file).with_suffix("")) for file in source.files]
    if twice := [stem for stem, count in Counter(stems).items() if count > 1]:
        raise ValueError(f"{path} has several pictures of one name: {named(twice)}; keep the one that is meant")
    return {stem: number for number, stem in enumerate(stems)}
