"""Experiments run under JAX's own defaults."""

from tests.runs.conftest import own_strictness  # noqa: F401
