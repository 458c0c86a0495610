"""The folder of checkpoints: which directories are checkpoints, which are kept, and where bad ones go.

Orbax takes every directory with an integer name for a checkpoint, an empty one too. Here a checkpoint is what holds our
manifest; nothing else is listed, and so nothing else is ever deleted.
"""

from __future__ import annotations

import datetime
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxgan.checkpoint import manifest

QUARANTINE = "quarantine"  # bad checkpoints, for the user to look at and delete
TRASH = "trash"  # where Orbax puts old checkpoints by one rename: a kill leaves none half-deleted
LOG = logging.getLogger("jaxgan")  # to standard error, unless the program says otherwise
_PARTS = (manifest.ITEM, "state", "about", "_CHECKPOINT_METADATA")  # what only a checkpoint holds


class Step(NamedTuple):
    """A checkpoint, as Orbax wants it described."""

    step: int
    path: Any  # etils' epath.Path
    commit_timestamp: datetime.datetime


class Steps:
    """Orbax's name format (`orbax.checkpoint.path.step.NameFormat`): steps are what holds our manifest."""

    def build_name(self, step: int) -> str:
        """Returns the name of a step's directory."""
        return str(step)

    def find_all(self, base_path: Any) -> Iterator[Step]:
        """Returns the checkpoints, good or bad."""
        for step, path in numbered(Path(str(base_path))).items():
            if manifest.page_file(path, 0).is_file():
                modified = datetime.datetime.fromtimestamp(path.stat().st_mtime, tz=datetime.UTC)
                yield Step(step, base_path / path.name, modified)

    def find_step(self, base_path: Any, step: int) -> Step:
        """Returns one of them."""
        steps = {each.step: each for each in self.find_all(base_path)}
        if step not in steps:
            raise ValueError(f"no checkpoint {step} in {base_path}")
        return steps[step]


class Kept(NamedTuple):
    """Orbax's preservation policy: the latest, and the best by a figure of the manifest."""

    folder: Path
    latest: int
    best: str | None
    lower_is_better: bool

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        """Tells which checkpoints, in order of their steps, are kept; one yet to be written has `metrics`."""
        steps = [each.step for each in checkpoints]
        known = {each.step: each.metrics or figures(self.folder, each.step) for each in checkpoints}
        kept = {*steps[-self.latest :], *([] if self.best is None else [best(known, self.best, self.lower_is_better)])}
        return [step in kept for step in steps]


def best(figures_by_step: dict[int, dict[str, float]], figure: str, lower_is_better: bool) -> int | None:
    """Returns the step with the best figure, the earliest of equals; None where no step has it."""
    known = {step: values[figure] for step, values in figures_by_step.items() if figure in values}
    return (min if lower_is_better else max)(sorted(known), key=lambda step: known[step], default=None)


def figures(folder: Path, step: int) -> dict[str, float]:
    """Returns the figures that a checkpoint was saved with; none if its manifest cannot be read."""
    try:
        return manifest.read(folder / str(step)).page["figures"]
    except (manifest.DamagedError, ValueError, OSError):
        return {}


def numbered(folder: Path) -> dict[int, Path]:
    """Returns the directories that have the name of a step, whatever they hold."""
    if not folder.is_dir():
        return {}
    paths = [path for path in folder.iterdir() if path.name.isascii() and path.name.isdigit() and path.is_dir()]
    return {int(path.name): path for path in paths if path.name == str(int(path.name))}


def checkpoints(folder: Path) -> list[int]:
    """Returns the steps of all that is or was a checkpoint, newest first: also those that have lost their manifest."""
    return sorted((step for step, path in numbered(folder).items() if _is_ours(path)), reverse=True)


def _is_ours(path: Path) -> bool:
    return any((path / part).exists() for part in _PARTS)


def warn_of_strangers(folder: Path) -> None:
    """Logs a line that names what lies in the folder and is no checkpoint."""
    ours = {QUARANTINE, TRASH, *map(str, checkpoints(folder))}
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if strangers := [name for name in names if name not in ours and ".orbax-checkpoint-tmp" not in name]:
        more = f" and {len(strangers) - 5} more" if strangers[5:] else ""
        LOG.warning("%s: ignored, since no checkpoint: %s%s", folder, ", ".join(strangers[:5]), more)


def is_taken(path: Path) -> bool:
    """Tells whether a checkpoint cannot be written here; an empty directory is in nobody's way."""
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


def quarantine(folder: Path, step: int) -> Path:
    """Moves a bad checkpoint out of the way, so that its step can be saved again.

    Returns:
      Where it is now.
    """
    (folder / QUARANTINE).mkdir(exist_ok=True)
    names = [str(step), *(f"{step}-{k}" for k in range(2, 1000))]
    aside = next(path for path in (folder / QUARANTINE / name for name in names) if not path.exists())
    return (folder / str(step)).rename(aside)


def remove_leftovers(folder: Path, unfinished: bool = False) -> None:
    """Deletes old checkpoints that were put away, and those whose saving failed: else a full disk stays full."""
    shutil.rmtree(folder / TRASH, ignore_errors=True)
    for pause in (0.0, 0.05, 0.1, 0.2) if unfinished else ():  # threads of a failed save make their folders anew
        time.sleep(pause)
        for leftover in folder.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(leftover, ignore_errors=True)
