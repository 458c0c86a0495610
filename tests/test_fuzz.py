"""Command lines fed wrong values: a small, fixed part of `python -m benchmarks.fuzz`, and what the whole has found."""

import json
import sys
import warnings
from random import Random

import pytest

from benchmarks import fuzz, hostile
from experiments.__main__ import main as experiments
from jaxgan.commands.main import main as jaxgan
from jaxgan.metrics.protocol import from_json
from jaxgan.pages import parse_page, read_page
from jaxgan.runs import folder as folders
from jaxgan.runs.ending import last_evaluation
from jaxgan.runs.flags import reported
from jaxgan.runs.settings import fits

CASES = 14  # ten seconds


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """What cases copy and damage."""
    folder = tmp_path_factory.mktemp("base") / "base"
    fuzz.prepare(folder)
    return folder


def test_no_case_is_a_fault(base, tmp_path):
    ends = set()
    for number in range(CASES):
        case, outcome = fuzz.one(0, number, base, tmp_path)
        assert outcome.fault is None, f"case {number}: {case}: {outcome.fault}\n{outcome.printed}"
        ends.add(outcome.end)
    assert {"0", "2"} <= ends <= {"0", "1", "2", "accepted"}  # which come among so few depends on the flags there are


def test_faults_are_seen(base, monkeypatch):
    """Each kind of fault, by a command that has it."""

    def raises(words):
        raise TypeError("raw")

    def writes(words):
        open("new", "w").close()
        return reported(lambda: (_ for _ in ()).throw(ValueError("refused")))

    def says_nothing(words):
        return 2

    def warns_twice(words):
        for line in range(2):
            warnings.warn_explicit("left out", UserWarning, "file.py", line)
        return 0

    expected = {raises: "raw", writes: "new", says_nothing: "one line", warns_twice: "twice"}
    for command, says in expected.items():
        monkeypatch.setattr("jaxgan.commands.main.main", command)
        assert says in fuzz.played(fuzz.Case("jaxgan", []), base).fault
    (base / "new").unlink()


def test_flags_are_read_from_the_help():
    known = fuzz.flags("jaxgan", ["sample"])
    assert known["--n"] == "INT"
    assert known["--no-interpolate"] == ""
    assert known["--path"] == "{spherical,linear}"
    assert {"--out", "--id", "--from", "--steps", "--best-by"} <= fuzz.flags("experiments", ["ring"]).keys()


def test_a_case_is_the_same_each_time():
    text = json.dumps({"a": [1, {"b": 2}], "c": "x"})
    assert [hostile.page(Random(3), text) for _ in range(3)] == [hostile.page(Random(3), text)] * 3


@pytest.mark.parametrize("text", [hostile.DEEP, "{", b"\xff", "", "9" * 5000])
def test_pages_that_cannot_be_read(text):
    with pytest.raises(ValueError, match=r"."):
        parse_page(text)


def test_fields_of_pages(tmp_path):
    path = tmp_path / "page.json"
    for page, says in (
        ([], "no JSON object"),
        ({"classes": True}, "'classes' is 'True'"),
        ({}, "'classes' is missing"),
    ):
        path.write_text(json.dumps(page))
        with pytest.raises(ValueError, match=says):
            read_page(path, classes=int)
    with pytest.raises(ValueError, match="no regular file"):
        read_page(tmp_path)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (1, int, True),
        (True, int, False),
        (1, float, True),
        ("1", float, False),
        (None, int | None, True),
        ([], str, False),
    ],
)
def test_types_of_config_values(value, kind, expected):
    assert fits(value, kind) is expected


def test_a_stored_figure_of_wrong_types():
    protocol = dict.fromkeys(("name", "dataset", "split", "resizer", "features", "weights"), "x")
    protocol |= {"real": 1, "fake": 1, "seed": 0, "size": [2], "averaged": None, "normalization": None}
    page = {"metric": "recall", "value": 0.5, "low": None, "high": None, "better": "higher", "protocol": protocol}
    assert from_json(page).value == 0.5
    for wrong in ({"better": []}, {"value": "x"}, {"protocol": protocol | {"size": ["x"]}}, {"protocol": 3}):
        with pytest.raises(ValueError, match="not a figure"):
            from_json(page | wrong)


def test_a_summary_of_wrong_types_tells_nothing(tmp_path):
    for page in ({"judged_at_step": {}}, {"judged_at_step": 1}, {"judged_at_step": 1, "figures": []}):
        (tmp_path / "summary.json").write_text(json.dumps(page))
        assert last_evaluation(tmp_path, 4) == {}


def test_integers_beyond_64_bits(tmp_path, capsys):
    huge = str(2**63)
    assert experiments(["digits_stylegan2", "--smoke", "--mapping-layers", huge, "--out", str(tmp_path / "runs")]) == 2
    assert "--mapping-layers must be an integer of at most 64 bits; got 9.22e+18" in capsys.readouterr().err
    assert jaxgan(["sample", str(tmp_path), "--seed", f"-{huge}9"]) == 2
    assert "--seed must be" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_table_that_is_refused_takes_its_folder_back(tmp_path, capsys):
    around = folders.missing(tmp_path / "runs" / "table")
    folder = folders.new_folder(tmp_path / "runs", "table", "one", 0)
    (folder / "table.json").write_text('{"tables": []}')
    with pytest.raises(ValueError, match="refused"), folders.withdrawn(folder, around):
        raise ValueError("refused")
    assert not (tmp_path / "runs").exists()
    folder = folders.new_folder(tmp_path / "runs", "table", "one", 0)
    (folder / "metrics.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(ValueError, match="refused"), folders.withdrawn(folder, around):
        raise ValueError("refused")
    assert folder.is_dir()  # what has been trained stays


def test_a_warning_is_said_once_in_one_line(capsys, monkeypatch):
    def work():
        for line in range(3):
            warnings.warn_explicit("2 of 3 left out", UserWarning, "file.py", line)
        return 0

    def show(message, category, filename, lineno, file=None, line=None):  # as Python does, where nobody records
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))

    monkeypatch.setattr(warnings, "showwarning", show)
    assert reported(work) == 0
    assert capsys.readouterr().err == "warning: 2 of 3 left out\n"


def test_out_of_memory_is_one_line(capsys):
    def work():
        raise MemoryError("Unable to allocate 8 EiB")

    assert reported(work) == 2
    assert capsys.readouterr().err == "error: out of memory: Unable to allocate 8 EiB\n"
