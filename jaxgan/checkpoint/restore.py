"""Reading a checkpoint back: compared, verified on the host, and only then placed on devices.

Every process reads the whole state into host memory and checks it there, so that a checkpoint of any number of devices
and processes can be verified by any other number; each device then receives its part.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from jaxgan.checkpoint import folder as folders
from jaxgan.checkpoint import manifest
from jaxgan.checkpoint.differences import differences
from jaxgan.checkpoint.manifest import DamagedError
from jaxgan.checkpoint.store import CheckpointError, Checkpoints, cause
from jaxgan.parallel import any_process, is_first, wait_for_all
from jaxgan.types import TrainState

# Of the machine, not of the checkpoint: a good one must not be put aside for them.
_PASSING = ("Permission denied", "Too many open files", "Cannot allocate memory", "Input/output error")


def restore(
    manager: Checkpoints,
    target: TrainState,
    config: Any = None,
    *,
    step: int | None = None,
    may_differ: Iterable[str] = (),
    given: Mapping[str, Any] | None = None,
) -> TrainState:
    """Restores a state into the shapes of a target, after checking that both mean the same run.

    A checkpoint that is not what was saved is never restored. Unless it was asked for by its step, it is moved to
    `quarantine/` (a read-only manager moves nothing) with a line in the log, and the newest good one is taken.

    Args:
      manager: from `open_checkpoints`.
      target: a state of the same game, abstract (`jax.eval_shape(game.init, key, batch)`) or not. Leaves without a
        sharding land on the first device.
      config: of the run that goes on, a mapping or a dataclass; None skips the comparison. A dataclass's field that the
        checkpoint does not have is no difference at its default: it has come to the code since.
      step: which checkpoint; the newest good one if None.
      may_differ: config fields that may have changed, such as the number of steps.
      given: by network, variables that are not stored (`Game.given`), as for `save`; their digests must agree.
    Returns:
      The state, bit for bit as saved.
    Raises:
      ValueError: there is no such checkpoint, or config, leaves, shapes or dtypes differ: at most ten are named.
      CheckpointError: the checkpoint, or where none was asked for all of them, cannot be read or is damaged.
    """
    folder, may_differ, whole = manager.folder, set(may_differ), target
    digests, target = manifest.without(target, given)
    have = folders.checkpoints(folder)
    wait_for_all("checkpoints listed")  # before the first process moves one
    if not have or step not in (None, *have):
        aside = sorted(path.name for path in (folder / folders.QUARANTINE).glob("*"))
        more = f"; damaged ones in {folders.QUARANTINE}/: {', '.join(aside)}" if aside else ""
        raise ValueError(f"no checkpoint{'' if step is None else f' {step}'} in {folder}; have {have[::-1]}{more}")
    damages: dict[int, str] = {}
    with _quiet() as keep_quiet:
        for candidate in have if step is None else [step]:
            arrays, damage = _read(folder / str(candidate), target, config, may_differ, digests)
            if not any_process(damage is not None):
                break
            keep_quiet()
            damages[candidate] = str(damage or "another process found it damaged")
    if step in damages:
        raise CheckpointError(f"checkpoint {step} in {folder} cannot be read: {damages[step]}")
    if damages and not (manager.read_only and len(damages) == len(have)):  # nothing moved, and an error says it all
        _put_aside(manager, damages)
    if len(damages) == len(have):
        listed = "; ".join(f"checkpoint {candidate}: {damage}" for candidate, damage in damages.items())
        where = "" if manager.read_only else f", and now in {folders.QUARANTINE}/"
        raise CheckpointError(f"all {len(damages)} checkpoints in {folder} are damaged{where}: {listed}")
    for name, variables in (given or {}).items():
        arrays |= manifest.leaves_of(name, variables)
    return _place(arrays, whole)


@contextlib.contextmanager
def _quiet() -> Iterator[Callable[[], None]]:
    """Holds back standard error, where the threads of a read that failed print hundreds of lines.

    Yields:
      What to call when a read has failed; in all other cases what was kept back is printed at the end.
    """
    kept_back, failed = io.StringIO(), []
    try:
        with contextlib.redirect_stderr(kept_back):
            yield lambda: failed.append(True)
    finally:
        if not failed:
            sys.stderr.write(kept_back.getvalue())


def _put_aside(manager: Checkpoints, damages: Mapping[int, str]) -> None:
    """Logs what is damaged, and moves it to quarantine; a reader moves nothing, since the run may be going on."""
    for step, damage in damages.items() if is_first() else ():
        done = "left out" if manager.read_only else f"now {folders.quarantine(manager.folder, step)}"
        folders.LOG.warning("checkpoint %s is damaged and %s: %s", manager.folder / str(step), done, damage)
    wait_for_all("checkpoints put aside")
    manager.reload()


def _read(
    step: Path,
    target: TrainState,
    config: Any,
    may_differ: set[str],
    given: Mapping[str, str],
) -> tuple[dict[str, np.ndarray], DamagedError | None]:
    """Returns the verified leaves by path, or what is wrong with them."""
    if (step / "about").is_dir():
        raise ValueError(f"{step} has format 1, without digests; this version reads {manifest.FORMAT}")
    try:
        page = manifest.read(step)
        if lines := differences(page.page, target, config, may_differ, given):
            raise ValueError(f"checkpoint {step.name} in {step.parent} is of another run:\n  " + "\n  ".join(lines))
        arrays = _arrays(step / "state", target)
        for path, data in arrays.items():
            manifest.verify(page, path, data)
    except DamagedError as damage:
        return {}, damage
    except (OSError, MemoryError) as error:
        raise CheckpointError(f"checkpoint {step} cannot be read: {cause(error)}") from error
    return arrays, None


def _arrays(folder: Path, target: TrainState) -> dict[str, np.ndarray]:
    """Reads the arrays into host memory, once their declared shapes are known to be the target's."""
    wanted = jax.tree.map(_stored, target)
    handler = ocp.PyTreeCheckpointHandler()
    try:
        declared = _by_path(handler.metadata(folder).tree)
        for path, leaf in _by_path(wanted).items():
            # A forged shape would be allocated before anything is read.
            if path not in declared or tuple(declared[path].shape) != leaf.shape or declared[path].dtype != leaf.dtype:
                raise DamagedError(f"leaf {path} is not stored as its manifest says")
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), wanted)
        restored = handler.restore(folder, args=ocp.args.PyTreeRestore(item=wanted, restore_args=as_numpy))
    except (DamagedError, MemoryError):
        raise
    except Exception as error:  # at least six types, bare Exception among them
        if any(sign in str(error) for sign in _PASSING):
            raise OSError(str(error)) from error
        raise DamagedError(f"{folder}: {cause(error)}") from error
    return _by_path(restored)


def _stored(leaf: Any) -> jax.ShapeDtypeStruct:
    """Returns the form of the array that stands on disk for a leaf."""
    data = jax.eval_shape(manifest.stored, leaf)
    return jax.ShapeDtypeStruct(data.shape, data.dtype)


def _by_path(tree: Any) -> dict[str, Any]:
    return {manifest.path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _place(arrays: Mapping[str, np.ndarray], target: TrainState) -> TrainState:
    """Puts every leaf where the target wants it."""
    first = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

    def place(path: Any, leaf: Any) -> jax.Array:
        data = arrays[manifest.path_name(path)]
        data = data if manifest.is_key(leaf) or leaf.size else np.zeros(leaf.shape, data.dtype)
        sharding = getattr(leaf, "sharding", None) or first
        placed = jax.make_array_from_callback(data.shape, sharding, lambda index: data[index])
        if not manifest.is_key(leaf):
            return placed
        return jax.random.wrap_key_data(placed, impl=jax.random.key_impl(jnp.empty((), leaf.dtype)))

    return jax.tree_util.tree_map_with_path(place, target)
