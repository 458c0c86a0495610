"""The scorecard: each test of a fault records what became of it, and the session ends with the table."""

import re

import jax
import pytest

ROWS = pytest.StashKey[list[tuple[str, str, float]]]()


@pytest.fixture
def scorecard(request):
    """Records a fault's outcome: scorecard("R8", "60 flips: 58 detected, 2 harmless, 0 wrong", seconds)."""

    def record(fault, outcome, seconds):
        request.config.stash.setdefault(ROWS, []).append((fault, outcome, seconds))

    return record


@pytest.fixture(autouse=True)
def own_strictness():
    """As users run it: under JAX's own defaults."""
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        yield


def pytest_terminal_summary(terminalreporter, config):
    """Prints the table, by the letter and the number of the fault."""
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("reliability scorecard")
    for fault, outcome, seconds in sorted(rows, key=lambda row: (row[0][0], int(re.sub(r"\D", "", row[0]) or 0), row)):
        terminalreporter.write_line(f"{fault:4} {seconds:7.1f} s  {outcome}")
