"""Checkpoints through Orbax: the train state, and beside it what it takes to know whose it is.

A checkpoint holds two items, written together and committed by one rename: `state`, the arrays of `TrainState`, and
`about`, a JSON page with the config, the data position and the library versions. Batches are a function of (seed,
step), so the step is the data position, and the state alone resumes a run exactly.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from jaxgan.types import TrainState

FORMAT = 1  # of the train state's fields; a reader refuses others


class CheckpointError(OSError):
    """A checkpoint could not be written or read; the message names it, and the last good one."""


def open_checkpoints(
    folder: Path, *, keep: int = 3, best: str | None = None, lower_is_better: bool = True, read_only: bool = False
) -> ocp.CheckpointManager:
    """Opens a folder of checkpoints for asynchronous saving.

    Args:
      folder: where steps are written; made if missing.
      keep: how many of the latest are kept, >= 1.
      best: a quality figure by which the best checkpoint is kept as well; None keeps the latest only.
      lower_is_better: which way that figure is better.
      read_only: write and delete nothing, to look at a run that may still be going on.
    Returns:
      The manager to give to `save`, `restore` and `close`.
    Raises:
      ValueError: keep is not positive.
      CheckpointError: the folder cannot be made.
    """
    if keep < 1:
        raise ValueError(f"open_checkpoints needs keep >= 1; got {keep}")
    kept: list[Any] = [policies.LatestN(keep)]
    if best is not None:
        kept.append(
            policies.BestN(
                get_metric_fn=lambda figures: figures[best],
                reverse=lower_is_better,
                n=1,
                keep_checkpoints_without_metrics=False,
            )
        )
    options = ocp.CheckpointManagerOptions(
        preservation_policy=policies.AnyPreservationPolicy(kept),
        best_fn=None if best is None else lambda figures: figures[best],  # else Orbax writes no figures
        best_mode="min" if lower_is_better else "max",
        cleanup_tmp_directories=not read_only,
        read_only=read_only,
        save_interval_steps=0 if read_only else 1,
        create=not read_only,
    )
    handlers = {"state": ocp.StandardCheckpointHandler(), "about": ocp.JsonCheckpointHandler()}
    try:
        return ocp.CheckpointManager(folder.absolute(), options=options, item_handlers=handlers)
    except OSError as error:
        raise CheckpointError(f"cannot write checkpoints to {folder}: {error.strerror or error}") from error


def save(
    manager: ocp.CheckpointManager,
    state: TrainState,
    config: Mapping[str, Any],
    *,
    versions: Mapping[str, str] | None = None,
    figures: Mapping[str, float] | None = None,
) -> None:
    """Saves a state under its step, in the background; an earlier save that failed is reported here.

    Args:
      manager: from `open_checkpoints`.
      state: what to save; may be donated once this returns.
      config: plain JSON values, compared on restore.
      versions: of the libraries, for the record.
      figures: quality by name, with the one that `best` names where there is one.
    Raises:
      CheckpointError: this or the save before it failed, for example on a full disk; earlier checkpoints stay good.
    """
    step = int(state.step)
    about = {
        "format": FORMAT,
        "config": _plain(config),
        "data": {"next_step": step},
        "key_implementation": str(state.key.dtype),
        "versions": dict(versions or {}),
    }
    settle(manager)
    if step in manager.all_steps():
        return
    items = ocp.args.Composite(state=ocp.args.StandardSave(state), about=ocp.args.JsonSave(about))
    with _explained(manager, f"checkpoint {step} was not saved"):
        manager.save(step, args=items, metrics=dict(figures) if figures else None, force=True)


def settle(manager: ocp.CheckpointManager) -> None:
    """Waits for the save under way.

    Raises:
      CheckpointError: it failed; its leftovers are removed and earlier checkpoints stay good.
    """
    with _explained(manager, "the last checkpoint was not saved"):
        manager.wait_until_finished()
        manager.check_for_errors()


def restore(
    manager: ocp.CheckpointManager,
    target: TrainState,
    config: Mapping[str, Any] | None = None,
    *,
    step: int | None = None,
    may_differ: Iterable[str] = (),
) -> TrainState:
    """Restores a state into the shapes of a target, after checking that both mean the same run.

    Args:
      manager: from `open_checkpoints`.
      target: a state of the same game, abstract (`jax.eval_shape(game.init, key, batch)`) or not. Leaves without a
        sharding land on the first device.
      config: of the run that goes on; None skips the comparison.
      step: which checkpoint; the latest if None.
      may_differ: config fields that may have changed, such as the number of steps.
    Returns:
      The state, bit for bit as saved.
    Raises:
      ValueError: there is no such checkpoint, or config, leaves, shapes or dtypes differ: at most ten are named.
      CheckpointError: the checkpoint cannot be read.
    """
    have = sorted(manager.all_steps())
    step = have[-1] if step is None and have else step
    if step not in have:
        raise ValueError(f"no checkpoint{'' if step is None else f' {step}'} in {manager.directory}; have {have}")
    with _explained(manager, f"checkpoint {step} cannot be read"):
        about = manager.restore(step, args=ocp.args.Composite(about=ocp.args.JsonRestore()))["about"]
        saved = manager.item_metadata(step)["state"]
    if about["format"] != FORMAT:
        raise ValueError(f"checkpoint {step} has format {about['format']}; this version reads {FORMAT}")
    differences = [] if config is None else _config_differences(about["config"], _plain(config), set(may_differ))
    if about["key_implementation"] != str(target.key.dtype):
        differences.append(f"key: checkpoint {about['key_implementation']}, now {target.key.dtype}")
    differences += _leaf_differences(saved, target)
    if differences:
        listed = "\n  ".join(differences[:9] + ([f"... and {len(differences) - 9} more"] if differences[9:] else []))
        raise ValueError(f"checkpoint {step} in {manager.directory} is of another run:\n  {listed}")
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=getattr(x, "sharding", None) or device), target
    )
    with _explained(manager, f"checkpoint {step} cannot be read"):
        restored = manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract)))
    return restored["state"]


def best_step(manager: ocp.CheckpointManager, figure: str, lower_is_better: bool = True) -> int | None:
    """Returns the kept step with the best figure; None where no kept checkpoint has it."""
    figures = {step: (manager.metrics(step) or {}).get(figure) for step in manager.all_steps()}
    known = {step: value for step, value in figures.items() if value is not None}
    return (min if lower_is_better else max)(known, key=lambda step: known[step], default=None)


def config_of(manager: ocp.CheckpointManager, step: int) -> dict[str, Any]:
    """Returns the config that a checkpoint was saved with."""
    with _explained(manager, f"checkpoint {step} cannot be read"):
        return manager.restore(step, args=ocp.args.Composite(about=ocp.args.JsonRestore()))["about"]["config"]


@contextlib.contextmanager
def _explained(manager: ocp.CheckpointManager, what: str) -> Any:
    """Turns the many exceptions of a failed save or read into one that says what is lost and what is not."""
    try:
        yield
    except (CheckpointError, KeyboardInterrupt):
        raise
    except Exception as error:  # TensorStore raises ValueError, OSError and bare Exception alike
        for leftover in Path(str(manager.directory)).glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(leftover, ignore_errors=True)  # else a full disk stays full
        manager.reload()
        have = sorted(manager.all_steps())
        good = f"the last good checkpoint is step {have[-1]}" if have else "there is no earlier checkpoint"
        reason = str(error).splitlines()[0][:200]
        raise CheckpointError(f"{what} in {manager.directory}: {_cause(str(error)) or reason}; {good}") from error


def _cause(message: str) -> str:
    known = {
        "No space left": "the disk is full",
        "File too large": "the file size limit is reached",
        "Disk quota": "the disk quota is reached",
        "Permission denied": "permission denied",
        "Read-only": "the file system is read-only",
    }
    return next((plain for sign, plain in known.items() if sign in message), "")


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the config as JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(dict(config)))


def _config_differences(saved: Mapping[str, Any], now: Mapping[str, Any], may_differ: set[str]) -> list[str]:
    return [
        f"config {field}: checkpoint {saved.get(field)!r}, now {now.get(field)!r}"
        for field in sorted(set(saved) | set(now))
        if field not in may_differ and saved.get(field) != now.get(field)
    ]


def _leaf_differences(saved: Any, target: TrainState) -> list[str]:
    """Compares leaves by path, shape and dtype; Orbax would name no leaf, and cast float32 to bfloat16 in silence."""
    old, new = _leaves(saved), _leaves(target)
    return [
        f"{path}: checkpoint {old.get(path, 'has none')}, model {new.get(path, 'has none')}"
        for path in sorted(set(old) | set(new), key=lambda path: (not path.startswith("params/"), path))
        if old.get(path) != new.get(path)
    ]


def _leaves(tree: Any) -> dict[str, str]:
    leaves = jax.tree_util.tree_leaves_with_path(getattr(tree, "tree", tree))
    return {
        "/".join(_name(entry) for entry in path): f"{tuple(_data(leaf).shape)} {_data(leaf).dtype}"
        for path, leaf in leaves
    }


def _name(entry: Any) -> str:
    return str(next(getattr(entry, a) for a in ("name", "key", "idx") if hasattr(entry, a)))


def _data(leaf: Any) -> Any:
    """Returns the array that stands on disk for a leaf: a typed key is written as its data."""
    return jax.eval_shape(jax.random.key_data, leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
