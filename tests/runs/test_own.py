"""`jaxgan run FILE.py`: a user's own experiment, of three players and batches of its own form, has what others have."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from jaxgan.commands.main import main as jaxgan
from jaxgan.report import read_metrics
from jaxgan.runs.loading import load
from jaxgan.runs.modules import from_file
from tests.runs.conftest import bits, finish, signal_after_checkpoint, start

OWN = Path(__file__).with_name("own.py")
FLAGS = ("--steps", 600, "--evaluations", 30, "--log-every", 5)


def begin(out, name, *more):
    return start("run", OWN, *FLAGS, "--out", out, "--id", name, *more, module="jaxgan.commands.main")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that was never stopped."""
    out = tmp_path_factory.mktemp("runs")
    code, told, err = finish(begin(out, "straight"))
    assert code == 0, err
    assert told.rstrip().endswith("report.html")
    return out / "own" / "straight"


def test_stopped_and_resumed_equals_uninterrupted(run, tmp_path):
    process = begin(tmp_path, "stopped")
    stopped = tmp_path / "own" / "stopped"
    assert signal_after_checkpoint(process, stopped, 40, signal.SIGTERM), finish(process)
    code, told, err = finish(process)
    assert code == 143, err
    assert "is saved; go on with the same command and --resume" in told
    assert json.loads((stopped / "summary.json").read_text())["step"] < 600
    code, told, err = finish(begin(tmp_path, "stopped", "--resume"))
    assert code == 0, err
    assert "going on with" in told
    one, other = bits(run, file=OWN), bits(stopped, file=OWN)
    assert one.keys() == other.keys()
    assert [path for path in one if one[path] != other[path]] == []
    assert (run / "metrics.jsonl").read_bytes() == (stopped / "metrics.jsonl").read_bytes()


def test_its_folder_says_who_made_it_and_has_no_figures(run):
    page, summary = (json.loads((run / name).read_text()) for name in ("config.json", "summary.json"))
    assert (page["experiment"], page["module"]) == ("own", str(OWN))
    assert page["sha256"] == from_file(OWN).sha256
    assert page["command"] == f"jaxgan run {OWN} --steps 600"
    assert page["batch"]["rotation"] == {"angle": {"shape": [8, 1], "dtype": "float32"}}
    assert (summary["status"], summary["figures"], summary["best_by"]) == ("finished", {}, None)
    assert {name for name in read_metrics(run) if name.endswith("/loss")} == {
        "discriminator/loss",
        "generator/loss",
        "encoder/loss",
    }
    assert np.load(run / "samples" / "000600.png").shape == (100, 2)
    assert np.load(run / "samples" / "real.png").shape == (64, 2)
    assert (run / "curves.png").exists()


def test_its_samples_are_asked_with_its_own_inputs(run, capsys):
    assert jaxgan(["sample", str(run), "--n", "7", "--module", str(OWN)]) == 0
    picture = capsys.readouterr().out.strip().splitlines()[-1]
    assert np.load(picture).shape == (7, 2)
    assert jaxgan(["report", str(run)]) == 0
    words = ["evaluate", str(run), "--reference", "train", "--n", "40", "--resamples", "0", "--metrics", "frechet"]
    assert jaxgan([*words, "--module", str(OWN)]) == 0
    assert "coordinates" in capsys.readouterr().out
    assert jaxgan(["doctor", str(run), "--samples", "40", "--no-spectrum", "--module", str(OWN)]) == 0
    assert "gradient of the encoder" in capsys.readouterr().out


def test_its_code_is_not_imported_unasked(run, capsys):
    for command in ("sample", "evaluate", "doctor"):
        assert jaxgan([command, str(run)]) == 2
        error = capsys.readouterr().err
        assert f"was made by '{OWN}'" in error
        assert "--module FILE.py" in error
        assert error.count("\n") == 1


def test_a_file_that_has_changed_is_said(run, tmp_path, capsys):
    other = tmp_path / "own.py"
    other.write_text(OWN.read_text() + "\n")
    assert int(load(run, file=other).state.step) == 600
    assert f"warning: {other} is not the same as {OWN} was" in capsys.readouterr().err


def test_what_a_run_without_a_judge_cannot_do(run, tmp_path, capsys):
    for words, says in (
        (["sample", str(run), "--step", "best", "--module", str(OWN)], "has no judge, and so no best checkpoint"),
        (["sample", str(run), "--interpolate", "--module", str(OWN)], "cannot be interpolated"),
        (["run", str(OWN), "--until-plateau", "2", "--out", str(tmp_path)], "need a figure: --best-by"),
        (["run", str(OWN), "--stps", "2", "--out", str(tmp_path)], "--stps"),
    ):
        assert jaxgan(words) == 2
        assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_folders_of_older_formats_are_refused(run, tmp_path, capsys):
    old = tmp_path / "old"
    shutil.copytree(run, old)
    page = json.loads((old / "config.json").read_text())
    del page["format"]
    (old / "config.json").write_text(json.dumps(page))
    assert jaxgan(["sample", str(old), "--module", str(OWN)]) == 2
    assert "has format 1; this version reads 2: use the version that made the run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "is no file of Python (FILE.py) that holds an experiment"),
        ("", "has no Config and no source and no build; an experiment has Config, source, build"),
        ("Config = 3\nsource = build = print", "Config must be a dataclass"),
        ("import dataclasses\n@dataclasses.dataclass\nclass Config:\n  seed: int = 0\nsource = build = print", "steps"),
    ],
)
def test_a_file_that_is_no_experiment_is_refused(text, says, tmp_path, capsys):
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    assert jaxgan(["run", str(file)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_help_and_usage(capsys):
    assert jaxgan(["run"]) == 2
    assert "usage: jaxgan run FILE.py" in capsys.readouterr().err
    assert jaxgan(["run", "--help"]) == 0
    assert "usage: jaxgan run FILE.py" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        jaxgan(["run", str(OWN), "--help"])
    assert "--learning-rate" in capsys.readouterr().out
