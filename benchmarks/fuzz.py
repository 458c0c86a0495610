"""Feeds the command lines wrong flags, pictures, weight files, checkpoints and configurations.

Command: python -m benchmarks.fuzz
Flags: [--seconds 600] [--seed 0] [--limit 60] [--case N: this one alone, with all that it printed]
The process exits with 1 if any case is a fault, and prints how each is made again.

A case calls a command in process, in a folder of its own. It is a fault if
- an exception leaves the command (on a terminal: a traceback), or its exit code is none of 0, 1 (diverged) and 2;
- bad input (code 2) is not said in one line that begins with "error: ";
- bad input has changed anything in the folder;
- one warning is said twice;
- it takes longer than `--limit` seconds, more memory than MEMORY, or the process with it.

Flags are read from each command's own `--help`, so that new flags and commands are tried by themselves. Training by
wrong flags ends where it would begin (`Accepted`): what is tried is whether a run is refused before it writes. Damaged
checkpoints and pages are met by whole runs of four steps. Case N of a seed is always the same.
"""

from __future__ import annotations

import os

os.environ |= {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # before JAX is imported

import argparse
import contextlib
import faulthandler
import importlib
import io
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import IO, Any, NamedTuple
from unittest import mock

import numpy as np
from PIL import Image

from benchmarks import hostile
from jaxgan.commands.main import COMMANDS

MEMORY = 12 << 30  # bytes that a case may ask for
PROGRAMS = {"jaxgan": "jaxgan.commands.main", "experiments": "experiments.__main__", "seeds": "experiments.seeds"}
GOLDEN = Path(__file__).parents[1] / "tests" / "metrics" / "extractors" / "golden"
SHARES = {"flags": 4, "settings": 6, "pictures": 2, "weights": 3, "checkpoints": 1, "pages": 3}  # of the cases
NEVER = ("--help", "--distributed")  # the second would wait for other processes
HUGE = ("--n", "--samples", "--resamples", "--eigenvalues")  # a large number of these is long work, and not wrong
QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)  # of which Python says nothing


class Accepted(BaseException):
    """Training would begin here."""


class Case(NamedTuple):
    """What is called."""

    program: str  # of PROGRAMS
    words: list[str]
    whole: bool = True  # False: until training would begin


class Outcome(NamedTuple):
    """What came of a case."""

    end: str  # "0", "2", "accepted", ...
    fault: str | None
    printed: str


def prepare(base: Path) -> None:
    """Makes what cases copy and damage: a finished run, its evaluation, pictures and weight files."""
    for name in ("pictures", "others", "empty"):
        (base / name).mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 32, 32, 3), np.uint8)
    for folder, images in zip(("pictures", "others"), pixels, strict=True):
        for number, image in enumerate(images):
            Image.fromarray(image).save(base / folder / f"{number}.png")
    shutil.copy(GOLDEN / "zip.pth", base / "weights.pth")
    shutil.copy(GOLDEN / "legacy.pth", base / "legacy.pth")
    (base / "text.py").write_text('"""No experiment."""\n')
    (base / "loop").symlink_to("loop")
    os.mkfifo(base / "pipe")
    for words in (
        ["experiments", "ring", "--smoke", "--out", "runs", "--id", "done"],
        ["jaxgan", "convert-weights", "weights.pth", "weights.npz"],
        ["jaxgan", "convert-weights", "weights.pth", "weights.safetensors"],
        ["jaxgan", "evaluate", "pictures", "others", "--features", "pixels", "--resamples", "0", "--out", "."],
    ):
        outcome = played(Case(words[0], words[1:]), base)
        if outcome.end != "0":
            raise ValueError(f"{words} ended with {outcome.end}: {outcome.printed}")
    (base / "runs" / "ring" / "done").rename(base / "run")
    shutil.rmtree(base / "runs")


def case(random: Random, place: Path) -> Case:
    """Draws a case, and damages what lies in its place."""
    kind = random.choices(list(SHARES), list(SHARES.values()))[0]
    return {
        "flags": _flags,
        "settings": _settings,
        "pictures": _pictures,
        "weights": _weights,
        "checkpoints": _checkpoints,
        "pages": _pages,
    }[kind](random, place)


def _flags(random: Random, place: Path) -> Case:
    """Wrong flags of `jaxgan COMMAND`, or a wrong folder."""
    name = random.choice([command for command in COMMANDS if command != "run"])
    start = {
        "evaluate": random.choice((["run", "--reference", "train"], ["pictures", "others"])),
        "convert-weights": ["weights.pth", "made.npz"],
        "doctor": ["run", "--no-spectrum"],
    }.get(name, ["run"])
    if name == "evaluate":
        start += ["--n", "8", "--resamples", "0", "--features", "pixels"]
    if random.random() < 0.15:
        start[random.randrange(2) if name == "convert-weights" else 0] = random.choice(hostile.PATHS)
    return Case("jaxgan", [name, *start, *_wrong(random, "jaxgan", [name])])


def _settings(random: Random, place: Path) -> Case:
    """Wrong flags of an experiment, up to where it would train."""
    experiments = importlib.import_module("experiments")
    program = "seeds" if random.random() < 0.15 else "experiments"
    names = list(experiments.EXPERIMENTS | (experiments.TABLES if program == "experiments" else {}))
    name = random.choice(names)
    given = ["--smoke", "--out", "runs"] + (["--path", "pictures"] if name == "folder" else [])
    return Case(program, [name, *given, *_wrong(random, program, [name])], whole=False)


def _wrong(random: Random, program: str, command: Sequence[str]) -> list[str]:
    """Draws one to three flags of a command, with values of which most are wrong."""
    words = []
    table = command[0] in importlib.import_module("experiments").TABLES  # trains as soon as it has begun
    known = list(flags(program, command).items())
    for flag, kind in random.sample(known, min(len(known), random.choice((1, 1, 2, 3)))):
        drawn = hostile.value(random, kind)
        if (flag in HUGE or table) and any(word.strip().isdigit() and int(word[:9]) > 100 for word in drawn):
            continue
        words += [f"{flag}={drawn[0]}"] if len(drawn) == 1 and random.random() < 0.5 else [flag, *drawn]
    return words


_KNOWN: dict[tuple[str, ...], dict[str, str]] = {}


def flags(program: str, command: Sequence[str]) -> dict[str, str]:
    """Reads a command's flags from its help: by name, their kind ("INT", "{a,b}", "" for a switch)."""
    if (key := (program, *command)) not in _KNOWN:
        said = io.StringIO()
        with (
            mock.patch.dict(os.environ, COLUMNS="400"),
            contextlib.redirect_stdout(said),
            contextlib.suppress(SystemExit),
        ):
            importlib.import_module(PROGRAMS[program]).main([*command, "--help"])
        found: dict[str, str] = {}
        for line in said.getvalue().splitlines():
            head = re.split(" {2,}", line.strip("\N{BOX DRAWINGS LIGHT VERTICAL}| "))[0]  # words about it stand apart
            if re.match("--[a-z]", head):
                found |= {name: kind for name, _, kind in (part.partition(" ") for part in head.split(", "))}
        _KNOWN[key] = {name: kind for name, kind in found.items() if name not in NEVER}
    return _KNOWN[key]


def _pictures(random: Random, place: Path) -> Case:
    """Pictures that are none."""
    good = (place / "pictures" / "0.png").read_bytes()
    for _ in range(random.choice((1, 2, 5))):
        with contextlib.suppress(FileExistsError):
            hostile.picture(random, place / "pictures", good)
    more = random.choice(([], ["--size", "28"]))
    if random.random() < 0.5:
        return Case("jaxgan", ["evaluate", *random.choice((["pictures", "others"], ["others", "pictures"])),
                               "--features", "pixels", "--resamples", "0", *more])  # fmt: skip
    more += random.choice(([], ["--labels"], ["--on-corrupt", "error"], ["--channels", "1"]))
    return Case("experiments", ["folder", "--smoke", "--path", "pictures", "--out", "runs", *more], whole=False)


def _weights(random: Random, place: Path) -> Case:
    """Damaged weight files."""
    file = place / random.choice(("weights.pth", "legacy.pth", "weights.npz", "weights.safetensors"))
    file.write_bytes(hostile.torn(random, file.read_bytes()))
    if random.random() < 0.2:  # a file under the name of another kind
        file = file.rename(place / random.choice(("other.npz", "other.pth", "other.safetensors", "other")))
    if random.random() < 0.2:
        words = ["evaluate", "pictures", "others", "--features", "inception", "--weights", file.name]
        return Case("jaxgan", words)
    return Case("jaxgan", ["convert-weights", file.name, random.choice(("made.npz", "made.safetensors"))])


def _checkpoints(random: Random, place: Path) -> Case:
    """Damaged checkpoints."""
    files = sorted(path for path in (place / "run" / "checkpoints").rglob("*") if path.is_file())
    file = random.choice(files)
    chance = random.random()
    if chance < 0.7:
        file.write_bytes(hostile.torn(random, file.read_bytes()))
    else:
        file.unlink()
        if chance > 0.9:
            random.choice((file.mkdir, lambda: os.mkfifo(file), lambda: file.symlink_to(file.name)))()
    return _reading(random, place)


def _pages(random: Random, place: Path) -> Case:
    """Damaged pages: config, metrics, summary, evaluation."""
    name = random.choice(
        ("config.json", "config.json", "metrics.jsonl", "summary.json", "environment.json", "evaluation")
    )
    if name == "evaluation":
        page = place / "evaluation.json"
        page.write_bytes(hostile.page(random, page.read_text()))
        words = ["evaluate", "pictures", "others", "--features", "pixels", "--resamples", "0", "--against", page.name]
        return Case("jaxgan", words)
    page = place / "run" / name
    damaged = hostile.lines if name.endswith("l") else hostile.page
    page.write_bytes(damaged(random, page.read_text()))
    return _reading(random, place)


def _reading(random: Random, place: Path) -> Case:
    """A command that reads the run."""
    step = random.choice(([], ["--step", "best"]))
    run = ["ring", "--smoke", "--out", "runs"]
    chosen = random.choice(
        (
            ["jaxgan", "sample", "run", "--n", "4", *step],
            ["jaxgan", "report", "run"],
            ["jaxgan", "report", "run"],
            ["jaxgan", "doctor", "run", "--no-spectrum", "--samples", "8", *step],
            ["jaxgan", "evaluate", "run", "--n", "8", "--resamples", "0", *step],
            ["experiments", *run, "--id", "done", "--resume"],
            ["experiments", *run, "--from", "run"],
        )
    )
    if "--resume" in chosen:
        (place / "runs" / "ring").mkdir(parents=True)
        (place / "run").rename(place / "runs" / "ring" / "done")
    return Case(chosen[0], chosen[1:], whole="--from" not in chosen)


def played(case: Case, place: Path) -> Outcome:
    """Calls the command in its folder, and says what is wrong with how it ended."""
    main: Callable[[list[str]], int] = importlib.import_module(PROGRAMS[case.program]).main
    out, err, before = io.StringIO(), io.StringIO(), _tree(place)
    with (
        contextlib.chdir(place),
        mock.patch.dict(os.environ, HOME=str(place)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(record=True) as warned,
        contextlib.nullcontext() if case.whole else _until_training(case.words[0]),
    ):
        warnings.simplefilter("default")
        for kind in QUIET:
            warnings.simplefilter("ignore", kind)
        end, escaped = _ended(main, case.words)
    said = [str(warning.message) for warning in warned]
    printed = "\n".join((out.getvalue(), err.getvalue(), *said, escaped or ""))
    said += [line for line in err.getvalue().splitlines() if line.startswith("warning")]
    fault = escaped and escaped.strip().splitlines()[-1]
    if end == "2":
        fault = fault or _wording(err.getvalue()) or _written(before, _tree(place))
    elif end not in ("0", "1", "accepted"):
        fault = fault or f"exit code {end}"
    twice = [message for message, times in Counter(said).items() if times > 1]
    return Outcome(end, fault or (f"said twice: {twice[0]}" if twice else None), printed)


def _ended(main: Callable[[list[str]], int], words: list[str]) -> tuple[str, str | None]:
    """Returns the exit code, or what else ended the command, and the traceback that a terminal would show."""
    try:
        return str(main(words)), None
    except Accepted:
        return "accepted", None
    except SystemExit as end:
        return str(end.code or 0), None
    except BaseException as error:
        return type(error).__name__, traceback.format_exc()


@contextlib.contextmanager
def _until_training(experiment: str) -> Iterator[None]:
    """Ends what trains where it begins; tables that train by loops of their own, where they would be begun."""

    def accept(*given: Any, **named: Any) -> Any:
        raise Accepted

    with contextlib.ExitStack() as stack:
        for name in ("runs.start.first_state", "runs.seeds.sweep", "parallel.sweep", "metrics.train_classifier"):
            stack.enter_context(mock.patch(f"jaxgan.{name}", accept))
        if file := importlib.import_module("experiments").TABLES.get(experiment):
            module = importlib.import_module(file)
            if not hasattr(module, "train_member"):
                stack.enter_context(mock.patch.object(module, "tabulate", accept))
        yield


def _wording(err: str) -> str | None:
    """Says what is wrong with the message of bad input; its first line may have an indented list below."""
    lines = [line for line in err.splitlines() if not line.startswith(("warning: ", "  "))]
    one = len(lines) == 1 and lines[0].startswith("error: ") and len(lines[0]) > len("error: ")
    return None if one and "Traceback" not in err else f"not one line of an error: {err[:300]!r}"


def _tree(place: Path) -> dict[str, tuple[int, int, int]]:
    """Describes the folder around a place: by path, mode, size and time of change; of a folder, that it is there."""
    described = {}
    for path in place.parent.rglob("*"):
        stat = path.lstat()
        folder = path.is_dir() and not path.is_symlink()
        described[os.fspath(path)] = (stat.st_mode, *((0, 0) if folder else (stat.st_size, stat.st_mtime_ns)))
    return described


def _written(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if any("/quarantine/" in name for name in changed):
        return None  # damaged checkpoints are put aside, and their run cannot go on
    return f"changed before it was refused: {changed[:3]}" if changed else None


def one(seed: int, number: int, base: Path, folder: Path) -> tuple[Case, Outcome]:
    """Plays a case in a new folder below one, and removes it."""
    random, place = Random(f"{seed} {number}"), folder / "around" / "place"
    place.parent.mkdir()
    try:
        _copy(base, place)
        drawn = case(random, place)
        return drawn, played(drawn, place)
    finally:
        shutil.rmtree(place.parent)


def _copy(base: Path, place: Path) -> None:
    """Copies what was prepared; a pipe cannot be copied, and is made."""
    shutil.copytree(base, place, symlinks=True, ignore=shutil.ignore_patterns("pipe"))
    os.mkfifo(place / "pipe")


def worker(arguments: argparse.Namespace, base: Path, folder: Path, start: int) -> None:
    """Plays cases from a number on until time is up, and says each as two lines of JSON."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    for number in [arguments.case] if arguments.case is not None else range(start, 1 << 31):
        if time.time() > arguments.until:
            break
        lines.write(json.dumps({"number": number}) + "\n")
        faulthandler.dump_traceback_later(arguments.limit, exit=True)
        began = time.monotonic()
        drawn, outcome = one(arguments.seed, number, base, folder)
        faulthandler.cancel_dump_traceback_later()
        row = {"number": number, "case": drawn, "outcome": outcome, "seconds": time.monotonic() - began}
        lines.write(json.dumps(row) + "\n")


def main() -> int:
    """Plays cases in a process of their own, which is started again where one takes it along; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=60)
    parser.add_argument("--case", type=int)
    for name, kind in (("--until", float), ("--from", int), ("--in", Path)):  # of the process that plays
        parser.add_argument(name, type=kind, dest=f"{name[2:]}", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if folder := vars(arguments)["in"]:
        worker(arguments, folder / "base", folder, vars(arguments)["from"])
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        prepare(Path(temporary) / "base")
        rows = list(_rows(arguments, Path(temporary)))
    ends = Counter(f"{row['case'][0]}: {row['outcome'][0]}" for row in rows if "case" in row)
    faults = [row for row in rows if row["outcome"][1]]
    slowest = max((row.get("seconds", 0) for row in rows), default=0)
    print(
        f"{len(rows)} cases, {len(faults)} faults, the slowest took {slowest:.0f} s; ends: {dict(sorted(ends.items()))}"
    )
    return 1 if faults else 0


def _rows(arguments: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    start, until = 0, time.time() + arguments.seconds
    words = [sys.executable, "-m", "benchmarks.fuzz", "--seed", str(arguments.seed), "--limit", str(arguments.limit)]
    words += ["--in", str(folder), "--until", str(until)]
    words += [] if arguments.case is None else ["--case", str(arguments.case)]
    while time.time() < until:
        with (folder / "stderr").open("w+") as err:
            child = subprocess.Popen([*words, "--from", str(start)], stdout=subprocess.PIPE, stderr=err, text=True)
            assert child.stdout is not None
            row = None
            for row in map(json.loads, child.stdout):
                start = row["number"] + 1
                if "outcome" in row:
                    _tell(row, arguments)
                    yield row
            child.wait()
            if row and "outcome" not in row:  # it took the process along
                yield _lost(row, child.returncode, err)
                shutil.rmtree(folder / "around", ignore_errors=True)
        if arguments.case is not None:
            return


def _lost(row: dict[str, Any], code: int, err: IO[str]) -> dict[str, Any]:
    err.seek(0)
    row["outcome"] = ("lost", f"no answer within the limit, or no process (exit code {code})", "")
    print(f"FAULT case {row['number']}: {row['outcome'][1]}\n{err.read()[-3000:]}", flush=True)
    return row


def _tell(row: dict[str, Any], arguments: argparse.Namespace) -> None:
    end, fault, printed = row["outcome"]
    if fault or arguments.case is not None:
        program, words, _ = row["case"]
        print(f"{'FAULT ' if fault else ''}case {row['number']}: {program} {words} -> {end} {fault or ''}", flush=True)
    if arguments.case is not None:
        print(printed)


if __name__ == "__main__":
    sys.exit(main())
