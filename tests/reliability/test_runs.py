"""Faults of one process: signals, full and foreign disks, a second trainer, bad numbers, torn logs. All are real."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

import jaxgan as jg
from experiments.__main__ import main
from jaxgan.commands.main import main as jaxgan
from jaxgan.guard import is_finite
from jaxgan.runs import folder as folders
from jaxgan.runs.loading import load
from tests.conftest import QUICK_CODE
from tests.reliability import files
from tests.reliability.conftest import RING
from tests.runs.conftest import ROOT, bits, finish, signal_after_checkpoint, start


def steps_in(run):
    return sorted(int(path.name) for path in (run / "checkpoints").glob("*") if path.name.isdigit())


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def start_files(*words, **settings):
    """Starts the experiment whose data lie in files."""
    return start("run", files.FILE, *words, module="jaxgan.commands.main", environment=settings)


def same_as(straight, run):
    """Raises unless a run ended with the bits of the uninterrupted one, and wrote the same rows."""
    one, other = bits(straight), bits(run)
    assert one.keys() == other.keys()
    assert [path for path in one if one[path] != other[path]] == []
    assert (straight / "metrics.jsonl").read_bytes() == (run / "metrics.jsonl").read_bytes()


def go_on(out, name, straight):
    code, told, err = finish(start(*RING, "--out", out, "--id", name, "--resume"))
    assert code == 0, err
    assert "going on with" in told
    same_as(straight, out / "ring" / name)
    return told


def small_disk(folder, size, options=""):
    """Mounts a file system of its own at a folder, where this process may; else the test is skipped."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    return folder


@pytest.fixture
def disk(tmp_path):
    """Of 12 MB."""
    yield small_disk(tmp_path / "disk", "12m")
    subprocess.run(["umount", "-l", str(tmp_path / "disk")], check=True)


# R3, R5: signals


def test_sigterm_saves_the_step_and_the_run_goes_on(tmp_path, straight, scorecard):
    process = start(*RING, "--out", tmp_path, "--id", "stopped")
    run = tmp_path / "ring" / "stopped"
    assert signal_after_checkpoint(process, run, 500, signal.SIGTERM), finish(process)
    began = time.monotonic()
    code, out, err = finish(process)
    seconds = time.monotonic() - began
    assert code == 143, err
    saved = int(re.search(r"SIGTERM: step (\d+) is saved", out)[1])
    assert "--resume" in out
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "interrupted"
    assert saved == max(steps_in(run)) == summary["step"]
    assert (run / "report.html").exists()
    assert saved < 3000
    go_on(tmp_path, "stopped", straight)
    scorecard("R3", "SIGTERM: that step saved, exit 143, resumed identical", seconds, limit=5)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_during_a_save_ends_at_once(second, tmp_path, scorecard):
    """The state has 28 MB, so that there is time to hit its save."""
    words = ["ring", "--steps", "100000", "--batch-size", "8", "--width", "1000", "--evaluations", "2000"]
    process = subprocess.Popen(
        # Where the tests run in the background of a shell, a child would ignore Ctrl-C.
        ["env", "--default-signal=INT", sys.executable, "-m", "experiments", *words, "--out", tmp_path, "--id", "run"],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": QUICK_CODE, "JAX_PLATFORMS": "cpu", "NPROC": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    run = tmp_path / "ring" / "run"
    assert signal_after_checkpoint(process, run, 50, signal.SIGTERM), finish(process)
    before, deadline = steps_in(run), time.monotonic() + 60
    while not list((run / "checkpoints").glob("*.orbax-checkpoint-tmp*")) and time.monotonic() < deadline:
        assert process.poll() is None, finish(process)
    process.send_signal(second)
    began = time.monotonic()
    code, out, err = finish(process)
    seconds = time.monotonic() - began
    assert code == (-signal.SIGTERM if second == signal.SIGTERM else 130), (code, err)
    assert "is saved" not in out
    left = steps_in(run)
    assert set(left) & set(before)
    for step in left:
        assert int(load(run, step).state.step) == step  # every digest is compared
    outcome = f"SIGTERM, then {second.name} during the save: ends at once, earlier checkpoints intact"
    scorecard("R5", outcome, seconds, limit=2)


# R12, R13: disks


def test_the_disk_is_really_full_for_a_while(disk, tmp_path, scorecard):
    """Metrics, event files, pictures and checkpoints: a line each, then all rows are there once there is room."""
    flags = ("ring", "--steps", 6000, "--batch-size", 8, "--width", 8, "--evaluations", 30, "--log-every", 1)
    process = start(*flags, "--out", disk, "--id", "full", "--keep", 1)
    run = disk / "ring" / "full"
    assert signal_after_checkpoint(process, run, 1000, signal.SIGCONT), finish(process)
    with (disk / "filler").open("wb", buffering=0) as filler:
        began = time.monotonic()
        while True:  # to the last byte, as long as others write too
            try:
                while filler.write(bytes(4096)) == 4096:
                    pass
            except OSError:
                break
        lines = []
        while sum("checkpoint" in line for line in lines) < 2:
            lines.append(process.stderr.readline())
            assert lines[-1], finish(process)
        seconds = time.monotonic() - began
    (disk / "filler").unlink()
    code, _, err = finish(process)
    assert code == 0, err
    lines += err.splitlines(keepends=True)
    for what in ("metrics.jsonl", "events.out", "checkpoint"):
        assert any(what in line and line.startswith("warning: ") for line in lines), lines
    lines = [line for line in lines if not line.startswith("warning: step ")]  # what ails so small a game
    assert [line for line in lines if "; training goes on" not in line] == []
    failed = sum("checkpoint" in line for line in lines)
    for what in ("metrics.jsonl", "events.out", "picture"):  # one for a streak: what a failed save gives back ends it
        assert sum(what in line for line in lines) <= failed + 1
    assert [row["step"] for row in rows_of(run) if "generator/loss" in row] == list(range(1, 6001))
    assert steps_in(run)[-1] == 6000
    assert not list((run / "checkpoints").glob("*tmp*"))
    outcome = "a full 12 MB disk: a line each for rows, events and saves, training goes on, no row lost, exit 0"
    scorecard("R12", outcome, seconds, limit=20)


def test_the_disk_stays_full(disk, scorecard):
    """The last checkpoint cannot be written: that is no success."""
    flags = ("ring", "--steps", 2000, "--batch-size", 8, "--width", 8, "--evaluations", 20, "--out", disk)
    process = start(*flags, "--id", "full")
    run = disk / "ring" / "full"
    assert signal_after_checkpoint(process, run, 200, signal.SIGSTOP), finish(process)
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
    process.send_signal(signal.SIGCONT)
    began = time.monotonic()
    code, _, err = finish(process)
    seconds = time.monotonic() - began
    assert code == 2, err
    assert re.search(r"error: .*not saved.*the disk is full; the last good checkpoint is step \d+", err), err
    (disk / "filler").unlink()
    assert all(int(load(run, step).state.step) == step for step in steps_in(run))
    scorecard(
        "R12", "the disk stays full: trains to the end, exit 2, names the last good checkpoint", seconds, limit=20
    )


def test_folders_that_cannot_be_written(tmp_path, capsys, scorecard):
    """Root may write where permissions forbid it: so a file in the way, /proc, and a read-only file system."""
    (tmp_path / "file").write_text("")
    places = {"Not a directory": tmp_path / "file" / "runs", "No such file": "/proc/runs"}
    read_only = tmp_path / "read-only"
    read_only.mkdir()
    if not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs", read_only], capture_output=True
    ).returncode:
        places["Read-only file system"] = read_only / "runs"
    try:
        for says, out in places.items():
            began = time.monotonic()
            assert main(["ring", "--smoke", "--out", str(out), "--id", "run"]) == 2
            seconds = time.monotonic() - began
            captured = capsys.readouterr()
            assert captured.err.startswith("error: ")
            assert says in captured.err
            assert captured.err.count("\n") == 1
            assert str(out) in captured.err
            assert "compiling" not in captured.out
            scorecard(
                "R13", "a folder that cannot be made: named, exit 2, before anything is compiled", seconds, limit=5
            )
    finally:
        subprocess.run(["umount", "-l", read_only], capture_output=True)
    began = time.monotonic()
    assert main(["ring", "--smoke", "--out", str(tmp_path / "none"), "--id", "run", "--resume"]) == 2
    assert "no run of 'ring' named 'run'" in capsys.readouterr().err
    scorecard("R13", "--resume of a run that is missing: named, exit 2", time.monotonic() - began, limit=5)
    code, out, err = finish(start("ring", "--smoke", "--out", tmp_path / "file" / "runs"))
    assert code == 2
    assert "compiling" not in out
    assert "Traceback" not in err


# R14, R30: a second trainer, a stale lock, a torn log


def test_two_trainers_and_a_torn_log(tmp_path, straight, capsys, scorecard):
    words = [str(word) for word in (*RING, "--out", tmp_path, "--id", "run")]
    process, run = start(*words), tmp_path / "ring" / "run"
    assert signal_after_checkpoint(process, run, 500, signal.SIGSTOP), finish(process)  # it holds on to its lock
    began = time.monotonic()
    assert main([*words, "--resume"]) == 2
    seconds = time.monotonic() - began
    line = capsys.readouterr().err
    assert f"in use by process {process.pid} on {os.uname().nodename}" in line
    assert line.count("\n") == 1
    scorecard("R14", "a second trainer: exit 2, names process and host of the first", seconds, limit=10)
    process.kill()
    assert finish(process)[0] == -signal.SIGKILL
    assert str(process.pid) in (run / "lock").read_text()  # it never let go
    last = max(row["step"] for row in rows_of(run) if "step" in row)
    with (run / "metrics.jsonl").open("a") as rows:  # what a kill leaves: rows without a checkpoint, and half a line
        rows.write(f'{{"step": {last + 10}, "generator/loss": 7.0}}\n{{"step": {last + 20}, "generator/lo')
    began = time.monotonic()
    go_on(tmp_path, "run", straight)
    seconds = time.monotonic() - began
    scorecard("R14", "the lock of a killed trainer: taken over, resumed identical (with start and training)", seconds)
    rows = [row["step"] for row in rows_of(run) if "generator/loss" in row]
    assert rows == list(range(10, 3001, 10))
    outcome = (
        "rows beyond the checkpoint and half a line: dropped, every step once, same bytes (with start and training)"
    )
    scorecard("R30", outcome, seconds)


# R17: numbers that are not finite


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory):
    """A run over a NaN example, with what it printed: (folder, words, output, errors, the steps that meet the NaN).

    64 examples in batches of 24: every third batch spans two epochs.
    """
    out = tmp_path_factory.mktemp("poisoned")
    bad = [s + 1 for s in range(60) if 4 in jg.data.source.indices(0, 64, s * 24 + np.arange(24))]
    assert 1 not in bad  # that would be refused
    assert 13 in bad  # the first after a checkpoint
    words = ("--path", files.write(out / "data", 64, poisoned=(4,)), "--out", out, "--id", "run", "--batch-size", 24)
    words += ("--steps", 60, "--evaluations", 5, "--keep", 60)
    code, told, err = finish(start_files(*words, JAX_LOG_COMPILES="1"))
    assert code == 0, err
    return out / "files" / "run", words, told, err, bad


def test_a_bad_example_is_skipped_and_counted(poisoned, scorecard):
    """Also where its batch is the first after a resume: a run that may not begin with it could never go on."""
    run, words, told, _, bad = poisoned
    assert [int(step) for step in re.findall(r"step (\d+): .* skipped", told)] == bad
    assert json.loads((run / "summary.json").read_text())["skipped_steps"] == len(bad)
    assert [row["step"] for row in rows_of(run) if "skipped" in row] == bad
    assert is_finite(load(run, file=files.FILE).state)
    straight, rows = bits(run, file=files.FILE), (run / "metrics.jsonl").read_bytes()
    for step in steps_in(run):
        if step > 12:
            shutil.rmtree(run / "checkpoints" / str(step))
    assert steps_in(run) == [12]
    code, told, err = finish(start_files(*words, "--resume"))
    assert code == 0, err
    assert "step 13: the update was not finite and was skipped" in told
    assert bits(run, file=files.FILE) == straight
    assert (run / "metrics.jsonl").read_bytes() == rows
    scorecard("R17", "a NaN example once an epoch: skipped, counted, all finite, also right after a resume", 0.0)


def test_bad_examples_without_end_stop_the_run(tmp_path, scorecard):
    """All data turn to NaN while the run goes on."""
    data, run = files.write(tmp_path / "data", 64), tmp_path / "files" / "run"
    words = ("--path", data, "--out", tmp_path, "--id", "run", "--steps", 100_000, "--evaluations", 200)
    process = start_files(*words, "--max-skips", 5)
    assert signal_after_checkpoint(process, run, 500, signal.SIGCONT), finish(process)
    files.write(data, 64, poisoned=tuple(range(64)))
    began = time.monotonic()
    code, _, err = finish(process)
    seconds = time.monotonic() - began
    assert code == 1, err
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "5 updates in a row were skipped" in line
    assert f"the last good checkpoint is step {max(steps_in(run))} of {run}" in line
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "diverged"
    assert summary["skipped_steps"] >= 4
    scorecard("R17", "5 bad batches in a row: exit 1, names the last good checkpoint", seconds, limit=15)


# R20: data that end


def test_data_that_are_missing_from_the_start(tmp_path, capsys, scorecard):
    out = tmp_path / "runs"
    for count, says in [(0, "'files' is empty"), (5, "batch_size 8 is larger than the 5 examples of 'files'")]:
        data = files.write(tmp_path / f"{count}", count)
        began = time.monotonic()
        assert jaxgan(["run", str(files.FILE), "--path", str(data), "--out", str(out)]) == 2
        assert says in capsys.readouterr().err
        assert not out.exists()
        outcome = "no examples, or fewer than a batch: named, exit 2, no run is made"
        scorecard("R20", outcome, time.monotonic() - began, limit=20)


@pytest.mark.parametrize("threads", [0, 2])
def test_data_that_vanish(threads, tmp_path, scorecard):
    """In the loop's own thread, or in Grain's."""
    data, run = files.write(tmp_path / "data", 64), tmp_path / "files" / "run"
    words = ("--path", data, "--threads", threads, "--out", tmp_path, "--id", "run", "--steps", 100_000)
    process = start_files(*words, "--evaluations", 200)
    assert signal_after_checkpoint(process, run, 500, signal.SIGCONT), finish(process)
    shutil.rmtree(data)
    began = time.monotonic()
    code, _, err = finish(process)
    seconds = time.monotonic() - began
    assert code == 2, err
    last = err.splitlines()[-1]
    assert re.search(r"error: .*No such file.*/data/\d+\.npy.*; during step \d+ of 100000", last), err
    assert max(steps_in(run)) >= 500
    scorecard(
        "R20", "the loader raises, in the loop's thread or in others: exit 2, names file and step", seconds, limit=20
    )


def test_batches_that_end_early(scorecard):
    state = jg.TrainState(np.int32(0), jax.random.key(0), {}, {}, {}, {})
    batch, began = {"x": np.zeros((8, 2), np.float32)}, time.monotonic()
    for count in (0, 3):
        with pytest.raises(ValueError, match=f"the batches ended at step {count + 1} of 9; give an endless iterator"):
            jg.loop.train(lambda state, batch: (state, {}), state, iter([batch] * count), 9)
    outcome = "batches end before the steps do: an error that names the step"
    scorecard("R20", outcome, time.monotonic() - began, limit=20)


# R23: shapes


def test_one_compilation_over_borders_of_epochs(poisoned, scorecard):
    compiled = re.findall(r"Compiling jit\((\w+)\)", poisoned[3])
    assert compiled.count("train_step") == 1, compiled
    scorecard("R23", "60 batches over 22 borders of epochs: the train step is compiled once", 0.0)


def test_batches_that_change_their_shape(tmp_path, capsys, scorecard):
    data = files.write(tmp_path / "data", 64)
    began = time.monotonic()
    assert jaxgan(["run", str(files.FILE), "--path", str(data), "--out", str(tmp_path), "--fewer", "3"]) == 2
    line = capsys.readouterr().err
    assert "batch['x'] is float32 (5, 2) at step 21, where the first was float32 (8, 2)" in line
    scorecard(
        "R23", "a batch of another shape: exit 2, both named, not compiled anew", time.monotonic() - began, limit=20
    )


# R29: clocks


def test_runs_of_the_same_second(tmp_path, twins, scorecard):
    began, made = time.monotonic(), []
    threads = [
        threading.Thread(target=lambda: made.append(folders.new_folder(tmp_path, "ring", None, 0))) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 16
    assert all(folder.is_dir() for folder in made)
    outcome = "16 folders made in the same second, and two runs started at once: all different"
    scorecard("R29", outcome, time.monotonic() - began, limit=5)
    one, other = twins  # of the command line, started at once
    assert json.loads((one / "summary.json").read_text())["status"] == "finished"
    same_as(one, other)


def test_a_clock_that_jumped(tmp_path, straight, scorecard):
    """The clock of this machine stays as it is; what it would have written is set: times far ahead, in wrong order."""
    run = tmp_path / "ring" / "run"
    shutil.copytree(straight, run)
    (last, *_) = sorted(steps_in(run), reverse=True)
    assert last == 3000
    shutil.rmtree(run / "checkpoints" / "3000")
    for path in run.rglob("*"):
        number = int(path.name) if path.name.isdigit() else 0
        os.utime(path, (2**32 - number, 2**32 - number))  # the year 2106, and older steps are the newer files
    began = time.monotonic()
    assert "step 2501/3000" in go_on(tmp_path, "run", straight)
    outcome = "files dated 2106, older steps newer: resumed from the highest step, identical (with start and training)"
    scorecard("R29", outcome, time.monotonic() - began)


LIMITED = """
import resource, sys
from pathlib import Path
from jaxgan.log import open_log

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

with open_log(Path(sys.argv[1]), 0) as log:
    for step in range(1, 401):
        if step in (50, 250):
            limit(min(path.stat().st_size for path in Path(sys.argv[1]).iterdir()) + 100)  # some bytes fit, then none
        if step in (150, 350):
            limit(resource.RLIM_INFINITY)
        log(step, {"player/loss": step / 3})
    if len(sys.argv) > 2:
        limit(1)
        log(401, {"player/loss": 0.0})
"""


@pytest.mark.parametrize("ends_full", [False, True])
def test_rows_wait_for_room(ends_full, tmp_path, scorecard):
    """A limit on the size of files, where no small disk can be mounted: two lines for two streaks, and no row torn."""
    words = [sys.executable, "-c", LIMITED, str(tmp_path), *(["full"] if ends_full else [])]
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    for name in ("metrics.jsonl", "events.out"):
        lines = [line for line in done.stderr.splitlines() if name in line]
        failed = [line for line in lines if "File too large; training goes on, and its rows wait" in line]
        assert len(failed) == 2 + ends_full
        assert sum(" are lost" in line for line in lines) == ends_full
    assert [row["step"] for row in rows_of(tmp_path)] == list(range(1, 401))
    (events,) = tmp_path.glob("events.out.tfevents.*")
    assert events.read_bytes().count(b"player/loss") == 400
    outcome = "a limit on the size of files: rows and event files wait, in order, for room; a line for each time"
    scorecard("R12", outcome, time.monotonic() - began, limit=60)  # of which nearly all is the start of a process
