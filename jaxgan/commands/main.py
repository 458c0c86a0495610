"""The `jaxgan` command line: what to do with an experiment of your own, and with a run, finished or still running."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from jaxgan.runs.compiled import FLAG, keep_compiled
from jaxgan.runs.terminal import fail, first_line, hint, leave, print_any_name

COMMANDS = {  # by name, the file beside this one
    "train": "train",
    "recipes": "recipes",
    "run": "run",
    "sample": "sample",
    "evaluate": "evaluate",
    "doctor": "doctor",
    "report": "report",
    "compare": "compare",
    "export": "export",
    "explore": "explore",
    "import-weights": "import_weights",
    "convert-weights": "convert_weights",
}


def main(words: Sequence[str] | None = None) -> int:
    """Runs the `jaxgan` command line.

    Args:
      words: the arguments; those of the process if None.
    Returns:
      Exit code: 0, 2 for bad input, 1 for a run that diverged, 130 or 143 for one that was interrupted.
    """
    words = list(sys.argv[1:] if words is None else words)
    if not words or words[0] in ("-h", "--help"):
        print("usage: jaxgan COMMAND RUN [--flag value ...]     (COMMAND --help explains the flags)\n")
        for name, file in COMMANDS.items():
            print(f"  {name:16} {first_line(Path(__file__).with_name(f'{file}.py'))}")
        print(f"\n  {FLAG}, beside any flags, keeps nothing of what is compiled for the next start")
        return 0
    if words[0] not in COMMANDS:
        return fail(f"unknown command {words[0]!r}; {hint(words[0], COMMANDS)}")
    return importlib.import_module(f"jaxgan.commands.{COMMANDS[words[0]]}").main(words[1:])


def console() -> NoReturn:
    """Runs the command line as a program of its own."""
    print_any_name()
    leave(main(keep_compiled(sys.argv[1:])))


if __name__ == "__main__":
    console()
