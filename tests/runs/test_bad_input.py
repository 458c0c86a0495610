"""Bad input: one clear line, exit code 2, no traceback, and nothing made or overwritten."""

import json
import resource

import numpy as np
import pytest
from PIL import Image

from experiments.__main__ import main
from jaxgan.commands.main import main as jaxgan
from jaxgan.runs import folder as folders
from jaxgan.runs.flags import reported
from tests.runs.conftest import bits, finish, start


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of the ring."""
    out = tmp_path_factory.mktemp("runs")
    assert main(["ring", "--smoke", "--out", str(out), "--id", "done"]) == 0
    return out / "ring" / "done"


def refused(words, capsys, program=main):
    """Returns the one line that a refused command prints."""
    capsys.readouterr()
    assert program(words) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["digit"], "unknown experiment 'digit'; did you mean 'digits'?"),
        (["digits", "--learning-rte", "1"], "--learning-rte"),
        (["digits", "--steps", "many"], "--steps"),
        (["digits", "--steps", "0"], "--steps must be at least 1; got 0"),
        (["digits", "--batch-size", "5000"], "batch_size 5000 is larger than the 4000 examples"),
        (["digits", "--size", "31"], "31"),
        (["digits", "--gamma", "-1"], "weight >= 0; got -1"),
        (["ring", "--evaluations", "0"], "--evaluations must be at least 1; got 0"),
        (["ring", "--until-plateau", "0"], "--until-plateau must be at least 1; got 0"),
        (["ring", "--id", "../elsewhere"], "is not a run's name"),
        (["ring", "--resume"], "start one first"),
        (["folder"], "--path"),
        (["tfds", "--dataset", "tfds:mnist", "--data-dir", "nowhere"], "prepared"),
    ],
)
def test_refused_before_anything_is_written(words, says, tmp_path, capsys):
    more = ["--out", str(tmp_path / "runs")] if len(words) > 1 or words[0] == "folder" else []
    line = refused([*words, *more], capsys)
    assert says in line
    assert line.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_image_folders(tmp_path, capsys):
    empty, bad = tmp_path / "empty", tmp_path / "bad"
    empty.mkdir()
    bad.mkdir()
    out = ["--smoke", "--out", str(tmp_path / "runs")]
    assert "empty" in refused(["folder", "--path", str(empty), *out], capsys)
    assert "missing" in refused(["folder", "--path", str(tmp_path / "missing"), *out], capsys)
    for number in range(8):
        Image.fromarray(np.full((32, 32, 3), 30 * number, np.uint8)).save(bad / f"{number}.png")
    (bad / "broken.png").write_bytes((bad / "1.png").read_bytes()[:40])
    assert "broken.png" in refused(["folder", "--path", str(bad), "--on-corrupt", "error", *out], capsys)
    assert not (tmp_path / "runs").exists()
    with pytest.warns(UserWarning, match=r"broken\.png"):
        assert main(["folder", "--path", str(bad), *out]) == 0


def test_a_run_that_exists_is_not_overwritten(run, capsys):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    line = refused(["ring", "--smoke", "--out", str(run.parents[1]), "--id", "done"], capsys)
    assert "--resume" in line
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == before


def test_a_checkpoint_of_another_config_is_refused_by_name(run, capsys):
    before = (run / "config.json").read_bytes()
    flags = ["--out", str(run.parents[1]), "--id", "done", "--resume", "--batch-size", "16"]
    line = refused(["ring", "--steps", "4", "--width", "4", *flags], capsys)
    assert "config batch_size: checkpoint 8, now 16" in line
    line = refused(["ring", "--steps", "4", "--width", "5", *flags[:-1], "8"], capsys)
    assert "config width: checkpoint 4, now 5" in line
    assert "params/generator/Dense_0/kernel" in line
    assert len(line.splitlines()) <= 11
    assert (run / "config.json").read_bytes() == before


def test_a_full_disk_costs_checkpoints_but_not_the_training(tmp_path):
    """Each failed save is one line while training goes on; only the last one's failure ends the run."""
    flags = ("ring", "--steps", 4000, "--batch-size", 8, "--width", 128, "--evaluations", 8, "--log-every", 500)
    flags += ("--out", tmp_path)
    process = start(*flags, "--id", "full", "--until-plateau", 1)
    assert finish(process)[0] == 0
    run = tmp_path / "ring" / "full"
    saved = sorted(int(p.name) for p in (run / "checkpoints").glob("*") if p.name.isdigit())
    before = bits(run, saved[-1])

    process = start(*flags, "--id", "full", "--resume")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (40_000, 40_000))  # less than one of its arrays
    code, _, err = finish(process)
    assert code == 2, err
    *warnings, last = err.strip().splitlines()
    failed = range(saved[-1] + 500, 4001, 500)
    assert len(warnings) == len(failed), err
    for line in warnings:
        assert line.startswith("warning: the last checkpoint was not saved"), err
        assert line.endswith(f"the last good checkpoint is step {saved[-1]}; training goes on")
    assert last.startswith("error: "), err
    assert f"the last good checkpoint is step {saved[-1]}" in last
    assert "Traceback" not in err
    assert not list((run / "checkpoints").glob("*tmp*"))
    assert bits(run, saved[-1]) == before
    code, _, err = finish(start(*flags, "--id", "full", "--resume"))
    assert code == 0, err


def test_a_diverging_run_stops_and_names_the_last_good_checkpoint(tmp_path, capsys):
    flags = ["--learning-rate", "1e30", "--steps", "400", "--batch-size", "8", "--width", "4", "--evaluations", "400"]
    assert main(["ring", *flags, "--out", str(tmp_path), "--id", "wild"]) == 1
    line = capsys.readouterr().err
    assert "step " in line
    assert "last good checkpoint is step" in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["smaple"], "unknown command"),
        (["sample", "nowhere"], "not the folder of a run"),
        (["report", "nowhere"], "nowhere"),
    ],
)
def test_jaxgan_refuses(words, says, capsys):
    assert says in refused(words, capsys, jaxgan)


def test_jaxgan_sample_refuses_what_the_run_has_not(run, capsys):
    assert "no labels" in refused(["sample", str(run), "--y", "1"], capsys, jaxgan)
    assert "--n must be at least 1" in refused(["sample", str(run), "--n", "0"], capsys, jaxgan)
    assert "no checkpoint 77" in refused(["sample", str(run), "--step", "77"], capsys, jaxgan)


def test_names_of_runs_stay_inside_the_folder(tmp_path):
    for name in ("../x", "/etc", "a/b", "", ".hidden", "x" * 101, "a\0b"):
        with pytest.raises(ValueError, match="run's name"):
            folders.new_folder(tmp_path, "ring", name, 0)
    assert list(tmp_path.iterdir()) == []


def test_artefacts_hold_nothing_of_the_environment(run, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2hunter2")
    assert "hunter2" not in json.dumps(folders.environment())


def test_a_package_that_is_not_installed_is_one_line_and_a_missing_module_of_ours_is_not(capsys):
    def needs(name):
        def work():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        return work

    assert reported(needs("tensorflow_datasets")) == 2
    assert "needs the package 'tensorflow_datasets', which is not installed" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError, match=r"jaxgan\.lost"):
        reported(needs("jaxgan.lost"))


def test_an_extra_that_is_not_installed_is_one_line(capsys):
    def work(words):
        raise ImportError(words)

    assert reported(lambda: work("programs are written with flatbuffers: pip install 'jaxgan[export]'")) == 2
    assert capsys.readouterr().err.strip().endswith("pip install 'jaxgan[export]'")
    with pytest.raises(ImportError, match="cannot import name"):  # a fault of ours is shown
        reported(lambda: work("cannot import name 'lost'"))
