"""What a run survives on the way: a save that failed, a picture that cannot be written. Each is said in one line."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr

import jax

from jaxgan import checkpoint


@contextmanager
def one_line_for_a_failed_save() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Holds back standard error, where the threads of a save that failed print hundreds of lines.

    Where no save failed, what was held is printed at the end.

    Yields:
      A context that prints a save's failure as one line, at once, and goes on; of several processes none goes on,
      because one alone cannot know how far the others came.
    """
    stderr, held, failures = sys.stderr, io.StringIO(), 0

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
        with redirect_stderr(held):
            yield survived
    except checkpoint.CheckpointError:
        failures += 1
        raise
    finally:
        if not failures:
            stderr.write(held.getvalue())


def pictures_may_fail() -> Callable[[], AbstractContextManager[None]]:
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
                said = f"warning: {error.filename or 'a picture'} cannot be written: {error.strerror or error}"
                print(f"{said}; training goes on", file=stderr, flush=True)
            failing = True

    return drawn
