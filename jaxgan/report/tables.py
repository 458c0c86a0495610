"""The page of a table experiment: its tables, what its games left, and how far each of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.parallel import interval
from jaxgan.report.exhibits import KINDS, exhibits
from jaxgan.report.html import flat, listing, section, shown, write_page
from jaxgan.report.read import listed, mapping, read_object

FILE = "table.json"
Cell = str | float | Sequence[float]  # words, a number, or one number for each seed


def formatted(cell: Cell) -> str:
    """Writes a cell: words as they are, numbers in three digits, seeds as `mean [low, high]`, a 95 % interval."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Sequence):
        if len(cell) == 1:
            return formatted(cell[0])
        mean, low, high = interval(np.asarray(cell, np.float64))
        return f"{mean:.3g} [{low:.3g}, {high:.3g}]"
    return f"{cell:.3g}"


def write_table(folder: Path) -> Path:
    """Writes `folder/report.html` from the tables that are done so far; returns its path."""
    page = read_object(folder / FILE)
    experiment, name = str(page.get("experiment", folder.resolve().parent.name)), folder.resolve().name
    tables = [mapping(each) for each in listed(page.get("tables")) if listed(mapping(each).get("rows"))]
    members = [str(each) for each in listed(page.get("members"))]
    left = [(path.stem, path) for path in sorted(folder.glob("*")) if path.suffix in KINDS]
    done = f"{len(tables)} tables, of {len(members)} games, seeds {shown(page.get('seeds'))}"
    body = [
        f"<h1>{escape(experiment)}</h1>",
        f"<p>tables {escape(name)}: {escape(done)}</p>",
        *(section(str(each.get("title")), _rows(each)) for each in tables),
        section("Samples", exhibits(left, "large")),
        section("Games", listing({each: _status(folder / each) for each in members})),
        section("How to reproduce it", f"<pre>{escape(shown(page.get('command')))}</pre>"),
        section("Configuration", listing(mapping(page.get("config")))),
        section("Environment", listing(flat(mapping(page.get("environment"))))),
    ]
    return write_page(folder / "report.html", f"{experiment} {name}", body)


def _rows(table: Mapping[str, Any]) -> str:
    """Returns the rows of a table; a cell of several seeds says each when it is pointed at."""
    rows = [mapping(row) for row in table["rows"]]
    head = "".join(f"<th>{escape(str(column))}</th>" for column in rows[0])
    lines = "".join(f"<tr>{''.join(_cell(row.get(column, '')) for column in rows[0])}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{lines}</table><p>{escape(shown(table.get('note', '')))}</p>"


def _cell(cell: Any) -> str:
    try:
        each = f' title="{escape(shown(cell))}"' if isinstance(cell, list) else ""
        return f"<td{each}>{escape(formatted(cell))}</td>"
    except (TypeError, ValueError):  # JSON has no word for what is not finite, so it stands there in words
        return f"<td>{escape(shown(cell))}</td>"


def _status(member: Path) -> str:
    summary = read_object(member / "summary.json")
    return f"{summary.get('status', 'no summary yet')}, step {shown(summary.get('step', 'unknown'))}"
