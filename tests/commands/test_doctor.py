"""`jaxgan doctor` on real runs, and the runs with a failure provoked."""

import json

import numpy as np
import pytest
from PIL import Image

from experiments.__main__ import main
from experiments.diagnosis import ailments
from experiments.toys.ring import Config, build
from jaxgan.commands.doctor import Doctor, doctor

TINY = ["--steps", "300", "--batch-size", "32", "--width", "8", "--latent", "4"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A ring that hardly learned anything, and one that blew up."""
    out = tmp_path_factory.mktemp("runs")
    bad = ["--gamma", "0", "--learning-rate", "30"]
    assert main(["ring", *TINY, "--out", str(out), "--id", "short", "--log-every", "2"]) == 0
    main(["ring", *TINY, *bad, "--out", str(out), "--id", "wild", "--log-every", "2"])
    return out / "ring"


def test_the_doctor_of_a_run(runs, capsys):
    run = runs / "wild"
    before = (run / "metrics.jsonl").read_bytes()
    assert doctor(Doctor(run, samples=200)) == 0
    said = capsys.readouterr().out
    assert "divergence (fatal): " in said
    assert "try penalties.r1" in said
    page = json.loads((run / "doctor.json").read_text())
    assert page["findings"][0]["name"] == "divergence"
    assert page["findings"][0]["evidence"] in said
    assert (run / "metrics.jsonl").read_bytes() == before


def test_what_is_examined_is_said_and_drawn(runs, capsys):
    run = runs / "short"
    assert doctor(Doctor(run, samples=200, eigenvalues=2)) == 0
    said = capsys.readouterr().out
    assert "examined: 150 rows of metrics.jsonl; gradient of the discriminator" in said
    assert "local convergence: leading eigenvalue" in said
    page = json.loads((run / "doctor.json").read_text())
    assert page["step"] == 300
    assert page["measured"]["variety"]["nearness"] is None  # a density has no training set
    eigenvalues = np.array(page["spectrum"]["eigenvalues"])
    assert eigenvalues.shape[1] == 2
    assert list(eigenvalues[:, 0]) == sorted(eigenvalues[:, 0], reverse=True)
    assert Image.open(run / "doctor.png").size[0] > 500
    assert doctor(Doctor(run, step="best", samples=50, spectrum=False)) == 0
    assert "not examined: not asked for" in capsys.readouterr().out


def test_bad_input(runs, tmp_path):
    with pytest.raises(ValueError, match="not the folder of a run"):
        doctor(Doctor(tmp_path))
    with pytest.raises(ValueError, match="--samples must be at least 2"):
        doctor(Doctor(runs / "short", samples=1))
    assert ailments.main(["--seeds", "0"]) == 2
    assert ailments.main(["--only", "measles"]) == 2


def test_a_game_knows_its_parts():
    game = build(Config(), (2,), 0).game
    networks, system = game.networks, game.system
    assert set(networks) == set(system.players) == {"generator", "discriminator"}


QUICK = {  # the same failures in a tenth of the time
    "divergence": {"steps": 500},
    "dead normalisation": {"steps": 3, "batch_size": 8},
}


@pytest.fixture
def table(tmp_path):
    """The folder of a table, as its members need it."""
    about = {"experiment": "ailments", "module": "experiments.diagnosis.ailments", "sha256": None, "command": "a test"}
    page = about | {"config": {}, "running": {"max_skips": 10, "watchdog": None}, "resumed": 0}
    (tmp_path / "table.json").write_text(json.dumps(page))
    return tmp_path


@pytest.mark.parametrize("name", QUICK)
def test_failures_are_named(name, table):
    patient = ailments.patients()[name]()._replace(**QUICK[name])
    assert ailments.examined(patient, 0, table / "run")[0].name == name
    warned = ailments.warnings(table / "run")
    assert any(": divergence: " in line for line in warned) == (name == "divergence")


def test_ailments_end_in_a_table_and_are_read_back(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(ailments, "digits", lambda *a, whole=ailments.digits, **k: whole(*a, **k | {"steps": 3}))
    words = ["--only", "dead normalisation", "--out", str(tmp_path), "--id", "one"]
    assert ailments.main(words) == 0
    assert "right: 1 of 1" in capsys.readouterr().out
    assert ailments.main([*words, "--resume"]) == 0
    assert "dead-normalisation-seed0, finished at step 3" in capsys.readouterr().out
    page = json.loads((tmp_path / "ailments" / "one" / "table.json").read_text())
    (row,) = page["tables"][0]["rows"]
    assert (row["run"], row["named first"], row["warned at step"]) == ("dead normalisation",) * 2 + ("never",)
    assert page["members"] == ["dead-normalisation-seed0"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ailments.patients())
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_failure_is_named_and_none_in_health(name, seed, table):
    patient = ailments.patients()[name]()
    named = [finding.name for finding in ailments.examined(patient, seed, table / "run")]
    assert (named or [ailments.HEALTHY])[0] == patient.ailment
    assert patient.ailment != ailments.HEALTHY or not ailments.warnings(table / "run")
