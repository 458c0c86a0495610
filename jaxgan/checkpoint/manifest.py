"""What a checkpoint says of itself: whose it is, and the digest of every byte of every leaf.

Orbax commits a checkpoint atomically, but reads a flipped bit back as a value. So each process writes a page beside the
arrays, `manifest/process-<n>.json`, within the same atomic step: the config and circumstances, the shape and dtype of
each leaf, and the SHA-256 of each shard that this process holds, by the range of indices it covers. Readers check them
on the host as slices of the whole leaf, so that neither the number of devices nor that of processes matters to it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import future

from jaxgan.types import TrainState

FORMAT = 2  # of the train state's fields and of this page; a reader refuses others
ITEM = "manifest"  # the folder within a step
LARGEST = 64 * 2**20  # bytes of a page that a reader accepts


class DamagedError(Exception):
    """A checkpoint is not what was saved; the message names the file or the leaf."""


class Shard(NamedTuple):
    """A part of a leaf, as one device held it."""

    path: str  # of the leaf
    ranges: list[list[int]]  # start and stop on each axis
    data: np.ndarray  # the host's own copy


class Manifest(NamedTuple):
    """A manifest read back."""

    page: dict[str, Any]  # what process 0 wrote, without digests
    digests: dict[str, list[tuple[list[list[int]], str]]]  # by leaf: ranges and SHA-256 of its shards


def describe(
    state: TrainState,
    config: Mapping[str, Any],
    versions: Mapping[str, str] | None,
    figures: Mapping[str, float] | None,
) -> dict[str, Any]:
    """Returns the page of a state, without digests."""
    config = plain(config)
    return {
        "format": FORMAT,
        "config": config,
        "seed": config.get("seed"),
        "data": {"next_step": int(state.step)},
        "key_implementation": str(state.key.dtype),
        "figures": {name: float(value) for name, value in (figures or {}).items()},
        "versions": dict(versions or {"jax": jax.__version__, "orbax-checkpoint": ocp.__version__}),
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "threads": os.environ.get("NPROC"),  # bits depend on it on CPU
        "leaves": leaves(state),
    }


def without(state: TrainState, given: Mapping[str, Any] | None) -> tuple[dict[str, str], TrainState]:
    """Returns by network the digest of variables that need not be stored, and the state without them.

    Raises:
      ValueError: the state has no network of this name, or other leaves than what is given for it.
    """
    digests, params, model_state = {}, dict(state.params), dict(state.model_state)
    for name, variables in (given or {}).items():
        kept = leaves({"params": params.get(name), "model_state": model_state.get(name)})
        if kept != leaves(_parts(variables)):
            raise ValueError(f"what is given for network {name!r} has other leaves than the state of this game")
        data = [digest(np.asarray(leaf)) for leaf in jax.tree.leaves(_parts(variables))]
        digests[name] = hashlib.sha256("".join(data).encode()).hexdigest()
        params[name], model_state[name] = {}, {}
    return digests, state._replace(params=params, model_state=model_state)


def leaves_of(name: str, variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns given variables of a network by their paths in the train state."""
    whole = {field: {name: value} for field, value in _parts(variables).items()}
    return {path_name(path): np.asarray(x) for path, x in jax.tree_util.tree_leaves_with_path(whole)}


def _parts(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Returns variables as the train state holds them."""
    collections = {name: value for name, value in variables.items() if name != "params"}
    return {"params": variables["params"], "model_state": collections}


def plain(config: Any) -> dict[str, Any]:
    """Returns a config, a mapping or a dataclass, as JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(dict(config) if isinstance(config, Mapping) else dataclasses.asdict(config)))


def leaves(tree: Any) -> dict[str, dict[str, Any]]:
    """Returns shape and dtype of each leaf by its path, like `params/generator/w`; typed keys have a dtype key<...>."""
    described = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
        described[path_name(path)] = {"shape": list(leaf.shape), "dtype": str(leaf.dtype)}
    return described


def path_name(path: tuple[Any, ...]) -> str:
    """Returns a leaf's path as one word, the same for named tuples and for the dictionaries they are stored as."""
    return "/".join(str(next(getattr(e, a) for a in ("name", "key", "idx") if hasattr(e, a))) for e in path)


def is_key(leaf: Any) -> bool:
    """Tells whether a leaf is a typed PRNG key."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def stored(leaf: Any) -> Any:
    """Returns the array that stands on disk for a leaf: of a typed key its data, of an array without elements one zero.

    Orbax keeps no arrays without elements; their shape is in the manifest, and nothing else is in them.
    """
    if is_key(leaf):
        return jax.random.key_data(leaf)
    return leaf if leaf.size else jnp.zeros((1,), leaf.dtype)


def copies(arrays: Any) -> list[Shard]:
    """Copies to the host what this process holds of a state, once where devices hold replicas.

    Args:
      arrays: the state, keys as their data; it may be donated once this returns.
    Returns:
      The shards for which this process answers; those of all processes together cover every leaf once.
    """
    flat = jax.tree_util.tree_leaves_with_path(arrays)
    mine = [
        (path_name(path), _ranges(shard.index, leaf.shape), shard.data)
        for path, leaf in flat
        for shard in leaf.addressable_shards
        if shard.replica_id == 0
    ]
    for _, _, data in mine:
        data.copy_to_host_async()
    # A view would do for the digest, but JAX does not donate what a view looks at.
    return [Shard(path, ranges, np.array(data)) for path, ranges, data in mine]


def _ranges(index: tuple[slice, ...], shape: tuple[int, ...]) -> list[list[int]]:
    return [list(part.indices(size)[:2]) for part, size in zip(index, shape, strict=True)]


def digest(data: np.ndarray) -> str:
    """Returns the SHA-256 of an array's bytes, in C order."""
    return hashlib.sha256(np.ascontiguousarray(data).reshape(-1).view(np.uint8).data).hexdigest()


def read(step: Path) -> Manifest:
    """Reads the manifest of a checkpoint.

    Args:
      step: its folder.
    Returns:
      Manifest.
    Raises:
      DamagedError: a page is missing, unreadable or changed.
      ValueError: the checkpoint has another format.
    """
    first = _read_page(page_file(step, 0))
    if first["format"] != FORMAT:
        raise ValueError(f"{step} has format {first['format']}; this version reads {FORMAT}")
    pages = [first, *(_read_page(page_file(step, process)) for process in range(1, first["processes"]))]
    digests: dict[str, list[tuple[list[list[int]], str]]] = {path: [] for path in first["leaves"]}
    for page in pages:
        for path, ranges, sha256 in page.pop("digests"):
            digests[path].append((ranges, sha256))
    return Manifest(first, digests)


def page_file(step: Path, process: int) -> Path:
    """Returns where a process writes its page."""
    return step / ITEM / f"process-{process}.json"


def _seal(page: Mapping[str, Any]) -> str:
    """A page carries the digest of itself: a flipped bit in a config would look like another run's."""
    return hashlib.sha256(json.dumps(page, sort_keys=True).encode()).hexdigest()


def _read_page(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise DamagedError(f"{path} is larger than {LARGEST} bytes")
        whole = json.loads(path.read_bytes())
        page, sha256 = whole["page"], whole["sha256"]
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"{path} is no manifest: {error}") from error
    if _seal(page) != sha256:
        raise DamagedError(f"{path} has changed since it was written")
    return page


def verify(manifest: Manifest, path: str, data: np.ndarray) -> None:
    """Compares a leaf with its digests.

    Args:
      manifest: of its checkpoint.
      path: of the leaf.
      data: the whole leaf as read back.
    Raises:
      DamagedError: a byte differs, or a part of the leaf has no digest.
    """
    covered = 0
    for ranges, sha256 in manifest.digests[path]:
        part = data[tuple(slice(*each) for each in ranges)]
        covered += part.size
        if digest(part) != sha256:
            raise DamagedError(f"leaf {path} has changed since it was written")
    if covered != data.size:
        raise DamagedError(f"leaf {path} has digests of {covered} of its {data.size} values")


class ManifestHandler(ocp.AsyncCheckpointHandler):
    """Writes the manifest as one item of an Orbax step, in the background and before the step is committed."""

    async def async_save(self, directory: Any, args: ManifestSave) -> list[future.Future]:
        """Starts digesting and writing; Orbax commits the step only after all that is returned here is done."""
        writing = asyncio.to_thread(_write, directory, args)
        return [future.CommitFutureAwaitingContractedSignals(writing, name="manifest")]

    def save(self, directory: Any, args: ManifestSave) -> None:
        """Writes at once."""
        _write(directory, args)

    def restore(self, directory: Any, args: Any = None) -> None:
        """Manifests are read by `read`, without Orbax: a damaged one must not stop the listing of the others."""
        raise NotImplementedError("use jaxgan.checkpoint.manifest.read")


@ocp.args.register_with_handler(ManifestHandler, for_save=True, for_restore=True)
@dataclasses.dataclass
class ManifestSave(ocp.args.CheckpointArgs):
    """What `ManifestHandler` writes."""

    page: dict[str, Any]
    shards: list[Shard]


def _write(directory: Any, args: ManifestSave) -> None:
    page = args.page | {"digests": [[path, ranges, digest(data)] for path, ranges, data in args.shards]}
    args.shards.clear()  # the copies are as large as the state
    name = page_file(Path(), jax.process_index()).name
    (Path(str(directory)) / name).write_text(json.dumps({"page": page, "sha256": _seal(page)}))
