"""A run leaves what is promised, compiles once, ends when it should, and knows its own command."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from experiments.__main__ import main
from experiments.digits import dcgan as digits
from jaxgan.report import read_metrics
from jaxgan.runs.folder import command
from jaxgan.runs.loading import load
from tests.runs.conftest import bits


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs with a space")


@pytest.fixture(scope="module")
def conditional(out):
    assert main(["digits_conditional", "--smoke", "--out", str(out), "--id", "labels"]) == 0
    return out / "digits_conditional" / "labels"


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


def test_a_longer_run_may_go_on_from_a_shorter_one(conditional):
    before = bits(conditional)
    digits_steps = ["digits_conditional", "--smoke", "--out", str(conditional.parents[1]), "--id", "labels", "--resume"]
    assert main(digits_steps) == 0  # has all its steps already: nothing changes
    assert bits(conditional) == before


def test_the_command_in_a_run_makes_it_again():
    program = "python -m experiments digits"
    assert command(program, digits.Config()) == program
    assert command(program, digits.Config(seed=3, learning_rate=5e-4)) == f"{program} --seed 3 --learning-rate 0.0005"


def test_a_run_from_another_begins_with_its_parameters(out, conditional, capsys):
    """It is at step 0, with optimizers of its own; what the other has not is fresh."""
    words = ["--smoke", "--out", str(out), "--from", str(conditional)]
    assert main(["digits_conditional", *words, "--id", "second", "--learning-rate", "1e-6"]) == 0
    assert "0 are fresh" in capsys.readouterr().out
    first, second = load(conditional), load(out / "digits_conditional" / "second")
    assert int(second.state.step) == 4
    start, after = (jax.tree.leaves(each.state.params) for each in (first, second))
    for one, other in zip(start, after, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)  # four steps of 1e-6
    assert json.loads((out / "digits_conditional" / "second" / "config.json").read_text())["from"] == str(conditional)
    assert main(["digits", *words, "--id", "unlabelled"]) == 0
    assert "the old state has none of this path" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "{out}/nowhere"], "is not the folder of a run"),
        (["--from", "{conditional}", "--resume"], "--from begins a run and --resume goes on with one"),
        (["--learning-rate", "-1"], "--learning-rate must not be below 0; got -1.0"),
        (["--learning-rate", "nan"], "--learning-rate must be a finite number"),
        (["--gamma", "inf"], "--gamma must be a finite number"),
        (["--b2", "1.5"], "--b2 must lie in [0, 1]"),
        (["--batch-size", "0"], "--batch-size must be at least 1"),
        (["--generator-features", "-2"], "--generator-features must be at least 1"),
        (["--resume", "--id", "labels", "--learning-rate", "0.5"], "only --steps may differ, and --from "),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(out, conditional, capsys, words, message):
    before = sorted(out.rglob("*"))
    words = [word.format(out=out, conditional=conditional) for word in words]
    smoke = ["--smoke"] if "--resume" in words else []
    assert main(["digits_conditional", *smoke, "--out", str(out), *words]) == 2
    assert message in capsys.readouterr().err
    assert sorted(out.rglob("*")) == before
