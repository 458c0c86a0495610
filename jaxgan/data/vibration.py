"""The vibration of a machine with a rolling bearing, whole or damaged, by formula: the rates of faults are known."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from jaxgan.data.source import Draw, Examples, Source, uniform
from jaxgan.types import name_index

NAMES = ("whole", "outer race", "inner race", "ball")
RESONANCE, DAMPING = 900.0, 0.12  # Hz and share of the critical: what an impact rings by
SLIP = 0.01  # of a period: by as much each impact may come earlier or later
_NUMBERS = 16  # that each example is drawn from, before its noise


class Bearing(NamedTuple):
    """A rolling bearing; lengths in one unit. The default is an SKF 6205-2RS, of the much-used data of Case Western."""

    balls: int = 9  # n
    ball: float = 7.94  # d, diameter of a ball, mm
    pitch: float = 39.04  # D, diameter of the circle of their centres, mm
    angle: float = 0.0  # phi, of contact, in radians


class Rates(NamedTuple):
    """How often a bearing's parts do what they do, in the unit of the shaft's frequency."""

    outer: float  # BPFO: a ball passes a place of the outer race
    inner: float  # BPFI: a ball passes a place of the inner race
    ball: float  # BSF: a ball turns about itself
    cage: float  # FTF: the cage goes round


def bearing_rates(shaft: float, bearing: Bearing = Bearing()) -> Rates:  # noqa: B008 (a tuple of numbers)
    """Returns the kinematic frequencies of a bearing whose inner race turns with the shaft and whose balls do not slip.

    With r = d/D cos phi: BPFO = n/2 f (1 - r), BPFI = n/2 f (1 + r), BSF = D/(2 d) f (1 - r^2), FTF = f/2 (1 - r).

    Example:
      >>> from jaxgan.data.vibration import bearing_rates
      >>> [round(rate, 4) for rate in bearing_rates(1.0)]
      [3.5848, 5.4152, 2.3567, 0.3983]

    Args:
      shaft: f, turns a second, > 0.
      bearing: its geometry.
    Returns:
      Rates in Hz.
    Raises:
      ValueError: the shaft stands still, or there is no such bearing.
    References:
      Randall, Antoni. Rolling element bearing diagnostics: A tutorial. 2011, eq. 1 to 4.
    """
    n, ball, pitch, angle = bearing
    if shaft <= 0 or n < 1 or not 0 < ball < pitch or not abs(angle) < math.pi / 2:
        raise ValueError(f"bearing_rates needs shaft > 0, balls >= 1, 0 < ball < pitch; got {shaft} and {bearing}")
    r = ball / pitch * math.cos(angle)
    half = shaft / 2
    return Rates(n * half * (1 - r), n * half * (1 + r), pitch / ball * half * (1 - r * r), half * (1 - r))


def vibration(
    length: int = 1024,
    rate: int = 4096,
    shaft: float = 30.0,
    bearing: Bearing = Bearing(),  # noqa: B008 (a tuple of numbers)
) -> Source:
    """Acceleration of a machine with a whole bearing, or with a fault of the outer race, the inner race or a ball.

    Three harmonics of the shaft with phases of their own, noise, and for a fault an impact at each BPFO, BPFI or BSF
    from a drawn moment on, each by up to 1 % of a period early or late. An impact rings, e^(-zeta w t) sin(w t) with
    w = 2 pi 900 Hz and zeta = 0.12. Those of the outer race are of one strength; those of the inner race rise and fall
    with the turns of the shaft, which carries the fault through the load, those of a ball with the turns of the cage.
    All four kinds come equally often.

    Args:
      length: samples, >= 64.
      rate: samples a second, > 4 * 900.
      shaft: turns a second, > 0; an impact of any kind comes twice at least.
      bearing: its geometry.
    Returns:
      Source without an end of "x" [n, length, 1] float32 in [-1, 1] and "y" [n] int32, the kind: `Source.names`.
    Raises:
      ValueError: a setting is out of range.
    """
    rates = bearing_rates(shaft, bearing)
    if length < 64 or rate <= 4 * RESONANCE or length * min(rates.outer, rates.ball) < 2 * rate:
        raise ValueError(
            f"vibration needs length >= 64, rate > {4 * RESONANCE:.0f} samples a second and two impacts in the length; "
            f"got length={length}, rate={rate}, shaft={shaft}"
        )

    def read(draw: Draw) -> Examples:
        return _drawn(draw, length, rate, shaft, rates)

    name = f"vibration({length}, {rate}, {shaft:g}, {tuple(bearing)})"
    return Source(name, None, read, len(NAMES), names=NAMES)


def _drawn(draw: Draw, length: int, rate: int, shaft: float, rates: Rates) -> Examples:
    seed = (draw.seed + name_index("vibration")) % 2**32
    each = _NUMBERS + 2 * length
    places = np.asarray(draw.position, np.uint64)[:, None] * np.uint64(each) + np.arange(each, dtype=np.uint64)
    u = uniform(seed, places)
    y = np.minimum((u[:, 0] * len(NAMES)).astype(np.int32), len(NAMES) - 1)
    t = np.arange(length) / rate
    angle = 2 * np.pi * (shaft * t[None, None] * np.arange(1, 4)[None, :, None] + u[:, 1:4, None])
    turning = np.sum(np.array([0.12, 0.06, 0.04])[:, None] * (0.5 + u[:, 4:7, None]) * np.sin(angle), axis=1)
    noise = np.sqrt(-2 * np.log(1 - u[:, _NUMBERS : _NUMBERS + length])) * np.cos(2 * np.pi * u[:, -length:])
    x = turning + (0.03 + 0.02 * u[:, 7, None]) * noise
    for kind, (impacts, around) in enumerate(((rates.outer, 0.0), (rates.inner, shaft), (rates.ball, rates.cage)), 1):
        rows = np.flatnonzero(y == kind)
        if len(rows):
            depth = 0.8 if around else 0.0
            x[rows] += _impacts(seed, draw, rows, u[rows, 8:12], (t, impacts, around, depth))
    return {"x": np.clip(x, -1, 1)[:, :, None].astype(np.float32), "y": y}


def _impacts(
    seed: int, draw: Draw, rows: np.ndarray, u: np.ndarray, setting: tuple[np.ndarray, float, float, float]
) -> np.ndarray:
    """Returns the ringing [m, L] of all impacts, with those before the first sample that are heard still."""
    t, impacts, around, depth = setting
    early = 4
    number = np.arange(-early, int(np.ceil(t[-1] * impacts)) + 2)
    own = np.asarray(draw.position, np.uint64)[rows, None] * np.uint64(len(number)) + np.arange(
        len(number), dtype=np.uint64
    )
    slip = SLIP * (2 * uniform((seed + 1) % 2**32, own) - 1)
    moment = (number + u[:, :1] + slip) / impacts
    strength = (0.7 + 0.5 * u[:, 1:2]) * (1 + depth * np.cos(2 * np.pi * (around * moment + u[:, 2:3]))) / (1 + depth)
    after = t[None, None] - moment[:, :, None]
    decay = 2 * np.pi * RESONANCE * np.maximum(after, 0)
    ringing = np.where(after >= 0, np.exp(-DAMPING * decay) * np.sin(decay), 0)
    return np.einsum("mj,mjt->mt", strength, ringing)
