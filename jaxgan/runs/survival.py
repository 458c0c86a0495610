"""What a run survives on the way: a save that failed, a picture that cannot be written. Each is said in one line."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr

import jax

from jaxgan import checkpoint

Survived = Callable[[], AbstractContextManager[None]]  # a context in which a failure is one line, and training goes on


@contextmanager
def one_line_for_a_failed_save() -> Iterator[Survived]:
    """Holds back standard error, where the threads of a save that failed print hundreds of lines.

    Where no save failed, what was kept back is printed at the end.

    Yields:
      A context that prints a save's failure as one line, at once, and goes on; of several processes none goes on,
      because one alone cannot know how far the others came.
    """
    stderr, kept_back, failures = sys.stderr, io.StringIO(), 0

    @contextmanager
    def survived() -> Iterator[None]:
        nonlocal failures
        try:
            yield
        except checkpoint.CheckpointError as error:
            if jax.process_count() > 1:
                raise
            failures += 1
            print(f"warning: {error}; training goes on", file=stderr, flush=True)

    try:
        with redirect_stderr(kept_back):
            yield survived
    except checkpoint.CheckpointError:
        failures += 1
        raise
    finally:
        if not failures:
            stderr.write(kept_back.getvalue())


def pictures_may_fail() -> Survived:
    """Makes a context in which a file that cannot be written is one line; a further one only after a success."""
    failing, stderr = False, sys.stderr

    @contextmanager
    def drawn() -> Iterator[None]:
        nonlocal failing
        try:
            yield
            failing = False
        except OSError as error:
            if not failing:
                what = f"{error.filename or 'a picture'} cannot be written: {error.strerror or error}"
                print(f"warning: {what}; training goes on", file=stderr, flush=True)
            failing = True

    return drawn
