"""Whose code makes a run: this package's, experiments of the clone by name, files that the user names; nothing else.

The clone is the folder that holds this package and a `pyproject.toml` of the project jaxgan; an installed package has
none. Its `experiments` are found beside this package, and never on `sys.path`, where other packages may have the name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import shlex
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from jaxgan.runs.terminal import hint

OWN = {  # modules of this package that make runs: their names, and the commands
    "jaxgan.recipes.training": ("train", "jaxgan train"),
    "jaxgan.runs.imported": ("imported", "jaxgan import-weights"),
}
FIELDS = {"seed", "steps", "batch_size"}  # what the config of an experiment that trains has


class Definition(NamedTuple):
    """An experiment's code, and where it comes from."""

    name: str  # runs go to OUT/NAME/ID
    module: ModuleType
    origin: str  # "experiments.digits.dcgan", "jaxgan.recipes.training", or the absolute path of a file
    sha256: str | None  # of the file; None for the clone's and the package's own, which a run's versions name
    command: str  # runs it: "python -m experiments digits", "jaxgan run own.py"


def clone() -> Path | None:
    """Returns the root of the clone that this package lies in; None where it is installed as a package."""
    root = Path(__file__).resolve().parents[2]
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError):
        return None
    return root if project == "jaxgan" and (root / "experiments" / "__init__.py").is_file() else None


def registry() -> dict[str, str]:
    """Returns the modules of the clone's experiments by name, tables last; none without a clone.

    Raises:
      ValueError: another package has been imported under the name `experiments`.
    """
    root = clone()
    if root is None:
        return {}
    package = _experiments(root)
    return {**package.EXPERIMENTS, **package.TABLES}


def bundled(name: str) -> Definition:
    """Imports an experiment of the clone.

    Args:
      name: as `python -m experiments` lists it.
    Returns:
      Definition.
    Raises:
      ValueError: there is no clone, or no experiment of this name in it.
    """
    known = registry()
    if not known:
        raise ValueError(f"{name!r} comes with a clone of jaxgan; this is an installed package: {_here()}")
    if name not in known:
        raise ValueError(f"unknown experiment {name!r}; {hint(name, known)}")
    module = importlib.import_module(known[name])
    return Definition(name, module, known[name], None, f"python -m experiments {name}")


def own(origin: str) -> Definition:
    """Imports what makes runs in this package itself, installed or not: recipes, and weights that were imported.

    Args:
      origin: its module, one of `OWN`.
    Returns:
      Definition.
    """
    name, command = OWN[origin]
    return Definition(name, importlib.import_module(origin), origin, None, command)


def from_file(path: Path) -> Definition:
    """Imports a user's own experiment. As with `python FILE.py`, modules beside the file can be imported by it.

    Args:
      path: of the file; its name without `.py` names the experiment.
    Returns:
      Definition.
    Raises:
      ValueError: there is no such file, or it is no experiment; says what it lacks.
    """
    if path.suffix != ".py" or not path.is_file():
        raise ValueError(f"{path} is no file of Python (FILE.py) that holds an experiment")
    whole, code = path.resolve(), path.read_bytes()
    name = f"experiment {whole}"  # not a name that anything else is imported by
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, whole)
        if spec is None or spec.loader is None:
            raise ValueError(f"{path} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look their annotations up there
        sys.path.insert(0, str(whole.parent))
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    module = sys.modules[name]
    _check(path, module)
    return Definition(path.stem, module, str(whole), hashlib.sha256(code).hexdigest(), f"jaxgan run {_quoted(path)}")


def made_by(run: Path, page: Mapping[str, Any], file: Path | None = None) -> Definition:
    """Imports the code that made a run: recipes, an experiment of the clone, or the file that the user names.

    Args:
      run: its folder, for messages.
      page: its `config.json`. What it says is looked up, and never imported for being said there.
      file: of the user's choice, instead.
    Returns:
      Definition. Where the file is not what made the run, a line on standard error says so.
    Raises:
      ValueError: the page names a module that is none of the clone's experiments or of `OWN`, and no file is named.
    """
    origin = page["module"]
    if file is not None:
        definition = from_file(file)
        if page.get("sha256") != definition.sha256:
            print(f"warning: {file} is not the same as {origin} was when {run} was started", file=sys.stderr)
        return definition
    if origin in OWN:
        return own(origin)
    names = {module: name for name, module in registry().items()}
    if origin not in names:
        raise ValueError(
            f"{run} was made by {origin!r}, which is no experiment of this clone and is not imported unasked; if you "
            "trust it, name its file: --module FILE.py"
        )
    return bundled(names[origin])


def _experiments(root: Path) -> ModuleType:
    file = root / "experiments" / "__init__.py"
    loaded = sys.modules.get("experiments")
    if loaded is not None:
        if Path(loaded.__file__ or "").resolve() != file:
            raise ValueError(f"the package `experiments` of {loaded.__file__} hides that of the clone, {file}")
        return loaded
    spec = importlib.util.spec_from_file_location("experiments", file, submodule_search_locations=[str(file.parent)])
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules["experiments"] = module
    spec.loader.exec_module(module)
    return module


def _check(path: Path, module: ModuleType) -> None:
    """Refuses a file that is no experiment."""
    needed = ("Config", "tabulate") if hasattr(module, "tabulate") else ("Config", "source", "build")
    if missing := [name for name in needed if not hasattr(module, name)]:
        raise ValueError(f"{path} has no {' and no '.join(missing)}; an experiment has {', '.join(needed)}")
    if not dataclasses.is_dataclass(module.Config):
        raise ValueError(f"{path}: Config must be a dataclass of numbers and strings, frozen")
    fields = {field.name for field in dataclasses.fields(module.Config)}
    lacking = ({"seed"} if hasattr(module, "tabulate") else FIELDS) - fields
    if lacking or (unknown := set(getattr(module, "SMOKE", ())) - fields):
        what = f"Config has no {sorted(lacking)}" if lacking else f"SMOKE has {sorted(unknown)}, which Config has not"
        raise ValueError(f"{path}: {what}; have {sorted(fields)}")


def _here() -> Path:
    return Path(__file__).resolve().parents[1]


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
