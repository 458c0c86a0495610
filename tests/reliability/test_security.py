"""R27: files and names from strangers run no code and write nothing outside; no canary file may appear."""

import ast
import io
import json
import pickle
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import experiments
import jaxgan
from experiments.__main__ import main
from jaxgan import metrics
from jaxgan.checkpoint import CheckpointError, open_checkpoints
from jaxgan.commands.main import main as jaxgan_command

ROOT = Path(jaxgan.__file__).parents[1]
FILES = [path for package in (jaxgan, experiments) for path in sorted(Path(package.__file__).parent.rglob("*.py"))]


class Evil:
    """Unpickled, it leaves its mark."""

    def __init__(self, canary):
        self.canary = str(canary)

    def __reduce__(self):
        return (open, (self.canary, "w"))


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    pickle.loads(pickle.dumps(Evil(path))).close()
    assert path.exists()  # the weapon works
    path.unlink()
    return path


def test_a_pickle_in_an_array_file_is_refused(tmp_path, canary, scorecard):
    began = time.monotonic()
    np.savez(tmp_path / "judge.npz", allow_pickle=True, weights=np.array([Evil(canary)], dtype=object))
    with pytest.raises(ValueError, match=r"judge\.npz"):
        metrics.load_classifier(tmp_path / "judge.npz")
    (tmp_path / "whole.npz").write_bytes(pickle.dumps(Evil(canary)))
    with pytest.raises(ValueError, match=r"whole\.npz"):
        metrics.load_classifier(tmp_path / "whole.npz")
    assert not canary.exists()
    scorecard("R27", "pickles in .npz files: refused", time.monotonic() - began)


def test_a_config_imports_nothing(tmp_path, canary, capsys, monkeypatch, scorecard):
    """A run's config names a module and fields; both are looked up, and neither is imported or run."""
    began = time.monotonic()
    evil, ring = f"open({str(canary)!r}, 'w')", "experiments.toys.ring"
    (tmp_path / "stranger.py").write_text(evil)
    monkeypatch.syspath_prepend(tmp_path)  # it could be imported
    settings = {"format": 2, "experiment": "ring", "config": {}, "batch": {}, "classes": 0}
    pages = [
        *(settings | {"module": name} for name in ("os", evil, "stranger", "experiments.seeds", "tests.registry")),
        *(settings | {"module": name} for name in (str(tmp_path / "stranger.py"), "", None, 7, ["os"])),
        settings | {"module": ring, "config": {"__class__": evil}},
        settings | {"module": ring, "config": {"_target_": "os.system"}},
        settings | {"module": ring, "batch": {"x": {"shape": [evil], "dtype": "float32"}}},
        settings | {"module": ring, "batch": {"x": {"shape": [2], "dtype": evil}}},
        settings | {"module": ring, "batch": {"x": evil}},
        ["ring"],
    ]
    for page in pages:
        (tmp_path / "config.json").write_text(json.dumps(page))
        for command in ("sample", "evaluate", "doctor"):
            assert jaxgan_command([command, str(tmp_path)]) == 2
            error = capsys.readouterr().err
            assert error.startswith("error: ")
            assert error.count("\n") == 1
    assert jaxgan_command(["report", str(tmp_path)]) in (0, 2)  # it reads text
    assert "stranger" not in sys.modules
    assert not canary.exists()
    scorecard("R27", "configs that name code: refused", time.monotonic() - began)


def test_names_of_runs_stay_inside(tmp_path, capsys, scorecard):
    began = time.monotonic()
    before, names = sorted(tmp_path.parent.iterdir()), ["../x", "/x", "a/b", "..", ".x", "a\0b", "a\nb", "", "x" * 101]
    for name in names:
        assert main(["ring", "--smoke", "--out", str(tmp_path / "runs"), "--id", name]) == 2
        assert "is not a run's name" in capsys.readouterr().err
    assert sorted(tmp_path.parent.iterdir()) == before
    assert not list(tmp_path.rglob("*"))
    scorecard("R27", f"{len(names)} names of runs that would leave the folder: refused", time.monotonic() - began)


def test_a_pickle_among_checkpoints_is_no_checkpoint(tmp_path, canary, scorecard):
    began = time.monotonic()
    for place in ("7", "8/state", "9/manifest"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "process-0.json").write_bytes(pickle.dumps(Evil(canary)))
        (tmp_path / place / "data.pkl").write_bytes(pickle.dumps(Evil(canary)))
    manager = open_checkpoints(tmp_path)
    target = jaxgan.TrainState(np.zeros((), np.int32), __import__("jax").random.key(0), {}, {}, {}, {})
    with pytest.raises((ValueError, CheckpointError)):
        jaxgan.checkpoint.restore(manager, target)
    manager.close()
    assert not canary.exists()
    scorecard("R27", "pickles among checkpoints: refused", time.monotonic() - began)


def test_archives_are_not_extracted(tmp_path, canary, scorecard):
    """A folder of pictures that holds archives: they are no pictures, and stay as they are."""
    began = time.monotonic()
    inside = tmp_path / "pictures"
    inside.mkdir()
    with tarfile.open(inside / "evil.tar", "w") as archive:
        member = tarfile.TarInfo("../canary")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    with zipfile.ZipFile(inside / "evil.zip", "w") as archive:
        archive.writestr("../canary", "x")
    (inside / "evil.tar").rename(inside / "evil.png")
    with pytest.raises(ValueError, match="1 unreadable of 1 pictures"):
        jaxgan.data.folder(inside)
    assert not canary.exists()
    scorecard("R27", "archives with members outside: not extracted", time.monotonic() - began)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_extracts_archives_or_imports_by_string(path):
    """Of the experiments too, which `tests/test_structure.py` leaves out: no pickle, `eval` or import of a string.

    But for three files, whose strings are tables of their own: rooms, commands, and names of experiments.
    """
    tables = {"jaxgan/__init__.py", "jaxgan/commands/main.py", "jaxgan/runs/modules.py"}
    imports = () if path.relative_to(ROOT).as_posix() in tables else ("import_module", "exec_module")
    forbidden = {"pickle", "cloudpickle", "dill", "shelve", "marshal", "tarfile", "yaml"}
    for node in ast.walk(ast.parse(path.read_text())):
        names = set()
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {node.module or ""}
        assert not {n.split(".")[0] for n in names} & forbidden, f"{path}:{node.lineno}"
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            assert called not in {"eval", "exec", "__import__", "extractall", *imports}, f"{path}:{node.lineno}"
        if isinstance(node, ast.keyword):
            assert not (node.arg == "shell" and getattr(node.value, "value", True)), path
