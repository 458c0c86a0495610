"""A watchdog: a step that never comes back ends the process, with a traceback, instead of holding a cluster for days.

A peer that is alive but silent (a stalled disk, a hung driver) is an error to nobody: the others wait for it in an
all-reduce. Each process watches its own steps.
"""

from __future__ import annotations

import contextlib
import faulthandler
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

EXIT = 3  # the exit code of a process that its watchdog ended

Alive = Callable[[str, float], None]  # (what begins now, how many times the usual limit it may take)


class _Limit(NamedTuple):
    what: str
    allowed: float  # seconds
    until: float  # on the monotonic clock


@contextlib.contextmanager
def watchdog(seconds: float, name: str = "this process") -> Iterator[Alive]:
    """Watches that a block reports itself often enough.

    Args:
      seconds: longest time between two reports, times the factor of the earlier one.
      name: of the process, for the message.
    Yields:
      The report, (what begins now, factor). If none follows in time, the process says so, prints the tracebacks of all
      threads and exits with code 3 at once: an ordinary exit would wait for the very peers that hang.
    Raises:
      ValueError: seconds is not positive.
    """
    if not seconds > 0:
        raise ValueError(f"a watchdog needs seconds > 0; got {seconds}")
    now = _Limit("the start", math.inf, math.inf)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(min(seconds / 4, 1.0)):
            if time.monotonic() > now.until:
                stderr = sys.__stderr__ or sys.stderr  # not where a run may have redirected it
                stall = f"{name} stalled: {now.what} took more than {now.allowed:g} s"
                print(f"error: {stall}; the threads stood here:", file=stderr, flush=True)
                faulthandler.dump_traceback(file=stderr, all_threads=True)
                os._exit(EXIT)

    def alive(what: str, factor: float = 1.0) -> None:
        nonlocal now
        now = _Limit(what, seconds * factor, time.monotonic() + seconds * factor)

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield alive
    finally:
        over.set()
        thread.join()
