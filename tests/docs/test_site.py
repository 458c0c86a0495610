"""The site builds without a warning, has every public name, loads nothing from elsewhere, and its links lead somewhere.

It is built once, by the command of CONTRIBUTING.md, notebooks included (a minute).
"""

import importlib
import inspect
import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest
from sphinx.util.inventory import InventoryFile

import jaxgan

ROOT = Path(__file__).parents[2]
COMMAND = ("-m", "sphinx", "-W", "--keep-going", "docs")  # and where to
LOADED = {"script": "src", "link": "href", "img": "src", "source": "src", "iframe": "src", "video": "src"}
ELSEWHERE = re.compile(r"^\s*(https?:)?//", flags=re.IGNORECASE)
OF_STYLES = re.compile(r"url\(\s*['\"]?(?:https?:)?//[^)]*|@import[^;]*//[^;]*", flags=re.IGNORECASE)


class Page(HTMLParser):
    """What a page loads, where its links lead, and which places in it have names."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.links, self.names = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = {name: value or "" for name, value in attributes}
        if LOADED.get(tag) in given:
            self.loaded.append(given[LOADED[tag]])
        self.loaded += given.get("srcset", "").split(",") if given.get("srcset") else []
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.names |= {given["id"]} if "id" in given else set()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a site that was built just now."""
    folder = tmp_path_factory.mktemp("site")
    slow = ("XLA_FLAGS", "JAX_DISABLE_MOST_OPTIMIZATIONS")  # of tests: notebooks train
    environment = {name: value for name, value in os.environ.items() if name not in slow}
    command = [sys.executable, *COMMAND, str(folder), "-q", "-D", "nb_execution_mode=force"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@cache
def parsed(path):
    return Page(path.read_text(encoding="utf-8"))


def test_nothing_is_loaded_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 100
    loaded = {(page.name, address) for page in pages for address in parsed(page).loaded}
    assert any(address.endswith(".css") or ".css?" in address for _, address in loaded)
    assert [pair for pair in loaded if ELSEWHERE.match(pair[1])] == []
    for file in site.rglob("*.css"):
        assert OF_STYLES.findall(file.read_text(encoding="utf-8")) == [], file.name


def public(name):
    """The public names of a room, and of the modules among them."""
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    for short, value in vars(module).items() if listed is None else ((n, getattr(module, n)) for n in listed):
        if isinstance(value, ModuleType):
            if listed is not None:
                yield from public(f"{name}.{short}")
        elif listed is not None or (
            (inspect.isfunction(value) or inspect.isclass(value))
            and value.__module__ == name
            and not short.startswith("_")
        ):
            yield f"{name}.{short}"


def test_every_public_name_is_on_a_page(site):
    inventory = InventoryFile.load((site / "objects.inv").open("rb"), "", lambda base, path: path)
    documented = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    names = set(public("jaxgan")) | set(public("jaxgan.sample"))
    assert len(names) > 700
    at_top = {f"jaxgan.sample.{name}" for name in jaxgan.__all__}  # under their shorter name
    assert names - documented <= at_top, sorted(names - documented - at_top)
    assert {"jaxgan.losses.hinge", "jaxgan.networks.dcgan.Generator", "jaxgan.game", "jaxgan.TrainState"} <= documented


def test_docstrings_come_with_formulas_fields_and_signatures(site):
    penalties = (site / "api" / "jaxgan.penalties.html").read_text(encoding="utf-8")
    words = re.sub(r"<[^>]+>", "", penalties)
    assert "weight * E (||grad_x D(x)|| - target)^2" in words  # asterisks, bars and underscores as they stand
    assert "Gulrajani et al. Improved Training of Wasserstein GANs. NeurIPS 2017, eq. 3." in words
    assert "weight: Weight, target: float = 1.0" in re.sub(r"\s+", " ", words)  # as in the source
    types = re.sub(r"<[^>]+>", "", (site / "api" / "jaxgan.types.html").read_text(encoding="utf-8"))
    assert re.search(r"step: Array\s+.{1,8}\s*\[\] int32, number of completed train steps", types)


def test_notebooks_were_run(site):
    first = (site / "notebooks" / "first_gan.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<img[^>]+src="\.\./_images/\w+\.png"', first)) >= 4
    doctor = (site / "notebooks" / "doctor.html").read_text(encoding="utf-8")
    assert "mode collapse (serious)" in doctor
    assert "nothing ails this game" in doctor
    assert "mended: 8 modes of 8" in doctor


def test_links_lead_somewhere(site):
    """Also those of pages that the repository keeps elsewhere, such as the records."""
    lost = []
    for page in sorted(site.rglob("*.html")):
        for link in parsed(page).links:
            path, _, place = link.partition("#")
            if re.match(r"\w+:|//", link) or page.name in ("genindex.html", "search.html"):
                continue
            target = (page.parent / path).resolve() if path else page
            there = target.is_file() and (not place or target.suffix != ".html" or place in parsed(target).names)
            lost += [] if there else [(page.name, link)]
    assert lost == []


def test_pages_kept_elsewhere_are_shown_whole(site):
    records = (site / "records.html").read_text(encoding="utf-8")
    assert "16.0" in records
    assert "The site shows" not in records
    gallery = re.sub(r"</?(span|code)[^>]*>", "", (site / "gallery.html").read_text(encoding="utf-8"))
    pictures = set(re.findall(r"!\[[^\]]*\]\(\.\./docs/(\w+\.png)\)", (ROOT / "experiments" / "README.md").read_text()))
    assert all(f"_images/{name}" in gallery for name in pictures)
    assert "python -m experiments cogan" in gallery
