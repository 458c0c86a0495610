"""What a run has written so far, of which any file may be missing, torn or incomplete."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxgan.pages import parse_page


def parsed(text: str) -> Any:
    """Returns the value of a JSON text, None of what is none."""
    try:
        return parse_page(text)
    except ValueError:
        return None


def mapping(value: Any) -> dict[str, Any]:
    """Returns a mapping as a dict, and nothing of any other value."""
    return dict(value) if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """Returns a list as it is, and nothing of any other value."""
    return value if isinstance(value, list) else []


def read_object(path: Path) -> dict[str, Any]:
    """Returns the object of a JSON file, empty where there is none."""
    return mapping(parsed(path.read_text(encoding="utf-8", errors="replace"))) if path.is_file() else {}
