"""Command lines: flags from dataclasses and signatures, and every bad input one clear line with exit code 2."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, TypeVar

import tyro

from jaxgan.loop import DURING, NonFiniteError
from jaxgan.runs.terminal import fail

Parsed = TypeVar("Parsed")


def parse(signature: Callable[..., Parsed], words: Sequence[str], program: str, description: str | None) -> Parsed:
    """Parses flags by a dataclass or by the annotations of a function.

    Args:
      signature: called with what was parsed.
      words: the arguments.
      program: as it is called, for `--help`.
      description: for `--help`, which prints and ends the program.
    Returns:
      What `signature` returns.
    Raises:
      ValueError: a flag is unknown or its value does not fit; the message is one line.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            parsed = tyro.cli(signature, args=list(words), prog=program, description=description or "")
    except SystemExit as end:
        if not end.code:
            raise
        raise ValueError(_one_line(complaint.getvalue())) from None
    for part in parsed if isinstance(parsed, tuple) else (parsed,):
        for field in fields(part) if is_dataclass(part) else ():
            check_size(f"--{field.name.replace('_', '-')}", getattr(part, field.name))
    return parsed


def parse_two(
    first: type,
    second: type,
    words: Sequence[str],
    program: str,
    description: str | None,
    *,
    smoke: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> tuple[Any, Any]:
    """Parses the flags of two dataclasses, such as an experiment's `Config` and where it runs, without prefixes.

    Args:
      first: a dataclass.
      second: a dataclass; where it has a field `smoke` and the flag is given, the values of `smoke` stand for the
        defaults of both: flags that are given win.
      words: as of `parse`, like the two that follow.
      program: likewise.
      description: likewise.
      smoke: of each, by field, its value in a run of a few steps.
    Returns:
      An instance of each.
    Raises:
      ValueError: as for `parse`.
    """

    def pair(first: Any, second: Any) -> tuple[Any, Any]:
        return first, second

    flat = tyro.conf.arg(name="")
    pair.__annotations__ = {"first": Annotated[first, flat], "second": Annotated[second, flat]}
    parsed = parse(pair, words, program, description)
    if not getattr(parsed[1], "smoke", False):
        return parsed
    pair.__defaults__ = tuple(_small(*each) for each in zip((first, second), smoke, strict=True))
    return parse(pair, words, program, description)


def _small(kind: type, values: Mapping[str, Any]) -> Any:
    """Returns an instance with these values as defaults; fields that have none must be given, as before."""
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    return kind(**dict.fromkeys(needed, tyro.MISSING) | dict(values))


def check_size(flag: str, value: Any) -> None:
    """Refuses an integer that needs more than 64 bits, which no array or key can hold.

    Raises:
      ValueError: names the flag.
    """
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{flag} must be an integer of at most 64 bits; got {float(value):.3g}")


def _one_line(complaint: str) -> str:
    """Folds a framed message of several lines into one."""
    framed = re.sub(r"\x1b\[[0-9;]*m", "", complaint).splitlines()[1:]  # the first line is the frame's title
    return re.sub(r"\s+", " ", re.sub(r"[^\x20-\x7e]", " ", " ".join(framed))).strip()


@contextlib.contextmanager
def _warned_once() -> Iterator[None]:
    """Shows each warning once, in one line: a command may read the same pictures for training and for its judge."""
    before, shown = (warnings.showwarning, warnings.formatwarning), set[str]()

    def show(message: Warning | str, *where: Any, **more: Any) -> None:
        if str(message) not in shown:
            shown.add(str(message))
            before[0](message, *where, **more)

    def line(message: Warning | str, *where: Any, **more: Any) -> str:
        return f"warning: {' '.join(str(message).split())}\n"

    warnings.showwarning, warnings.formatwarning = show, line
    try:
        yield
    finally:
        warnings.showwarning, warnings.formatwarning = before


def reported(work: Callable[[], int]) -> int:
    """Runs a command's work and turns what users can mend into one line and an exit code."""
    for chatty in ("absl", "asyncio"):  # Orbax logs at length what its exceptions say, and so do its futures
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    # What its failed saves leave unwritten is found by the garbage collector, at any time later.
    warnings.filterwarnings("ignore", "coroutine '.*' was never awaited", RuntimeWarning)
    try:
        with _warned_once():
            return work()
    except NonFiniteError as error:
        return fail(str(error), code=1)
    except (ValueError, OSError) as error:
        where = "".join(f"; {note}" for note in getattr(error, "__notes__", ()) if note.startswith(DURING))
        return fail((" ".join(str(error).split()) if "\n  " not in str(error) else str(error)) + where)
    except ModuleNotFoundError as error:  # of an extra that is not installed; one of ours missing is a fault, and shown
        if not error.name or error.name.split(".")[0] in ("jaxgan", "experiments"):
            raise
        return fail(f"this needs the package {error.name!r}, which is not installed: pip install {error.name}")
    except ImportError as error:  # ours name the extra that brings it
        if "pip install" not in str(error):
            raise
        return fail(str(error))
    except MemoryError as error:
        return fail(f"out of memory: {error or 'smaller sizes or fewer examples need less'}")
    except KeyboardInterrupt:
        return fail("interrupted", code=130)
