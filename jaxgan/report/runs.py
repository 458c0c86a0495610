"""The page of a run, also while the run goes on, and its curves as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from jaxgan import svg
from jaxgan.report.exhibits import KINDS, exhibits
from jaxgan.report.html import flat, listing, replaced, section, shown, write_page
from jaxgan.report.read import mapping, read_object
from jaxgan.report.series import Metrics, grouped, read_metrics

LISTED = 100  # classes that are named
STRIP = 10  # sample grids shown over time, the first and the last among them


def write_run(run: Path) -> Path:
    """Writes `run/report.html` from whatever the run has written so far; returns its path."""
    settings, environment, summary = (
        read_object(run / f"{part}.json") for part in ("config", "environment", "summary")
    )
    metrics = read_metrics(run)
    experiment = str(settings.get("experiment", run.resolve().parent.name))
    name = run.resolve().name
    body = [
        f"<h1>{escape(experiment)}</h1>",
        f"<p>run {escape(name)}: {escape(status(summary, metrics))}</p>",
        section("Figures", _figures(summary, metrics)),
        section("Samples", _final_samples(run)),
        section("Samples over time", _strip(run)),
        section("Curves", _charts(metrics)),
        *_classes(mapping(settings.get("data"))),
        section("How to reproduce it", _reproduce(settings, environment)),
        section("Configuration", listing(mapping(settings.get("config")))),
        section("Environment", listing(flat(environment))),
    ]
    return write_page(run / "report.html", f"{experiment} {name}", body)


def check_run(run: Path) -> None:
    """Raises ValueError where a folder is of no run."""
    if not ((run / "config.json").is_file() or (run / "metrics.jsonl").is_file()):
        raise ValueError(
            f"{run} is not a run folder: it holds neither config.json nor metrics.jsonl nor table.json; "
            "name one as runs/<experiment>/<id>, the folder that the run printed"
        )


def curves(run: Path) -> Path:
    """Writes `run/curves.png`: the losses of all players, D(real) and D(fake), and the quality figures over time.

    Args:
      run: a run folder, as for `report`.
    Returns:
      The picture's path.
    Raises:
      ValueError: run is not a run folder.
      ImportError: matplotlib is not installed.
    """
    check_run(run)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("curves are drawn by matplotlib: pip install 'jaxgan[experiments]'") from error
    groups = grouped(read_metrics(run)) or {"nothing logged yet": {}}
    rows = math.ceil(len(groups) / 2)
    height = 3.2 * rows  # inches
    figure = Figure(figsize=(11, height))  # margins are given: a layout that finds them takes twice the time
    figure.subplots_adjust(0.08, 0.5 / height, 0.98, 1 - 0.15 / height, wspace=0.2, hspace=0.25)
    for i, (title, series) in enumerate(groups.items()):
        axes = figure.add_subplot(rows, min(2, len(groups)), i + 1)
        for name, (steps, values) in series.items():
            axes.plot(steps, values, label=name, linewidth=1.2, marker="." if len(steps) <= 30 else None)
        axes.set(xlabel="step", ylabel=title)
        axes.grid(alpha=0.3)
        if series:
            axes.legend(fontsize=8)
    return replaced(run / "curves.png", lambda path: figure.savefig(path, dpi=110, format="png"))


def status(summary: Mapping[str, Any], metrics: Metrics) -> str:
    """Says in words how a run ended, or how far it is, by its summary and its series."""
    step = summary.get("step", max((steps[-1] for steps, _ in metrics.values()), default=0))
    seconds = summary.get("seconds")
    took = f", {seconds:,.0f} seconds" if isinstance(seconds, (int, float)) else ""
    return f"{summary.get('status', 'no summary yet')}, step {shown(step)}{took}"


def _figures(summary: Mapping[str, Any], metrics: Metrics) -> str:
    """Returns the table of final figures, or of the latest so far, their protocol and the class histogram."""
    latest = {name.removeprefix("quality/"): v[-1] for name, (_, v) in metrics.items() if name.startswith("quality/")}
    parts = [listing(mapping(summary.get("figures")) or latest)]
    if summary.get("protocol"):
        parts.append(f"<p>Protocol: {escape(shown(summary['protocol']))}</p>")
    counts = summary.get("histogram")
    if isinstance(counts, list) and counts and all(isinstance(n, (int, float)) and n >= 0 for n in counts):
        parts.append(f'<div class="row charts">{svg.bar_chart(counts, "class", "samples")}</div>')
    return "".join(parts)


def _classes(data: Mapping[str, Any]) -> list[str]:
    """Returns the section that says what each label means, and how many training examples have it."""
    names, counts = ([*each] if isinstance(each, list) else [] for each in (data.get("names"), data.get("counts")))
    if not names and not counts:
        return []
    rows = {
        f"{label} {names[label]}" if label < len(names) else f"{label}": counts[label] if label < len(counts) else ""
        for label in range(min(max(len(names), len(counts)), LISTED))
    }
    more = max(len(names), len(counts)) - LISTED
    return [
        section(
            "Classes, and training examples of each", listing(rows) + (f"<p>and {more} more</p>" if more > 0 else "")
        )
    ]


def sample_grids(run: Path) -> dict[int, Path]:
    """Returns the generated grids by step."""
    return {int(path.stem): path for path in sorted((run / "samples").glob("*.png")) if path.stem.isdecimal()}


def _final_samples(run: Path) -> str:
    grids = sample_grids(run)
    last = [(f"generated, step {step:,}", grids[step]) for step in sorted(grids)[-1:]]
    others = [
        path for path in sorted((run / "samples").glob("*")) if path.suffix in KINDS and not path.stem.isdecimal()
    ]
    last += [(path.stem, path) for path in sorted(others, key=lambda path: path.stem != "real")]
    return exhibits(last, "large")


def _strip(run: Path) -> str:
    grids = sample_grids(run)
    steps, n = sorted(grids), min(STRIP, len(grids))
    chosen = [steps[round(i * (len(steps) - 1) / max(1, n - 1))] for i in range(n)]
    return exhibits([(f"step {step:,}", grids[step]) for step in chosen], "strip")


def _charts(metrics: Metrics) -> str:
    charts = "".join(svg.line_chart(series, "step", label) for label, series in grouped(metrics).items())
    return f'<div class="row charts">{charts}</div>' if charts else ""


def _reproduce(settings: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    command, revision = settings.get("command"), environment.get("git_revision")
    lines = [f"git checkout {revision}"] if revision else []
    lines += [str(command)] if command else []
    changed = " The checkout had uncommitted changes." if environment.get("git_dirty") else ""
    seed = mapping(settings.get("config")).get("seed")
    text = f"Seed {shown(seed)}; revision {revision or 'unknown'}.{changed}"
    return f"<p>{escape(text)}</p>" + (f"<pre>{escape(chr(10).join(lines))}</pre>" if lines else "")
