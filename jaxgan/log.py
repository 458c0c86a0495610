"""Where observed numbers go: `metrics.jsonl`, TensorBoard event files, and one progress line.

`metrics.jsonl` holds no clock time, so that a resumed run and an uninterrupted one write the same bytes.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import socket
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from jaxgan.guard import SKIPPED
from jaxgan.loop import Log
from jaxgan.pages import parse_page

REFRESHED = 0.2  # seconds between two looks of a bar
FORMAT = (
    "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{remaining}, {rate_fmt}{postfix}]"  # 79 characters with two losses
)


@contextlib.contextmanager
def open_log(folder: Path, start: int, *, tensorboard: bool = True) -> Iterator[Log]:
    """Opens a run's metrics for appending, from a step on.

    Rows beyond `start`, which a killed run wrote after its last checkpoint, are dropped, and so is a torn last line:
    the steps to come write them again. What a full disk does not take is kept, in order, until it does.

    Args:
      folder: the run's.
      start: completed steps of the state that training goes on from.
      tensorboard: also write event files, if tensorboardX is installed.
    Yields:
      Log, (step, values) -> None: one line {"step": step, **values}, written at once.
    Raises:
      OSError: the files cannot be opened, or the rows that are there cannot be read.
    """
    path = folder / "metrics.jsonl"
    kept = [line for line in _lines(path) if (row := _row(line)) is not None and row["step"] <= start]
    replacement = path.with_suffix(".tmp")
    replacement.write_text("".join(kept))
    os.replace(replacement, path)
    events = _events(folder, start) if tensorboard else contextlib.nullcontext(no_log)
    with _appending(path) as append, events as add_events:

        def log(step: int, values: Mapping[str, float]) -> None:
            append((json.dumps({"step": step, **values}) + "\n").encode())
            add_events(step, values)

        yield log


def progress(steps: int, start: int, stream: TextIO | None = None, interval: float = 10.0) -> Log:
    """Makes a log that shows step, steps/s, time left and the losses.

    On a terminal and in a notebook it is tqdm's bar; elsewhere, as in a pipe or a file, a line every `interval`
    seconds. The speed leaves out the first step, which compiles.

    Args:
      steps: completed steps at the end.
      start: completed steps at the beginning.
      stream: where to write; standard output if None.
      interval: seconds between plain lines; 0 prints each.
    Returns:
      Log; values whose name ends in "/loss" are shown.
    """
    stream = stream or sys.stdout
    if stream.isatty() or _in_notebook():
        return _bar(steps, stream)
    clock: dict[str, float] = {}  # when the first step was done (it holds the compilation), and the last line

    def log(step: int, values: Mapping[str, float]) -> None:
        losses = _losses(values)
        if not losses:
            return
        now = time.monotonic()
        first = clock.setdefault("first", now)
        if step < steps and now - clock.get("shown", first - interval) < interval:
            return
        clock["shown"] = now
        rate = (step - start - 1) / (now - first) if now > first else 0.0
        left = f"{_duration((steps - step) / rate)} left" if rate else "time left unknown"
        shown = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        stream.write(f"step {step}/{steps}  {rate:.1f} steps/s  {left}  {shown}\n")
        stream.flush()

    return log


def _bar(steps: int, stream: TextIO) -> Log:
    """Makes the log that moves a bar, five times a second at most: a step in between costs a look at the clock."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a notebook without ipywidgets has a bar of characters
        from tqdm.auto import tqdm  # of a terminal or of a notebook, whichever this is

    notebook, bars = _in_notebook(), list[Any]()
    clock = {"shown": -math.inf}

    def log(step: int, values: Mapping[str, float]) -> None:
        losses = _losses(values)
        now = time.monotonic()
        if not losses or (step < steps and now - clock["shown"] < REFRESHED):
            return
        clock["shown"] = now
        if not bars:  # only now, so that its clock leaves out what was compiled
            looks = {"unit": "step", "bar_format": FORMAT, "dynamic_ncols": notebook, "nrows": 20}
            bars.append(tqdm(total=steps, initial=step, file=stream, **looks))
        (bar,) = bars
        if not notebook:  # by tqdm itself nothing is shown on a terminal that does not say its size
            bar.ncols = shutil.get_terminal_size().columns
        words = " ".join(f"{name.removesuffix('/loss')} {value:.3f}" for name, value in losses.items())
        bar.set_postfix_str(f"loss {words}", refresh=False)
        bar.n = step
        bar.refresh()
        if step == steps:
            bar.close()

    return log


def _losses(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if name.endswith("/loss")}


def _in_notebook() -> bool:
    """Tells whether this is the kernel of a notebook, whose output is no terminal and yet shows a bar."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


def every(interval: int, log: Log) -> Log:
    """Thins a log: the players' metrics pass at every `interval`-th step, quality figures and skipped steps always."""

    def thinned(step: int, values: Mapping[str, float]) -> None:
        if step % interval == 0 or all(name.startswith("quality/") or name == SKIPPED for name in values):
            log(step, values)

    return thinned


def no_log(step: int, values: Mapping[str, float]) -> None:
    """Drops everything: the log of all processes but the first."""


def combined(*logs: Log) -> Log:
    """Writes to several logs."""

    def log(step: int, values: Mapping[str, float]) -> None:
        for each in logs:
            each(step, values)

    return log


@contextlib.contextmanager
def _appending(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Appends to a file; what cannot be written now waits, so that nothing is lost or torn once there is room again.

    Yields:
      A function that writes at once, or says in one line that it cannot: one for each time that the disk is full.
    """
    waiting, failing, stderr = b"", False, sys.stderr  # the run's own: what it redirects later may be shown to nobody
    with path.open("ab", buffering=0) as file:

        def append(data: bytes) -> None:
            nonlocal waiting, failing
            waiting += data
            try:
                while waiting:
                    waiting = waiting[file.write(waiting) :]
                failing = False
            except OSError as error:
                if not failing:
                    warning = f"warning: {path} cannot be written: {error.strerror}; training goes on"
                    print(f"{warning}, and its rows wait", file=stderr, flush=True)
                failing = True

        try:
            yield append
        finally:
            append(b"")
            if waiting:
                print(f"warning: the last {len(waiting)} bytes of {path} are lost", file=stderr, flush=True)


@contextlib.contextmanager
def _events(folder: Path, start: int) -> Iterator[Log]:
    """Writes TensorBoard's event files, in the thread that logs: tensorboardX's own hangs once its disk is full."""
    try:
        from tensorboardX.event_file_writer import event_pb2
        from tensorboardX.record_writer import masked_crc32c
        from tensorboardX.summary import scalar
    except ImportError:
        print("no TensorBoard event files: install the extra 'experiments' for them", file=sys.stderr)
        yield no_log
        return

    def record(step: int, **what: Any) -> bytes:
        data = event_pb2.Event(wall_time=time.time(), step=step, **what).SerializeToString()
        length = struct.pack("<Q", len(data))
        checks = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
        return length + checks[0] + data + checks[1]

    name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}"
    with _appending(folder / name) as append:
        append(record(0, file_version="brain.Event:2"))
        # Readers drop what an earlier file has from this step on.
        append(record(start + 1, session_log={"status": "START"}))
        yield lambda step, values: append(
            b"".join(record(step, summary=scalar(name, value)) for name, value in values.items())
        )


def _lines(path: Path) -> Iterator[str]:
    if path.exists():
        with path.open() as lines:
            yield from lines


def _row(line: str) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        row = parse_page(line)
        if isinstance(row, dict) and "step" in row and line.endswith("\n"):
            return row
    return None


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
