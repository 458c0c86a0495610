"""`python -m experiments` lists the experiments; `python -m experiments NAME [--flag value ...]` runs one."""

import difflib
import os
import sys
from collections.abc import Sequence

import jax

from experiments import EXPERIMENTS, TABLES
from experiments.cli import fail, parse_both, reported
from experiments.ending import EXIT
from experiments.run import run
from experiments.running import Running, compiled_quickly
from experiments.tables import Where, run_tables
from jaxgan.parallel import connect, end_together, is_first


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
      words: the arguments; those of the process if None.
    Returns:
      Exit code: 0, 2 for bad input, 1 for a run that diverged, 130 or 143 for one that was interrupted.
    """
    words = list(sys.argv[1:] if words is None else words)
    if not words or words[0] in ("-h", "--help"):
        return _list()
    name = words[0]
    known = EXPERIMENTS | TABLES
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
        return fail(f"unknown experiment {name!r}; {hint}")
    if name in TABLES:
        return _tables(name, words[1:])
    experiment = EXPERIMENTS[name]

    def work() -> int:
        config, running = parse_both(
            experiment.Config, Running, words[1:], f"python -m experiments {name}", experiment.__doc__ or ""
        )
        if running.distributed:
            connect(running.coordinator, running.processes, running.process, running.timeout)
            if not is_first():
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # one process prints
        with end_together(), compiled_quickly(running.smoke):
            return run(name, experiment, config, running)

    return reported(work)


def _tables(name: str, words: Sequence[str]) -> int:
    experiment, program = TABLES[name], f"python -m experiments {name}"

    def work() -> int:
        config, where = parse_both(experiment.Config, Where, words, program, experiment.__doc__ or "")
        with compiled_quickly(where.smoke):
            return run_tables(name, experiment, config, where)

    return reported(work)


def _list() -> int:
    print("usage: python -m experiments NAME [--flag value ...]     (NAME --help explains the flags)\n")
    for name, experiment in (EXPERIMENTS | TABLES).items():
        print(f"  {name:20} {(experiment.__doc__ or '').splitlines()[0]}")
    return 0


if __name__ == "__main__":
    code = main()
    # What a failed save left behind would complain at exit, after the line that says it all; one that was interrupted
    # would be waited for without end (but peers wait for each other).
    if code in (1, 2) or (code == EXIT["SIGINT"] and jax.process_count() == 1):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
