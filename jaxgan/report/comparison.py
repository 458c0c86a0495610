"""Several runs side by side: what differs in their settings, their figures with intervals, and their curves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from jaxgan import svg
from jaxgan.metrics.protocol import Figure, compare, cost, described, differing, from_json
from jaxgan.report.exhibits import exhibits
from jaxgan.report.html import flat, listing, section, shown, write_page
from jaxgan.report.read import mapping, read_object
from jaxgan.report.runs import check_run, sample_grids, status
from jaxgan.report.series import AXES, Metrics, read_metrics

MISSING = "-"
BARS = "▁▂▃▄▅▆▇█"
SPARK = 32  # characters of a curve in text
ARROWS = {"lower": "v", "higher": "^", "nearer to 1": "1"}
Rows = dict[str, list[str]]  # by name, what each run has


class Comparison(NamedTuple):
    """What is known of several runs, in their order."""

    runs: list[str]  # what each is called: the shortest end of its path that tells it from the others
    status: list[str]
    settings: Rows
    figures: Rows  # value, interval, and a mark: * best, = not apart from the best
    protocol: str  # by which all of them were measured, and what else is to be said of them; "": no figures
    curves: dict[str, Metrics]  # by what they measure, the series of each run by its name
    samples: list[tuple[str, Path]]  # the last grid of each run that has one, under its name and step


def compare_runs(runs: Sequence[Path], *, everything: bool = False, figures: bool = True) -> Comparison:
    """Compares what runs have written so far.

    Figures are those of `jaxgan evaluate`, with intervals, where all runs have them; else those of the runs' own last
    evaluations.

    Args:
      runs: run folders, `runs/<experiment>/<id>/`, two or more.
      everything: list settings that are the same in all runs, too.
      figures: compare figures, and the curves of them; without, runs of any protocols can be compared.
    Returns:
      Comparison.
    Raises:
      ValueError: a folder is none of a run, one is named twice, or figures were measured by different protocols: says
        by which, and what helps.
    """
    if len(runs) < 2:
        raise ValueError(f"compare takes two runs or more; got {len(runs)}: jaxgan compare RUN RUN ...")
    for run in runs:
        check_run(run)
    if len({run.resolve() for run in runs}) < len(runs):
        raise ValueError(f"a run is named twice among {', '.join(map(str, runs))}; name each once")
    names, series = _names(runs), [read_metrics(run) for run in runs]
    summaries = [read_object(run / "summary.json") for run in runs]
    measured, protocol, alike = _figures(runs, names, summaries) if figures else ({}, "", False)
    return Comparison(
        names,
        [status(summary, metrics) for summary, metrics in zip(summaries, series, strict=True)],
        _settings(runs, everything),
        measured,
        protocol,
        _curves(names, series, quality=alike),
        [
            (f"{name}, step {last:,}", steps[last])
            for name, steps in zip(names, map(sample_grids, runs), strict=True)
            for last in sorted(steps)[-1:]
        ],
    )


def as_text(comparison: Comparison, *, bars: bool = True) -> str:
    """Writes a comparison as lines for a terminal.

    Args:
      comparison: what `compare_runs` gave.
      bars: draw curves with block characters, which some terminals do not have.
    """
    names = comparison.runs
    parts = [
        _block("Runs", [[name, each] for name, each in zip(names, comparison.status, strict=True)]),
        _block("Settings that differ", _under(names, comparison.settings)),
    ]
    if comparison.protocol:
        parts.append(f"{_block('Figures', _under(names, comparison.figures))}\n  {comparison.protocol}")
    curves = [
        [kind if name == next(iter(lines)) else "", name, *cells]
        for kind, lines in comparison.curves.items()
        for name, cells in _spark(lines, bars)
    ]
    parts.append(_block("Curves, first step to last, all runs on one scale", curves))
    return "\n\n".join(parts)


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Writes a comparison as one self-contained page; returns its path."""
    names = comparison.runs
    charts = "".join(svg.line_chart(lines, "step", label) for label, lines in comparison.curves.items())
    body = [
        "<h1>comparison</h1>",
        section("Runs", listing(dict(zip(names, comparison.status, strict=True)))),
        section("Figures", _table(comparison.figures, names) + f"<p>{escape(comparison.protocol)}</p>")
        if comparison.protocol
        else "",
        section("Settings that differ", _table(comparison.settings, names) or "<p>none</p>"),
        section("Samples", exhibits(comparison.samples, "large")) if comparison.samples else "",
        section("Curves", f'<div class="row charts">{charts}</div>' if charts else ""),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_page(path, "comparison: " + ", ".join(names), body)


def _names(runs: Sequence[Path]) -> list[str]:
    """Returns the shortest ends of paths, of equally many folders, that tell all apart."""
    parts = [run.resolve().parts for run in runs]
    for n in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-n:]) for each in parts]
        if len(set(names)) == len(names):
            break
    return names


def _settings(runs: Sequence[Path], everything: bool) -> Rows:
    """Returns settings, data and versions of each run; only those that differ, unless everything is asked for."""
    pages = []
    for run in runs:
        config, environment = read_object(run / "config.json"), read_object(run / "environment.json")
        data = mapping(config.get("data"))
        about = {"experiment": config.get("experiment"), **flat(mapping(config.get("config")))}
        about |= {f"data {name}": data.get(name) for name in ("name", "size", "digest")}
        about |= {"git revision": environment.get("git_revision"), **flat(mapping(environment.get("versions")))}
        pages.append({name: value for name, value in about.items() if value is not None})
    names = dict.fromkeys(name for page in pages for name in page)
    rows = {name: [_short(page[name]) if name in page else MISSING for page in pages] for name in names}
    return {name: cells for name, cells in rows.items() if everything or len(set(cells)) > 1}


def _short(value: Any) -> str:
    words = shown(value)
    if re.fullmatch("[0-9a-f]{40,64}", words):  # a revision, or a digest
        return words[:12]
    return words if len(words) <= 48 else f"{words[:20]}...{words[-20:]}"


def _figures(
    runs: Sequence[Path], names: Sequence[str], summaries: Sequence[Mapping[str, Any]]
) -> tuple[Rows, str, bool]:
    """Returns figures, by what they were measured, and whether the runs' own evaluations can be compared."""
    own = {name: shown(s.get("protocol")) for name, s in zip(names, summaries, strict=True) if s.get("figures")}
    alike = len(set(own.values())) < 2
    pages = [read_object(run / "evaluation.json") for run in runs]
    if all(pages):
        evaluated = [_evaluated(run, page) for run, page in zip(runs, pages, strict=True)]
        rows, protocol = _with_intervals(names, evaluated)
        left = "" if alike else "; the runs' own evaluations are of different protocols, and their curves left out"
        return rows, f"* best, = not apart from it; {protocol}{left}", alike
    if not alike:
        first = next(iter(own))
        other = next(name for name in own if own[name] != own[first])
        raise ValueError(
            f"figures of different protocols cannot be compared: {first} by {own[first]}; {other} by {own[other]}. "
            "Measure all runs alike by `jaxgan evaluate RUN`, or compare settings and losses alone by --no-figures"
        )
    without = [str(run) for run, page in zip(runs, pages, strict=True) if not page]
    kinds = dict.fromkeys(name for summary in summaries for name in mapping(summary.get("figures")))
    rows = {
        kind.replace("_", " "): [shown(mapping(s.get("figures")).get(kind, MISSING)) for s in summaries]
        for kind in kinds
    }
    by = f"of the runs' own last evaluations, {next(iter(own.values()))}; " if own else ""
    return rows, f"{by}no intervals: `jaxgan evaluate RUN` gives them, of {', '.join(without)}", alike


def _evaluated(run: Path, page: Mapping[str, Any]) -> dict[str, Figure]:
    try:
        return {name: from_json(mapping(figure)) for name, figure in mapping(page.get("figures")).items()}
    except ValueError as error:
        raise ValueError(f"{run}/evaluation.json is {error}; run `jaxgan evaluate {run}` anew") from error


def _with_intervals(names: Sequence[str], evaluated: Sequence[Mapping[str, Figure]]) -> tuple[Rows, str]:
    """Returns measured figures with intervals and marks, and their protocol; refuses unlike ones."""
    rows: Rows = {}
    for kind in dict.fromkeys(kind for figures in evaluated for kind in figures):
        have = {name: figures[kind] for name, figures in zip(names, evaluated, strict=True) if kind in figures}
        first = next(iter(have))
        for name, figure in have.items():
            if fields := differing(have[first].protocol, figure.protocol):
                what = ", ".join(f"{field} {a!r} and {b!r}" for field, (a, b) in fields.items())
                raise ValueError(
                    f"figures of different protocols cannot be compared, {what}: {first} by "
                    f"{described(have[first].protocol)}; {name} by {described(figure.protocol)}. Measure all runs "
                    "alike by `jaxgan evaluate RUN`, or compare settings and losses alone by --no-figures"
                )
        best = min((figure for figure in have.values() if not math.isnan(figure.value)), key=cost, default=None)
        label = f"{kind.replace('_', ' ')} {ARROWS[have[first].better]}"
        rows[label] = [_cell(have[name], best) if name in have else MISSING for name in names]
    protocol = next((described(figure.protocol) for figures in evaluated for figure in figures.values()), "none")
    return rows, protocol


def _cell(figure: Figure, best: Figure | None) -> str:
    known = not (math.isnan(figure.low) or math.isnan(figure.high))
    value = f"{figure.value:.4g}" + (f" [{figure.low:.4g}, {figure.high:.4g}]" if known else "")
    if best is None or math.isnan(figure.value):
        return value
    if figure is best or figure.value == best.value:
        return f"{value} *"
    return f"{value} =" if compare(figure, best).apart is False else value


def _curves(names: Sequence[str], series: Sequence[Metrics], quality: bool) -> dict[str, Metrics]:
    """Returns the series that two runs or more have, by what they are; figures where they may be compared."""
    curves: dict[str, Metrics] = {}
    for kind in sorted(dict.fromkeys(kind for metrics in series for kind in metrics)):
        lines = {name: metrics[kind] for name, metrics in zip(names, series, strict=True) if kind in metrics}
        figure = kind.removeprefix("quality/")
        if len(lines) > 1 and (quality or figure == kind):
            curves[kind if figure == kind else AXES.get(figure, figure.replace("_", " "))] = lines
    return curves


def _under(names: Sequence[str], rows: Rows) -> list[list[str]]:
    """Returns rows under the runs' names, or turned around where that is narrower."""
    table = [["", *names], *([name, *cells] for name, cells in rows.items())] if rows else []
    turned = [list(column) for column in zip(*table, strict=True)]
    return min(table, turned, key=lambda cells: sum(_widths(cells)))


def _block(title: str, table: Sequence[Sequence[str]]) -> str:
    """Returns cells in aligned columns."""
    lines = ["  ".join(f"{cell:{width}}" for cell, width in zip(line, _widths(table), strict=True)) for line in table]
    return "\n".join([title, *(f"  {line}".rstrip() for line in lines or ["none"])])


def _widths(table: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*table, strict=True)]


def _spark(lines: Metrics, bars: bool) -> list[tuple[str, list[str]]]:
    """Returns curves in characters, of all runs on one scale, and their first and last values."""
    finite = [y for _, values in lines.values() for y in values if math.isfinite(y)] or [0.0]
    low, height = min(finite), max(finite) - min(finite) or 1.0
    end = max(steps[-1] for steps, _ in lines.values())
    drawn = []
    for name, (steps, values) in lines.items():
        places: list[list[float]] = [[] for _ in range(SPARK)]
        for step, value in zip(steps, values, strict=True):
            if math.isfinite(value):
                places[min(SPARK - 1, step * SPARK // max(1, end))].append(value)
        levels = [sum(each) / len(each) if each else None for each in places]
        curve = "".join(" " if y is None else BARS[min(7, int(8 * (y - low) / height))] for y in levels)
        ends = f"{values[0]:.4g} .. {values[-1]:.4g}"
        drawn.append((name, [curve, ends] if bars else [ends]))
    return drawn


def _table(rows: Mapping[str, Sequence[str]], head: Sequence[str]) -> str:
    """Returns rows as a table that scrolls by itself where it is wider than the page."""
    if not rows:
        return ""
    top = f"<tr><th></th>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>"
    lines = "".join(
        f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, cells in rows.items()
    )
    return f'<div class="wide"><table>{top}{lines}</table></div>'
