"""Experiments that measure many small games and end in tables instead of one trained model.

A table experiment is a module with a docstring (paper, command, expected result, minutes), a frozen dataclass `Config`
of numbers and strings with a `seed`, `SMOKE` (the fields of a run of seconds), and one function:

- `tabulate(config, folder)`: yields a `Table` whenever one is done, and may write pictures into the folder

It is run by `python -m experiments NAME [--flag value ...]`, or `jaxgan run FILE.py`, like any other. The tables are
printed and written to `OUT/NAME/ID/table.json` with config, seeds, versions and seconds.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from jaxgan.parallel import interval
from jaxgan.runs import folder as folders
from jaxgan.runs.modules import Definition

Row = TypeVar("Row")
Cell = str | float | Sequence[float]  # words, a number, or one number for each seed


class Table(NamedTuple):
    """Rows of one measurement, and how to read them."""

    title: str
    note: str  # what the columns are, and the setting
    rows: list[dict[str, Cell]]  # by column, the same columns in each


@dataclass(frozen=True)
class Where:
    """Where results go; nothing here changes what is measured."""

    out: Path = Path("runs")  # results go to OUT/EXPERIMENT/ID
    id: str | None = None  # their name; date, time and seed if not given
    smoke: bool = False  # tiny games and few steps, to see that everything works


def at_least(config: Any, **least: int) -> None:
    """Refuses fields of a config that are smaller than they may be.

    Raises:
      ValueError: names the flag, its least value and its value.
    """
    for name, value in least.items():
        if getattr(config, name) < value:
            raise ValueError(f"--{name.replace('_', '-')} must be at least {value}; got {getattr(config, name)}")


def chosen(methods: str, known: Mapping[str, Row]) -> dict[str, Row]:
    """Returns the rows of a table that `--methods` asks for: "all", or names with commas between.

    Raises:
      ValueError: a name is unknown; says which are known.
    """
    names = list(known) if methods == "all" else [name.strip() for name in methods.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"--methods has {unknown[0]!r}, which is none of {', '.join(known)}")
    return {name: known[name] for name in names}


def run_tables(definition: Definition, config: Any, where: Where) -> int:
    """Runs a table experiment: prints its tables and writes them.

    Args:
      definition: its code.
      config: its `Config`.
      where: where results go.
    Returns:
      The exit code, 0.
    Raises:
      ValueError: bad settings, or results of this name exist.
    """
    experiment = definition.module
    if where.smoke:
        config = replace(config, **getattr(experiment, "SMOKE", {}))
    if hasattr(experiment, "check"):
        experiment.check(config)  # before a folder is made
    folder, began = folders.new_folder(where.out, definition.name, where.id, config.seed), time.monotonic()
    print(f"results go to {folder}", flush=True)
    page: dict[str, Any] = {
        "experiment": definition.name,
        "module": definition.origin,
        "sha256": definition.sha256,
        "command": folders.command(definition.command, config),
        "config": asdict(config),
        "seeds": [config.seed + k for k in range(getattr(config, "seeds", 1))],
        "tables": [],
    }
    for table in experiment.tabulate(config, folder):
        page["tables"].append(table._asdict() | {"seconds": round(time.monotonic() - began, 1)})
        folders.write_json(folder / "table.json", _finite(page | {"environment": folders.environment()}))
        print(f"\n{table.title}\n\n{markdown(table.rows)}\n\n{table.note}", flush=True)
    print(f"\n{round(time.monotonic() - began)} s\n{folder}", flush=True)
    return 0


def markdown(rows: Sequence[Mapping[str, Cell]]) -> str:
    """Writes rows as a table in Markdown; of several seeds, the mean and its 95 % confidence interval."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([formatted(row[column]) for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def formatted(cell: Cell) -> str:
    """Writes a cell: words as they are, numbers in three digits, seeds as `mean [low, high]`."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Sequence):
        if len(cell) == 1:
            return formatted(cell[0])
        mean, low, high = interval(np.asarray(cell, np.float64))
        return f"{mean:.3g} [{low:.3g}, {high:.3g}]"
    return f"{cell:.3g}"


def save(figure: Any, path: Path, dpi: int = 90) -> None:
    """Writes a matplotlib figure as a PNG of 64 colours, a third of the bytes of all."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=dpi, format="png")
    Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def _finite(value: Any) -> Any:
    """Writes what JSON has no number for in words, so that any reader can parse the page."""
    if isinstance(value, dict):
        return {name: _finite(x) for name, x in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(x) for x in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value
