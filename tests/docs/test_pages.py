"""Pages of the docs name what there is, and what their builder does to text leaves its words alone."""

import importlib.util
import re
from pathlib import Path

import pytest

import jaxgan as jg

DOCS = Path(__file__).parents[2] / "docs"
NAMED = [DOCS / f"{name}.md" for name in ("coming_from", "which", "failing", "own", "first_hour")]
ROOMS = "|".join(sorted(jg.__all__, key=len, reverse=True))
NAME = re.compile(rf"(?<![\w./])(?:jg\.)?((?:{ROOMS})(?:\.\w+)*)\b")
SPAN = re.compile(r"`([^`\n]+)`")


def extension(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(page):
    """Names of this library in a page's code spans: after `jg.`, or beginning with a room that something follows."""
    for span in SPAN.findall(page.read_text()):
        if span.startswith(("jaxgan ", "python ", ".venv", "experiments/", "tfgan.", "game.")):
            continue
        for name in NAME.findall(span):
            if f"jg.{name}" in span or "." in name:
                yield name


def resolved(name):
    value = jg
    for part in name.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("page", NAMED, ids=lambda page: page.name)
def test_names_on_pages_exist(page):
    found = set(names(page))
    assert len(found) >= {"coming_from.md": 90, "failing.md": 15, "which.md": 6}.get(page.name, 0)
    for name in found:
        assert resolved(name) is not None, name


def test_text_stays_text():
    """In reStructuredText, a formula's stars and bars, a name's last underscore and code beside brackets are words."""
    rooms = extension("rooms")
    assert rooms.escaped("a * b + ||g||^2, x_ and n_critic") == r"a \* b + \|\|g\|\|^2, x\_ and n_critic"
    assert rooms.escaped("of `losses.hinge`(x), as `a|b`") == r"of ``losses.hinge``\ (x), as ``a|b``"
    assert rooms.as_rst(["Such as", "- one", "  and", "- two", "but"]) == [
        "Such as",
        "",
        "- one",
        "  and",
        "- two",
        "",
        "but",
    ]
    assert rooms.as_rst(["So:", "", "    f(a * b)", "", "Then."])[2:5] == [".. code-block:: python", "", "    f(a * b)"]
    assert rooms.table(["On a:", "  b      the c", "         and d", "  longer_one e"]) == [
        "", "On a:", "", "- ``b``: the c and d", "- ``longer_one``: e",
    ]  # fmt: skip


def test_links_of_the_repository_become_those_of_the_site():
    repository = extension("repository")
    guide = DOCS / "guide" / "data.md"

    def relinked(text, source=guide, page=guide):
        return repository.relinked(text, source, page)

    assert relinked("[x](../../experiments/README.md#digits)") == "[x](../records.md#digits)"
    assert relinked("[x](../../CONTRIBUTING.md)") == "[x](../contributing.md)"
    assert relinked("[x](games.md#a) and [y](https://a.b/c)") == "[x](games.md#a) and [y](https://a.b/c)"
    assert relinked("[a module](../../jaxgan/game.py)") == "a module"
    assert relinked("`[x](../../CONTRIBUTING.md)`") == "`[x](../../CONTRIBUTING.md)`"
    fenced = "```bash\n[x](../../CONTRIBUTING.md)\n```\n[x](../../SECURITY.md)"
    assert relinked(fenced) == fenced.replace("../../SECURITY.md", "../security.md")
    records = DOCS.parent / "experiments" / "README.md"
    assert relinked("![a](../docs/digits.png)", records, DOCS / "records.md") == "![a](digits.png)"


def test_the_gallery_has_a_pictures_command_and_figures():
    table = "| seed | distance | recall |\n|---|---|---|\n| 0 | 1 | 2 |\n"
    means = "| mean ± standard deviation | 1.5 ± 0.1 | |\n"
    text = (
        f"# all\n\n## one\n\n`python -m experiments one --seed S`: words.\n\n{table}{means}\n"
        f"## two\n\n`python -m experiments two`\n\n{table}\n![What it shows](../docs/other.png)\n\n"
        "## Grids\n\n| of one |\n|---|\n| ![One](../docs/one.png) |\n"
    )
    two, one = extension("repository").gallery(text).split(":::{figure} ")[1:]
    assert two.startswith("other.png\n:alt: What it shows\n\n**two.** What it shows\n\n`python -m experiments two`")
    assert f"<details><summary>Figures</summary>\n\n{table}\n</details>" in two
    assert one.startswith(
        "one.png\n:alt: One\n\n**one.** One\n\n`python -m experiments one --seed S`\n\ndistance 1.5 ± 0.1\n"
    )
    assert "[More of it](records.md#one)" in one
