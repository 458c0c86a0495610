"""Where the command line keeps what it compiles, so that the next start does not wait for it; without JAX.

XLA compiles a program for one machine, and what is kept is code that later starts load and run: the folder is the
user's own, and one that others can write to is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import stat
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

FLAG = "--no-compilation-cache"
FOLDER = "JAX_COMPILATION_CACHE_DIR"  # JAX's own variables: a folder that is set there is respected
ENABLED = "JAX_ENABLE_COMPILATION_CACHE"
SHORTEST = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def keep_compiled(words: Sequence[str], environment: MutableMapping[str, str] = os.environ) -> list[str]:
    """Lets this process, before it imports JAX, and those that it starts keep what they compile.

    Args:
      words: of the command line; `--no-compilation-cache` among them keeps nothing, wherever JAX is told to keep it.
      environment: of the process, which is changed.
    Returns:
      The words without that flag.
    """
    rest = [word for word in words if word != FLAG]
    if len(rest) < len(words):
        environment[ENABLED] = "false"
    elif rest and not {"-h", "--help"} & set(rest) and FOLDER not in environment:
        folder = cache_root(environment) / "jaxgan" / f"compiled-{machine(environment)}"
        try:
            make_private(folder)
        except OSError as error:
            print(f"warning: what is compiled is not kept: {error}", file=sys.stderr, flush=True)
            return rest
        environment[FOLDER] = str(folder)
        environment.setdefault(SHORTEST, "0.1")  # JAX's own second leaves out most programs of small networks
    return rest


def say_where_kept() -> None:
    """Prints where this process keeps what it compiles, if it does: the first line of a run."""
    import jax

    settings = jax.config.values
    folder = settings["jax_compilation_cache_dir"]
    if folder and settings["jax_enable_compilation_cache"]:
        print(f"compiled programs are kept in {folder} ({FLAG} keeps none)", flush=True)


def cache_root(environment: MutableMapping[str, str]) -> Path:
    """Returns the folder of the user's caches, by the custom of the platform."""
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    named = Path(environment.get("XDG_CACHE_HOME", ""))  # its specification: a relative one is ignored
    return named if named.is_absolute() else Path.home() / ".cache"


def machine(environment: MutableMapping[str, str]) -> str:
    """Returns a name, 12 hexadecimal digits, of what JAX's own key leaves out: the processor, and its threads in use.

    A home folder may be that of many machines, and sums are cut into as many parts as there are threads.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    able = next((line for line in lines if line.lower().startswith(("flags", "features"))), platform.processor())
    parts = (platform.machine(), able, environment.get("NPROC") or cores)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def make_private(folder: Path) -> None:
    """Makes a folder, and the one around it, that only this user can write to.

    Raises:
      PermissionError: one that is there is a link, belongs to another user, or others can write to it or replace it.
      OSError: it cannot be made.
    """
    folder.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for own in (folder.parent, folder):
        with contextlib.suppress(FileExistsError):
            own.mkdir(mode=0o700)
    if not hasattr(os, "getuid"):  # a Windows profile is its user's by the rights of its folder
        return
    around = os.stat(folder.parent.parent)
    replaceable = around.st_mode & stat.S_IWOTH and not around.st_mode & stat.S_ISVTX
    if replaceable or around.st_uid not in (0, os.getuid()):
        raise PermissionError(f"others can replace what is in {folder.parent.parent}; {_REMEDY}")
    for own in (folder.parent, folder):
        kind = os.lstat(own)
        if not stat.S_ISDIR(kind.st_mode):
            raise PermissionError(f"{own} is a link or a file; {_REMEDY}")
        if kind.st_uid != os.getuid():
            raise PermissionError(f"{own} belongs to another user; {_REMEDY}")
        if kind.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(f"others can write to {own}; {_REMEDY}")


_REMEDY = f"mend that (rm -r, or chmod go-w), name a folder of your own by {FOLDER}, or give {FLAG}"
