"""Experiments that train or compute many games and end in tables instead of one trained model.

A table experiment is a module with a docstring (paper, command, expected result, minutes), a frozen dataclass `Config`
of numbers and strings with a `seed`, `SMOKE` (the fields of a run of seconds), and one function:

- `tabulate(config, folder)`: yields a `Table` whenever one is done, and may write pictures into the folder

It is run by `python -m experiments NAME [--flag value ...]`, or `jaxgan run FILE.py`, like any other. The tables are
printed and written to `OUT/NAME/ID/table.json` with config, seeds, versions and seconds.

Each game that it trains is a member: `members.train_member(folder / "seed0", Training(...))`, a run below the table's
folder with checkpoints, guard, metrics and report. So `--resume` goes on: members that have ended are read back, the
one that was stopped goes on bit for bit, the others are trained. Those that compute without the loop (`dirac`,
`remedies`, `modes`, `gaussians`, `optimal_discriminator`) run thousands of tiny steps of many games inside one
compiled `vmap` or `scan`, where the loop takes one step of one game at a time; with `--resume` they start over.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from jaxgan.lock import locked
from jaxgan.report import report
from jaxgan.report.tables import Cell, formatted
from jaxgan.runs import folder as folders
from jaxgan.runs.compiled import say_where_kept
from jaxgan.runs.members import FILE, StoppedError, read_table
from jaxgan.runs.modules import Definition
from jaxgan.runs.start import about
from jaxgan.runs.terminal import EXIT

Row = TypeVar("Row")


class Table(NamedTuple):
    """Rows of one measurement, and how to read them."""

    title: str
    note: str  # what the columns are, and the setting
    rows: list[dict[str, Cell]]  # by column, the same columns in each


class Tabulated(NamedTuple):
    """What came of a table experiment."""

    code: int  # 0 when done, 130 or 143 when Ctrl-C or SIGTERM stopped it
    tables: list[Table]  # that were done


@dataclass(frozen=True)
class Where:
    """Where results go, and how games are trained; nothing here changes what is measured."""

    out: Path = Path("runs")  # results go to OUT/EXPERIMENT/ID
    id: str | None = None  # their name; date, time and seed if not given
    resume: bool = False  # go on with the table ID, or with the experiment's latest
    max_skips: int = 10  # updates of a game in a row that may be skipped because they are not finite
    watchdog: int | None = None  # seconds that a step of a game may take; 0 or none: any
    smoke: bool = False  # tiny games and few steps, to see that everything works


def at_least(config: Any, **least: int) -> None:
    """Refuses fields of a config that are smaller than they may be.

    Raises:
      ValueError: names the flag, its least value and its value.
    """
    for name, value in least.items():
        if (given := getattr(config, name)) is not None and given < value:
            raise ValueError(f"--{name.replace('_', '-')} must be at least {value}; got {given}")


def numbers(config: Any, field: str, what: str, good: Callable[[list[Any]], bool], kind: type = float) -> list[Any]:
    """Reads a field of a config that lists numbers with commas between.

    Args:
      config: of an experiment.
      field: its name.
      what: they must be, in words: "numbers in (0, 8]".
      good: says whether these numbers, one at least, are that.
      kind: float or int.
    Raises:
      ValueError: they are none, or not good; names the flag.
    """
    text = getattr(config, field)
    try:
        values = [kind(word) for word in text.split(",")]
    except ValueError:
        values = []
    if not values or not good(values):
        raise ValueError(f"--{field} must be {what} with commas between; got {text!r}")
    return values


def chosen(methods: str, known: Mapping[str, Row]) -> dict[str, Row]:
    """Returns the rows of a table that `--methods` asks for: "all", or names with commas between.

    Raises:
      ValueError: a name is unknown; says which are known.
    """
    names = list(known) if methods == "all" else [name.strip() for name in methods.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"--methods has {unknown[0]!r}, which is none of {', '.join(known)}")
    return {name: known[name] for name in names}


def run_tables(definition: Definition, config: Any, where: Where) -> Tabulated:
    """Runs a table experiment, or goes on with it: prints its tables and writes them.

    Args:
      definition: its code.
      config: its `Config`.
      where: where results go.
    Returns:
      Tabulated.
    Raises:
      ValueError: bad settings, or results of this name exist, or those to go on with are of another config.
      checkpoint.CheckpointError, loop.NonFiniteError: of a member; the message names it.
    """
    experiment = definition.module
    if hasattr(experiment, "check"):
        experiment.check(config)  # before a folder is made
    at_least(where, max_skips=1, watchdog=0)
    around = folders.missing(where.out / definition.name)
    folder, page = _begun(definition, config, where)
    began, tables = time.monotonic(), list[Table]()
    with folders.withdrawn(folder, None if where.resume else around), locked(folder):
        _write(folder, page)
        say_where_kept()
        print(f"{'going on with' if where.resume else 'results go to'} {folder}", flush=True)
        try:
            for table in experiment.tabulate(config, folder):
                tables.append(table)
                page["tables"].append(table._asdict() | {"seconds": round(time.monotonic() - began, 1)})
                _write(folder, page)
                print(f"\n{table.title}\n\n{markdown(table.rows)}\n\n{table.note}", flush=True)
        except StoppedError as stopped:
            return Tabulated(stopped.args[0], tables)
        except KeyboardInterrupt:  # between two games
            print("\nSIGINT: what was trained is saved; go on with the same command and --resume", flush=True)
            return Tabulated(EXIT["SIGINT"], tables)
        finally:
            _write(folder, page)
            report(folder)
    print(f"\n{round(time.monotonic() - began)} s\n{folder}", flush=True)
    return Tabulated(0, tables)


def _begun(definition: Definition, config: Any, where: Where) -> tuple[Path, dict[str, Any]]:
    """Makes or finds the table's folder; returns it and what `table.json` says before there are tables."""
    page = about(definition, config) | {
        "config": json.loads(json.dumps(_finite(asdict(config)))),
        "seeds": [config.seed + k for k in range(getattr(config, "seeds", 1))],
        "running": {"max_skips": where.max_skips, "watchdog": where.watchdog},
        "environment": folders.environment(),
        "resumed": 0,  # how often; seconds are those since the last time
        "tables": [],
    }
    if not where.resume:
        return folders.new_folder(where.out, definition.name, where.id, config.seed), page
    folder = folders.find_folder(where.out, definition.name, where.id, FILE)
    before = read_table(folder)
    for field, value in page["config"].items():
        if (old := before["config"].get(field)) != value:
            remedy = "go on with the same flags, or start anew without --resume"
            raise ValueError(f"{folder} was started with --{field.replace('_', '-')} {old}, not {value}; {remedy}")
    return folder, page | {"resumed": before["resumed"] + 1}


def _write(folder: Path, page: dict[str, Any]) -> None:
    """Writes `table.json`, with the members that there are by now."""
    members = sorted(path.parent.name for path in folder.glob("*/config.json"))
    folders.write_json(folder / FILE, _finite(page | {"members": members}))


def markdown(rows: Sequence[Mapping[str, Cell]]) -> str:
    """Writes rows as a table in Markdown; of several seeds, the mean and its 95 % confidence interval."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([formatted(row[column]) for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def save(figure: Any, path: Path, dpi: int = 90) -> None:
    """Writes a matplotlib figure as a PNG of 64 colours, a third of the bytes of all."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=dpi, format="png")
    Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def film(path: Path, frames: Sequence[np.ndarray], milliseconds: int = 60) -> None:
    """Writes pictures [H, W] or [H, W, 3] uint8 as a GIF that goes on for ever, of 32 colours."""
    from PIL import Image

    first, *others = [Image.fromarray(frame).quantize(32) for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=True)


def _finite(value: Any) -> Any:
    """Writes what JSON has no number for in words, so that any reader can parse the page."""
    if isinstance(value, dict):
        return {name: _finite(x) for name, x in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(x) for x in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value
