"""`jaxgan sample` and its neighbours on runs of several kinds."""

import shutil

import numpy as np
import pytest
from PIL import Image

import jaxgan as jg
from experiments.__main__ import main
from jaxgan import data
from jaxgan.commands import sample as command
from jaxgan.commands.main import main as jaxgan
from jaxgan.runs.folder import read_config, write_json


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs with a space")


@pytest.fixture(scope="module")
def conditional(out):
    assert main(["digits_conditional", "--smoke", "--out", str(out), "--id", "labels"]) == 0
    return out / "digits_conditional" / "labels"


def test_jaxgan_sample_and_report(conditional, capsys):
    assert jaxgan(["report", str(conditional)]) == 0
    for flags in ([], ["--y", "3", "--n", "7"], ["--step", "best"], ["--interpolate", "--n", "2"]):
        assert jaxgan(["sample", str(conditional), *flags]) == 0
        picture = capsys.readouterr().out.strip().splitlines()[-1]
        assert Image.open(picture).size[0] == 640
    assert jaxgan(["sample", str(conditional), "--n", "3", "--out", str(conditional / "a.png")]) == 0
    assert jaxgan(["sample", str(conditional), "--n", "3", "--out", str(conditional / "b.png")]) == 0
    assert (conditional / "a.png").read_bytes() == (conditional / "b.png").read_bytes()


def test_an_export_makes_the_samples_of_its_run(conditional, tmp_path, capsys):
    assert jaxgan(["evaluate", str(conditional), "--n", "40", "--resamples", "0", "--metrics", "frechet"]) == 0
    assert jaxgan(["export", str(conditional), "--out", str(tmp_path / "taken")]) == 0
    assert "generator.stablehlo and latents.stablehlo" in capsys.readouterr().out
    y = np.arange(5, dtype=np.int32)
    run, taken = jg.load(conditional), jg.load(tmp_path / "taken")
    np.testing.assert_allclose(taken(seed=2, y=y), run(seed=2, y=y), rtol=0, atol=1e-6)
    words = (tmp_path / "taken" / "README.md").read_text()
    assert r"frechet\_distance" in words
    assert "4,000 examples" in words
    assert "- `y`: int32 [n]" in words


@pytest.mark.parametrize("name", ["digits_infogan", "digits_mlp"])
def test_jaxgan_works_on_games_of_other_kinds(name, out, capsys):
    """Codes beside the noise, and networks without a single convolution."""
    run = out / name / "smoke"
    if not run.exists():
        assert main([name, "--smoke", "--out", str(out), "--id", "smoke"]) == 0
    for flags in (["--n", "7"], ["--interpolate", "--n", "2"]):
        assert jaxgan(["sample", str(run), *flags]) == 0
        assert Image.open(capsys.readouterr().out.strip().splitlines()[-1]).size[0] > 100
    assert jaxgan(["evaluate", str(run), "--n", "40", "--resamples", "0", "--metrics", "frechet"]) == 0
    assert "held-out digits" in capsys.readouterr().out
    assert jaxgan(["doctor", str(run), "--samples", "40", "--no-spectrum"]) == 0
    assert (run / "doctor.json").exists()


def test_single_pictures_carry_seed_index_and_class(conditional, tmp_path, capsys):
    """What the folder holds is what the grid shows: sample i, of its class, as `jaxgan evaluate FOLDER` reads them."""
    words = ["sample", str(conditional), "--n", "20", "--seed", "3", "--labels", "equal"]
    assert jaxgan([*words, "--images", str(tmp_path / "each")]) == 0
    assert "20 pictures" in capsys.readouterr().out
    files = sorted((tmp_path / "each").iterdir())
    assert [file.name for file in files] == [f"seed3-{k:06d}-class{k // 2}.png" for k in range(20)]
    assert jaxgan([*words, "--out", f"{tmp_path}/grids/"]) == 0  # a folder, which is made
    (grid,) = (tmp_path / "grids").iterdir()
    assert grid.name.startswith("drawn-")
    assert grid.name.endswith("-seed3.png")
    first = np.asarray(Image.open(grid))[::2, ::2][:32, :32]
    np.testing.assert_array_equal(np.asarray(Image.open(files[0])), first)
    source = data.folder(tmp_path / "each", size=None, channels=1)
    assert (source.size, source.read(data.Draw(0, np.arange(1), np.arange(1)))["x"].shape) == (20, (1, 32, 32, 1))
    assert (
        jaxgan(["sample", str(conditional), "--n", "2", "--y", "7", "--single-images", str(tmp_path / "sevens")]) == 0
    )
    assert sorted(file.name[-10:] for file in (tmp_path / "sevens").iterdir()) == ["class7.png"] * 2


def test_the_shares_of_the_data_and_the_names_of_classes(conditional, tmp_path, capsys):
    """A run whose data are of two classes, 95 to 5: single pictures are for figures, and so in these shares."""
    page = read_config(conditional)
    run = tmp_path / "run"
    shutil.copytree(conditional, run)
    names = ["zero", "one/1", "tw o", *map(str, range(3, 10))]
    write_json(run / "config.json", page | {"data": page["data"] | {"counts": [95, 5] + [0] * 8, "names": names}})
    assert jaxgan(["sample", str(run), "--n", "20", "--images", str(tmp_path / "each")]) == 0
    classes = [file.stem.split("-", 2)[2] for file in sorted((tmp_path / "each").iterdir())]
    assert classes == ["class0-zero"] * 19 + ["class1-one_1"]
    assert jaxgan(["sample", str(run), "--n", "1", "--y", "tw o", "--images", str(tmp_path / "two")]) == 0
    assert [file.name for file in (tmp_path / "two").iterdir()] == ["seed0-000000-class2-tw_o.png"]
    assert jaxgan(["sample", str(run), "--y", "tow"]) == 2
    assert "--y tow is no label of this run; it has 0..9, named zero, one/1" in capsys.readouterr().err
    assert jaxgan(["report", str(run)]) == 0
    html = (run / "report.html").read_text()
    assert "<th>1 one/1</th><td>5</td>" in html


def test_truncation_draws_latents_nearer_to_their_mean(conditional, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(command, "save_each", lambda folder, x, names: drawn.update({folder.name: x}) or [])

    def spread(psi):  # of the numbers: a network that has learned nothing draws less than a level of grey
        words = ["sample", str(conditional), "--n", "4", "--y", "1", "--truncation", psi]
        assert jaxgan([*words, "--images", str(tmp_path / psi)]) == 0
        return np.ptp(drawn[psi], axis=0).sum()

    assert 10 * spread("0.001") < spread("2")  # latents at the origin: one picture


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--truncation", "0"], "--truncation must be above 0; got 0.0"),
        (["--truncation", "nan"], "--truncation must be above 0"),
        (["--images", "x", "--interpolate"], "leave out --interpolate and --out"),
        (["--images", __file__], "is a file; name a folder"),
        (["--y", "10"], "--y 10 is no label of this run; it has 0..9"),
        (["--y", "-1"], "--y -1 is no label"),
        (["--n", "0"], "--n must be at least 1"),
    ],
)
def test_what_does_not_fit_is_one_line(conditional, words, message, capsys):
    assert jaxgan(["sample", str(conditional), *words]) == 2
    assert message in capsys.readouterr().err
