"""The Python of README, guide and CONTRIBUTING runs as printed, page by page, as it stands."""

import dataclasses
import doctest
import importlib
import inspect
import re
import time
from pathlib import Path

import jax
import pytest

from jaxgan.data import batch_at
from jaxgan.runs.modules import from_file
from jaxgan.types import Loss
from tests.test_structure import room_of

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PRINTED = [*PAGES, *DOCS, ROOT / "CONTRIBUTING.md"]
LINKED = [*PRINTED, ROOT / "SECURITY.md", ROOT / "experiments" / "README.md"]
LINKED += sorted((ROOT / "docs" / "decisions").glob("*.md")) + sorted((ROOT / "docs" / "notebooks").glob("*.md"))
FENCED = re.compile(r"```.*?```", flags=re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
WORKED = ("losses", "penalties", "priors", "dynamics", "metrics", "metrics.extractors")  # rooms of equations
FILES = [file for file in sorted((ROOT / "jaxgan").rglob("*.py")) if room_of(file) not in WORKED]
SHOWN = [file for file in FILES if re.search(r"^ +>>> ", file.read_text(), flags=re.MULTILINE)]
MINUTE = 60.0  # seconds: what a first snippet may take, as it stands


def named(path):
    return str(path.relative_to(ROOT))


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)


@pytest.fixture(scope="module")
def namespaces():
    """What the blocks of each page have defined so far."""
    return {page: {} for page in PRINTED}


@pytest.mark.parametrize(
    ("page", "number"),
    [pytest.param(page, n, id=f"{named(page)}-{n}") for page in PRINTED for n in range(len(blocks(page)))],
)
def test_block_runs(page, number, namespaces, tmp_path, monkeypatch, capsys, request):
    monkeypatch.chdir(tmp_path)  # a page writes where its reader is
    code, namespace = blocks(page)[number], namespaces[page]
    first = page == ROOT / "README.md" and number == 0
    if first:  # it runs as long as a reader's
        request.getfixturevalue("optimized")
    before, began = set(namespace), time.monotonic()
    exec(compile(code, f"{named(page)} block {number}", "exec"), namespace)
    for name in sorted(set(namespace) - before):
        if name.startswith("test_"):  # a block that shows tests
            namespace[name]()
    if first:
        assert namespace["images"].shape == (64, 32, 32, 1)
        assert int(namespace["state"].step) == namespace["steps"]
        printed = capsys.readouterr().out
        assert printed.count("discriminator/loss") == namespace["steps"] // 100
        assert (tmp_path / "digits.png").stat().st_size > 1000
        assert time.monotonic() - began < MINUTE


def anchors(page):
    """The names that a page's headings have as targets of links."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=named)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)]+)\)", CODE.sub("", FENCED.sub("", page.read_text()))):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{named(page)} links to {link}"
        assert not anchor or anchor in anchors(target), f"{named(page)} links to {link}"


def test_the_readme_is_read_to_its_end():
    """What does not fit has a page in the guide, which both name."""
    readme, guide = PAGES[0], ROOT / "docs" / "guide" / "README.md"
    assert len(readme.read_text().splitlines()) <= 200
    for page in PAGES[1:]:
        assert f"(docs/guide/{page.name})" in readme.read_text()
        assert page == guide or f"({page.name})" in guide.read_text()


def test_the_experiment_that_contributing_shows_is_one(tmp_path):
    """Its first two blocks are a file that `jaxgan run` takes."""
    file = tmp_path / "reading.py"
    file.write_text("\n".join(blocks(ROOT / "CONTRIBUTING.md")[:2]))
    module = from_file(file).module
    config = dataclasses.replace(module.Config(), **module.SMOKE)
    source, game = module.source(config), module.build(config, (2,), 0).game
    batch = batch_at(source, batch_size=config.batch_size, seed=0)(0)
    jax.eval_shape(lambda: game.train_step(game.init(jax.random.key(0), batch), batch))
    assert "jaxgan run reading.py" in module.__doc__


def public(room):
    """The functions, classes and losses of a room, by name."""
    module = importlib.import_module(f"jaxgan.{room}")
    own = (name for name in vars(module) if getattr(getattr(module, name), "__module__", None) == module.__name__)
    named = getattr(module, "__all__", [name for name in own if not name.startswith("_")])
    values = {name: getattr(module, name) for name in named}
    return {name: value for name, value in values.items() if callable(value) or isinstance(value, Loss)}


def results(room):
    """The records that a room's functions return, whose examples show them."""
    made = (getattr(value, "__annotations__", {}).get("return", "") for value in public(room).values())
    return {name for each in made for name in re.findall(r"\w+", each if isinstance(each, str) else "")}


@pytest.mark.parametrize(("room", "name"), [(room, name) for room in WORKED for name in public(room)])
def test_every_function_of_the_maths_has_an_example_that_runs(room, name):
    """As a reader would paste it: it imports what it needs. A plain record is shown by the function that returns it."""
    value = public(room)[name]
    shown = doctest.DocTestParser().get_doctest(value.__doc__, {}, f"jaxgan.{room}.{name}", None, None)
    if not shown.examples and inspect.isclass(value) and issubclass(value, tuple) and name in results(room):
        return
    assert shown.examples, f"jaxgan.{room}.{name} has no example (>>>) in its docstring"
    assert shown.examples[0].source.startswith(("import ", "from ")), f"jaxgan.{room}.{name}: its example imports"
    printed = []
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(shown, out=printed.append).failed
    assert not failed, "".join(printed)


@pytest.mark.parametrize("file", SHOWN, ids=named)
def test_examples_of_docstrings_run(file):
    """Of every file of the other rooms that shows one."""
    module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    for test in doctest.DocTestFinder().find(module):
        printed = []
        assert not doctest.DocTestRunner().run(test, out=printed.append).failed, "".join(printed)
