"""What command lines answer at once, without JAX: what there is, what a mistyped word may have meant, how they end."""

from __future__ import annotations

import ast
import difflib
import io
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

EXIT = {"SIGINT": 130, "SIGTERM": 143}  # exit codes of a run that a signal stopped after saving


def first_line(path: Path) -> str:
    """Returns the first line of a module's docstring, read and not imported; "" without one."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def hint(word: str, known: Collection[str]) -> str:
    """Returns what a mistyped word may have meant: the nearest of the known ones, or all of them."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"


def fail(message: str, code: int = 2) -> int:
    """Prints one line to standard error and returns the exit code."""
    print(f"error: {message}", file=sys.stderr, flush=True)
    return code


def print_any_name() -> None:
    """Lets the process print escaped what the terminal's encoding has no character for: names are any bytes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def leave(code: int) -> NoReturn:
    """Ends the process, at once after an error or Ctrl-C.

    What a failed save left behind would complain at exit, after the line that says it all; one that was interrupted
    would be waited for without end (but peers wait for each other).
    """
    if code in (1, 2) or (code == EXIT["SIGINT"] and not _has_peers()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _has_peers() -> bool:
    import jax

    return jax.process_count() > 1
