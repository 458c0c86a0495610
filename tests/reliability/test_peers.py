"""Two processes make one run: whatever becomes of one of them, the other ends soon and says why, and both can go on."""

import re
import shutil
import signal
import time

import pytest

from tests.parallel.test_processes import free_port
from tests.reliability import files
from tests.runs.conftest import bits, finish, signal_after_checkpoint, start

STEPS, EVERY = 240, 10  # between processes a step takes 10 ms and more
FLAGS = ("--steps", STEPS, "--evaluations", STEPS // EVERY, "--id", "run")


def start_one(process, port, out, *more, processes=2):
    """Starts one process; each reads the data of its own folder."""
    words = [*FLAGS, "--out", out, "--path", out / f"data-{process}", "--distributed", "--processes", processes]
    words += ["--coordinator", f"127.0.0.1:{port}", "--process", process, *more]
    return start("run", files.FILE, *words, module="jaxgan.commands.main")


def start_two(out, *more):
    for process in range(2):
        files.write(out / f"data-{process}")
    port = free_port()
    return [start_one(process, port, out, *more) for process in range(2)]


def newest(run):
    return max((int(path.name) for path in (run / "checkpoints").glob("*") if path.name.isdigit()), default=0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that was never stopped."""
    out = tmp_path_factory.mktemp("whole")
    for process in start_two(out):
        code, _, err = finish(process)
        assert code == 0, err
    return out / "files" / "run"


def test_one_run_through_every_end_of_a_peer(whole, tmp_path, scorecard):
    """SIGTERM, a kill, an error, two stalls: each time both end, and the next start goes on; then all is compared."""
    run = tmp_path / "files" / "run"

    def began(*more, which, after, hit=1):
        pair = start_two(tmp_path, *more, *(["--resume"] if newest(run) else []))
        assert signal_after_checkpoint(pair[hit], run, after, which), [finish(process) for process in pair]
        return pair, time.monotonic()

    # R4: SIGTERM to the second alone.
    pair, fault = began(which=signal.SIGTERM, after=EVERY)
    ends = [finish(process) for process in pair]
    seconds = time.monotonic() - fault
    assert [code for code, _, _ in ends] == [143, 143], ends
    step = int(re.search(r"SIGTERM: step (\d+) is saved", ends[0][1])[1])
    assert newest(run) == step
    scorecard("R4", "SIGTERM to one of two: both save the same step and exit 143", seconds, limit=10)

    # R24: killed.
    pair, fault = began(which=signal.SIGKILL, after=step + EVERY)
    code, _, err = finish(pair[0])
    seconds = time.monotonic() - fault
    assert code not in (0, None)
    assert "error: process 0 of 2 stops: " in err
    assert re.search(rf"during (step|what is done after step) \d+ of {STEPS}", err), err
    finish(pair[1])
    outcome = "one of two is killed: the other exits non-zero, names its rank and step"
    scorecard("R24", outcome, seconds, limit=5)

    # R24: raises, because its data are gone.
    pair, _ = began(which=signal.SIGCONT, after=newest(run) + EVERY)
    shutil.rmtree(tmp_path / "data-1")
    fault = time.monotonic()
    ends = [finish(process) for process in pair]
    seconds = time.monotonic() - fault
    assert [code for code, _, _ in ends][1] == 1, ends
    assert ends[0][0] not in (0, None)
    assert re.search(r"No such file .*/data-1/\d+\.npy", ends[1][2])
    assert re.search(rf"during step \d+ of {STEPS}", ends[1][2])
    assert "error: process 1 of 2 stops: " in ends[1][2]
    scorecard("R24", "one of two raises: both exit non-zero, with rank, step and file", seconds, limit=5)

    # R24: stalls.
    pair, fault = began("--watchdog", 5, which=signal.SIGSTOP, after=newest(run) + EVERY)
    code, _, err = finish(pair[0])
    seconds = time.monotonic() - fault
    pair[1].kill()
    pair[1].communicate()
    assert code == 3, err
    # The peer's last moment may be that of a checkpoint, for which there is more time.
    said = r"process 0 of 2 stalled: (?:step \d+ took more than (5)|what is done after step \d+ took more than (50)) s"
    stalled = re.search(said, err)
    assert stalled, err
    limit = int(stalled[1] or stalled[2]) + 2
    scorecard("R24", "one of two stalls, --watchdog 5: the other exits 3, names its rank and step", seconds, limit)
    pair, fault = began("--watchdog", 0, "--timeout", 10, which=signal.SIGSTOP, after=newest(run) + EVERY)
    code, _, err = finish(pair[0])
    seconds = time.monotonic() - fault
    pair[1].kill()
    pair[1].communicate()
    assert code not in (0, None)
    scorecard("R24", "the same with --timeout 10 alone: the other exits non-zero", seconds, limit=25)

    for process in start_two(tmp_path, "--resume"):
        code, _, err = finish(process)
        assert code == 0, err
    one, other = bits_of(whole), bits_of(run)
    assert [path for path in one if one[path] != other[path]] == []
    assert (whole / "metrics.jsonl").read_bytes() == (run / "metrics.jsonl").read_bytes()
    scorecard("R24", "after all of these the run ends identical to one that was never stopped", 0.0)


def bits_of(run):
    return bits(run, file=files.FILE)


def test_a_peer_that_never_comes(tmp_path, scorecard):
    """The first waits for the second, and in another run the second for the first; both have five seconds."""
    for process in range(2):
        files.write(tmp_path / f"data-{process}")
    ports = [free_port(), free_port()]
    alone = [start_one(process, ports[process], tmp_path, "--timeout", 5) for process in range(2)]
    lines = [process.stdout.readline() for process in alone]
    began = time.monotonic()
    ends = [finish(process) for process in alone]
    seconds = time.monotonic() - began
    for number, (line, (code, _, _)) in enumerate(zip(lines, ends, strict=True)):
        assert line == f"process {number} waits up to 5 s for 127.0.0.1:{ports[number]}\n"
        assert code not in (0, None)
    assert not (tmp_path / "files").exists()
    scorecard("R25", "a peer is missing at the start, --timeout 5: non-zero, address named", seconds, limit=20)
