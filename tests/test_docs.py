"""The Python of README, guide and CONTRIBUTING runs as printed, page by page, as it stands."""

import dataclasses
import doctest
import importlib
import re
import time
from pathlib import Path

import jax
import pytest

from jaxgan.data import batch_at
from jaxgan.runs.modules import from_file

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PRINTED = [*PAGES, *DOCS, ROOT / "CONTRIBUTING.md"]
LINKED = [*PRINTED, ROOT / "SECURITY.md", ROOT / "experiments" / "README.md"]
LINKED += sorted((ROOT / "docs" / "decisions").glob("*.md")) + sorted((ROOT / "docs" / "notebooks").glob("*.md"))
FENCED = re.compile(r"```.*?```", flags=re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
EXAMPLES = {  # rooms whose docstrings have examples, and how many
    "carried": 2,
    "data.combined": 2,
    "dynamics.gated": 1,
    "losses.adaptive": 1,
    "nets": 1,
    "networks.pretrained": 1,
    "systems.adversary": 1,
    "systems.terms": 2,
    "systems.denoising_diffusion": 1,
    "systems.codec": 1,
}
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


@pytest.mark.parametrize("room", EXAMPLES)
def test_examples_of_docstrings_run(room):
    module = importlib.import_module(f"jaxgan.{room}")
    shown = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert len(shown) == EXAMPLES[room]
    assert doctest.testmod(module).failed == 0
