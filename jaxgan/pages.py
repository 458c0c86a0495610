"""JSON pages that may come from anywhere: what cannot be read is a `ValueError`, whatever is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from types import UnionType
from typing import Any


def parse_page(text: str | bytes) -> Any:
    """Parses JSON.

    Args:
      text: a page; bytes of UTF-8.
    Returns:
      Its value.
    Raises:
      ValueError: it is no JSON, no UTF-8, or nested deeper than Python's stack.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_page(path: Path, /, **fields: type | UnionType) -> dict[str, Any]:
    """Reads a file that holds one JSON object.

    Args:
      path: of the file.
      fields: what it must have, by name, and of which type.
    Returns:
      The object.
    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no file (a pipe would be waited for), no JSON object, or a field is missing or of another type.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no regular file")
    page = parse_page(path.read_bytes())
    if not isinstance(page, dict):
        raise ValueError(f"{path} holds no JSON object")
    for name, kind in fields.items():
        # JSON tells numbers from truth values, where Python's bool is an int.
        if not isinstance(page.get(name), kind) or (kind is int and isinstance(page[name], bool)):
            known = f"{str(page[name])[:50]!r}" if name in page else "missing"
            raise ValueError(f"{path}: {name!r} is {known}")
    return page
