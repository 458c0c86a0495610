"""How a checkpoint differs from the run that wants it, in lines that name the config field and the leaf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from jaxgan.checkpoint.manifest import leaves, plain
from jaxgan.types import TrainState

LINES = 10  # at most


def differences(
    page: Mapping[str, Any],
    target: TrainState,
    config: Any,
    may_differ: set[str],
    given: Mapping[str, str],
) -> list[str]:
    """Compares a checkpoint's page with a target and a config.

    Orbax would name no leaf, cast float32 to bfloat16 in silence, and give back raw integers for a typed key.

    Args:
      page: of the manifest.
      target: the state that is wanted, abstract or not.
      config: of the run that goes on, a mapping or a dataclass; None skips the comparison.
      may_differ: config fields that may have changed.
      given: by network, the digest of variables that are not stored.
    Returns:
      At most ten lines; none if they agree.
    """
    lines = [] if config is None else of_configs(page["config"], config, may_differ)
    if page["key_implementation"] != str(target.key.dtype):
        lines.append(f"key: checkpoint {page['key_implementation']}, now {target.key.dtype}")
    lines += _given(page.get("given", {}), given)
    lines += _leaves(page["leaves"], leaves(target))
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], f"... and {len(lines) - LINES + 1} more"]


def of_configs(saved: Mapping[str, Any], config: Any, may_differ: set[str]) -> list[str]:
    """Compares a config with one that was saved.

    Args:
      saved: by field, as JSON gives it back.
      config: a mapping or a dataclass. A dataclass's field that was not saved has come later: at its default it means
        what the run has done until now, and is no difference.
      may_differ: fields that may have changed.
    Returns:
      A line for each field that differs, sorted.
    """
    now = plain(config)
    known = fields(config) if is_dataclass(config) else ()
    passed = may_differ | {f.name for f in known if f.name not in saved and getattr(config, f.name) == _default(f)}
    return [
        f"config {field}: checkpoint {saved.get(field)!r}, now {now.get(field)!r}"
        for field in sorted((set(saved) | set(now)) - passed)
        if saved.get(field) != now.get(field)
    ]


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _given(saved: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"network {name}: checkpoint {_short(saved.get(name))}, now {_short(now.get(name))}"
        for name in sorted(set(saved) | set(now))
        if saved.get(name) != now.get(name)
    ]


def _short(digest: str | None) -> str:
    return "stores its weights" if digest is None else f"given weights of digest {digest[:12]}"


def _leaves(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Compares paths, shapes and dtypes; networks first, since all else follows from them."""
    return [
        f"{path}: checkpoint {_formatted(saved.get(path))}, model {_formatted(now.get(path))}"
        for path in sorted(set(saved) | set(now), key=lambda path: (not path.startswith("params/"), path))
        if saved.get(path) != now.get(path)
    ]


def _formatted(leaf: Mapping[str, Any] | None) -> str:
    return "has none" if leaf is None else f"{tuple(leaf['shape'])} {leaf['dtype']}"
