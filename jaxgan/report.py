"""A run folder becomes one self-contained HTML page: no network, no script; also while the run goes on."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from jaxgan import svg
from jaxgan.pages import parse_page

Metrics = dict[str, tuple[list[int], list[float]]]  # by name: (steps, values), equally long, steps rising

LISTED = 100  # classes that are named
STRIP = 10  # sample grids shown over time, the first and the last among them
AXES = {  # what the vertical axis of a quantity says; a quantity that is not here says its name
    "loss": "loss (minimised by its player)",
    "logits": "logits (mean)",
    "probability": "probability (mean, 0 to 1)",
    "frechet_distance": "Fréchet distance (lower is better)",
    "precision": "precision (share, higher is better)",
    "recall": "recall (share, higher is better)",
    "accuracy": "accuracy (share, higher is better)",
    "high_quality": "high-quality share (higher is better)",
    "reverse_kl": "reverse KL (nats, lower is better)",
    "classes": "classes that appear",
    "modes": "modes covered",
}
STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --paper: #fbfbfa; --line: #8884; --soft: #8881; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6e8; --paper: #16181b; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem 1.2rem .2rem 0;
       border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
.row { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; } figcaption { font-size: .85rem; opacity: .8; }
.large figure { flex: 1 1 20rem; max-width: 30rem; } .strip figure { flex: 0 0 11rem; }
.charts > * { flex: 1 1 26rem; max-width: 30rem; }
img { width: 100%; image-rendering: pixelated; } pre { background: var(--soft); padding: .8rem; overflow-x: auto; }
"""


def report(run: Path) -> Path:
    """Writes `run/report.html` from whatever the run has written so far.

    Args:
      run: a run folder, `runs/<experiment>/<id>/`; any of its files but one of config.json and metrics.jsonl may be
        missing, torn or incomplete.
    Returns:
      The page's path. It is replaced in one step: a reader never sees half of it.
    Raises:
      ValueError: run is not a run folder.
    """
    run = _checked(run)
    settings, environment, summary = (
        _read_object(run / f"{part}.json") for part in ("config", "environment", "summary")
    )
    metrics = read_metrics(run)
    experiment = str(settings.get("experiment", run.resolve().parent.name))
    name = run.resolve().name
    body = [
        f"<h1>{escape(experiment)}</h1>",
        f"<p>run {escape(name)}: {escape(_status(summary, metrics))}</p>",
        _section("Figures", _figures(summary, metrics)),
        _section("Samples", _final_samples(run)),
        _section("Samples over time", _strip(run)),
        _section("Curves", _charts(metrics)),
        *_classes(_mapping(settings.get("data"))),
        _section("How to reproduce it", _reproduce(settings, environment)),
        _section("Configuration", _table(_mapping(settings.get("config")))),
        _section("Environment", _table(_flat(environment))),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(experiment)} '
    head += f"{escape(name)}</title><style>{STYLE}</style>"
    page = f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"
    return _replace(
        run / "report.html", lambda path: path.write_text(page, encoding="utf-8", errors="backslashreplace")
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
    run = _checked(run)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("curves are drawn by matplotlib: pip install 'jaxgan[experiments]'") from error
    groups = grouped(read_metrics(run)) or {"nothing logged yet": {}}
    rows = math.ceil(len(groups) / 2)
    figure = Figure(figsize=(11, 3.2 * rows), layout="constrained")
    for i, (title, series) in enumerate(groups.items()):
        axes = figure.add_subplot(rows, min(2, len(groups)), i + 1)
        for name, (steps, values) in series.items():
            axes.plot(steps, values, label=name, linewidth=1.2, marker="." if len(steps) <= 30 else None)
        axes.set(xlabel="step", ylabel=title)
        axes.grid(alpha=0.3)
        if series:
            axes.legend(fontsize=8)
    return _replace(run / "curves.png", lambda path: figure.savefig(path, dpi=110, format="png"))


def read_metrics(run: Path) -> Metrics:
    """Reads the series of `run/metrics.jsonl` by name; torn lines and values that are not numbers are skipped.

    Where a step was logged twice (a resumed run repeats the steps after its checkpoint) the later row counts.

    Args:
      run: a run folder; without a metrics.jsonl there are no series.
    Returns:
      By "<player>/<quantity>", (steps, values) in rising order of steps; values may be infinite or NaN.
    """
    path = Path(run) / "metrics.jsonl"
    series: dict[str, dict[int, float]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        row = _mapping(_parse(line))
        step = row.pop("step", None)
        if isinstance(step, int):
            for name, value in row.items():
                if isinstance(value, (int, float)):
                    series.setdefault(name, {})[step] = float(value)
    return {name: (sorted(points), [points[s] for s in sorted(points)]) for name, points in series.items()}


def grouped(metrics: Metrics) -> dict[str, Metrics]:
    """Sorts series into charts, by axis label: losses of all players, quality figures one by one, the rest by quantity.

    `real_` and `fake_` before a quantity are read as two series of one chart.
    """
    groups: dict[str, Metrics] = {}
    for name, points in metrics.items():
        player, _, quantity = name.rpartition("/")
        if player != "quality":
            quantity = quantity.removeprefix("real_").removeprefix("fake_")
        label = AXES.get(quantity, quantity.replace("_", " "))
        groups.setdefault(label, {})[name] = points
    return groups


def _checked(run: Path) -> Path:
    run = Path(run)
    if not ((run / "config.json").is_file() or (run / "metrics.jsonl").is_file()):
        raise ValueError(
            f"{run} is not a run folder: it holds neither config.json nor metrics.jsonl; "
            "name one as runs/<experiment>/<id>, the folder that the run printed"
        )
    return run


def _replace(path: Path, write: Callable[[Path], Any]) -> Path:
    partial = path.with_name(path.name + ".partial")
    write(partial)
    os.replace(partial, path)
    return path


def _parse(text: str) -> Any:
    try:
        return parse_page(text)
    except ValueError:
        return None


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _read_object(path: Path) -> dict[str, Any]:
    return _mapping(_parse(path.read_text(encoding="utf-8", errors="replace"))) if path.is_file() else {}


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns nested mappings as one, keys joined by a space: {"versions": {"jax": ..}} -> {"versions jax": ..}."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        nested = _flat(value) if isinstance(value, Mapping) else {"": value}
        flat |= {f"{name} {inner}".rstrip(): leaf for inner, leaf in nested.items()}
    return flat


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _status(summary: Mapping[str, Any], metrics: Metrics) -> str:
    step = summary.get("step", max((steps[-1] for steps, _ in metrics.values()), default=0))
    seconds = summary.get("seconds")
    took = f", {seconds:,.0f} seconds" if isinstance(seconds, (int, float)) else ""
    return f"{summary.get('status', 'no summary yet')}, step {_shown(step)}{took}"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{content or '<p>nothing yet</p>'}</section>"


def _table(rows: Mapping[str, Any]) -> str:
    cells = "".join(f"<tr><th>{escape(str(n))}</th><td>{escape(_shown(v))}</td></tr>" for n, v in rows.items())
    return f"<table>{cells}</table>" if cells else ""


def _figures(summary: Mapping[str, Any], metrics: Metrics) -> str:
    """Returns the table of final figures, or of the latest so far, their protocol and the class histogram."""
    latest = {name.removeprefix("quality/"): v[-1] for name, (_, v) in metrics.items() if name.startswith("quality/")}
    parts = [_table(_mapping(summary.get("figures")) or latest)]
    if summary.get("protocol"):
        parts.append(f"<p>Protocol: {escape(_shown(summary['protocol']))}</p>")
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
        _section(
            "Classes, and training examples of each", _table(rows) + (f"<p>and {more} more</p>" if more > 0 else "")
        )
    ]


def _grids(run: Path) -> dict[int, Path]:
    """Returns the generated grids by step."""
    return {int(path.stem): path for path in sorted((run / "samples").glob("*.png")) if path.stem.isdecimal()}


def _final_samples(run: Path) -> str:
    grids = _grids(run)
    shown = [(f"generated, step {step:,}", grids[step]) for step in sorted(grids)[-1:]]
    others = [path for path in sorted((run / "samples").glob("*.png")) if not path.stem.isdecimal()]
    shown += [(path.stem, path) for path in sorted(others, key=lambda path: path.stem != "real")]
    return _pictures(shown, "large")


def _strip(run: Path) -> str:
    grids = _grids(run)
    steps, n = sorted(grids), min(STRIP, len(grids))
    chosen = [steps[round(i * (len(steps) - 1) / max(1, n - 1))] for i in range(n)]
    return _pictures([(f"step {step:,}", grids[step]) for step in chosen], "strip")


def _pictures(shown: list[tuple[str, Path]], kind: str) -> str:
    figures = ""
    for caption, path in shown:
        data, text = base64.b64encode(path.read_bytes()).decode(), escape(caption)
        figures += (
            f'<figure><img src="data:image/png;base64,{data}" alt="{text}"><figcaption>{text}</figcaption></figure>'
        )
    return f'<div class="row {kind}">{figures}</div>' if figures else ""


def _charts(metrics: Metrics) -> str:
    charts = "".join(svg.line_chart(series, "step", label) for label, series in grouped(metrics).items())
    return f'<div class="row charts">{charts}</div>' if charts else ""


def _reproduce(settings: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    command, revision = settings.get("command"), environment.get("git_revision")
    lines = [f"git checkout {revision}"] if revision else []
    lines += [str(command)] if command else []
    changed = " The checkout had uncommitted changes." if environment.get("git_dirty") else ""
    seed = _mapping(settings.get("config")).get("seed")
    text = f"Seed {_shown(seed)}; revision {revision or 'unknown'}.{changed}"
    return f"<p>{escape(text)}</p>" + (f"<pre>{escape(chr(10).join(lines))}</pre>" if lines else "")
