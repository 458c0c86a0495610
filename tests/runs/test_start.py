"""Every experiment runs, its folder holds what is promised, and the commands work on it."""

import dataclasses
import json
import re

import jax
import numpy as np
import pytest
from PIL import Image

import jaxgan as jg
from experiments import EXPERIMENTS, digits
from experiments.__main__ import main
from experiments.commands import main as jaxgan
from jaxgan.report import read_metrics
from tests.experiments.conftest import bits

ELSEWHERE = {"digits", "digits_conditional", "tfds"}  # experiments that other tests here run
LONG = {"cifar10_sagan", "cifar10_biggan", "cifar10_stylegan2_ada", "imagenet128_biggan"}  # half a minute to compile
OTHERS = [
    pytest.param(name, marks=[pytest.mark.slow] if name in LONG else [])
    for name in EXPERIMENTS
    if name not in ELSEWHERE
]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs with a space")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(12):
        place = root / ("even" if number % 2 == 0 else "odd")
        place.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)).save(place / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def conditional(out):
    assert main(["digits_conditional", "--smoke", "--out", str(out), "--id", "labels"]) == 0
    return out / "digits_conditional" / "labels"


def test_the_list_names_every_experiment_with_a_line(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    for name, experiment in EXPERIMENTS.items():
        assert re.search(rf"^  {name} +\S", printed, flags=re.MULTILINE)
        assert f"python -m experiments {name}" in experiment.__doc__


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_help_explains_every_flag_with_its_default(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    for flag in ("--seed", "--steps", "--resume", "--until-plateau", "--out"):
        assert flag in printed
    options = re.findall(r"--[a-z0-9-]+", printed)
    assert printed.count("(default:") >= len({o for o in options if not o.startswith("--no-")}) - 2  # --help has none


def test_a_run_leaves_what_the_readme_promises(out, capsys):
    assert main(["digits", "--smoke", "--out", str(out), "--id", "first"]) == 0
    run = out / "digits" / "first"
    printed = capsys.readouterr().out
    assert printed.index("compiling the train step") < printed.index("step 4/4")
    assert "held-out digits" in printed
    assert printed.rstrip().endswith("report.html")
    for name in ("config.json", "environment.json", "metrics.jsonl", "summary.json", "curves.png", "report.html"):
        assert (run / name).stat().st_size > 0, name
    assert len(list(run.glob("events.out.tfevents.*"))) == 1
    assert Image.open(run / "samples" / "real.png").size == Image.open(run / "samples" / "000004.png").size
    page = json.loads((run / "config.json").read_text())
    assert page["config"]["steps"] == 4
    assert page["config"]["seed"] == 0
    environment = json.loads((run / "environment.json").read_text())
    assert environment["versions"]["jax"] == jax.__version__
    figures = json.loads((run / "summary.json").read_text())["figures"]
    assert set(figures) == {"frechet_distance", "precision", "recall", "classes"}
    rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
    assert any("quality/frechet_distance" in row for row in rows)


@pytest.mark.parametrize("name", OTHERS)
def test_smoke_runs_of_the_others(name, out, pictures):
    more = ["--path", str(pictures), "--labels"] if name == "folder" else []
    assert main([name, "--smoke", "--out", str(out), "--id", "smoke", *more]) == 0
    run = out / name / "smoke"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["step"] == summary["judged_at_step"] == EXPERIMENTS[name].SMOKE["steps"]
    assert summary["best_by"] in summary["figures"]
    assert np.isfinite(list(summary["figures"].values())).all()
    assert summary["skipped_steps"] == 0
    assert (run / "report.html").exists()
    assert len(list((run / "samples").glob("*.png"))) == 2  # real ones and the last


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_settings_of_an_experiment(name):
    """What every experiment promises without being run."""
    experiment = EXPERIMENTS[name]
    fields = {field.name for field in dataclasses.fields(experiment.Config)}
    assert {"seed", "steps", "batch_size"} <= fields
    assert set(experiment.SMOKE) <= fields
    assert set(experiment.MAY_DIFFER) <= fields
    if name.startswith("digits"):
        train, test = (getattr(experiment, split)(experiment.Config()) for split in ("source", "held_out"))
        assert (train.size, test.size, train.classes) == (4000, 1000, test.classes)
        every = [source.read(jg.data.Draw(0, *(np.arange(source.size),) * 2))["x"] for source in (train, test)]
        assert not {x.tobytes() for x in every[0]} & {x.tobytes() for x in every[1]}


def test_tfds_experiment_reads_a_prepared_set(out, tmp_path, prepared):
    flags = ["--dataset", "tfds:smalldigits", "--data-dir", prepared, "--channels", "1"]
    assert main(["tfds", "--smoke", *flags, "--out", str(out), "--id", "smoke"]) == 0
    assert (out / "tfds" / "smoke" / "report.html").exists()


def test_train_step_is_compiled_once(monkeypatch, tmp_path):
    traces = []
    build = digits.build

    def counting(*arguments):
        built = build(*arguments)

        def train_step(state, batch):
            traces.append(1)
            return built.game.train_step(state, batch)

        return built._replace(game=built.game._replace(train_step=train_step))

    monkeypatch.setattr(digits, "build", counting)
    tiny = {**digits.SMOKE, "steps": 100}
    monkeypatch.setattr(digits, "SMOKE", tiny)
    assert main(["digits", "--smoke", "--out", str(tmp_path), "--id", "traced", "--evaluations", "2"]) == 0
    assert len(traces) == 1


def test_until_plateau_stops_a_run_that_learns_nothing(tmp_path, capsys):
    flags = ["--steps", "1000", "--evaluations", "100", "--learning-rate", "0", "--batch-size", "8", "--width", "4"]
    assert main(["ring", *flags, "--until-plateau", "3", "--out", str(tmp_path), "--id", "flat"]) == 0
    assert "stopped at step 40" in capsys.readouterr().out  # the first evaluation and three without a better one


def test_until_quality_stops_a_run_that_is_good_enough(tmp_path, capsys):
    flags = ["--steps", "40", "--evaluations", "10", "--batch-size", "8", "--width", "4", "--out", str(tmp_path)]
    assert main(["ring", *flags, "--until-quality", "1e9", "--id", "easy"]) == 0
    assert "missed has reached 1e+09: stopped at step 4" in capsys.readouterr().out
    assert main(["ring", *flags, "--best-by", "high_quality", "--until-quality", "2", "--id", "never"]) == 0
    printed = capsys.readouterr().out
    assert "reached" not in printed
    summary = json.loads((tmp_path / "ring" / "never" / "summary.json").read_text())
    assert (summary["best_by"], summary["step"]) == ("high_quality", 40)
    steps, values = read_metrics(tmp_path / "ring" / "never")["quality/high_quality"]
    assert f"best high quality at step {steps[np.argmax(values)]}" in printed


def test_best_by_takes_the_figures_that_there_are(tmp_path, capsys):
    assert main(["ring", "--smoke", "--best-by", "beauty", "--out", str(tmp_path)]) == 2
    assert "--best-by 'beauty' is no figure; choose one of frechet_distance" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main(["ring", "--smoke", "--best-by", "recall", "--out", str(tmp_path)]) == 0  # known, but not here
    assert "no figure 'recall' in this evaluation; it has ['high_quality'" in capsys.readouterr().out


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


def test_a_longer_run_may_go_on_from_a_shorter_one(conditional):
    before = bits(conditional)
    digits_steps = ["digits_conditional", "--smoke", "--out", str(conditional.parents[1]), "--id", "labels", "--resume"]
    assert main(digits_steps) == 0  # has all its steps already: nothing changes
    assert bits(conditional) == before


def test_the_command_in_a_run_makes_it_again():
    from experiments.run_folder import command

    assert command("digits", digits.Config()) == "python -m experiments digits"
    changed = digits.Config(seed=3, learning_rate=5e-4)
    assert command("digits", changed) == "python -m experiments digits --seed 3 --learning-rate 0.0005"
