"""Runs side by side: what differs, figures of one protocol with intervals, curves; as text and as a page."""

import dataclasses
import json
import math

import pytest

from jaxgan.commands.main import main as jaxgan
from jaxgan.metrics.protocol import Figure, Protocol, to_json
from jaxgan.report.comparison import as_text, compare_runs, write_comparison
from tests.test_report import PIXEL, checked_page

PROTOCOL = Protocol("p", "digits", "held-out", 40, 40, (8, 8, 1), "none", "pixels", "none", True, "running", 0)


def figure(value, low, high, name="frechet_distance", better="lower", **protocol):
    return Figure(name, value, low, high, better, dataclasses.replace(PROTOCOL, **protocol))


@pytest.fixture
def runs(tmp_path):
    """Three runs that differ in seed and rate, and have been measured: the first and second are not apart."""
    folders = [tmp_path / "digits" / name for name in ("one", "two<b>", "three")]
    for k, folder in enumerate(folders):
        folder.mkdir(parents=True)
        config = {"seed": k, "steps": 300, "rates": {"generator": 1e-3 if k else 2e-3}}
        (folder / "config.json").write_text(json.dumps({"experiment": "digits", "config": config}))
        own = {"status": "finished", "step": 300, "seconds": 9, "protocol": "40 digits", "figures": {"recall": 0.1 * k}}
        (folder / "summary.json").write_text(json.dumps(own))
        rows = [{"step": s, "generator/loss": k + 1 / s, "quality/recall": s / 300} for s in range(10, 301, 10)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        evaluate(folder, [figure(3.0 + k * k, 2.5 + k * k, 4.2 + k * k)])
    return folders


def evaluate(folder, figures):
    page = {"figures": {each.metric: to_json(each) for each in figures}}
    (folder / "evaluation.json").write_text(json.dumps(page))


def test_only_what_differs_and_everything(runs):
    comparison = compare_runs(runs)
    assert comparison.runs == ["one", "two<b>", "three"]
    assert comparison.settings == {"seed": ["0", "1", "2"], "rates generator": ["0.002", "0.001", "0.001"]}
    assert comparison.status == ["finished, step 300, 9 seconds"] * 3
    everything = compare_runs(runs, everything=True).settings
    assert everything["steps"] == ["300"] * 3
    assert everything["experiment"] == ["digits"] * 3


def test_hashes_are_short_and_lists_are_cut(runs):
    for folder, digit in zip(runs, "abc", strict=True):
        (folder / "environment.json").write_text(
            json.dumps({"git_revision": digit * 40, "versions": {"jax": "w" * 60}})
        )
    settings = compare_runs(runs, everything=True).settings
    assert settings["git revision"] == [digit * 12 for digit in "abc"]
    assert settings["jax"] == [f"{'w' * 20}...{'w' * 20}"] * 3


def test_names_are_as_long_as_they_must_be(runs, tmp_path):
    other = tmp_path / "other" / "one"
    other.mkdir(parents=True)
    (other / "config.json").write_text("{}")
    comparison = compare_runs([runs[0], other], figures=False)
    assert comparison.runs == ["digits/one", "other/one"]
    assert comparison.settings["seed"] == ["0", "-"]


def test_figures_have_intervals_and_marks(runs):
    evaluate(runs[2], [figure(7.0, 6.5, 8.2), figure(0.5, math.nan, math.nan, "recall", "higher")])
    comparison = compare_runs(runs)
    assert comparison.figures["frechet distance v"] == ["3 [2.5, 4.2] *", "4 [3.5, 5.2] =", "7 [6.5, 8.2]"]
    assert comparison.figures["recall ^"] == ["-", "-", "0.5 *"]
    assert "* best, = not apart from it; p: 40 samples (averaged parameters" in comparison.protocol


def test_unlike_protocols_are_refused_by_name_with_the_remedy(runs, capsys):
    evaluate(runs[1], [figure(4.0, 3.5, 5.2, fake=80, seed=1)])
    with pytest.raises(ValueError, match="cannot be compared, fake 40 and 80, seed 0 and 1: one by p: 40 samples"):
        compare_runs(runs)
    assert jaxgan(["compare", *map(str, runs)]) == 2
    said = capsys.readouterr().err
    assert "two<b> by p: 80 samples" in said
    assert "Measure all runs alike by `jaxgan evaluate RUN`" in said
    assert said.count("\n") == 1
    comparison = compare_runs(runs, figures=False)
    assert (comparison.figures, comparison.protocol) == ({}, "")
    assert list(comparison.curves) == ["generator/loss"]
    assert jaxgan(["compare", *map(str, runs), "--no-figures"]) == 0
    assert "Figures" not in capsys.readouterr().out


def own_protocol(folder, words):
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"protocol": words}))


def test_without_intervals_the_runs_own_figures_are_compared_if_they_are_alike(runs):
    (runs[1] / "evaluation.json").unlink()
    comparison = compare_runs(runs)
    assert comparison.figures == {"recall": ["0", "0.1", "0.2"]}
    assert f"40 digits; no intervals: `jaxgan evaluate RUN` gives them, of {runs[1]}" in comparison.protocol
    own_protocol(runs[2], "80 digits")
    with pytest.raises(ValueError, match=r"one by 40 digits; three by 80 digits. Measure all runs alike"):
        compare_runs(runs)


def test_curves_of_unlike_evaluations_are_left_out(runs):
    assert list(compare_runs(runs).curves) == ["generator/loss", "recall (share, higher is better)"]
    own_protocol(runs[2], "80 digits")
    comparison = compare_runs(runs)
    assert list(comparison.curves) == ["generator/loss"]
    assert "own evaluations are of different protocols, and their curves left out" in comparison.protocol


def test_text_is_aligned_and_curves_are_on_one_scale(runs):
    text = as_text(compare_runs(runs[:2]))
    curves = text.split("Curves")[1].splitlines()
    assert curves[1].split() == ["generator/loss", "one", *curves[1].split()[2:]]
    assert set(curves[1].split()[2]) <= set("▁▂")  # 0.0 to 0.1, where the other is 1 to 1.1
    assert set(curves[2].split()[1]) <= set("▇█")
    assert curves[1].endswith("0.1 .. 0.003333")
    assert curves[1].index("0.1 ..") == curves[2].index("1.1 ..")
    plain = as_text(compare_runs(runs), bars=False)
    assert plain.isascii()
    assert "0.1 .. 0.003333" in plain


def test_a_page_of_it(runs, tmp_path, capsys):
    for name in ("000100.png", "000300.png", "real.png"):
        (runs[1] / "samples").mkdir(exist_ok=True)
        (runs[1] / "samples" / name).write_bytes(PIXEL)
    assert jaxgan(["compare", *map(str, runs), "--out", str(tmp_path / "new" / "c.html")]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == str(tmp_path / "new" / "c.html")
    page = checked_page(tmp_path / "new" / "c.html")
    for words in (
        "<td>4 [3.5, 5.2] =</td>",
        "<th>two&lt;b&gt;</th>",
        "rates generator",
        "p: 40 samples",
        ">two&lt;b&gt;, step 300<",
    ):
        assert words in page
    assert page.count("<img") == 1
    assert page.count("<svg") == 2
    assert page.count("<polyline") == 6


def test_more_runs_than_colours_can_be_told_apart(runs, tmp_path):
    more = []
    for k in range(7):
        more.append(tmp_path / f"run{k}")
        more[-1].mkdir()
        (more[-1] / "metrics.jsonl").write_bytes((runs[0] / "metrics.jsonl").read_bytes())
    page = checked_page(write_comparison(compare_runs(more), tmp_path / "c.html"))
    lines = [line.split(">")[0] for line in page.split("<polyline")[1:8]]
    assert len({line.split('fill="none"')[1] for line in lines}) == 7


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["one"], "takes two runs or more; got 1"),
        (["one", "one"], "named twice"),
        (["one", "nowhere"], "nowhere is not a run folder"),
    ],
)
def test_bad_runs_are_one_line(runs, capsys, names, message):
    assert jaxgan(["compare", *(str(runs[0].parent / name) for name in names)]) == 2
    assert message in capsys.readouterr().err


def test_a_torn_evaluation_is_refused(runs):
    (runs[0] / "evaluation.json").write_text('{"figures": {"recall": {"metric": "recall"}}}')
    with pytest.raises(ValueError, match=r"evaluation\.json is not a figure with its protocol"):
        compare_runs(runs)
