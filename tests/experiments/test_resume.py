"""Resume is exact: a run that is killed and goes on ends with the bits of one that was never stopped."""

import json
import signal

import pytest

from tests.experiments.conftest import bits, finish, signal_after_checkpoint, start

RING = ("ring", "--steps", 3000, "--batch-size", 16, "--width", 8, "--evaluations", 6)
TINY = ("--generator-features", 2, "--discriminator-features", 2, "--judge-steps", 4, "--batch-size", 8)
DIGITS = ("digits", "--steps", 60, *TINY, "--evaluations", 6)


@pytest.mark.parametrize("experiment", [RING, DIGITS], ids=["mlp", "dcgan"])
def test_killed_and_resumed_equals_uninterrupted(experiment, tmp_path):
    straight = start(*experiment, "--out", tmp_path, "--id", "straight")
    killed = start(*experiment, "--out", tmp_path, "--id", "killed")
    run = tmp_path / experiment[0] / "killed"
    third = experiment[2] // 3
    assert signal_after_checkpoint(killed, run, third), finish(killed)
    assert finish(killed)[0] == -signal.SIGKILL
    with (run / "metrics.jsonl").open("a") as rows:
        rows.write('{"step": 1000000, "discriminator/loss": 1.0}\n{"step": 1000001, "discri')  # lost and torn rows
    code, out, err = finish(start(*experiment, "--out", tmp_path, "--id", "killed", "--resume"))
    assert code == 0, err
    assert "going on with" in out
    code, _, err = finish(straight)
    assert code == 0, err
    one, other = bits(tmp_path / experiment[0] / "straight"), bits(run)
    assert [path for path in one if one[path] != other[path]] == []
    assert one.keys() == other.keys()
    rows = [(tmp_path / experiment[0] / name / "metrics.jsonl").read_bytes() for name in ("straight", "killed")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(("which", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_saves_and_says_how_to_go_on(which, code, tmp_path):
    flags = ("ring", "--steps", 100_000, "--batch-size", 16, "--width", 4, "--evaluations", 200)
    process = start(*flags, "--out", tmp_path, "--id", "stopped")
    run = tmp_path / "ring" / "stopped"
    assert signal_after_checkpoint(process, run, 500, which), finish(process)
    ended, out, err = finish(process, timeout=60)
    assert ended == code, err
    assert "--resume" in out
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "interrupted"
    assert summary["step"] == max(int(p.name) for p in (run / "checkpoints").glob("*") if p.name.isdigit())
    assert (run / "report.html").exists()


def test_same_seed_same_bits_other_seed_others(tmp_path):
    flags = (*RING[:1], "--steps", 50, *RING[3:], "--out", tmp_path)
    runs = [start(*flags, "--id", name, "--seed", seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    for process in runs:
        code, _, err = finish(process)
        assert code == 0, err
    a, b, c = (bits(tmp_path / "ring" / name) for name in "abc")
    assert a == b
    assert [path for path in a if "params" in path and "kernel" in path and a[path] == c[path]] == []
