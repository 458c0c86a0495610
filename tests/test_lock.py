"""One holder at a time, named; a lock whose holder was killed is free."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from jaxgan.lock import InUseError, locked

HOLD = """
import sys, time
from pathlib import Path
from jaxgan.lock import locked
with locked(Path(sys.argv[1])):
    print(1, flush=True)
    time.sleep(100)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_at_once_and_told_who_holds_it(tmp_path, holder):
    began = time.monotonic()
    with pytest.raises(InUseError, match=f"in use by process {holder.pid} on .*choose another run"), locked(tmp_path):
        pass
    assert time.monotonic() - began < 1
    assert json.loads((tmp_path / "lock").read_text())["pid"] == holder.pid  # refused, it wrote nothing


def test_the_lock_of_a_killed_holder_is_free(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / "lock").read_text())["pid"] == holder.pid  # what it wrote is still there
    with locked(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    with locked(tmp_path):
        pass


def test_a_torn_lock_file_is_still_a_lock(tmp_path, holder):
    (tmp_path / "lock").write_text('{"pid"')
    with pytest.raises(InUseError, match="another process"), locked(tmp_path):
        pass


def test_a_block_that_fails_lets_go(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path):
        pass
