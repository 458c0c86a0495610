"""Lines of code of every named system: its function and the private ones of its file that it uses.

Without docstrings, comments and empty lines.

Command: python -m benchmarks lines
"""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from collections.abc import Callable
from typing import Any

import jaxgan as jg

PARTS = ("between",)  # of systems, and no system


def systems() -> dict[str, Callable[..., Any]]:
    """Returns the public functions that make a `System` of losses, priors and optimizers, by name."""
    functions = {name: getattr(jg.systems, name) for name in jg.systems.__all__ if name not in PARTS}
    return {
        name: function
        for name, function in functions.items()
        if inspect.isfunction(function) and "optimizer" in inspect.signature(function).parameters and name != "players"
    }


def code_lines(function: Callable[..., Any]) -> int:
    """Counts the lines that hold code of a function and of the private functions of its file that it uses."""
    source = inspect.getsource(inspect.getmodule(function) or function)
    written = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    used, waiting = set[str](), [function.__name__]
    while waiting:
        name = waiting.pop()
        used.add(name)
        names = {node.id for node in ast.walk(written[name]) if isinstance(node, ast.Name)}
        waiting += [other for other in names & written.keys() if other.startswith("_") and other not in used]
    code = _lines_with_code(source)
    return sum(len(code & _own_lines(written[name])) for name in used)


def _lines_with_code(source: str) -> set[int]:
    empty = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in empty]
    return {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}


def _own_lines(function: ast.FunctionDef) -> set[int]:
    """Returns the lines of a function without its docstrings."""
    lines = set(range(function.lineno, (function.end_lineno or 0) + 1))
    for node in ast.walk(function):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


def main() -> None:
    """Prints a table in Markdown."""
    print("| system | lines |\n|---|---|")
    for name, function in systems().items():
        print(f"| `{name}` | {code_lines(function)} |")


if __name__ == "__main__":
    main()
