"""Every experiment runs, says what it is, and keeps what experiments promise."""

import dataclasses
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxgan as jg
from experiments import EXPERIMENTS
from experiments.__main__ import main
from jaxgan.runs.modules import bundled

ELSEWHERE = {"digits", "digits_conditional", "tfds", "pairs", "unpaired"}  # experiments that other tests here run
# Half a minute to compile: they are traced, and run by `bash tests/run --slow`.
LONG = {"cifar10_sagan", "cifar10_biggan", "cifar10_stylegan2_ada", "imagenet128_biggan"}
LONG |= {"digits_biggan", "digits_sngan", "digits_stylegan2", "digits_unet"}
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


def test_the_list_names_every_experiment_with_a_line(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    for name in EXPERIMENTS:
        assert re.search(rf"^  {name} +\S", printed, flags=re.MULTILINE)
        assert f"python -m experiments {name}" in bundled(name).module.__doc__


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


@pytest.mark.parametrize("name", OTHERS)
def test_smoke_runs_of_the_others(name, out, pictures):
    more = ["--path", str(pictures), "--labels"] if name == "folder" else []
    assert main([name, "--smoke", "--out", str(out), "--id", "smoke", *more]) == 0
    run = out / name / "smoke"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["step"] == summary["judged_at_step"] == bundled(name).module.SMOKE["steps"]
    assert summary["best_by"] in summary["figures"]
    assert np.isfinite(list(summary["figures"].values())).all()
    assert summary["skipped_steps"] == 0
    assert (run / "report.html").exists()
    assert len(list((run / "samples").glob("*.png"))) == 2  # real ones and the last


@pytest.mark.parametrize("name", sorted(LONG))
def test_those_that_compile_long_are_traced(name):
    """Their games begin, step and make samples, by shapes alone."""
    module = bundled(name).module
    config = module.Config(**module.SMOKE)
    source = module.source(config)
    game = module.build(config, tuple(source.read(jg.data.Draw(0, *([0, 1],) * 2))["x"].shape[1:]), source.classes).game
    batch = jg.data.batch_at(source, config.batch_size * game.updates, seed=0)(0)
    state = jax.eval_shape(game.init, jax.random.key(0), batch)
    after, metrics = jax.eval_shape(game.train_step, state, batch)
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (state, after))
    assert shapes[0] == shapes[1]
    assert {metric.split("/")[0] for metric in metrics} >= {"generator", "discriminator"}
    asked = {"index": jnp.arange(2, dtype=jnp.int32)} | ({"y": batch["y"][:2]} if source.classes else {})
    samples = jax.eval_shape(game.generate, after, jax.random.key(1), asked)
    assert samples.shape == (2, *batch["x"].shape[1:])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_settings_of_an_experiment(name):
    """What every experiment promises without being run."""
    experiment = bundled(name).module
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
