"""`jaxgan train`: from a folder of pictures to samples, figures, a report, and a run that begins with this one."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxgan.commands.main import main as jaxgan
from jaxgan.recipes import training
from jaxgan.runs import modules
from jaxgan.runs.loading import load
from tests.runs.conftest import own_strictness  # noqa: F401

TINY = ("--width", 2, "--latent", 4, "--batch-size", 8, "--judged", 8, "--steps", 2, "--evaluations", 1)


def pictures(folder, count, side=16, classes=0):
    rng = np.random.default_rng(0)
    for k in range(count):
        place = folder / f"class{k % classes}" if classes else folder
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(place / f"{k}.png")
    return folder


def words(*flags):
    return [str(flag) for flag in flags]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("pictures"), 12)


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    flags = words("train", folder, *TINY, "--recipe", "dcgan", "--held-out", 0.25, "--out", out, "--id", "one")
    assert jaxgan(flags) == 0
    return out / "train" / "one"


def test_the_run_says_what_was_chosen(run, folder):
    page = json.loads((run / "config.json").read_text())
    config = page["config"]
    assert (page["experiment"], page["module"], page["sha256"]) == ("train", "jaxgan.recipes.training", None)
    assert (config["recipe"], config["scale"], config["number"], config["augment"]) == (
        "dcgan",
        "small",
        9,
        "diffaugment",
    )
    assert (config["gamma"], config["ema_kimg"], config["judged_by"]) == (1.0, 10.0, "pixels")
    assert page["command"].startswith(f"jaxgan train {folder} --recipe dcgan")
    assert (run / "report.html").is_file()


def test_it_is_read_back_without_a_clone(run, monkeypatch):
    monkeypatch.setattr(modules, "clone", lambda: None)
    trained = load(run)
    assert trained.config.recipe == "dcgan"
    page = json.loads((run / "config.json").read_text())
    for other in ("jaxgan.recipes.choosing", "jaxgan.recipes", "os"):
        with pytest.raises(ValueError, match="not imported unasked"):
            modules.made_by(run, page | {"module": other})


def test_samples_and_figures(run, tmp_path, capsys):
    assert jaxgan(words("sample", run, "--n", 2, "--images", tmp_path / "made")) == 0
    assert Image.open(next((tmp_path / "made").glob("*.png"))).size == (16, 16)
    flags = ("--features", "pixels", "--n", 4, "--resamples", 0, "--metrics", "frechet", "--out", tmp_path)
    assert jaxgan(words("evaluate", run, *flags)) == 0
    assert "held-out" in capsys.readouterr().out


def test_figures_are_seen_through_what_judged_the_run(run, tmp_path, capsys):
    flags = ("--n", 4, "--resamples", 0, "--metrics", "frechet", "--out", tmp_path)
    assert jaxgan(words("evaluate", run, *flags)) == 0
    assert "by pixels averaged down to 8x8" in capsys.readouterr().out
    figures = json.loads((tmp_path / "evaluation.json").read_text())["figures"]
    assert figures["frechet_distance"]["protocol"]["features"] == "pixels averaged down to 8x8"
    assert jaxgan(words("evaluate", run, *flags, "--features", "digits")) == 2  # asked for, and not there


def test_it_goes_on_with_what_was_chosen(run, folder, capsys):
    flags = ("--out", run.parents[1], "--id", "one", "--steps", 4, "--resume", "--evaluations", 1)
    assert jaxgan(words("train", folder, *flags)) == 0
    assert "going on with" in capsys.readouterr().out
    assert json.loads((run / "config.json").read_text())["config"]["width"] == 2


def test_another_begins_with_it_with_classes_and_another_side(run, tmp_path, capsys):
    other = pictures(tmp_path / "other", 8, 24, classes=2)
    flags = ("--labels", "--batch-size", 8, "--judged", 8, "--steps", 1, "--evaluations", 1, "--from", run)
    assert jaxgan(words("train", other, *flags, "--out", tmp_path, "--id", "two")) == 0
    out = capsys.readouterr().out
    assert "leaves were carried" in out
    config = json.loads((tmp_path / "train" / "two" / "config.json").read_text())["config"]
    assert (config["recipe"], config["width"], config["latent"]) == ("dcgan", 2, 4)


def test_a_dry_run_writes_nothing(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert jaxgan(words("train", folder, *TINY, "--recipe", "dcgan", "--dry-run")) == 0
    out = capsys.readouterr().out
    assert "generator: " in out
    assert "parameters" in out
    assert "MiB" in out
    assert "2 steps of 8 examples at" in out
    assert list(tmp_path.iterdir()) == []


def test_auto_says_why_and_pictures_of_several_sizes_get_one(tmp_path, capsys):
    pictures(tmp_path / "mixed", 3, 20)
    pictures(tmp_path / "mixed" / "more", 3, 24)
    config = training.scaled(training.Config(data=str(tmp_path / "mixed")))
    config, source = training.sized(config)
    assert "several sizes: cropped and resized to 64x64" in capsys.readouterr().out
    chosen = training.resolved(config, source)
    assert (chosen.config.size, chosen.config.recipe, chosen.config.number) == (64, "dcgan", 6)
    lines = training.described(chosen, source)
    assert "6 pictures of 64x64x3" in lines[0]
    assert "dcgan (6 pictures of 64x64: DCGAN small with R1" in lines[1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--recipe", "dcgn"), "did you mean 'dcgan'"),
        (("--size", "30"), "the next are --size 28 or --size 32"),
        (("--width", "0"), "--width must be at least 1"),
        (("--held-out", "1.5"), "lies in (0, 1)"),
        (("--resume", "--id", "none"), "no run of 'train'"),
    ],
)
def test_what_cannot_be_is_one_line(flags, message, folder, tmp_path, capsys):
    assert jaxgan(words("train", folder, "--out", tmp_path, *flags)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "train").exists()


def test_no_data_is_one_line(tmp_path, capsys):
    assert jaxgan(words("train", "--out", tmp_path)) == 2
    assert "name the data: a folder of pictures" in capsys.readouterr().err


def test_the_list(capsys):
    assert jaxgan(words("recipes", "--only", "dcgan", "projected", "--channels", 4, "--number", 300)) == 0
    out = capsys.readouterr().out
    assert "dcgan" in out
    assert "parameters: discriminator" in out
    assert "not here: the recipe projected sees grey or colour" in out
    assert "--recipe auto takes dcgan: 300 pictures of 32x32" in out
    assert jaxgan(words("recipes", "--only", "gann")) == 2
