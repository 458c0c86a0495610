"""Writes a run's report, one self-contained HTML page, also while it goes on.

Command: jaxgan report RUN
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from jaxgan.report import report
from jaxgan.runs.flags import parse, reported


@dataclasses.dataclass(frozen=True)
class Report:
    """Which run."""

    run: Annotated[Path, tyro.conf.Positional]  # folder of the run: runs/EXPERIMENT/ID


def main(words: Sequence[str]) -> int:
    """Writes the report, and prints where it is; returns the exit code."""

    def work() -> int:
        print(report(parse(Report, words, "jaxgan report", __doc__).run))
        return 0

    return reported(work)
