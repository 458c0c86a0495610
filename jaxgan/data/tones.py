"""Notes by formula: a pitch, a few harmonics and an envelope, so that what is in tune can be measured."""

from __future__ import annotations

import numpy as np

from jaxgan.data.source import Draw, Examples, Source, uniform
from jaxgan.types import name_index

LOWEST = 220.0  # Hz, A3
NAMES = ("A3", "A#3", "B3", "C4", "C#4", "D4", "D#4", "E4", "F4", "F#4", "G4", "G#4")
NOTES: tuple[float, ...] = tuple(LOWEST * 2 ** (k / 12) for k in range(12))  # Hz, of equal temperament, by label
HARMONICS = 4  # at most, and at least 2
_NUMBERS = 16  # that each example is drawn from


def tones(length: int = 4096, rate: int = 8000) -> Source:
    """Notes of the octave from A3 (220 Hz), each with 2 to 4 harmonics, phases, loudness and an envelope of its own.

    x(t) = p e(t) sum_h a_h sin(2 pi h f t + phi_h) / sum_h a_h with a_h in 0.5/h..1/h (a_1 = 1) and phi_h in 0..2 pi.
    The envelope e rises to 1 (attack, 2 to 10 % of the length), falls to 0.5..0.9 (decay, 5 to 20 %), stays (sustain)
    and falls to 0 (release, the last 10 to 30 %); the loudness p is in 0.5..1. All are drawn uniformly.

    Args:
      length: samples, >= 64.
      rate: samples a second, > 3323 for all harmonics of all notes to lie below half of it.
    Returns:
      Source without an end of "x" [n, length, 1] float32 in [-1, 1] and "y" [n] int32, the note: `NOTES` are their
      frequencies in Hz, `Source.names` their names.
    Raises:
      ValueError: the length is smaller, or the rate too low.
    """
    least = 2 * HARMONICS * NOTES[-1]
    if length < 64 or rate <= least:
        raise ValueError(f"tones need length >= 64 and rate > {least:.0f} samples a second; got {length} and {rate}")
    return Source(f"tones({length}, {rate})", None, lambda draw: _drawn(draw, length, rate), len(NOTES), names=NAMES)


def _drawn(draw: Draw, length: int, rate: int) -> Examples:
    seed = (draw.seed + name_index("tones")) % 2**32
    places = np.asarray(draw.position, np.uint64)[:, None] * np.uint64(_NUMBERS) + np.arange(_NUMBERS, dtype=np.uint64)
    note, count, loudness, attack, decay, sustain, release, *others = uniform(seed, places).T
    y = np.minimum((note * len(NOTES)).astype(np.int32), len(NOTES) - 1)
    number = np.arange(1, HARMONICS + 1)
    strength = (0.5 + 0.5 * np.stack(others[:HARMONICS], axis=1)) / number
    strength[:, 0] = 1
    strength = strength * (number <= 2 + np.minimum((count * 3).astype(int), 2)[:, None])
    phase = 2 * np.pi * np.stack(others[HARMONICS : 2 * HARMONICS], axis=1)
    turns = np.asarray(NOTES)[y][:, None] * np.arange(length) / rate
    wave = sum(strength[:, h, None] * np.sin(2 * np.pi * (h + 1) * turns + phase[:, h, None]) for h in range(HARMONICS))
    wave = wave / strength.sum(axis=1, keepdims=True)
    envelope = _envelope(length, 0.02 + 0.08 * attack, 0.05 + 0.15 * decay, 0.5 + 0.4 * sustain, 0.1 + 0.2 * release)
    x = (0.5 + 0.5 * loudness)[:, None] * envelope * wave
    return {"x": x[:, :, None].astype(np.float32), "y": y}


def _envelope(
    length: int, attack: np.ndarray, decay: np.ndarray, sustain: np.ndarray, release: np.ndarray
) -> np.ndarray:
    """Returns envelopes [n, length]; durations are shares of the length."""
    t = np.arange(length) / length
    attack, decay, sustain, release = (value[:, None] for value in (attack, decay, sustain, release))
    falling = 1 - (1 - sustain) * np.clip((t - attack) / decay, 0, 1)
    return np.minimum(t / attack, falling) * np.minimum(1, (1 - t) / release)
