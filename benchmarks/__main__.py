"""Lists the benchmarks, or runs one: python -m benchmarks [NAME [flags]]."""

from __future__ import annotations

import ast
import difflib
import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def benchmarks() -> dict[str, str]:
    """Returns the first line of every benchmark's docstring, by name; nothing is imported.

    A benchmark is a module of this folder with a function `main`; the others are what benchmarks share.
    """
    lines = {}
    for path in sorted(FOLDER.glob("[!_]*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            lines[path.stem] = (ast.get_docstring(tree) or "").split("\n")[0]
    return lines


def listing(lines: dict[str, str]) -> str:
    """Writes one line for each benchmark."""
    width = max(map(len, lines))
    rows = [f"  {name:{width}}  {line}" for name, line in lines.items()]
    return "\n".join(["python -m benchmarks NAME [flags]; NAME --help says which", *rows])


def unknown(name: str, names: list[str]) -> str:
    """Answers a name that is none."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"no benchmark {name!r}" + (f"; near: {', '.join(near)}" if near else "; python -m benchmarks lists them")


def main() -> int:
    """Lists or runs; returns 2 for a name that is none."""
    lines = benchmarks()
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(listing(lines))
        return 0
    if name not in lines:
        print(unknown(name, list(lines)), file=sys.stderr)
        return 2
    del sys.argv[1]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
