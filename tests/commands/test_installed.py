"""Where jaxgan is installed as a package it brings no `experiments`, and takes nobody else's for its own."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import setuptools
from PIL import Image

from experiments.__main__ import main
from tests.runs.conftest import QUICK_CODE, ROOT

OWN = ROOT / "tests" / "runs" / "own.py"
STRANGER = "raise SystemExit('the experiments of this folder are somebody else\\'s')"
NEWEST = int(version("setuptools").split(".")[0]) >= 77  # what pyproject.toml needs to build


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The files that a wheel holds, unpacked: of a real one where setuptools can build it, else by the same rules."""
    whole, unpacked = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in ("jaxgan", "experiments"):
        shutil.copytree(ROOT / name, whole / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, whole)
    if NEWEST:
        build = f"from setuptools import build_meta; build_meta.build_wheel({str(unpacked)!r})"
        subprocess.run([sys.executable, "-c", build], cwd=whole, check=True, capture_output=True)
        (wheel,) = unpacked.glob("*.whl")
        with zipfile.ZipFile(wheel) as files:
            files.extractall(unpacked)
        wheel.unlink()
        return unpacked
    rules = tomllib.loads((whole / "pyproject.toml").read_text())["tool"]["setuptools"]
    for name in setuptools.find_packages(str(whole), include=rules["packages"]["find"]["include"]):
        place = Path(*name.split("."))
        for pattern in ("*.py", *rules["package-data"].get(name, ())):
            for file in (whole / place).glob(pattern):
                (unpacked / place).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, unpacked / place)
    return unpacked


@pytest.fixture
def elsewhere(tmp_path):
    """A project that has a package `experiments` of its own, an experiment, and two folders of pictures."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").write_text(STRANGER)
    shutil.copy(OWN, tmp_path)
    for seed, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        for i, pixels in enumerate(np.random.default_rng(seed).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)):
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    return tmp_path


def commands(folder, path, *lines):
    """Runs command lines one after the other in one process, as from a folder that is on the path."""
    program = f"""
        import json, sys
        from jaxgan.commands.main import main
        light = main(["--help"]), main(["smaple"]), sorted({{"jax", "flax", "tyro", "numpy"}} & set(sys.modules))
        codes = [main(words) for words in {[[str(word) for word in line] for line in lines]!r}]
        print(json.dumps([light, codes, "experiments" in sys.modules]))
    """
    environment = os.environ | {"PYTHONPATH": str(path), "XLA_FLAGS": QUICK_CODE}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return *json.loads(done.stdout.splitlines()[-1]), done


def test_a_package_works_in_a_folder_with_its_own_experiments(package, elsewhere, tmp_path):
    assert {path.name for path in package.iterdir() if not path.name.endswith(".dist-info")} == {"jaxgan"}
    assert (package / "jaxgan" / "data" / "optdigits.npz").exists()
    run = tmp_path / "runs" / "own" / "one"
    light, codes, strangers, done = commands(
        elsewhere,
        package,
        ["run", "own.py", "--smoke", "--id", "one"],
        ["sample", run, "--module", "own.py", "--n", 5],
        ["evaluate", "a", "b", "--features", "pixels", "--n", 8, "--metrics", "frechet", "--resamples", 0],
        ["report", run],
        ["sample", run],
    )
    assert light == [0, 2, []]
    assert codes == [0, 0, 0, 0, 2]
    assert not strangers
    assert (run / "report.html").exists()
    assert np.load(run / "samples" / "drawn-000003-seed0.png").shape == (5, 2)
    assert (tmp_path / "evaluation" / "evaluation.json").exists()
    assert "name its file: --module FILE.py" in done.stderr


def test_a_clone_finds_its_own_experiments_from_anywhere(elsewhere, tmp_path):
    """As an editable install does: jaxgan can be imported, and lies in the clone; the clone is not on the path."""
    assert main(["ring", "--smoke", "--out", str(tmp_path / "runs"), "--id", "one"]) == 0
    (tmp_path / "editable").mkdir()
    (tmp_path / "editable" / "jaxgan").symlink_to(ROOT / "jaxgan")
    run = tmp_path / "runs" / "ring" / "one"
    words = ["evaluate", run, "--n", 40, "--metrics", "frechet", "--resamples", 0, "--reference", "train"]
    _, codes, _, done = commands(elsewhere, tmp_path / "editable", words)
    assert codes == [0], done.stderr
    assert (run / "evaluation.json").exists()
