"""Times ways of doing one thing in turns, and compares them pair by pair: what the benchmarks that read a clock share.

A shared machine drifts: each round runs every way once, in an order that is reversed in every other round, and what is
compared are the two times of one round. CPU seconds of all threads are the steadier measure, wall time is kept beside.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Way = Callable[[], Any]  # does the thing once and returns when it is done
Clocks = tuple[Callable[[], float], Callable[[], float]]  # wall and CPU, in seconds


class Time(NamedTuple):
    """Of one call, in seconds."""

    wall: float
    cpu: float


class Quartiles(NamedTuple):
    """Of several numbers."""

    low: float
    median: float
    high: float


class Comparison(NamedTuple):
    """A way beside the base; a ratio is its seconds by the base's of the same round: above 1, the base is faster."""

    wall: Quartiles  # seconds
    cpu: Quartiles  # seconds
    wall_ratio: Quartiles
    cpu_ratio: Quartiles
    rounds: int


def interleaved(
    ways: Mapping[str, Way],
    rounds: int,
    *,
    seconds: float = float("inf"),
    calls: int = 1,
    warm: int = 1,
    pause: float = 0.0,
    clocks: Clocks = (time.perf_counter, time.process_time),
) -> dict[str, list[Time]]:
    """Times all ways in turns.

    Args:
      ways: by name.
      rounds: at most so many, >= 1.
      seconds: no round begins later than this, but for the first three.
      calls: of a way in a row, whose mean is one time; for what takes less than a millisecond.
      warm: calls of each way before the first round, untimed.
      pause: seconds of sleep before each time, in which the other ways' threads come to rest.
      clocks: for tests.
    Returns:
      By name, the mean times of each round.
    Raises:
      ValueError: there is no way, or rounds or calls are below 1.
    """
    if not ways or rounds < 1 or calls < 1:
        raise ValueError(f"interleaved needs a way, rounds >= 1 and calls >= 1; got {list(ways)}, {rounds} and {calls}")
    wall, cpu = clocks
    for way in ways.values():
        for _ in range(warm):
            way()
    times: dict[str, list[Time]] = {name: [] for name in ways}
    began = wall()
    for done in range(rounds):
        if done >= 3 and wall() - began > seconds:
            break
        for name in list(ways) if done % 2 == 0 else reversed(list(ways)):
            time.sleep(pause)
            first, spent = wall(), cpu()
            for _ in range(calls):
                ways[name]()
            times[name].append(Time((wall() - first) / calls, (cpu() - spent) / calls))
    return times


def quartiles(values: Sequence[float]) -> Quartiles:
    """Returns the quartiles and the median, interpolated."""
    return Quartiles(*(float(q) for q in np.percentile(values, [25, 50, 75])))


def compared(times: Mapping[str, Sequence[Time]], base: str) -> dict[str, Comparison]:
    """Compares every way with the base, round by round.

    Args:
      times: from `interleaved`.
      base: the name that all are divided by.
    Returns:
      By name, in the same order.
    Raises:
      ValueError: no way has the base's name.
    """
    if base not in times:
        raise ValueError(f"no way is named {base!r}; choose the base from {list(times)}")
    by_name = {}
    for name, own in times.items():
        pairs = list(zip(own, times[base], strict=True))
        by_name[name] = Comparison(
            quartiles([a.wall for a in own]),
            quartiles([a.cpu for a in own]),
            quartiles([a.wall / max(b.wall, 1e-12) for a, b in pairs]),
            quartiles([a.cpu / max(b.cpu, 1e-12) for a, b in pairs]),
            len(own),
        )
    return by_name


def table(title: str, comparisons: Mapping[str, Comparison], base: str) -> str:
    """Writes the medians, and the ratios with their quartiles."""
    rounds = next(iter(comparisons.values())).rounds
    lines = [
        f"{title}: medians of {rounds} rounds in turns; ratios to {base} pair by pair, median [quartiles]",
        f"{'way':40} {'wall ms':>9} {'CPU ms':>9} {'wall ratio':>21} {'CPU ratio':>21}",
    ]
    for name, each in comparisons.items():
        ratios = [f"{r.median:.2f} [{r.low:.2f} {r.high:.2f}]" for r in (each.wall_ratio, each.cpu_ratio)]
        milliseconds = f"{1e3 * each.wall.median:9.2f} {1e3 * each.cpu.median:9.2f}"
        lines.append(f"{name:40} {milliseconds} {ratios[0]:>21} {ratios[1]:>21}")
    return "\n".join(lines)


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say where the results go besides the screen."""
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures here")
    parser.add_argument("--chart", type=Path, metavar="PATH", help="draw bars here: .svg or .png (needs matplotlib)")


def write_json(path: Path, results: Any) -> None:
    """Writes results (of tuples with names, as objects) with the machine, the command and the load beside them.

    Args:
      path: of a file, in a folder that may be missing.
      results: what is to be kept, of numbers, strings, lists, dictionaries and NamedTuples.
    """
    machine = {
        "command": " ".join(["python -m benchmarks", Path(sys.argv[0]).stem, *sys.argv[1:]]),
        "python": platform.python_version(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine, "results": named(results)}, indent=1) + "\n")


def named(results: Any) -> Any:
    """Turns NamedTuples into dictionaries, all the way down, so that JSON keeps the names."""
    if hasattr(results, "_asdict"):
        return {name: named(value) for name, value in results._asdict().items()}
    if isinstance(results, Mapping):
        return {str(name): named(value) for name, value in results.items()}
    return [named(each) for each in results] if isinstance(results, list | tuple) else results


def draw_bars(path: Path, groups: Mapping[str, Mapping[str, Quartiles]], label: str, line: float | None = None) -> None:
    """Draws horizontal bars of medians, with their quartiles as whiskers.

    Args:
      path: a picture, whose ending says of which kind: .svg, .png, ...
      groups: by title, then by the bar's name.
      label: what the bars measure, with its unit.
      line: where to draw a vertical line, if anywhere: at a ratio of 1.
    Raises:
      ValueError: matplotlib is missing, or knows no such kind of picture.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("--chart needs matplotlib: pip install matplotlib, or ask for --json alone") from error
    rows = [(f"{title}: {name}" if title else name, q) for title, bars in groups.items() for name, q in bars.items()]
    figure = Figure(figsize=(8, 0.8 + 0.28 * len(rows)), layout="constrained")
    axes = figure.subplots()
    reach = [[q.median - q.low for _, q in rows], [q.high - q.median for _, q in rows]]
    axes.barh([name for name, _ in rows], [q.median for _, q in rows], xerr=reach, color="#3b76c4", ecolor="#444444")
    axes.invert_yaxis()
    axes.set_xlabel(label)
    if line is not None:
        axes.axvline(line, color="#d9730d", linewidth=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
