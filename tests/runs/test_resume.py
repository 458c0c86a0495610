"""Resume is exact: a run that is killed and goes on ends with the bits of one that was never stopped.

Here with convolutions, and Ctrl-C; the MLP of the ring, SIGTERM, and two processes that end with the same bits are
in tests/reliability/test_runs.py.
"""

import json
import signal

from experiments.__main__ import main
from tests.runs.conftest import bits, finish, signal_after_checkpoint, start

TINY = ("--generator-features", 2, "--discriminator-features", 2, "--judge-steps", 4, "--batch-size", 8)
DIGITS = ("digits", "--steps", 60, *TINY, "--evaluations", 6)


def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    straight = start(*DIGITS, "--out", tmp_path, "--id", "straight")
    killed = start(*DIGITS, "--out", tmp_path, "--id", "killed")
    run = tmp_path / "digits" / "killed"
    assert signal_after_checkpoint(killed, run, 20), finish(killed)
    assert finish(killed)[0] == -signal.SIGKILL
    with (run / "metrics.jsonl").open("a") as rows:
        rows.write('{"step": 1000000, "discriminator/loss": 1.0}\n{"step": 1000001, "discri')  # lost and torn rows
    code, out, err = finish(start(*DIGITS, "--out", tmp_path, "--id", "killed", "--resume"))
    assert code == 0, err
    assert "going on with" in out
    code, _, err = finish(straight)
    assert code == 0, err
    one, other = bits(tmp_path / "digits" / "straight"), bits(run)
    assert [path for path in one if one[path] != other[path]] == []
    assert one.keys() == other.keys()
    rows = [(tmp_path / "digits" / name / "metrics.jsonl").read_bytes() for name in ("straight", "killed")]
    assert rows[0] == rows[1]


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    flags = ("ring", "--steps", 100_000, "--batch-size", 16, "--width", 4, "--evaluations", 200)
    process = start(*flags, "--out", tmp_path, "--id", "stopped")
    run = tmp_path / "ring" / "stopped"
    assert signal_after_checkpoint(process, run, 500, signal.SIGINT), finish(process)
    code, out, err = finish(process, timeout=60)
    assert code == 130, err
    assert "--resume" in out
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "interrupted"
    assert summary["step"] == max(int(p.name) for p in (run / "checkpoints").glob("*") if p.name.isdigit())
    assert (run / "report.html").exists()


def test_same_seed_same_bits_other_seed_others(tmp_path):
    flags = ("ring", "--steps", "50", "--batch-size", "16", "--width", "8", "--out", str(tmp_path))
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main([*flags, "--id", name, "--seed", seed]) == 0
    a, b, c = (bits(tmp_path / "ring" / name) for name in "abc")
    assert a == b
    assert [path for path in a if "params" in path and "kernel" in path and a[path] == c[path]] == []
