"""The parts of a page: self-contained, without network or script."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --paper: #fbfbfa; --line: #8884; --soft: #8881; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6e8; --paper: #16181b; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem 1.2rem .2rem 0;
       border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
.row { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; } figcaption { font-size: .85rem; opacity: .8; }
.large figure { flex: 1 1 20rem; max-width: 30rem; } .strip figure { flex: 0 0 11rem; }
.charts > * { flex: 1 1 26rem; max-width: 30rem; }
.wide { overflow-x: auto; } .wide th, .wide td { white-space: nowrap; overflow-wrap: normal; }
audio { width: 100%; }
img { width: 100%; image-rendering: pixelated; } pre { background: var(--soft); padding: .8rem; overflow-x: auto; }
"""


def write_page(path: Path, title: str, body: Iterable[str]) -> Path:
    """Writes a page, title and sections; returns its path."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    page = f'<!DOCTYPE html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>\n'
    page += "\n".join(body) + "\n</body></html>\n"
    return replaced(path, lambda partial: partial.write_text(page, encoding="utf-8", errors="backslashreplace"))


def replaced(path: Path, write: Callable[[Path], Any]) -> Path:
    """Writes a file in one step: a reader never sees half of it. Returns its path."""
    partial = path.with_name(path.name + ".partial")
    write(partial)
    os.replace(partial, path)
    return path


def section(title: str, content: str) -> str:
    """Returns a section, which says so where there is nothing yet."""
    return f"<section><h2>{escape(title)}</h2>\n{content or '<p>nothing yet</p>'}</section>"


def listing(rows: Mapping[str, Any]) -> str:
    """Returns a table of names and values."""
    cells = "".join(f"<tr><th>{escape(str(n))}</th><td>{escape(shown(v))}</td></tr>" for n, v in rows.items())
    return f"<table>{cells}</table>" if cells else ""


def shown(value: Any) -> str:
    """Writes a value as it is read, numbers in five digits."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns nested mappings as one, keys joined by a space: {"versions": {"jax": ..}} -> {"versions jax": ..}."""
    leaves: dict[str, Any] = {}
    for name, value in values.items():
        nested = flat(value) if isinstance(value, Mapping) else {"": value}
        leaves |= {f"{name} {inner}".rstrip(): leaf for inner, leaf in nested.items()}
    return leaves
