"""A process whose steps stop coming ends itself, and says where it stood."""

import subprocess
import sys
import time

import pytest

from jaxgan.watchdog import EXIT, watchdog

PROGRAM = """
import contextlib, io, time
from jaxgan.watchdog import watchdog
with watchdog(0.5, "process 1 of 2") as alive, contextlib.redirect_stderr(io.StringIO()):
    time.sleep({start})
    for step in range({steps}):
        alive(f"step {{step}}", 1.0)
        time.sleep(0.1)
    alive("evaluation", {factor})
    time.sleep(1.5)
print("came through")
"""


def run(**settings):
    program = PROGRAM.format(**({"start": 0, "steps": 0, "factor": 10} | settings))
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr, time.monotonic() - began


def test_a_stalled_step_ends_the_process_with_tracebacks():
    code, out, err, seconds = run(factor=1, steps=3)
    assert code == EXIT
    assert out == ""
    assert "error: process 1 of 2 stalled: evaluation took more than 0.5 s" in err  # though stderr is redirected
    assert 'File "<string>", line 10' in err  # where it stood
    assert seconds < 60


def test_steps_in_time_and_a_slow_start_are_left_alone():
    code, out, err, _ = run(start=1, steps=12)
    assert (code, out, err) == (0, "came through\n", "")


def test_it_ends_with_its_block():
    with watchdog(0.1) as alive:
        alive("step 1", 1.0)
    time.sleep(0.3)  # else this process would be gone


def test_seconds_must_be_positive():
    with pytest.raises(ValueError, match="seconds > 0; got 0"), watchdog(0):
        pass
