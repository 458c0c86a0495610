"""Where observed numbers go: `metrics.jsonl`, TensorBoard event files, and one progress line.

`metrics.jsonl` holds no clock time, so that a resumed run and an uninterrupted one write the same bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from jaxgan.guard import SKIPPED
from jaxgan.loop import Log


@contextlib.contextmanager
def open_log(folder: Path, start: int, *, tensorboard: bool = True) -> Iterator[Log]:
    """Opens a run's metrics for appending, from a step on.

    Rows beyond `start`, which a killed run wrote after its last checkpoint, are dropped, and so is a torn last line:
    the steps to come write them again.

    Args:
      folder: the run's.
      start: completed steps of the state that training goes on from.
      tensorboard: also write event files, if tensorboardX is installed.
    Yields:
      Log, (step, values) -> None: one line {"step": step, **values}, flushed.
    """
    path = folder / "metrics.jsonl"
    kept = [line for line in _lines(path) if (row := _row(line)) is not None and row["step"] <= start]
    replacement = path.with_suffix(".tmp")
    replacement.write_text("".join(kept))
    os.replace(replacement, path)
    events = _events(folder, start) if tensorboard else None
    with path.open("a") as rows:

        def log(step: int, values: Mapping[str, float]) -> None:
            rows.write(json.dumps({"step": step, **values}) + "\n")
            rows.flush()
            if events is not None:
                for name, value in values.items():
                    events.add_scalar(name, value, step)

        try:
            yield log
        finally:
            if events is not None:
                events.close()


def progress(steps: int, start: int, stream: TextIO | None = None, interval: float = 10.0) -> Log:
    """Makes a log that shows step, steps/s, time left and the losses.

    On a terminal it is one line, rewritten in place; elsewhere a line every `interval` seconds.

    Args:
      steps: completed steps at the end.
      start: completed steps at the beginning.
      stream: where to write; standard output if None.
      interval: seconds between plain lines; 0 prints each.
    Returns:
      Log; values whose name ends in "/loss" are shown.
    """
    stream = stream or sys.stdout
    live = stream.isatty()
    clock: dict[str, float] = {}  # when the first step was seen (it holds the compilation), and the last line

    def log(step: int, values: Mapping[str, float]) -> None:
        losses = {name: value for name, value in values.items() if name.endswith("/loss")}
        if not losses:
            return
        now = time.monotonic()
        first = clock.setdefault("first", now)
        if step < steps and now - clock.get("shown", first - interval) < (0.2 if live else interval):
            return
        clock["shown"] = now
        rate = (step - start - 1) / (now - first) if now > first else 0.0
        left = f"{_duration((steps - step) / rate)} left" if rate else "time left unknown"
        shown = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        line = f"step {step}/{steps}  {rate:.1f} steps/s  {left}  {shown}"
        stream.write(f"\r{line}\x1b[K" + ("\n" if step == steps else "") if live else line + "\n")
        stream.flush()

    return log


def every(interval: int, log: Log) -> Log:
    """Thins a log: the players' metrics pass at every `interval`-th step, quality figures and skipped steps always."""

    def thinned(step: int, values: Mapping[str, float]) -> None:
        if step % interval == 0 or all(name.startswith("quality/") or name == SKIPPED for name in values):
            log(step, values)

    return thinned


def no_log(step: int, values: Mapping[str, float]) -> None:
    """Drops everything: the log of all processes but the first."""


def both(*logs: Log) -> Log:
    """Writes to several logs."""

    def log(step: int, values: Mapping[str, float]) -> None:
        for each in logs:
            each(step, values)

    return log


def _events(folder: Path, start: int) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        print("no TensorBoard event files: install the extra 'experiments' for them", file=sys.stderr)
        return None
    return SummaryWriter(str(folder), purge_step=start + 1)


def _lines(path: Path) -> Iterator[str]:
    if path.exists():
        with path.open() as lines:
            yield from lines


def _row(line: str) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        row = json.loads(line)
        if isinstance(row, dict) and "step" in row and line.endswith("\n"):
            return row
    return None


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
