"""The folder of a run: its name, what is written at the start, and how it is found again."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxgan.data import Source, label_counts
from jaxgan.pages import read_page

FORMAT = 2  # of config.json; a reader refuses others
PACKAGES = ("jaxgan", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "grain", "tensorflow-datasets")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def new_folder(root: Path, experiment: str, name: str | None, seed: int) -> Path:
    """Makes the folder of a new run.

    Args:
      root: of all runs.
      experiment: its name.
      name: of the run; date, time and seed if None.
      seed: of the run.
    Returns:
      root / experiment / name, which did not exist before.
    Raises:
      ValueError: the name is not one plain file name, or the run exists.
      OSError: the folder cannot be made.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise ValueError(f"--id {name!r} is not a run's name; use letters, digits, '.', '_' and '-', at most 100")
    wanted = name or f"{time.strftime('%Y%m%d-%H%M%S')}-seed{seed}"
    for suffix in ["", *(f"-{k}" for k in range(2, 100))] if name is None else [""]:
        folder = root / experiment / f"{wanted}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise ValueError(f"the run {root / experiment / wanted} exists; go on with it by --resume, or choose another --id")


def missing(path: Path) -> list[Path]:
    """Returns which of a folder and those around it do not exist, the innermost first."""
    return [each for each in (path, *path.parents) if not each.exists()]


@contextlib.contextmanager
def withdrawn(folder: Path, around: Sequence[Path] | None) -> Iterator[None]:
    """Takes a new folder away again where bad input is found in it before anything has been trained or tabulated.

    What can be refused without a folder is refused before (`runs.start.prepare`); a judge and a table's games cannot.

    Args:
      folder: of a run or of tables.
      around: the folders that were `missing` before, taken away too; None: it is not new, and stays.
    """
    try:
        yield
    except ValueError:
        if around is not None and not _has_results(folder):
            shutil.rmtree(folder)
            for each in around:
                with contextlib.suppress(OSError):  # others have put something there
                    each.rmdir()
        raise


def _has_results(folder: Path) -> bool:
    """Says whether a run has logged or saved, or a table has been done."""
    trained = any(path.stat().st_size for path in folder.rglob("metrics.jsonl"))
    if trained or any(folder.rglob("checkpoints/[0-9]*")):
        return True
    pages = list(folder.glob("table.json"))
    return bool(pages and read_page(pages[0]).get("tables"))


def find_folder(root: Path, experiment: str, name: str | None, started: str | None = "config.json") -> Path:
    """Finds a run to go on with.

    Args:
      root: of all runs.
      experiment: its name.
      name: of the run; the one that was started last if None.
      started: the file that must have been written; None for a folder that was made a moment ago.
    Returns:
      Its folder.
    Raises:
      ValueError: there is no such run.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise ValueError(f"--id {name!r} is not a run's name")
    if name is not None and started is None:
        return root / experiment / name
    runs = [path.parent for path in (root / experiment).glob(f"{name or '*'}/{started}")]
    if not runs:
        raise ValueError(f"no run of {experiment!r}{f' named {name!r}' if name else ''} in {root}; start one first")
    return max(runs, key=lambda run: (run / str(started)).stat().st_mtime_ns)


def describe(folder: Path, about: Mapping[str, Any], config: Any, batch: Mapping[str, Any], source: Source) -> None:
    """Writes what the run is (`config.json`) and on what it runs (`environment.json`).

    Args:
      folder: of the run.
      about: who made it: "experiment", "module", "sha256" and "command".
      config: of the experiment, a dataclass of JSON values.
      batch: what a step is given, dictionaries and tuples of arrays.
      source: where batches come from: its classes, what they are called, and the digest of its examples.
    Raises:
      ValueError: the batch is made of other things.
    """
    page = {
        "format": FORMAT,
        **about,
        "config": dataclasses.asdict(config),
        "batch": form(batch),
        "classes": source.classes,
        "data": data_page(source),
    }
    write_json(folder / "config.json", page)
    write_json(folder / "environment.json", environment())


def data_page(source: Source) -> dict[str, Any]:
    """Returns what `config.json` says of the data: its name, how many examples, the classes, and their digest."""
    return {
        "name": source.name,
        "size": source.size,
        "names": list(source.names),
        "counts": list(label_counts(source)),
        "digest": source.digest() if source.digest else None,
    }


def check_data(folder: Path, source: Source) -> None:
    """Refuses to go on with a run whose data are no longer those that it was started with.

    Examples may lie elsewhere, as long as they are the same. Runs of sources that do not know their digest are told
    apart by the number of examples and by the classes; runs that kept nothing of this are taken as they are.

    Raises:
      ValueError: says what has changed.
    """
    before, now = read_config(folder).get("data"), data_page(source)
    if not isinstance(before, dict):
        return
    changes = {"names": "classes", "size": "number of examples", "counts": "number of examples of each class"}
    for name, words in changes.items():
        if (old := before.get(name)) != now[name]:
            changed = f"the {words} {'were' if name == 'names' else 'was'} {old or 'none'}, now {now[name] or 'none'}"
            break
    else:
        if before.get("digest") == now["digest"]:
            return
        changed = f"the examples of {now['name']} are not the same (digest {before.get('digest')}, now {now['digest']})"
    raise ValueError(
        f"the data of {folder} have changed since it was started: {changed}; bring them back to go on, or start a run "
        "of its own without --resume"
    )


def read_config(folder: Path) -> dict[str, Any]:
    """Reads the `config.json` of a run.

    Raises:
      ValueError: the folder is none of a run, or of another version's.
    """
    try:
        written = read_page(folder / "config.json").get("format", 1)
        if written == FORMAT:
            return read_page(folder / "config.json", experiment=str, module=str, config=dict, batch=dict, classes=int)
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} is not the folder of a run (runs/EXPERIMENT/ID): {error}") from error
    raise ValueError(
        f"{folder}/config.json has format {written}; this version reads {FORMAT}: use the version that made the run, "
        "or run its command again"
    )


def form(batch: Any, name: str = "batch") -> Any:
    """Describes a batch in JSON: dictionaries as they are, tuples as lists, arrays as {"shape", "dtype"}.

    Raises:
      ValueError: a node is neither a dictionary nor a tuple, so that it could not be made again.
    """
    if type(batch) is tuple:
        return [form(part, f"{name}[{k}]") for k, part in enumerate(batch)]
    if isinstance(batch, Mapping):
        return {key: form(part, f"{name}[{key!r}]") for key, part in batch.items()}
    if not hasattr(batch, "dtype"):
        raise ValueError(f"{name} is a {type(batch).__name__}; a batch is made of dictionaries, tuples and arrays")
    return {"shape": list(batch.shape), "dtype": str(batch.dtype)}


def example_of(page: Any) -> Any:
    """Makes the batch that `form` described, of abstract arrays.

    Raises:
      ValueError: the page is no description.
    """
    if isinstance(page, list):
        return tuple(map(example_of, page))
    if isinstance(page, dict) and isinstance(page.get("dtype"), str):
        shape = page.get("shape")
        if isinstance(shape, list) and all(isinstance(size, int) and size >= 0 for size in shape):
            return jax.ShapeDtypeStruct(tuple(shape), page["dtype"])
        raise ValueError(f"config.json gives a part of the batch the shape {shape!r}")
    if not isinstance(page, dict):
        raise ValueError(f"config.json describes a part of the batch as {page!r}")
    return {key: example_of(part) for key, part in page.items()}


def command(program: str, config: Any) -> str:
    """Returns the command line that makes this run again: the program, and flags that differ from their defaults."""
    default, words = type(config)(), []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        flag = field.name.replace("_", "-")
        if value == getattr(default, field.name):
            continue
        words += [f"--{flag}" if value else f"--no-{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return shlex.join([*shlex.split(program), *words])


def versions() -> dict[str, str]:
    """Returns the versions of the packages that matter, of those that are installed."""
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed


def environment() -> dict[str, Any]:
    """Returns versions, devices and the git revision; nothing of the process's environment variables."""
    revision = _git("rev-parse", "HEAD")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": [f"{device.platform}:{device.device_kind}" for device in jax.devices()],
        "cores": os.cpu_count(),
        "versions": versions(),
        "git_revision": revision,
        "git_dirty": None if revision is None else bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def write_json(path: Path, page: Mapping[str, Any]) -> None:
    """Writes a JSON file that is whole at any time."""
    partial = path.with_suffix(".partial")
    text = json.dumps(page, indent=2, ensure_ascii=False) + "\n"
    # Names of files that are no UTF-8 hold lone surrogates: escaped they are JSON, and are read back as they were.
    text = re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _git(*arguments: str) -> str | None:
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
