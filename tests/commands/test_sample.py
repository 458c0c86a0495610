"""`jaxgan sample` and its neighbours on runs of several kinds."""

import pytest
from PIL import Image

from experiments.__main__ import main
from jaxgan.commands.main import main as jaxgan


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
