"""One run of a folder that has all at once: rectangles, classes of unequal shares, a name that is no UTF-8."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from experiments.__main__ import main
from jaxgan.commands.main import main as jaxgan
from jaxgan.runs.folder import read_config


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("data") / os.fsdecode(b"b\xe4ume")
    rng = np.random.default_rng(0)
    for name, n in (("oaks", 15), ("pines", 5)):
        (place / name).mkdir(parents=True)
        for k in range(n):
            Image.fromarray(rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)).save(place / name / f"{k}.png")
    return place


def train(place, out, *words):
    return main(
        [
            "folder",
            "--path",
            str(place),
            "--labels",
            "--size",
            "16x32",
            "--smoke",
            "--out",
            str(out),
            "--id",
            "a",
            *words,
        ]
    )


@pytest.fixture(scope="module")
def run(place, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert train(place, out) == 0
    return out / "folder" / "a"


def test_the_run_says_what_its_data_are(run, place):
    page = read_config(run)
    assert (page["batch"]["x"]["shape"], page["config"]["size"]) == ([8, 16, 32, 3], "16x32")
    assert page["config"]["path"] == str(place)
    assert (page["data"]["names"], page["data"]["counts"], page["data"]["size"]) == (["oaks", "pines"], [15, 5], 20)
    assert "labels in the shares of the training data" in json.loads((run / "summary.json").read_text())["protocol"]
    assert "<th>1 pines</th><td>5</td>" in (run / "report.html").read_text()


def test_it_is_measured_in_the_shares_of_its_data(run, place, tmp_path, capsys):
    words = ["evaluate", str(run), "--reference", "train", "--features", "pixels", "--metrics", "frechet"]
    assert jaxgan([*words, "--n", "20", "--resamples", "0", "--out", str(tmp_path / "out")]) == 0
    assert "16x32x3" in capsys.readouterr().out
    page = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert page["figures"]["frechet_distance"]["protocol"]["labels"] == "data"
    assert jaxgan(["sample", str(run), "--n", "4", "--images", str(tmp_path / "each")]) == 0
    names = sorted(file.name for file in (tmp_path / "each").iterdir())
    assert [name.split("-", 2)[2] for name in names] == ["class0-oaks.png"] * 3 + ["class1-pines.png"]
    assert Image.open(tmp_path / "each" / names[0]).size == (32, 16)
    both = ["evaluate", str(tmp_path / "each"), str(place), "--size", "16x32", "--features", "pixels"]
    assert jaxgan([*both, "--metrics", "frechet", "--resamples", "0", "--out", str(tmp_path / "both")]) == 0


def test_it_goes_on_where_its_folder_has_moved_and_not_where_it_has_changed(run, place, tmp_path, capsys):
    moved = tmp_path / "moved"
    os.rename(place, moved)
    try:
        assert train(moved, run.parents[1], "--resume") == 0
        os.rename(moved / "oaks", moved / "yews")
        before = sorted((path.name, path.stat().st_mtime_ns) for path in run.iterdir())
        assert train(moved, run.parents[1], "--resume") == 2
        assert "the classes were ['oaks', 'pines'], now ['pines', 'yews']" in capsys.readouterr().err
        assert sorted((path.name, path.stat().st_mtime_ns) for path in run.iterdir()) == before
        os.rename(moved / "yews", moved / "oaks")
    finally:
        os.rename(moved, place)
