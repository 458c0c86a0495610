"""What is compiled is kept in a private folder, unless others could write there or a flag or variable says no."""

import os
import stat
import subprocess
import sys

import jax
import pytest

from experiments.__main__ import main
from jaxgan.runs.compiled import ENABLED, FLAG, FOLDER, keep_compiled, say_where_kept
from tests.conftest import QUICK_CODE
from tests.runs.conftest import ROOT


@pytest.fixture
def user(tmp_path):
    """The environment of a user with an empty cache folder."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_the_folder_is_private_and_stays_the_same(user, tmp_path):
    before = os.umask(0)
    try:
        assert keep_compiled(["run", "own.py"], user) == ["run", "own.py"]
    finally:
        os.umask(before)
    folder = tmp_path / "cache" / "jaxgan"
    (kept,) = folder.iterdir()
    assert user[FOLDER] == str(kept)
    assert [stat.S_IMODE(place.stat().st_mode) for place in (folder, kept)] == [0o700, 0o700]
    again = {"XDG_CACHE_HOME": user["XDG_CACHE_HOME"]}
    keep_compiled(["run", "own.py"], again)
    assert again == user
    keep_compiled(["run", "own.py"], other := {"XDG_CACHE_HOME": user["XDG_CACHE_HOME"], "NPROC": "77"})
    assert other[FOLDER] != user[FOLDER]  # what is compiled depends on the number of threads


def test_a_flag_a_variable_and_a_question_for_help(user, tmp_path):
    assert keep_compiled(["run", FLAG, "own.py", "--steps", "3"], user) == ["run", "own.py", "--steps", "3"]
    assert user[ENABLED] == "false"
    assert keep_compiled(["sample", "here"], own := {FOLDER: "mine"}) == ["sample", "here"]
    assert own == {FOLDER: "mine"}
    for words in ([], ["--help"], ["run", "own.py", "-h"]):
        keep_compiled(words, helped := {"XDG_CACHE_HOME": str(tmp_path / "cache")})
        assert FOLDER not in helped
    assert not (tmp_path / "cache").exists()


def spoil_mode(folder):
    folder.chmod(0o770)


def spoil_outer_mode(folder):
    folder.parent.chmod(0o777)


def spoil_around(folder):
    folder.parent.parent.chmod(0o777)


def spoil_by_link(folder):
    folder.rename(folder.parent / "elsewhere")
    folder.symlink_to(folder.parent / "elsewhere")


def spoil_by_file(folder):
    folder.rmdir()
    folder.write_text("")


@pytest.mark.parametrize("spoil", [spoil_mode, spoil_outer_mode, spoil_around, spoil_by_link, spoil_by_file])
def test_a_folder_that_others_may_write_to_is_not_used(spoil, user, tmp_path, capsys):
    keep_compiled(["run", "own.py"], user)
    spoil(next((tmp_path / "cache" / "jaxgan").iterdir()))
    keep_compiled(["run", "own.py"], again := {"XDG_CACHE_HOME": user["XDG_CACHE_HOME"]})
    assert FOLDER not in again
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: what is compiled is not kept: ")
    assert str(tmp_path / "cache") in line


def test_a_folder_of_another_user_is_not_used(user, monkeypatch, capsys):
    keep_compiled(["run", "own.py"], user)
    stranger = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: stranger)
    keep_compiled(["run", "own.py"], again := {"XDG_CACHE_HOME": user["XDG_CACHE_HOME"]})
    assert FOLDER not in again
    assert "warning: what is compiled is not kept" in capsys.readouterr().err


def test_no_place_to_keep_it_is_no_error(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    keep_compiled(["run", "own.py"], blocked := {"XDG_CACHE_HOME": str(tmp_path / "file" / "cache")})
    assert FOLDER not in blocked
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_run_says_where_first(tmp_path, capsys):
    assert main(["ring", "--smoke", "--out", str(tmp_path)]) == 0
    kept = jax.config.jax_compilation_cache_dir
    assert capsys.readouterr().out.splitlines()[0].startswith(f"compiled programs are kept in {kept} ")
    before = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    say_where_kept()
    jax.config.update("jax_enable_compilation_cache", before)
    assert capsys.readouterr().out == ""


def test_the_command_line_fills_it(user, tmp_path):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    inherited |= {"XLA_FLAGS": QUICK_CODE, "JAX_PLATFORMS": "cpu", "NPROC": "1"} | user
    command = [sys.executable, "-m", "experiments", "ring", "--smoke", "--out", str(tmp_path)]
    for words, filled in ((["--id", "a", FLAG], False), (["--id", "b"], True)):
        done = subprocess.run([*command, *words], cwd=ROOT, env=inherited, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        assert bool(list((tmp_path / "cache").rglob("*-cache"))) == filled
        assert ("compiled programs are kept in" in done.stdout.splitlines()[0]) == filled
