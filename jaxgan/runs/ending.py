"""How a run ends, and what it says of itself meanwhile: `summary.json`, curves, the report, lines on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from jaxgan import checkpoint
from jaxgan.guard import SKIPPED
from jaxgan.loop import Ending
from jaxgan.pages import read_page
from jaxgan.parallel import is_first
from jaxgan.report import curves, read_metrics, report
from jaxgan.runs import folder as folders
from jaxgan.runs.settings import Run, Running
from jaxgan.runs.terminal import EXIT


def finish(run: Run, running: Running, ending: Ending, latest: Mapping[str, Any], seconds: float) -> int:
    """Writes and prints what came of a run; returns the exit code."""
    step, best = int(ending.state.step), run.best.figure.replace("_", " ") if run.best else ""
    interrupted = ending.reason in EXIT
    if not is_first():
        return EXIT.get(str(ending.reason), 0)
    summarise(run, "interrupted" if interrupted else "finished", step, seconds, latest)
    pages = _pages(run.folder)
    if interrupted:
        print(f"\n{ending.reason}: step {step} is saved; go on with the same command and --resume", flush=True)
        return EXIT[str(ending.reason)]
    if ending.reason == "plateau":
        print(f"no better {best} in {running.until_plateau} evaluations: stopped at step {step}")
    if ending.reason == "quality":
        print(f"{best} has reached {running.until_quality:g}: stopped at step {step}")
    for figure, value in latest.get("figures", {}).items():
        print(f"{figure.replace('_', ' '):>18}  {value:.4g}")
    if latest.get("histogram"):
        print(f"{'samples by class':>18}  {' '.join(map(str, latest['histogram']))}")
    if run.judge:
        print(run.judge.protocol)
    best_step = checkpoint.best_step(run.manager, *run.best) if run.best else None
    print(f"{step} steps in {seconds:.0f} s" + (f"; best {best} at step {best_step}" if run.best else ""))
    print("\n".join(str(page) for page in pages), flush=True)
    return 0


def _pages(folder: Path) -> list[Path]:
    """Draws curves and writes the report, as far as the installed packages can."""
    try:
        drawn = [curves(folder)]
    except ImportError:
        print("no curves.png: install the extra 'experiments' (matplotlib) for it")
        drawn = []
    return [*drawn, report(folder)]


def summarise(run: Run, status: str, step: int, seconds: float, latest: Mapping[str, Any]) -> None:
    """Writes the run's `summary.json`: how far it is, and what its last evaluation said."""
    page = {
        "status": status,
        "step": step,
        "seconds": round(seconds, 1),
        "figures": latest.get("figures", {}),
        "judged_at_step": latest.get("step"),
        "histogram": latest.get("histogram"),
        "protocol": run.judge.protocol if run.judge else None,
        "devices": jax.device_count(),
        "best_by": run.best.figure if run.best else None,
        "lower_is_better": run.best.lower if run.best else None,
        "skipped_steps": len(read_metrics(run.folder).get(SKIPPED, ([], []))[0]),
    }
    folders.write_json(run.folder / "summary.json", page)


def read_summary(folder: Path) -> dict[str, Any]:
    """Reads the `summary.json` of a run; empty where there is none yet, or none that can be read."""
    try:
        return read_page(folder / "summary.json")
    except (OSError, ValueError):
        return {}


def last_evaluation(folder: Path, start: int) -> dict[str, Any]:
    """Returns what the summary of a resumed run says of its last evaluation, unless that lies ahead again."""
    page = read_summary(folder)
    judged = page.get("judged_at_step")
    figures, histogram = page.get("figures"), page.get("histogram")
    if not isinstance(judged, int) or judged > start or not isinstance(figures, dict):
        return {}
    return {"step": judged, "figures": figures, "histogram": histogram if isinstance(histogram, list) else None}
