"""`jaxgan evaluate` on runs, folders of pictures and stored figures."""

import json
import math
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

import jaxgan as jg
from experiments.__main__ import main
from jaxgan.commands import evaluate as module
from jaxgan.commands.main import main as jaxgan
from jaxgan.evaluation import MEASURES, Examples, chosen, evaluate
from jaxgan.metrics import Protocol
from jaxgan.runs.loading import load

FEW = ["--n", "40", "--resamples", "10"]
PROTOCOL = Protocol("p", "d", "test", 40, 40, (2,), "none", "coordinates", "none", None, None, 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert main(["digits_conditional", "--smoke", "--out", str(out), "--id", "one"]) == 0
    return out / "digits_conditional" / "one"


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert main(["ring", "--smoke", "--out", str(out), "--id", "one"]) == 0
    return out / "ring" / "one"


def folder(path, seed, high=256):
    path.mkdir()
    for i, pixels in enumerate(np.random.default_rng(seed).integers(0, high, (40, 16, 16, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(path / f"{i:02}.png")
    return path


def figures(path):
    return json.loads((path / "evaluation.json").read_text())["figures"]


def test_a_run_is_measured_by_its_own_judge_with_protocol_and_intervals(run, capsys):
    assert jaxgan(["evaluate", str(run), *FEW, "--metrics", "all"]) == 0
    printed = capsys.readouterr().out
    assert "features: digits classifier (" in printed
    assert "averaged parameters, running statistics" in printed
    assert (run / "evaluation.png").stat().st_size > 10_000
    found = figures(run)
    assert set(found) == {
        figure for measure in MEASURES.values() if "pairs" not in measure.needs for figure in measure.better
    }
    for name, figure in found.items():
        assert name.replace("_", " ") in printed
        assert figure["protocol"]["features"] == "digits classifier"
        assert len(figure["protocol"]["weights"]) == 64
        assert figure["low"] <= figure["high"]
    assert found["precision"]["value"] == 0  # nothing has been learned
    assert found["frechet_distance"]["low"] <= found["frechet_distance"]["value"] <= found["frechet_distance"]["high"]
    assert found["recall"]["better"] == "higher"


def test_two_numbers_of_different_protocols_refuse_to_be_compared(run, tmp_path, capsys):
    words = ["evaluate", str(run), *FEW, "--metrics", "frechet", "--out"]
    assert jaxgan([*words, str(tmp_path / "a")]) == 0
    assert jaxgan([*words, str(tmp_path / "b"), "--against", str(tmp_path / "a" / "evaluation.json")]) == 0
    assert "equal" in capsys.readouterr().out  # the same samples
    other = [*words, str(tmp_path / "c"), "--seed", "1", "--normalization", "standing"]
    assert jaxgan([*other, "--against", str(tmp_path / "a" / "evaluation.json")]) == 2
    error = capsys.readouterr().err
    assert "different protocols cannot be compared" in error
    assert "normalization 'standing' and 'running'; seed 1 and 0" in error
    assert not (tmp_path / "c").exists()


def test_ways_of_sampling_give_different_figures(run, tmp_path):
    values = {}
    for name, flags in {
        "running": [],
        "batch": ["--normalization", "batch"],
        "standing": ["--normalization", "standing"],
        "plain": ["--no-averaged"],
        "train": ["--reference", "train"],
    }.items():
        words = ["evaluate", str(run), *FEW, "--resamples", "0", "--metrics", "frechet", "--out", str(tmp_path / name)]
        assert jaxgan([*words, *flags]) == 0
        figure = figures(tmp_path / name)["frechet_distance"]
        values[name] = figure["value"]
        assert figure["low"] is None
    assert len(set(values.values())) == len(values)


def test_points_are_measured_by_their_coordinates(ring, tmp_path, capsys):
    assert jaxgan(["evaluate", str(ring), *FEW, "--against", str(ring), "--out", str(tmp_path)]) == 0
    assert "features: coordinates" in capsys.readouterr().out
    assert jaxgan(["evaluate", str(ring), *FEW, "--metrics", "ms_ssim"]) == 2
    assert "'ms_ssim' needs images" in capsys.readouterr().err


def test_two_folders_of_pictures(tmp_path, capsys):
    a, b, dark = folder(tmp_path / "a", 0), folder(tmp_path / "b", 1), folder(tmp_path / "dark", 2, high=64)
    words = [*FEW, "--features", "pixels", "--metrics", "frechet", "precision_recall", "--out"]
    assert jaxgan(["evaluate", str(a), str(b), *words, str(tmp_path / "x"), "--against", str(dark)]) == 0
    assert "worse" not in capsys.readouterr().out
    assert jaxgan(["evaluate", str(dark), str(b), *words, str(tmp_path / "y")]) == 0
    near, far = figures(tmp_path / "x"), figures(tmp_path / "y")
    assert near["frechet_distance"]["value"] < far["frechet_distance"]["value"]
    assert near["frechet_distance"]["protocol"]["dataset"] == "folder:b"
    assert near["frechet_distance"]["protocol"]["averaged"] is None
    assert near["precision"]["value"] > far["precision"]["value"]


def test_pictures_of_other_forms_are_measured_alike(tmp_path, capsys):
    """A zip and a file of NumPy give the folder's figures, and the protocol says what they were, split and all."""
    a, b = folder(tmp_path / "a", 0), folder(tmp_path / "b", 1)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in a.iterdir():
            archive.write(file, file.name)
    test = [np.asarray(Image.open(file)) for file in sorted(b.iterdir())]
    np.savez(tmp_path / "b.npz", train_images=np.zeros((40, 16, 16, 3), np.uint8), test_images=test)
    words = [*FEW, "--features", "pixels", "--metrics", "frechet", "--out"]
    assert jaxgan(["evaluate", str(a), str(b), *words, str(tmp_path / "x")]) == 0
    others = [str(tmp_path / "a.zip"), str(tmp_path / "b.npz"), "--split", "test"]
    assert jaxgan(["evaluate", *others, *words, str(tmp_path / "y")]) == 0
    one, other = (figures(tmp_path / name)["frechet_distance"] for name in "xy")
    assert (one["value"], one["low"]) == (other["value"], other["low"])
    assert (one["protocol"]["dataset"], one["protocol"]["split"]) == ("folder:b", "all")
    assert (other["protocol"]["dataset"], other["protocol"]["split"]) == ("npz:b.npz", "test")
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{a}"], "name real pictures beside it"),
        (["{a}", "{b}"], "choose what the pictures are seen through: --weights FILE"),
        (["{a}", "{b}", "--features", "inception"], "belong together"),
        (["{a}", "{b}", "--weights", "{a}/none.pth"], "no InceptionV3 weights at"),
        (["{a}", "{b}", "--features", "pixels", "--metrics", "beauty"], "unknown metric 'beauty'"),
        (["{a}", "{b}", "--features", "pixels", "--metrics", "inception_score"], "needs probabilities"),
        (["{a}", "{b}", "--features", "pixels", "--n", "3"], "--n >= 4"),
        (
            ["{a}/nowhere", "{b}"],
            "nowhere is neither the folder of a run (runs/EXPERIMENT/ID) nor pictures: a folder of pictures, a zip",
        ),
        (["{run}", "--reference", "{a}/nowhere"], "does not exist"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, capsys, words, message):
    places = {"a": folder(tmp_path / "a", 0), "b": folder(tmp_path / "b", 1), "run": run}
    assert jaxgan(["evaluate", *(word.format(**places) for word in words)]) == 2
    assert message in capsys.readouterr().err


def test_all_means_what_can_be_measured():
    assert "memorization" in chosen(["all"], {"training"})
    assert chosen(["all"], set()) == [name for name, measure in MEASURES.items() if not measure.needs]
    assert chosen(["kernel", "frechet", "kernel"], set()) == ["kernel", "frechet"]


def test_intervals_hold_the_value_and_shrink_with_the_samples():
    rng = np.random.default_rng(0)
    widths = {}
    for n in (100, 1600):
        real, fake = (Examples(x, x) for x in (rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + 1))
        figure = evaluate(real, fake, PROTOCOL, ["frechet"], resamples=40)["frechet_distance"]
        assert figure.low < figure.value < figure.high
        widths[n] = figure.high - figure.low
    assert widths[1600] < 0.5 * widths[100]  # a quarter is expected
    assert math.isnan(evaluate(real, fake, PROTOCOL, ["frechet"], resamples=0)["frechet_distance"].low)


@pytest.mark.parametrize("n", [4, 10, 16])
def test_few_pictures_are_measured_as_far_as_they_allow(tmp_path, capsys, n):
    a, b = folder(tmp_path / "a", 0), folder(tmp_path / "b", 1)
    words = [
        "evaluate",
        str(a),
        str(b),
        "--features",
        "pixels",
        "--n",
        str(n),
        "--resamples",
        "10",
        "--out",
        str(tmp_path),
    ]
    assert jaxgan(words) == 0
    printed, measured = capsys.readouterr().out, figures(tmp_path)
    assert "frechet_distance" in measured
    for name in ("frechet", "kernel", "precision recall", "density coverage"):
        left_out = not set(MEASURES[name.replace(" ", "_")].better) & set(measured)
        assert left_out == (f"left out {name}: " in printed)
    assert ("left out density coverage" in printed) == (n == 4)  # it looks at 5 neighbours


def test_a_run_is_measured_without_the_data_it_was_trained_on(tmp_path, capsys):
    """It is compared with other pictures, which is all that is needed."""
    data, real = folder(tmp_path / "data", 0), folder(tmp_path / "real", 1)
    words = ["folder", "--path", str(data), "--smoke", "--out", str(tmp_path / "runs"), "--id", "one"]
    assert main(words) == 0
    data.rename(tmp_path / "moved")
    run = tmp_path / "runs" / "folder" / "one"
    words = ["evaluate", str(run), str(real), *FEW, "--features", "pixels", "--metrics", "all"]
    assert jaxgan([*words, "--resamples", "0"]) == 0
    printed = capsys.readouterr().out
    assert "without the training data" in printed
    assert "frechet_distance" in figures(run)
    assert "copies" not in figures(run)
    few = [*words[:-2], "--metrics", "frechet", "--resamples", "0"]
    assert jaxgan([*few, "--reference", "train"]) == 0  # the pictures win over the reference
    assert jaxgan(["evaluate", str(run), *FEW, "--features", "pixels", "--reference", "train"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_pictures_are_read_as_they_are_needed(tmp_path):
    a = folder(tmp_path / "a", 0)
    side = module._pictures(a, module.Evaluate(judged=a, n=40), None)
    assert (side.size, side.shape) == (40, (16, 16, 3))
    first = np.concatenate(list(side.chunks()))
    np.testing.assert_array_equal(first, np.concatenate(list(side.chunks())))
    tracemalloc.start()
    again = module._pictures(a, module.Evaluate(judged=a, n=40), None)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < first.size  # not even bytes of all pixels are kept
    assert again.size == 40


def test_chunks_do_not_change_what_is_measured(run, tmp_path, monkeypatch):
    words = ["evaluate", str(run), *FEW, "--resamples", "0", "--metrics", "all", "--out"]
    assert jaxgan([*words, str(tmp_path / "whole")]) == 0
    monkeypatch.setattr(module, "CHUNK", 7)
    assert jaxgan([*words, str(tmp_path / "parts")]) == 0
    whole, parts = figures(tmp_path / "whole"), figures(tmp_path / "parts")
    for name, figure in whole.items():
        assert figure["value"] == pytest.approx(parts[name]["value"], rel=1e-4), name
    picture = [np.asarray(Image.open(tmp_path / name / "evaluation.png")) for name in ("whole", "parts")]
    np.testing.assert_array_equal(*picture)  # with the nearest training examples


def test_samples_of_many_chunks_are_those_of_their_labels(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DRAWN", 16)
    asked = []
    sample = jg.sample
    monkeypatch.setattr(jg, "sample", lambda *a, **k: asked.append(k) or sample(*a, **k))
    words = ["evaluate", str(run), *FEW, "--resamples", "0", "--metrics", "frechet", "--out", str(tmp_path)]
    assert jaxgan(words) == 0
    assert [each["n"] for each in asked[:3]] == [16, 16, 8]
    labels = module._asked(load(run).experiment, 40, 0)["y"]
    assert np.bincount(labels).tolist() == [4] * 10
    np.testing.assert_array_equal(np.concatenate([each["y"] for each in asked[:3]]), labels)


def test_pictures_that_are_all_alike_are_named(tmp_path, capsys):
    """Their precision may be 1."""
    real, grey = folder(tmp_path / "real", 0), tmp_path / "grey"
    grey.mkdir()
    for i in range(20):
        Image.fromarray(np.full((16, 16, 3), 127 + i % 2, np.uint8)).save(grey / f"{i}.png")
    words = ["evaluate", str(grey), str(real), *FEW, "--features", "pixels", "--out", str(tmp_path)]
    assert jaxgan(words) == 0
    assert "folder:grey is nearly constant" in capsys.readouterr().out
    measured = figures(tmp_path)
    assert measured["recall"]["value"] == 0
    assert jaxgan(["evaluate", str(real), str(real), *FEW, "--features", "pixels", "--out", str(tmp_path)]) == 0
    assert "nearly constant" not in capsys.readouterr().out


def test_earlier_evaluations_of_folders_stay(tmp_path, monkeypatch, capsys):
    a, b = folder(tmp_path / "a", 0), folder(tmp_path / "b", 1)
    monkeypatch.chdir(tmp_path)
    words = ["evaluate", str(a), str(b), *FEW, "--features", "pixels", "--metrics", "frechet", "--resamples", "0"]
    for _ in range(3):
        assert jaxgan(words) == 0
    assert [path.name for path in sorted(tmp_path.glob("evaluation*"))] == [
        "evaluation",
        "evaluation-2",
        "evaluation-3",
    ]


def test_intervals_of_shares_end_where_shares_do():
    rng = np.random.default_rng(0)
    real, fake = (Examples(None, rng.normal(size=(60, 2))) for _ in range(2))
    measured = evaluate(real, fake, PROTOCOL, ["frechet", "precision_recall", "density_coverage"], resamples=20)
    for name in ("precision", "recall", "coverage"):
        assert 0 <= measured[name].low <= measured[name].value <= measured[name].high <= 1
        assert measured[name].low < measured[name].high
    assert measured["frechet_distance"].low >= 0
