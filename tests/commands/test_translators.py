"""A folder of pairs and two folders without pairs, from the command line to translations of any pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from experiments.__main__ import main
from jaxgan.commands.main import main as jaxgan
from jaxgan.evaluation import MEASURES
from jaxgan.runs.experiment import Experiment, look
from jaxgan.runs.loading import load

SIDE = 32


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twenty boxes in colour, and their grey shapes: A/k.png and B/k.png; two more of other sizes in C."""
    root, rng = tmp_path_factory.mktemp("pictures with a space"), np.random.default_rng(0)
    for place in "ABC":
        (root / place).mkdir()
    for k in range(20):
        colours = np.full((SIDE, SIDE, 3), 30, np.uint8)
        left, top = rng.integers(2, 14, 2)
        colours[top : top + 12, left : left + 12] = rng.integers(60, 255, 3)
        Image.fromarray(colours).save(root / "B" / f"{k}.png")
        Image.fromarray(np.where(colours.max(-1) > 30, 255, 0).astype(np.uint8)).save(root / "A" / f"{k}.png")
    for name, size in (("wide", (80, 40)), ("tall", (40, 90))):
        Image.new("RGB", size, "gray").save(root / "C" / f"{name}.jpg")
    return root


@pytest.fixture(scope="module")
def pairs(pictures):
    words = ["pairs", "--smoke", "--path", str(pictures), "--size", str(SIDE), "--held-out", "0.2"]
    assert main([*words, "--channels-a", "1", "--out", str(pictures / "runs"), "--id", "smoke"]) == 0
    return pictures / "runs" / "pairs" / "smoke"


@pytest.fixture(scope="module")
def unpaired(pictures):
    words = ["unpaired", "--smoke", "--path", str(pictures), "--size", str(SIDE), "--channels-a", "1"]
    assert main([*words, "--out", str(pictures / "runs"), "--id", "smoke"]) == 0
    return pictures / "runs" / "unpaired" / "smoke"


def drawn(words, capsys):
    assert jaxgan(words) == 0
    return Image.open(capsys.readouterr().out.strip().splitlines()[-1])


def test_held_out_inputs_are_drawn_between_their_input_and_the_truth(pairs, pictures, capsys):
    first = sorted((pairs / "samples").glob("0*.png"))[0]
    assert Image.open(first).size[0] == 2 * SIDE * 12  # four times (input, translation, truth)
    picture = np.asarray(drawn(["sample", str(pairs), "--n", "3"], capsys))
    assert picture.shape[1] == 2 * SIDE * 12
    columns = picture[: 2 * SIDE : 2, ::2].reshape(SIDE, 12, SIDE, 3).swapaxes(0, 1)
    known = [np.asarray(Image.open(file)) for file in sorted((pictures / "B").glob("*.png"))]
    matches = [k for k, truth in enumerate(known) if np.array_equal(columns[2], truth)]
    assert len(matches) == 1
    shape = np.asarray(Image.open(sorted((pictures / "A").glob("*.png"))[matches[0]]))
    assert np.array_equal(columns[0], np.repeat(shape[..., None], 3, axis=2))  # the input of that truth


def test_pictures_of_a_folder_are_translated_under_their_names(pairs, pictures, tmp_path, capsys):
    words = ["sample", str(pairs), "--input", str(pictures / "C")]
    translated = drawn([*words, "--out", str(tmp_path / "both.png")], capsys)
    assert translated.size == (2 * SIDE * 12, 2 * SIDE)
    assert jaxgan([*words, "--size", "64x32", "--images", str(tmp_path / "each")]) == 0
    files = sorted((tmp_path / "each").iterdir())
    assert [file.name for file in files] == ["tall.png", "wide.png"]
    assert Image.open(files[0]).size == (32, 64)


def test_figures_of_pairs(pairs, capsys):
    words = ["evaluate", str(pairs), "--features", "pixels", "--resamples", "10", "--metrics"]
    assert jaxgan([*words, "patches", "sharpness", "pixels", "ssim"]) == 0
    assert "4 samples" in capsys.readouterr().out  # a fifth of twenty pairs
    figures = json.loads((pairs / "evaluation.json").read_text())["figures"]
    assert set(figures) == {"patch_distance", "gradient_energy_ratio", "psnr", "l1", "ssim"}
    assert figures["gradient_energy_ratio"]["better"] == "nearer to 1"
    assert all(figure["low"] <= figure["high"] for figure in figures.values())
    state = load(pairs)
    truth, made = state.experiment.truth(4), state.experiment.inputs(4)
    assert truth.shape == (4, SIDE, SIDE, 3)
    assert made["a"].shape == (4, SIDE, SIDE, 1)


def test_without_pairs_no_figures_of_pairs(unpaired, capsys):
    words = ["evaluate", str(unpaired), "--features", "pixels", "--resamples", "0", "--n", "4", "--metrics"]
    assert jaxgan([*words, "patches"]) == 0
    for name in (name for name, measure in MEASURES.items() if "pairs" in measure.needs):
        assert jaxgan([*words, name]) == 2
    assert "needs" in capsys.readouterr().err


def test_both_directions(unpaired, pictures, tmp_path, capsys):
    there = drawn(["sample", str(unpaired), "--n", "4"], capsys)
    assert there.size == (2 * SIDE * 12, 2 * SIDE)
    for entry, place, mode in (("a", "A", "RGB"), ("b", "B", "L")):
        out = tmp_path / entry
        words = ["sample", str(unpaired), "--input", str(pictures / place), "--entry", entry, "--images", str(out)]
        assert jaxgan(words) == 0
        assert [len(list(out.iterdir())), Image.open(out / "0.png").mode] == [20, mode]


def test_what_does_not_fit_is_one_line(pairs, unpaired, pictures, tmp_path, capsys):
    folder = ["--input", str(pictures / "C")]
    for words, message in (
        ([str(pairs), *folder, "--entry", "b"], "--entry b is none of the pictures that"),
        ([str(pairs), "--entry", "a"], "name the folder"),
        ([str(pairs), *folder, "--y", "1"], "leave out --interpolate, --y and --truncation"),
        ([str(pairs), "--input", str(tmp_path)], "has no pictures"),
        ([str(pairs), *folder, "--size", "20"], "multiples of 32"),
    ):
        assert jaxgan(["sample", *words]) == 2
        assert message in capsys.readouterr().err
    for name in ("pairs", "unpaired"):
        assert main([name, "--smoke"]) == 2
        assert f"the {name} experiment needs --path" in capsys.readouterr().err
    (pictures / "A" / "alone.png").write_bytes((pictures / "A" / "0.png").read_bytes())
    assert main(["pairs", "--smoke", "--path", str(pictures), "--size", "32", "--out", str(tmp_path)]) == 2
    assert "1 pictures without a partner of their name: A/alone.png" in capsys.readouterr().err
    (pictures / "A" / "alone.png").unlink()


def test_pictures_of_other_sizes_and_channels_are_brought_beside_each_other(tmp_path):
    built = Experiment(None, draw=lambda path, samples: path)
    low, made = np.zeros((2, 4, 4, 1), np.float32), np.ones((2, 8, 8, 3), np.float32)
    picture = np.asarray(Image.open(look(built, tmp_path / "x.png", {"low": low}, made, np.zeros((2, 8, 8, 4)))))
    assert picture.shape == (16, 16 * 12, 4)
    assert look(built, tmp_path / "none.png", {"y": np.zeros(2)}, made) == tmp_path / "none.png"
    assert not (tmp_path / "none.png").exists()
    assert look(built._replace(draw=None), tmp_path / "x.png", {"low": low}, made) is None
