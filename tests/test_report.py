"""The report of a run: complete, partial and torn folders; escaping; well-formed HTML and SVG; the series it reads."""

import base64
import json
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from jaxgan import svg
from jaxgan.report import curves, grouped, read_metrics, report

PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
VOID = {"meta", "img", "br"}


class Balance(HTMLParser):
    """Fails where a tag is closed that is not the last one opened; `open` must end empty."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked_page(path):
    page = path.read_text(encoding="utf-8")
    balance = Balance()
    balance.feed(page)
    balance.close()
    assert balance.open == []
    assert not {"script", "link", "iframe"} & set(balance.seen)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(drawing)
    assert not list(path.parent.glob("*.partial"))
    return page


def rows(n=30):
    for step in range(10, 10 * n + 1, 10):
        players = {"discriminator/loss": 1.0 + 1.0 / step, "generator/loss": 0.7, "discriminator/real_logits": 1.5}
        yield {"step": step, **players, "discriminator/fake_logits": -1.5, "discriminator/real_probability": 0.8}
        if step % 100 == 0:
            yield {"step": step, "quality/frechet_distance": 1000.0 / step, "quality/classes": 10}


@pytest.fixture
def run(tmp_path):
    run = tmp_path / "digits" / "0001 with space"
    (run / "samples").mkdir(parents=True)
    config = {"seed": 7, "steps": 300, "note": "<script>alert(1)</script>"}
    command = "python -m experiments digits --seed 7"
    write = {
        "config": {"experiment": "digits", "command": command, "config": config},
        "environment": {"python": "3.11", "versions": {"jax": "0.10.2"}, "git_revision": "abc123", "git_dirty": True},
        "summary": {
            "status": "finished", "step": 300, "seconds": 240.1, "figures": {"frechet_distance": 3.25, "classes": 10},
            "protocol": "Fréchet distance (digits classifier), 1,000 held-out & 1,000 samples", "histogram": [9, 0, 11],
        },
    }  # fmt: skip
    for name, content in write.items():
        (run / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    for name in ("real", "interpolation", *(f"{step:06d}" for step in range(20, 301, 20))):
        (run / "samples" / f"{name}.png").write_bytes(PIXEL)
    return run


def test_a_finished_run(run):
    path = report(run)
    assert path == run / "report.html"
    page = checked_page(path)
    for text in (
        "<h1>digits</h1>", "0001 with space: finished, step 300, 240 seconds", "<th>frechet_distance</th><td>3.25</td>",
        "Protocol: Fréchet distance (digits classifier), 1,000 held-out &amp; 1,000 samples", "<title>2: 11</title>",
        "generated, step 300", ">real</figcaption>", ">interpolation</figcaption>", "step 20<", ">step 300<",
        "<th>seed</th><td>7</td>",
        "loss (minimised by its player)", "discriminator/real_logits", "Fréchet distance (lower is better)",
        "python -m experiments digits --seed 7", "git checkout abc123", "Seed 7; revision abc123.",
        "uncommitted changes",
        "<th>versions jax</th><td>0.10.2</td>",
    ):  # fmt: skip
        assert text in page
    assert page.count("data:image/png;base64," + base64.b64encode(PIXEL).decode()) == 3 + 10
    assert page.count("<svg") == 1 + 5  # histogram; losses, logits, probability, two quality figures


def test_text_is_escaped(run):
    page = checked_page(report(run))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_run_that_goes_on(run):
    for name in ("summary.json", "environment.json", "samples/real.png"):
        (run / name).unlink()
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 310, "generator/lo')
    page = checked_page(report(run))
    assert "no summary yet, step 300" in page
    assert "<th>frechet_distance</th><td>3.3333</td>" in page  # the latest so far
    assert "revision unknown" in page


def test_a_run_that_has_only_begun(run):
    for path in [*run.glob("samples/*"), run / "metrics.jsonl", run / "summary.json", run / "environment.json"]:
        path.unlink()
    (run / "samples").rmdir()
    (run / "config.json").write_text('{"experiment": "digi')
    page = checked_page(report(run))
    assert "<h1>digits</h1>" in page  # by the folder
    assert page.count("nothing yet") == 6
    assert curves(run).stat().st_size > 0


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_that_is_no_run(tmp_path, make):
    run = tmp_path / "nothing"
    if make:
        run.mkdir()
    for write in (report, curves):
        with pytest.raises(ValueError, match=r"is not a run folder: it holds neither config\.json nor metrics\.jsonl"):
            write(run)


@pytest.fixture
def table(tmp_path):
    """The folder of a table experiment that goes on: one table is done, one game of two."""
    folder = tmp_path / "tones" / "0001"
    (folder / "seed0").mkdir(parents=True)
    rows = [{"method": "<b>", "distance": [0.5, 0.7], "rate": 2.0, "worst": "inf"}]
    page = {
        "experiment": "tones", "command": "python -m experiments tones", "config": {"seed": 3}, "seeds": [3, 4],
        "members": ["seed0", "seed1"], "environment": {"versions": {"jax": "0.10.2"}},
        "tables": [{"title": "Pitch", "note": "cents & seeds", "rows": rows}],
    }  # fmt: skip
    (folder / "table.json").write_text(json.dumps(page))
    (folder / "seed0" / "summary.json").write_text(json.dumps({"status": "finished", "step": 12}))
    return folder


def test_a_table_with_what_its_games_left(table):
    (table / "samples.png").write_bytes(PIXEL)
    (table / "turning.gif").write_bytes(b"GIF89a")
    (table / "notes.wav").write_bytes(b"RIFF")
    (table / "words.txt").write_text("a <line>\n" + "x" * 30_000)
    page = checked_page(report(table))
    for part in (
        "<h2>Pitch</h2>", "&lt;b&gt;", '<td title="[0.5, 0.7]">0.6 [', "<td>2</td>", "<td>inf</td>",
        "data:image/png;base64,", "data:image/gif;base64,R0lGODlh", '<audio controls src="data:audio/wav;base64,UklGR',
        "<pre>a &lt;line&gt;", "words.txt has more", "finished, step 12", "no summary yet, step unknown",
        "cents &amp; seeds", "python -m experiments tones",
    ):  # fmt: skip
        assert part in page, part
    assert len(page) < 30_000


def test_a_file_too_large_for_a_page_is_named(table, monkeypatch):
    monkeypatch.setattr("jaxgan.report.exhibits.LARGEST", 3)
    (table / "notes.wav").write_bytes(b"RIFF")
    page = checked_page(report(table))
    assert "<audio" not in page
    assert "notes.wav of 4 bytes, beside this page" in page


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"tables": 3, "members": 4}',
        b'{"tables": [{"rows": [1]}, {"rows": "ab"}, 5]}',
        b'{"tables": [{"rows": 2}]}',
    ],
)
def test_a_torn_table_has_a_page(table, content):
    (table / "table.json").write_bytes(content)
    checked_page(report(table))


def test_a_run_shows_sounds_and_texts_of_its_samples(run):
    (run / "samples" / "notes.wav").write_bytes(b"RIFF")
    (run / "samples" / "words.txt").write_text("a line")
    page = checked_page(report(run))
    assert 'src="data:audio/wav;base64,UklGRg=="' in page
    assert "<pre>a line</pre>" in page


def test_read_metrics_skips_what_is_torn_and_lets_the_later_row_count(run):
    text = '{"step": 20, "a/loss": 2.0, "b": "text", "c": null}\n[1]\nnot json\n{"a/loss": 5.0}\n'
    text += '{"step": 10, "a/loss": 1}\n{"step": 20, "a/loss": NaN}\n\n{"step": 30, "a/lo'
    (run / "metrics.jsonl").write_text(text)
    series = read_metrics(run)
    assert series.keys() == {"a/loss"}
    steps, values = series["a/loss"]
    assert (steps, values[0]) == ([10, 20], 1.0)
    assert math.isnan(values[1])
    (run / "metrics.jsonl").unlink()
    assert read_metrics(run) == {}


def test_charts_are_grouped_for_any_players():
    names = ["critic/loss", "encoder/loss", "critic/real_logits", "critic/fake_logits", "encoder/gradient_norm",
             "quality/modes", "quality/real_share"]  # fmt: skip
    groups = grouped({name: ([1], [0.0]) for name in names})
    assert [list(series) for series in groups.values()] == [names[:2], names[2:4], *([name] for name in names[4:])]
    assert list(groups)[2:] == ["gradient norm", "modes covered", "real share"]


def test_curves_are_a_picture(run):
    path = curves(run)
    assert path == run / "curves.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def polylines(drawing):
    tree = ElementTree.fromstring(drawing)
    lines = tree.findall("{http://www.w3.org/2000/svg}polyline")
    return [[tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in lines]


def test_a_line_goes_through_its_points():
    (line,) = polylines(svg.line_chart({"a": ([0, 50, 100], [0.0, 2.0, 1.0])}, "step", "y"))
    left, right, bottom, top = svg.LEFT, svg.WIDTH - svg.RIGHT, svg.HEIGHT - svg.BOTTOM, svg.TOP
    assert line == [(left, bottom), ((left + right) / 2, top), (right, (top + bottom) / 2)]


def test_a_line_breaks_where_values_are_not_finite():
    values = [1.0, 2.0, math.nan, 3.0, math.inf, 4.0, 5.0]
    assert [len(line) for line in polylines(svg.line_chart({"a": (list(range(7)), values)}, "step", "y"))] == [2, 1, 2]
    assert "no finite value" in svg.line_chart({"a": ([1], [math.nan])}, "step", "<y>")


def test_long_series_are_averaged():
    steps = list(range(10 * svg.POINTS))
    (line,) = polylines(svg.line_chart({"a": (steps, [float(s % 10) for s in steps])}, "step", "y"))
    (level,) = polylines(svg.line_chart({"a": ([0, 1], [4.5, 4.5])}, "step", "y"))
    assert len(line) == svg.POINTS
    assert {y for _, y in line} == {y for _, y in level}  # every run of ten has mean 4.5


@pytest.mark.parametrize("values", [[0.0, 0.0], [5.0, 5.0], [-1e-12, 1e-12], [1e9, 1e9 + 1], [-3.0, 4.0]])
def test_flat_and_extreme_ranges_stay_inside_the_plot(values):
    (line,) = polylines(svg.line_chart({"a<b": ([1, 2], values)}, "step", "y & z"))
    assert all(svg.LEFT <= x <= svg.WIDTH and svg.TOP - 0.1 <= y <= svg.HEIGHT - svg.BOTTOM + 0.1 for x, y in line)


def test_bars_are_as_tall_as_their_counts():
    tree = ElementTree.fromstring(svg.bar_chart([5, 0, 10], "class", "samples"))
    heights = [float(bar.get("height")) for bar in tree.findall("{http://www.w3.org/2000/svg}rect")]
    assert heights == [heights[2] / 2, 0.0, svg.HEIGHT - svg.BOTTOM - svg.TOP]
