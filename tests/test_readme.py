"""The README's Python runs as printed, block after block in one namespace; only the number of steps is cut."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


@pytest.fixture(scope="module")
def namespace():
    return {}


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_readme_block_runs(number, namespace):
    code = BLOCKS[number]
    if number == 0:
        assert "steps, seed = 1000, 0" in code
        code = code.replace("steps, seed = 1000, 0", "steps, seed = 1, 0").replace("5 * 64", "5 * 2")
    exec(compile(code, f"README.md block {number}", "exec"), namespace)
    if number == 0:
        assert namespace["images"].shape == (64, 32, 32, 1)
        assert int(namespace["state"].step) == 1


def test_readme_links_exist():
    prose = re.sub(r"```.*?```", "", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\((?!http)([^)#]+)\)", prose)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
