"""The scorecard: each test of a fault records what became of it, and the session ends with the table."""

import re
from collections import defaultdict

import jax
import pytest

from tests.experiments.conftest import finish, start

FAULTS = [f"R{number}" for number in range(1, 31)]
# Long enough to be stopped anywhere, and the same in every test: one uninterrupted run is compared with all of them.
RING = ("ring", "--steps", 3000, "--batch-size", 16, "--width", 8, "--evaluations", 6)


@pytest.fixture
def scorecard(request):
    """Records a fault's outcome: scorecard("R8", "60 flips: 58 detected, 2 harmless, 0 wrong", seconds).

    Seconds run from the fault to its outcome. Where outcomes are equal, the table shows their number and the longest.
    """

    def record(fault, outcome, seconds, limit=None):
        request.node.user_properties.append(("scorecard", (fault, outcome, seconds)))  # workers report it
        assert limit is None or seconds < limit, f"{fault}: {outcome} took {seconds:.1f} s of {limit} s"

    return record


@pytest.fixture(autouse=True)
def own_strictness():
    """As users run it: under JAX's own defaults."""
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(scope="session")
def twins(tmp_path_factory):
    """The folders of two runs of RING that were never stopped; started at once, and neither was given a name."""
    out = tmp_path_factory.mktemp("straight")
    for process in [start(*RING, "--out", out) for _ in range(2)]:
        code, _, err = finish(process)
        assert code == 0, err
    return sorted((out / "ring").iterdir())


@pytest.fixture(scope="session")
def straight(twins):
    """The folder of a run of RING that was never stopped."""
    return twins[0]


def pytest_terminal_summary(terminalreporter):
    """Prints the table, by the letter and the number of the fault."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    called = [report for report in reports if getattr(report, "when", None) == "call"]
    rows = [row for report in called for name, row in report.user_properties if name == "scorecard"]
    if not rows:
        return
    folded = defaultdict(list)
    for fault, outcome, seconds in rows:
        folded[fault, outcome].append(seconds)
    terminalreporter.section("reliability scorecard: fault, longest time to its outcome, times seen, outcome")
    for (fault, outcome), seconds in sorted(folded.items(), key=lambda row: (row[0][0][0], _number(row[0][0]), row[0])):
        terminalreporter.write_line(f"{fault:4} {max(seconds):7.1f} s {len(seconds):4} x  {outcome}")
    seen = {fault for fault, _ in folded}
    without = [fault for fault in FAULTS if fault not in seen]
    missing = f"; without an outcome: {' '.join(without)}" if without else ""
    terminalreporter.write_line(f"{len(FAULTS) - len(without)} of {len(FAULTS)} faults{missing}")


def _number(fault):
    return int(re.sub(r"\D", "", fault) or 0)
