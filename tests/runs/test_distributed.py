"""`--distributed`: two processes make one run; when one dies the other ends, and a restart goes on."""

import shutil
import signal
import time

import numpy as np
import pytest

from experiments.__main__ import main
from jaxgan.report import read_metrics
from tests.parallel.test_processes import free_port
from tests.runs.conftest import bits, finish, signal_after_checkpoint, start

FLAGS = ("ring", "--batch-size", 16, "--width", 8, "--learning-rate", 1e-4, "--id", "run")
FEW = ("--steps", 10, "--evaluations", 10, "--log-every", 1, "--keep", 10)  # few: Adam divides rounding by rounding


def start_two(out, *more):
    """Starts both processes of a run, with one device each."""
    together = ("--distributed", "--coordinator", f"127.0.0.1:{free_port()}", "--processes", 2)
    return [start(*FLAGS, *more, "--out", out, *together, "--process", process) for process in range(2)]


def floats(run):
    return {path: np.frombuffer(leaf, np.float32) for path, leaf in bits(run).items() if "params" in path}


def go(devices, out, *more):
    """Runs to the end on one device, on the eight of this process, or on two processes with one each."""
    if devices == 8:
        assert main([str(word) for word in (*FLAGS, *FEW, "--out", out, *more)]) == 0
        return
    alone = devices == 1
    for process in [start(*FLAGS, *FEW, "--out", out, *more)] if alone else start_two(out, *FEW, *more):
        code, _, err = finish(process)
        assert code == 0, err


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """Runs of 10 steps that were stopped after the fifth, by number of devices, each beside its uninterrupted end."""
    made = {}
    for devices in (1, 2, 8):
        out = tmp_path_factory.mktemp(f"from{devices}")
        go(devices, out / "whole")
        shutil.copytree(out / "whole", out / "half")
        for step in range(6, 11):
            shutil.rmtree(out / "half" / "ring" / "run" / "checkpoints" / str(step))
        made[devices] = out
    return made


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (8, 1), (1, 8), (8, 8)])
def test_a_run_goes_on_with_other_devices_or_processes(before, after, halves, tmp_path):
    """With the same examples at every step, whose indices follow from (seed, step) alone; bitwise on as many."""
    out = tmp_path / "half"
    shutil.copytree(halves[before] / "half", out)
    go(after, out, "--resume")
    one, other = bits(halves[before] / "whole" / "ring" / "run"), bits(out / "ring" / "run")
    if before == after:
        assert [path for path in one if one[path] != other[path]] == []
    straight = floats(halves[before] / "whole" / "ring" / "run")
    for path, leaf in floats(out / "ring" / "run").items():
        np.testing.assert_allclose(leaf, straight[path], atol=1e-5, err_msg=path)
    rows = [read_metrics(folder / "ring" / "run") for folder in (halves[before] / "whole", out)]
    for name, (steps, values) in rows[0].items():
        assert rows[1][name][0] == steps  # every step once
        np.testing.assert_allclose(rows[1][name][1], values, rtol=1e-3, atol=1e-4, err_msg=name)


def test_two_processes_are_one_and_a_death_is_survived(tmp_path):
    long = ("--steps", 240, "--evaluations", 8)
    whole = start_two(tmp_path / "whole", *long)
    for process in whole:
        code, _, err = finish(process)
        assert code == 0, err
    killed = start_two(tmp_path / "killed", *long)
    run = tmp_path / "killed" / "ring" / "run"
    assert signal_after_checkpoint(killed[1], run, 30), [finish(process) for process in killed]
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


def test_two_processes_agree_with_one(halves):
    """After a few steps, since Adam divides rounding by rounding."""
    one, two = (floats(halves[devices] / "whole" / "ring" / "run") for devices in (1, 2))
    assert one.keys() == two.keys()
    for path, leaf in one.items():
        np.testing.assert_allclose(two[path], leaf, atol=1e-5, err_msg=path)


def test_a_distributed_run_needs_a_name(tmp_path):
    together = ("--distributed", "--coordinator", f"127.0.0.1:{free_port()}", "--processes", 1, "--process", 1)
    code, _, err = finish(start("ring", "--smoke", "--out", tmp_path / "runs", *together))
    assert code == 2
    assert "process 1 is not one of 1" in err
    assert not (tmp_path / "runs").exists()
