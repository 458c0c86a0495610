"""What a recorded history tells: its recent part, its periods, and how the discriminator fared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

History = Mapping[str, tuple[Sequence[int], Sequence[float]]]  # by "<player>/<quantity>": (steps, values), steps rising

# The present: the last quarter of a history, since what went wrong and away again is no failure.
RECENT = 0.25
PERIODIC = 0.25  # share of a loss's variance in one narrow band (five frequencies) of its spectrum, at least
CHANCE = 3.0  # ... and this many times what noise without memory has in such a band
BAND = 2  # frequencies to either side of the peak
CYCLES = 3  # fewer in the recent quarter are a trend, not an oscillation
RESOLVED = 4  # rows of the shortest period: a faster one cannot be told from steps between rows


def periodicity(values: np.ndarray) -> tuple[float, float, float]:
    """Finds the strongest band in the spectrum of a series without its linear trend, of periods that can be told.

    Args:
      values: [n] at equal intervals.
    Returns:
      (its period in rows, its share of the variance, or 0 where slower movements hold more, and the share from which
      it counts as periodic).
    """
    n = len(values)
    t = np.arange(n)
    power = np.square(np.abs(np.fft.rfft(values - np.polyval(np.polyfit(t, values, 1), t))))[1:]
    if not power.sum() > 0 or len(power) <= CYCLES:
        return math.inf, 0.0, 1.0
    peak = CYCLES - 1 + int(np.argmax(power[CYCLES - 1 : max(CYCLES, n // RESOLVED)]))
    band = power[max(CYCLES - 1, peak - BAND) : peak + BAND + 1].sum()
    share = band / power.sum() if band > power[: CYCLES - 1].sum() else 0.0  # a level that moved has more below it
    return n / (peak + 1), float(share), max(PERIODIC, CHANCE * (2 * BAND + 1) / len(power))


def separation(history: History) -> tuple[np.ndarray, np.ndarray]:
    """Returns the discriminator's loss without its penalty, and the margin of its logits, row by row."""
    names = ("loss", "real_logits", "fake_logits")
    columns = {name: dict(zip(*history.get(f"discriminator/{name}", ((), ())), strict=True)) for name in names}
    penalty = dict(zip(*history.get("discriminator/penalty", ((), ())), strict=True))
    steps = sorted(set.intersection(*(set(column) for column in columns.values())))
    loss = np.array([columns["loss"][step] - penalty.get(step, 0.0) for step in steps])
    return loss, np.array([columns["real_logits"][step] - columns["fake_logits"][step] for step in steps])


def recent(values: np.ndarray) -> np.ndarray:
    """Returns the last quarter of a series, at least its last value."""
    return values[len(values) - max(1, int(RECENT * len(values))) :] if len(values) else values


def median(values: np.ndarray) -> float:
    """Returns the median as a float."""
    return float(np.median(values))
