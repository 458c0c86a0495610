"""A log that warns while training goes on: the rules that need nothing but recorded figures, applied as they come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from jaxgan.diagnose.symptoms import Finding, diagnose
from jaxgan.loop import Log

GONE = 5  # looks without a failure until it counts as gone: what hovers at a threshold is not said again and again
ROWS = 2000  # per quantity; twice as many are halved, so that a long run is seen whole and cheaply


def watch(every: int = 500, interval: int = 1, warn: Callable[[str], None] | None = None) -> Log:
    """Makes a log that says in one line what begins to ail a run, once for each failure and again if it comes back.

    Args:
      every: steps between two looks, >= 1; each takes about a millisecond. What is not finite is seen at the next.
      interval: steps between the rows that are remembered, >= 1; evaluations ("quality/...") and skips always are.
      warn: gets the line; None: standard error.
    Returns:
      Log, for `loop.train(log=...)` beside others (`log.combined`).
    Raises:
      ValueError: every or interval is not positive.
    """
    if every < 1 or interval < 1:
        raise ValueError(f"watch needs every >= 1 and interval >= 1; got {every} and {interval}")
    history: dict[str, tuple[list[int], list[float]]] = {}
    ailing: dict[str, int] = {}  # failures that were told, and looks without them since
    thinned, looked = interval, 0

    def log(step: int, values: Mapping[str, float]) -> None:
        nonlocal thinned, looked
        for name, value in values.items():
            if step % thinned == 0 or "/" not in name or name.startswith("quality/"):
                steps, series = history.setdefault(name, ([], []))
                steps.append(step)
                series.append(value)
        if any(len(steps) > 2 * ROWS for steps, _ in history.values()):
            thinned *= 2
            _thin(history, thinned)
        if step >= looked + every:
            looked = step - step % every
            findings = diagnose(None, history)
            for name in set(ailing) - {finding.name for finding in findings}:
                ailing[name] += 1
                if ailing[name] > GONE:
                    del ailing[name]
            for finding in findings:
                if finding.name not in ailing:
                    (warn or _to_stderr)(warning(step, finding))
                ailing[finding.name] = 0

    return log


def warning(step: int, finding: Finding) -> str:
    """Returns a finding as one line."""
    return f"warning: step {step}: {finding.name}: {finding.evidence}; try {', '.join(finding.remedies)}"


def _thin(history: dict[str, tuple[list[int], list[float]]], interval: int) -> None:
    """Keeps the rows at multiples of an interval of what every step records."""
    for name, (steps, values) in history.items():
        if "/" in name and not name.startswith("quality/"):
            kept = [i for i, step in enumerate(steps) if step % interval == 0]
            history[name] = ([steps[i] for i in kept], [values[i] for i in kept])


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
