"""Puts runs side by side: settings that differ, figures with intervals, curves; figures of one protocol only.

Command: jaxgan compare RUN RUN ... [--out PAGE.html]
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from jaxgan.report.comparison import BARS, as_text, compare_runs, write_comparison
from jaxgan.runs.flags import parse, reported


@dataclasses.dataclass(frozen=True)
class Compare:
    """Which runs, and what of them."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]  # folders of runs: runs/EXPERIMENT/ID
    out: Path | None = None  # also write a page of it, with charts: comparison.html
    all: bool = False  # list settings that are the same in all runs, too
    figures: bool = True  # without, only settings and losses: of runs that were measured differently


def main(words: Sequence[str]) -> int:
    """Prints the comparison, and writes its page where one is asked for; returns the exit code."""

    def work() -> int:
        flags = parse(Compare, words, "jaxgan compare", __doc__)
        comparison = compare_runs(flags.runs, everything=flags.all, figures=flags.figures)
        print(as_text(comparison, bars=_has(BARS)))
        if flags.out:
            print(f"\n{write_comparison(comparison, flags.out)}")
        return 0

    return reported(work)


def _has(characters: str) -> bool:
    """Tells whether standard output can show these."""
    try:
        characters.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
