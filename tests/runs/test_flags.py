"""Flags of two dataclasses: those given by hand win over what `--smoke` makes small."""

from dataclasses import dataclass

import pytest

from experiments.__main__ import main
from experiments.full_size.data import catalogued
from jaxgan.runs.flags import parse_two


@dataclass(frozen=True)
class Config:
    """Settings."""

    width: int  # must be given
    steps: int = 1000
    dataset: str = "tfds:mnist"


@dataclass(frozen=True)
class Where:
    """Where."""

    smoke: bool = False
    evaluations: int = 10


def parsed(*words):
    smoke = {"steps": 3, "dataset": "synthetic"}, {"evaluations": 1}
    return parse_two(Config, Where, ["--width", "5", *words], "program", None, smoke=smoke)


def test_smoke_makes_small_what_is_not_given():
    assert parsed() == (Config(5, 1000, "tfds:mnist"), Where(False, 10))
    assert parsed("--smoke") == (Config(5, 3, "synthetic"), Where(True, 1))


@pytest.mark.parametrize("order", [("--smoke", "--steps", "1000"), ("--steps", "1000", "--smoke")])
def test_flags_given_win_even_where_they_say_the_default(order):
    assert parsed(*order) == (Config(5, 1000, "synthetic"), Where(True, 1))
    given = ("--dataset", "tfds:mnist", "--evaluations", "10")
    assert parsed(*order, *given) == (Config(5, 1000, "tfds:mnist"), Where(True, 10))


def test_what_has_no_default_must_still_be_given():
    with pytest.raises(ValueError, match="width"):
        parse_two(Config, Where, ["--smoke"], "program", None, smoke=({"steps": 3}, {}))


def test_a_named_set_is_opened_or_its_absence_is_an_error(tmp_path, capsys):
    """Not trained on noise: `--smoke` beside `--dataset`; and a folder for no set is refused."""
    out = ["--smoke", "--data-dir", str(tmp_path), "--out", str(tmp_path / "runs")]
    assert main(["cifar10_dcgan", "--dataset", "tfds:cifar10", *out]) == 2
    assert "'cifar10' is not prepared in" in capsys.readouterr().err
    assert main(["cifar10_dcgan", *out]) == 2
    assert "but dataset 'synthetic' is noise; name the set" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    assert catalogued("synthetic", size=8).size == 64
