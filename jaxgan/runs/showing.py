"""What a run's folder says of itself in a few lines, and in a notebook: how far it is, its figures, its samples."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

from jaxgan.pages import read_page
from jaxgan.types import TrainState, html_table

PICTURE = 2**21  # bytes of the largest grid that a notebook is given
WORDS = 200  # letters of a protocol that a terminal is given


def run_in_words(folder: Path, state: TrainState) -> str:
    """Returns a few lines: the run, its networks, its figures and how they were measured."""
    figures, protocol = _figures(folder)
    lines = [f"Run {folder}{_status(folder)}", f"  {state!r}"]
    lines += [f"  {name} {value}" for name, value in figures[:10]]
    lines += [f"  ({protocol[:WORDS]}{'...' if len(protocol) > WORDS else ''})"] if protocol else []
    return "\n".join("".join(c if c.isprintable() else " " for c in line) for line in lines)  # a stranger's words


def run_in_html(folder: Path, state: TrainState) -> str:
    """Returns the same as HTML, every text escaped, with the run's last grid of samples; nothing is loaded."""
    figures, protocol = _figures(folder)
    parts = [f"<p><b>Run {escape(str(folder))}</b>{escape(_status(folder))}</p>", state._repr_html_()]
    parts += [html_table(("figure", "value"), figures)] if figures else []
    parts += [f"<p><small>{escape(protocol)}</small></p>"] if protocol else []
    return "".join([*parts, _grid(folder)])


def _page(path: Path) -> dict[str, Any]:
    try:
        return read_page(path)
    except (OSError, ValueError):
        return {}


def _status(folder: Path) -> str:
    status, seconds = (_page(folder / "summary.json").get(name) for name in ("status", "seconds"))
    return f": {status} after {seconds} s" if isinstance(status, str) else ""


def _figures(folder: Path) -> tuple[list[tuple[str, str]], str]:
    """Returns names and numbers in words, and their protocol: of `jaxgan evaluate`, or else of the last evaluation."""
    from jaxgan.evaluation import read_figures  # metrics are imported by whoever looks at a run, not who loads it
    from jaxgan.metrics.protocol import described, in_words

    try:
        judged = read_figures(folder / "evaluation.json")
    except ValueError:
        page = _page(folder / "summary.json")
        figures = page.get("figures")
        known = figures if isinstance(figures, dict) else {}
        numbers = {name.replace("_", " "): value for name, value in known.items() if isinstance(value, int | float)}
        how = page.get("protocol")
        return [(name, f"{value:.4g}") for name, value in numbers.items()], how if isinstance(how, str) else ""
    words = dict.fromkeys(described(figure.protocol) for figure in judged.values())
    return [(name.replace("_", " "), in_words(figure)) for name, figure in judged.items()], "; ".join(words)


def _grid(folder: Path) -> str:
    """Returns the newest numbered picture of samples, in the page itself; nothing where there is none."""
    for path in sorted(folder.glob("samples/[0-9]*.png"), reverse=True)[:1]:
        data = path.read_bytes() if path.stat().st_size <= PICTURE else b""
        if data.startswith(b"\x89PNG"):
            return (
                f'<img alt="samples {escape(path.stem)}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'
            )
    return ""
