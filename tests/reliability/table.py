"""The table that ends a session: what became of each fault, from whichever process ran its test."""

import re
from collections import defaultdict

FAULTS = [f"R{number}" for number in range(1, 31)]


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
