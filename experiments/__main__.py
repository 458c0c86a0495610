"""`python -m experiments` lists the experiments; `python -m experiments NAME [--flag value ...]` runs one."""

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import EXPERIMENTS, TABLES
from jaxgan.runs.compiled import keep_compiled
from jaxgan.runs.terminal import fail, first_line, hint, leave, print_any_name


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
      words: the arguments; those of the process if None.
    Returns:
      Exit code: 0, 2 for bad input, 1 for a run that diverged, 130 or 143 for one that was interrupted.
    """
    words = list(sys.argv[1:] if words is None else words)
    known = EXPERIMENTS | TABLES
    if not words or words[0] in ("-h", "--help"):
        print("usage: python -m experiments NAME [--flag value ...]     (NAME --help explains the flags)\n")
        for name, module in known.items():
            print(f"  {name:20} {first_line(_file(module))}")
        return 0
    if words[0] not in known:
        return fail(f"unknown experiment {words[0]!r}; {hint(words[0], known)}")

    from jaxgan.commands.run import run_words  # JAX and the experiment are imported from here on
    from jaxgan.runs.modules import bundled

    return run_words(lambda: bundled(words[0]), words[1:])


def _file(module: str) -> Path:
    return Path(__file__).parents[1].joinpath(*module.split(".")).with_suffix(".py")


if __name__ == "__main__":
    print_any_name()
    leave(main(keep_compiled(sys.argv[1:])))
