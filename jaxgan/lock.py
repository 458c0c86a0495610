"""One run folder, one trainer: two that write the same checkpoints spoil them for both."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from jaxgan.pages import read_page

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

FILE = "lock"


class InUseError(OSError):
    """Another process trains in this folder; the message names it."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder's lock for the length of a block.

    The operating system lets go of the lock when its holder ends, however it ends, so a killed run leaves none behind.
    Where a file system has no locks, a warning says so and the block runs without.

    Args:
      folder: of the run; exists.
    Raises:
      InUseError: another process has it.
    """
    if fcntl is None:
        yield
        return
    # Not truncated: until the lock is ours, the file says whose it is.
    with (folder / FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUseError(f"{folder} is in use by {_holder(folder)}; stop it, or choose another run") from None
        except OSError as error:
            print(f"warning: {folder} cannot be locked ({error.strerror}); start only one run in it", file=sys.stderr)
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T")}))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _holder(folder: Path) -> str:
    try:
        page = read_page(folder / FILE)
        return f"process {page['pid']} on {page['host']}, since {page['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
