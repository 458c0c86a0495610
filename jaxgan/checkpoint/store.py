"""Opening a folder of checkpoints, and saving into it while training goes on."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from jaxgan.checkpoint import folder as folders
from jaxgan.checkpoint import manifest
from jaxgan.parallel import is_first
from jaxgan.types import TrainState

FULL = 2**20  # bytes: a disk with less room is full


class CheckpointError(OSError):
    """A checkpoint could not be written or read; the message names it, and the last good one."""


class Checkpoints(ocp.CheckpointManager):
    """Orbax's manager, which remembers whether it may write."""

    def __init__(self, folder: Path, options: ocp.CheckpointManagerOptions) -> None:
        handlers = {"state": ocp.StandardCheckpointHandler(), manifest.ITEM: manifest.ManifestHandler()}
        super().__init__(folder, options=options, item_handlers=handlers)
        self.folder = folder
        self.read_only = options.read_only

    def close(self) -> None:
        """Waits for the save under way and closes.

        Raises:
          CheckpointError: that save failed.
        """
        with explained(self, "the last checkpoint was not saved"):
            super().close()


def open_checkpoints(
    folder: Path, *, keep: int = 3, best: str | None = None, lower_is_better: bool = True, read_only: bool = False
) -> Checkpoints:
    """Opens a folder of checkpoints for asynchronous saving.

    What lies there and is no checkpoint is named in a warning, and never listed or deleted.

    Args:
      folder: where steps are written; made if missing.
      keep: how many of the latest are kept, >= 1.
      best: a quality figure by which the best checkpoint is kept as well; None keeps the latest only.
      lower_is_better: which way that figure is better.
      read_only: write, rename and delete nothing, to look at a run that may still be going on.
    Returns:
      The manager to give to `save`, `restore` and `close`.
    Raises:
      ValueError: keep is not positive.
      CheckpointError: the folder cannot be made.
    """
    if keep < 1:
        raise ValueError(f"open_checkpoints needs keep >= 1; got {keep}")
    folder = folder.absolute()
    options = ocp.CheckpointManagerOptions(
        step_name_format=folders.Steps(),
        preservation_policy=folders.Kept(folder, keep, best, lower_is_better),
        todelete_subdir=None if read_only else folders.TRASH,
        cleanup_tmp_directories=not read_only,
        read_only=read_only,
        save_interval_steps=0 if read_only else 1,
        create=not read_only,
        lightweight_initialize=True,  # what else Orbax knows of a step is in the manifest
    )
    try:
        manager = Checkpoints(folder, options)
        if is_first():
            if not read_only:
                folders.remove_leftovers(folder)
            folders.warn_of_strangers(folder)
    except OSError as error:
        raise CheckpointError(f"cannot write checkpoints to {folder}: {error.strerror or error}") from error
    return manager


def save(
    manager: Checkpoints,
    state: TrainState,
    config: Mapping[str, Any],
    *,
    versions: Mapping[str, str] | None = None,
    figures: Mapping[str, float] | None = None,
    given: Mapping[str, Any] | None = None,
) -> None:
    """Saves a state under its step, in the background; an earlier save that failed is reported here.

    A step that is saved already stays as it is.

    Args:
      manager: from `open_checkpoints`.
      state: what to save; may be donated once this returns.
      config: plain JSON values, compared on restore.
      versions: of the libraries, for the record; JAX's and Orbax's if None.
      figures: quality by name, with the one that `best` names where there is one.
      given: by network, variables that are known without the checkpoint (`Game.given`: frozen pretrained networks);
        their digest is stored instead.
    Raises:
      CheckpointError: this or the save before it failed, for example on a full disk; earlier checkpoints stay good.
    """
    wait(manager)
    digests, state = manifest.without(state, given)
    page = manifest.describe(state, config, versions, figures) | {"given": digests}
    step = page["data"]["next_step"]
    if step in manager.all_steps():
        return
    if folders.is_taken(manager.folder / str(step)):  # Orbax would delete it
        raise CheckpointError(f"checkpoint {step} was not saved: {manager.folder / str(step)} is something else")
    arrays = jax.tree.map(manifest.stored, state)
    items = ocp.args.Composite(
        state=ocp.args.StandardSave(arrays), manifest=manifest.ManifestSave(page, manifest.copies(arrays))
    )
    with explained(manager, f"checkpoint {step} was not saved"):
        manager.save(step, args=items, metrics=page["figures"], force=True)


def wait(manager: Checkpoints) -> None:
    """Waits for the save under way.

    Raises:
      CheckpointError: it failed; its leftovers are removed and earlier checkpoints stay good.
    """
    with explained(manager, "the last checkpoint was not saved"):
        manager.wait_until_finished()
        manager.check_for_errors()
        if is_first() and not manager.read_only:
            folders.remove_leftovers(manager.folder)


def best_step(manager: Checkpoints, figure: str, lower_is_better: bool = True) -> int | None:
    """Returns the kept step with the best figure; None where no kept checkpoint has it."""
    figures = {step: folders.figures(manager.folder, step) for step in manager.all_steps()}
    return folders.best(figures, figure, lower_is_better)


def config_of(manager: Checkpoints, step: int) -> dict[str, Any]:
    """Returns the config that a checkpoint was saved with.

    Raises:
      CheckpointError: its manifest cannot be read.
    """
    try:
        return manifest.read(manager.folder / str(step)).page["config"]
    except (manifest.DamagedError, OSError) as error:
        raise CheckpointError(f"checkpoint {step} in {manager.folder} cannot be read: {error}") from error


@contextlib.contextmanager
def explained(manager: Checkpoints, what: str) -> Iterator[None]:
    """Turns the many exceptions of a failed save into one that says what is lost and what is not."""
    try:
        yield
    except (CheckpointError, KeyboardInterrupt):
        raise
    except Exception as error:  # TensorStore raises ValueError, OSError and bare Exception alike
        why = cause(error)
        if "No such file" in why and shutil.disk_usage(manager.folder).free < FULL:
            why = "the disk is full"  # one thread met that, and removed what another was still writing
        folders.remove_leftovers(manager.folder, unfinished=True)
        manager.reload()
        have = sorted(manager.all_steps())
        good = f"the last good checkpoint is step {have[-1]}" if have else "there is no earlier checkpoint"
        raise CheckpointError(f"{what} in {manager.folder}: {why}; {good}") from error


def cause(error: Exception) -> str:
    """Returns one short line for what a library says in many."""
    known = {
        "No space left": "the disk is full",
        "File too large": "the file size limit is reached",
        "Disk quota": "the disk quota is reached",
        "Permission denied": "permission denied",
        "Read-only": "the file system is read-only",
    }
    message = str(error) or type(error).__name__
    return next((plain for sign, plain in known.items() if sign in message), message.splitlines()[0][:200])
