"""A table experiment is stopped, diverges and goes on like any run: its games are runs below its folder."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxgan.commands.main import main
from jaxgan.report import read_metrics
from jaxgan.runs.members import FILE, Training, last_metrics, read_table, train_member
from jaxgan.runs.modules import from_file

OWN = Path(__file__).with_name("own_table.py")


@pytest.fixture(scope="module")
def own():
    return from_file(OWN).module


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The folder of a table that was never stopped."""
    out = tmp_path_factory.mktemp("tables")
    assert run(out) == 0
    return out / "own_table" / "run"


def run(out, *flags):
    return main(["run", str(OWN), "--out", str(out), "--id", "run", *flags])


def tables(folder):
    return [table["rows"] for table in json.loads((folder / FILE).read_text())["tables"]]


def test_a_table_stopped_in_its_second_member_goes_on_to_the_same_table(own, straight, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(own, "STOP", [(1, 8)])
    folder = tmp_path / "own_table" / "run"
    assert run(tmp_path) == 143
    assert "SIGTERM: step 7 is saved; go on with the same command and --resume" in capsys.readouterr().out
    page = read_table(folder)
    assert (page["members"], page["tables"], page["resumed"]) == (["seed0", "seed1"], [], 0)
    before = (folder / "seed0" / "summary.json").read_bytes()
    assert main(["run", str(OWN), "--out", str(tmp_path), "--resume"]) == 0
    printed = capsys.readouterr().out
    assert f"read back {folder / 'seed0'}, finished at step 12" in printed
    assert f"going on with run {folder / 'seed1'}" in printed
    assert tables(folder) == tables(straight)
    page = read_table(folder)
    assert (page["members"], page["resumed"]) == (["further", "seed0", "seed1"], 1)
    assert (folder / "seed0" / "summary.json").read_bytes() == before
    for member in page["members"]:
        rows = [(place / member / "metrics.jsonl").read_bytes() for place in (straight, folder)]
        assert rows[0] == rows[1]


def test_a_member_is_a_run_with_curves_and_report(straight, capsys):
    member = straight / "seed1"
    assert main(["report", str(member)]) == 0
    page = json.loads((member / "config.json").read_text())
    assert page["experiment"] == "own_table"
    assert page["config"] == {
        "seed": 1,
        "steps": 12,
        "batch_size": 8,
        "n_critic": 2,
        "table": {"seed": 0, "seeds": 2, "steps": 12},
    }
    assert str(page["command"]) in (member / "report.html").read_text()
    steps, losses = read_metrics(member)["generator/loss"]
    assert steps == [2, 4, 6, 8, 10, 12]  # at most every tenth, and the last
    assert last_metrics(member)["generator/loss"] == losses[-1]
    assert read_metrics(straight / "further")["generator/loss"][0] == [5]


def test_a_member_that_diverges_is_one_line_with_the_last_good_checkpoint(own, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(own, "BROKEN", [(1, 5)])
    assert run(tmp_path, "--max-skips", "2") == 1
    error = capsys.readouterr().err
    member = tmp_path / "own_table" / "run" / "seed1"
    assert "2 updates in a row were skipped; the last good checkpoint is step 4 of " + str(member) in error
    training = Training(own.build(), own.source(), 1, 12, 8, checkpoints=3, may_diverge=True)
    for _ in range(2):  # as it happens, and read back
        code, state = train_member(member, training)
        assert (code, int(state.step)) == (1, 4)
    assert f"read back {member}, diverged at step 4" in capsys.readouterr().out


def test_a_damaged_member_is_trained_again_from_what_is_good(own, straight, tmp_path, capsys):
    folder = shutil.copytree(straight, tmp_path / "own_table" / "run")
    training = Training(own.build(), own.source(), 0, 12, 8, checkpoints=3)
    whole = train_member(straight / "seed0", training).state
    for file in (folder / "seed0" / "checkpoints" / "12" / "state").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    again = train_member(folder / "seed0", training).state
    for one, other in zip(jax.tree.leaves(whole.params), jax.tree.leaves(again.params), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--resume", "--steps", "13"], "was started with --steps 12, not 13; go on with the same flags"),
        (["--resume", "--id", "none"], "no run of 'own_table' named 'none'"),
        ([], "exists; go on with it by --resume, or choose another --id"),
        (["--max-skips", "0"], "--max-skips must be at least 1; got 0"),
        (["--watchdog", "-1"], "--watchdog must be at least 0; got -1"),
    ],
)
def test_bad_input_is_one_line(straight, flags, says, capsys):
    assert run(straight.parents[1], *flags) == 2
    assert says in capsys.readouterr().err


def test_a_member_needs_a_table(own, tmp_path):
    with pytest.raises(ValueError, match=r"no folder of a table experiment with table.json"):
        train_member(tmp_path / "seed0", Training(own.build(), own.source(), 0, 1, 8))


def test_a_member_without_its_checkpoints_is_trained_anew(own, straight, tmp_path, capsys):
    folder = shutil.copytree(straight, tmp_path / "own_table" / "run")
    shutil.rmtree(folder / "further" / "checkpoints")
    assert run(tmp_path, "--resume") == 0
    assert f"\nrun {folder / 'further'}" in capsys.readouterr().out
    assert tables(folder) == tables(straight)


def test_a_state_to_begin_with_is_the_games_own_at_step_0(own, straight):
    game = own.build()
    trained = train_member(straight / "seed0", Training(game, own.source(), 0, 12, 8)).state
    other = trained._replace(step=0 * trained.step, ema={})
    for first, says in ((trained, "at step 0; got step 12"), (other, "this has others")):
        with pytest.raises(ValueError, match=says):
            train_member(straight / "other", Training(game, own.source(), 0, 12, 8, first))
    assert not (straight / "other").exists()


def test_ctrl_c_between_two_games_says_how_to_go_on(own, tmp_path, capsys, monkeypatch):
    def interrupted(config, folder):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(own, "tabulate", interrupted)
    assert run(tmp_path) == 130
    assert "go on with the same command and --resume" in capsys.readouterr().out
