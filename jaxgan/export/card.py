"""The model card of an export: what the generator is, how good it was found to be, and how it is used."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Facts(NamedTuple):
    """Where a generator comes from; what is not known is left empty."""

    name: str = ""  # of the experiment
    command: str = ""  # that trains it
    data: str = ""  # name of the training data
    examples: int | None = None  # of them
    classes: Sequence[str] = ()  # their names, by number
    steps: int | None = None  # it was trained for
    figures: Sequence[Mapping[str, Any]] = ()  # of its evaluation: "metric", "value", "low", "high", "protocol"


def card(page: Mapping[str, Any]) -> str:
    """Returns a model card in Markdown.

    Args:
      page: of an export, what `export.json` holds.
    Returns:
      Text; names from elsewhere are escaped, so that they are words and nothing else.
    """
    facts = Facts(**page["facts"])
    lines = ["---", "library_name: jaxgan", "license: other", "---", ""]
    lines += [
        f"# {_plain(facts.name) or 'A generator'}",
        "",
        "**License: to be filled in by whoever publishes it.**",
        "",
    ]
    lines += ["## What it was trained on", ""]
    examples = "" if facts.examples is None else f", {facts.examples:,} examples"
    lines += [f"{_plain(facts.data) or 'Not known.'}{examples}.", ""] if facts.data else ["Not known.", ""]
    if facts.classes:
        lines += ["Classes, by number: " + ", ".join(f"{k} {_plain(name)}" for k, name in enumerate(facts.classes)), ""]
    if facts.steps is not None:
        lines += [f"Trained for {facts.steps:,} steps by `{_code(facts.command)}`.", ""]
    lines += ["## How good it is", "", *(_figures(facts.figures) or ["Not measured: `jaxgan evaluate RUN`.", ""])]
    lines += ["## How it is used", "", *_use(page)]
    return "\n".join(lines)


def _figures(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    if not figures:
        return []
    rows = ["| figure | value | 95 % interval | protocol |", "|---|---|---|---|"]
    for figure in figures:
        protocol = figure["protocol"]
        words = "; ".join(f"{name} {value}" for name, value in protocol.items() if value is not None)
        low, high = figure["low"], figure["high"]
        interval = "" if low is None or low != low else f"{low:.4g} to {high:.4g}"
        rows.append(f"| {_plain(figure['metric'])} | {figure['value']:.4g} | {interval} | {_plain(words)} |")
    return [*rows, ""]


def _use(page: Mapping[str, Any]) -> list[str]:
    arrays = {name: form for name, form in page["inputs"].items() if "shape" in form}
    words = [f"- `{_code(name)}`: {form['dtype']} [n{_axes(form)}]" for name, form in arrays.items()]
    given = "".join(f", {name}=..." for name in page["inputs"] if name.isidentifier())
    pairs = "".join(f", {name!r}: ..." for name in page["inputs"] if name.isidentifier())
    made = page["samples"]
    shape = f"[n{_axes(made)}] {made['dtype']}" if "shape" in made else "a mapping of arrays [n, ...]"
    asked = ["It is asked with:", "", *words, ""] if words else []
    return [
        f"It makes {shape}. {'Pictures are in [-1, 1].' if len(made.get('shape', ())) == 3 else ''}".rstrip(),
        "",
        *asked,
        "With jaxgan:",
        "",
        "```python",
        "import jaxgan as jg",
        "",
        "generator = jg.load(FOLDER)",
        f"samples = generator(n=64, seed=0{given})",
        "```",
        "",
        "With JAX alone (and safetensors, flatbuffers):",
        "",
        "```python",
        "import jax, numpy as np",
        "from jax import export",
        "from safetensors.numpy import load_file",
        "",
        "weights = load_file(FOLDER + '/generator.safetensors')",
        "program = export.deserialize(open(FOLDER + '/generator.stablehlo', 'rb').read())",
        "weights = {name: weights[name] for name in program.in_tree.unflatten(program.in_avals)[0][0]}",
        "key = jax.random.key_data(jax.random.key(0))",
        f"samples = program.call(weights, key, {{'index': np.arange(64, dtype=np.int32){pairs}}})",
        "```",
        "",
    ]


def _axes(form: Mapping[str, Any]) -> str:
    return "".join(f", {size}" for size in form["shape"])


def _plain(text: str) -> str:
    """Returns a text as Markdown shows it, on one line: no markup of its own, no HTML."""
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", escaped)


def _code(text: str) -> str:
    return " ".join(str(text).split()).replace("`", "'")
