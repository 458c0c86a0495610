"""Logs: rows that survive kills and resumes byte for byte, and one progress line."""

import io
import json
import sys
import types

import pytest

from jaxgan import log as logs


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def write(folder, start, steps):
    with logs.open_log(folder, start, tensorboard=False) as log:
        for step in steps:
            log(step, {"player/loss": step / 3})


def test_one_flushed_line_for_each_call(tmp_path):
    with logs.open_log(tmp_path, 0, tensorboard=False) as log:
        log(1, {"player/loss": 0.5, "player/other": 2.0})
        assert rows_of(tmp_path) == [{"step": 1, "player/loss": 0.5, "player/other": 2.0}]
        log(1, {"quality/score": 3.0})
    assert rows_of(tmp_path)[1] == {"step": 1, "quality/score": 3.0}


def test_a_resumed_run_writes_the_same_bytes(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    write(whole, 0, range(1, 8))
    write(parts, 0, range(1, 6))  # killed after step 5, with a checkpoint of step 3
    write(parts, 3, range(4, 8))
    assert (whole / "metrics.jsonl").read_bytes() == (parts / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize("torn", ['{"step": 2, "player/lo', '{"step": 2}', "", "\x00\x00\x00", "[1, 2]\n", "3\n"])
def test_a_torn_last_line_is_dropped(tmp_path, torn):
    """Also one that reads as JSON but has lost its newline: the next row would continue it."""
    write(tmp_path, 0, [1])
    with (tmp_path / "metrics.jsonl").open("a") as rows:
        rows.write(torn)
    write(tmp_path, 5, [6])
    assert [row["step"] for row in rows_of(tmp_path)] == [1, 6]


def test_rows_beyond_the_start_are_dropped_wherever_they_are(tmp_path):
    write(tmp_path, 0, [1, 9, 2, 3])
    write(tmp_path, 2, [])
    assert [row["step"] for row in rows_of(tmp_path)] == [1, 2]


def test_tensorboard_files_hold_the_values(tmp_path):
    pytest.importorskip("tensorboardX")
    with logs.open_log(tmp_path, 0) as log:
        log(1, {"player/loss": 0.5})
    (events,) = tmp_path.glob("events.out.tfevents*")
    assert b"player/loss" in events.read_bytes()


# Progress


class Screen(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when told to."""
    now = {"time": 100.0}
    monkeypatch.setattr(logs.time, "monotonic", lambda: now["time"])
    return now


def losses(step):
    return {"a/loss": float(step), "a/other": 9.0, "b/loss": -0.25}


def test_plain_lines_where_there_is_no_terminal(clock):
    screen = Screen(terminal=False)
    log = logs.progress(100, 0, screen, interval=10.0)
    for step in range(1, 101):
        log(step, losses(step))
        clock["time"] += 0.5
    lines = screen.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1/100", "21/100", "41/100", "61/100", "81/100", "100/100"]
    assert lines[0] == "step 1/100  0.0 steps/s  time left unknown  a/loss 1.000  b/loss -0.250"
    assert lines[1] == "step 21/100  2.0 steps/s  0:40 left  a/loss 21.000  b/loss -0.250"  # 79 steps, rounded to even
    assert "\r" not in screen.getvalue()
    assert "\x1b" not in screen.getvalue()


def test_a_bar_on_a_terminal(clock):
    screen = Screen(terminal=True)
    log = logs.progress(20, 0, screen)
    for step in range(1, 21):
        log(step, losses(step))
        log(step, {"quality/score": 1.0})
        clock["time"] += 0.1
    text = screen.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert 5 < text.count("\r") < 20  # not at every step
    assert "100%" in text.split("\r")[-1]
    assert "20/20" in text.split("\r")[-1]
    assert "loss a 20.000 b -0.250]" in text.split("\r")[-1]
    assert "other" not in text


def test_a_bar_on_a_terminal_that_does_not_say_its_size(monkeypatch):
    pty = pytest.importorskip("pty")  # POSIX's
    reader, writer = pty.openpty()
    with open(writer, "w") as screen, open(reader, "rb", buffering=0) as glass:
        monkeypatch.setattr(sys, "stdout", screen)
        logs.progress(1, 0)(1, losses(1))
        assert b"1/1 [" in glass.read(10_000)


def test_a_bar_in_a_notebook_and_none_in_another_shell(clock, monkeypatch):
    for config, bar in (({"IPKernelApp": {}}, True), ({}, False)):
        shell = types.SimpleNamespace(config=config)
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda shell=shell: shell))
        screen = Screen(terminal=False)
        log = logs.progress(2, 0, screen)
        log(1, losses(1))
        log(2, losses(2))
        assert ("\r" in screen.getvalue()) == bar


def test_speed_counts_from_the_resumed_step(clock):
    screen = Screen(terminal=False)
    log = logs.progress(50, 40, screen, interval=0.0)
    for step in (41, 42, 43):
        log(step, losses(step))
        clock["time"] += 2.0
    assert "0.5 steps/s" in screen.getvalue().splitlines()[-1]
    assert "0:14 left" in screen.getvalue().splitlines()[-1]


def test_values_without_a_loss_are_not_shown():
    screen = Screen(terminal=False)
    logs.progress(9, 0, screen)(1, {"quality/score": 1.0})
    assert screen.getvalue() == ""


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (3600, "1:00:00"), (7325.2, "2:02:05")])
def test_durations(clock, seconds, text):
    """One step takes `seconds`, and one is left."""
    screen = Screen(terminal=False)
    log = logs.progress(3, 0, screen, interval=0.0)
    log(1, losses(1))
    clock["time"] += seconds
    log(2, losses(2))
    assert f"  {text} left" in screen.getvalue()


# Combinators


def test_thinning_keeps_every_so_many_and_all_figures():
    seen = []
    log = logs.every(3, lambda step, values: seen.append((step, *values)))
    for step in range(1, 8):
        log(step, {"player/loss": 0.0})
    log(4, {"quality/score": 1.0, "quality/other": 1.0})
    log(5, {"quality/score": 1.0, "player/loss": 1.0})
    assert seen == [(3, "player/loss"), (6, "player/loss"), (4, "quality/score", "quality/other")]


def test_both_write_to_all():
    seen = []
    log = logs.combined(*(lambda step, values, name=name: seen.append((name, step, dict(values))) for name in "ab"))
    log(1, {"x": 2.0})
    assert seen == [("a", 1, {"x": 2.0}), ("b", 1, {"x": 2.0})]
