"""`--distributed`: two processes make one run; when one dies the other ends, and a restart goes on."""

import signal
import time

import numpy as np

from tests.experiments.conftest import bits, finish, signal_after_checkpoint, start
from tests.parallel.test_processes import free_port

FLAGS = ("ring", "--batch-size", 16, "--width", 8, "--learning-rate", 1e-4, "--id", "run")


def start_two(out, *more):
    """Starts both processes of a run, with one device each."""
    together = ("--distributed", "--coordinator", f"127.0.0.1:{free_port()}", "--processes", 2)
    return [start(*FLAGS, *more, "--out", out, *together, "--process", process) for process in range(2)]


def floats(run):
    return {path: np.frombuffer(leaf, np.float32) for path, leaf in bits(run).items() if "params" in path}


def test_two_processes_are_one_and_a_death_is_survived(tmp_path):
    long = ("--steps", 1000, "--evaluations", 20)
    whole = start_two(tmp_path / "whole", *long)
    for process in whole:
        code, _, err = finish(process)
        assert code == 0, err
    killed = start_two(tmp_path / "killed", *long)
    run = tmp_path / "killed" / "ring" / "run"
    assert signal_after_checkpoint(killed[1], run, 100), [finish(process) for process in killed]
    began = time.monotonic()
    code, _, err = finish(killed[0], timeout=120)
    assert code not in (0, None)
    assert time.monotonic() - began < 60
    assert "a peer may have died" in err, err
    assert finish(killed[1])[0] == -signal.SIGKILL
    for process in start_two(tmp_path / "killed", *long, "--resume"):
        code, _, err = finish(process)
        assert code == 0, err
    one, other = bits(tmp_path / "whole" / "ring" / "run"), bits(run)
    assert [path for path in one if one[path] != other[path]] == []
    rows = [(tmp_path / name / "ring" / "run" / "metrics.jsonl").read_bytes() for name in ("whole", "killed")]
    assert rows[0] == rows[1]


def test_two_processes_agree_with_one(tmp_path):
    """After a few steps, since Adam divides rounding by rounding."""
    few = ("--steps", 10, "--evaluations", 1)
    alone = start(*FLAGS, *few, "--out", tmp_path / "alone")
    for process in [*start_two(tmp_path / "two", *few), alone]:
        code, _, err = finish(process)
        assert code == 0, err
    one, two = floats(tmp_path / "alone" / "ring" / "run"), floats(tmp_path / "two" / "ring" / "run")
    for path, leaf in one.items():
        np.testing.assert_allclose(two[path], leaf, atol=1e-5, err_msg=path)


def test_a_distributed_run_needs_a_name(tmp_path):
    together = ("--distributed", "--coordinator", f"127.0.0.1:{free_port()}", "--processes", 1, "--process", 1)
    code, _, err = finish(start("ring", "--smoke", "--out", tmp_path / "runs", *together))
    assert code == 2
    assert "process 1 is not one of 1" in err
    assert not (tmp_path / "runs").exists()
