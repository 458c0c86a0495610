"""Writes a run's generator as files that others can use: weights, a program of its own, and a model card.

Command: jaxgan export RUN [--flag value ...]
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxgan.export import write
from jaxgan.export.card import Facts
from jaxgan.pages import read_page
from jaxgan.runs.experiment import sample_inputs
from jaxgan.runs.flags import parse, reported
from jaxgan.runs.loading import load


@dataclasses.dataclass(frozen=True)
class ExportRun:
    """Which run, and where to."""

    run: Annotated[Path, tyro.conf.Positional]  # folder of the run: runs/EXPERIMENT/ID
    out: Path | None = None  # folder of the export; RUN/export if not given
    step: int | Literal["latest", "best"] = "latest"  # which checkpoint
    onnx: bool = False  # also as ONNX, for other programs: generator.onnx
    module: Path | None = None  # FILE.py that made the run, where that is none of the clone's experiments


def main(words: Sequence[str]) -> int:
    """Writes an export, and prints what is in it; returns the exit code."""

    def work() -> int:
        flags = parse(ExportRun, words, "jaxgan export", __doc__)
        trained = load(flags.run, flags.step, file=flags.module)
        experiment, out = trained.experiment, flags.out or flags.run / "export"
        made = write(
            experiment.game,
            trained.state,
            out,
            inputs=sample_inputs(experiment, 2),
            prior=experiment.prior,
            facts=_facts(flags.run, int(trained.state.step)),
            with_onnx=flags.onnx,
        )
        print(f"{made.folder}: {made.weights:,} weights, {_listed(made.programs)}, a card (README.md)")
        return 0

    return reported(work)


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 2 else names)


def _facts(run: Path, step: int) -> Facts:
    """Reads what the run's pages say of it."""
    page = read_page(run / "config.json", experiment=str)
    data = page.get("data", {})
    figures: list[dict[str, Any]] = []
    with contextlib.suppress(FileNotFoundError):
        for figure in read_page(run / "evaluation.json", figures=dict)["figures"].values():
            figures.append({k: None if isinstance(v, float) and math.isnan(v) else v for k, v in figure.items()})
    return Facts(
        name=page["experiment"],
        command=str(page.get("command", "")),
        data=str(data.get("name", "")),
        examples=data.get("size"),
        classes=tuple(map(str, data.get("names") or range(page.get("classes") or 0))),  # or their numbers
        steps=step,
        figures=figures,
    )
