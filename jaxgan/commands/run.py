"""Runs an experiment of your own into runs/FILE/ID.

Command: jaxgan run FILE.py [--flag value ...]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxgan.parallel import connect, end_together, is_first
from jaxgan.runs.flags import parse_two, reported
from jaxgan.runs.modules import Definition, from_file
from jaxgan.runs.settings import BRIEF, Running, compiled_quickly
from jaxgan.runs.start import run
from jaxgan.runs.tables import Where, run_tables
from jaxgan.runs.terminal import fail


def main(words: Sequence[str]) -> int:
    """Runs the command line; returns the exit code."""
    if not words or words[0].startswith("-"):
        usage = "usage: jaxgan run FILE.py [--flag value ...]     (FILE.py --help explains the flags)"
        if words and words[0] in ("-h", "--help"):
            print(f"{usage}\n\n{__doc__}\nWhat the file holds is said in the docstring of jaxgan.runs.")
            return 0
        return fail(f"{usage}; experiments of a clone are run by python -m experiments NAME")
    return run_words(lambda: from_file(Path(words[0])), words[1:])


def run_words(find: Callable[[], Definition], words: Sequence[str]) -> int:
    """Runs an experiment by its flags and those that say where and how it runs.

    Args:
      find: imports its code; a ValueError of it is bad input.
      words: the flags.
    Returns:
      Exit code: 0, 2 for bad input, 1 for a run that diverged, 130 or 143 for one that was interrupted.
    """

    def work() -> int:
        definition = find()
        experiment, program = definition.module, definition.command
        tiny = getattr(experiment, "SMOKE", {})
        if hasattr(experiment, "tabulate"):
            config, where = parse_two(experiment.Config, Where, words, program, experiment.__doc__, smoke=(tiny, {}))
            with compiled_quickly(where.smoke):
                return run_tables(definition, config, where).code
        config, running = parse_two(experiment.Config, Running, words, program, experiment.__doc__, smoke=(tiny, BRIEF))
        join(running)
        with end_together(), compiled_quickly(running.smoke):
            return run(definition, config, running)

    return reported(work)


def join(running: Running) -> None:
    """Connects the processes of one run, if there are several; from here on the first alone prints."""
    if running.distributed:
        connect(running.coordinator, running.processes, running.process, running.timeout)
        if not is_first():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
