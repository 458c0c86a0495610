"""Voices by formula: harmonics through formants that move, and hisses above 2 kHz that no codec can predict."""

from __future__ import annotations

import numpy as np

from jaxgan.data.source import Draw, Examples, Source, uniform
from jaxgan.types import name_index

HISS = 2000.0  # Hz, below which hisses have nothing
_FORMANTS = ((300.0, 800.0, 80.0), (900.0, 2000.0, 120.0), (2300.0, 3000.0, 160.0))  # Hz: lowest, highest, width
_BURSTS, _NUMBERS = 2, 32  # hisses of an example, and numbers that it is drawn from besides its noise


def voices(length: int = 2048, rate: int = 8000) -> Source:
    """Syllables that nobody has said: a voiced part whose pitch and formants move, and two hisses.

    The voice has all harmonics up to 3800 Hz of a pitch that goes from one place in 90..220 Hz to another, 0.8..1.25
    times as high, of amplitudes 1 / h times sum_j w_j^2 / ((f - F_j)^2 + w_j^2) at the frequency f; the three formants
    F_j go from a place in their ranges (300..800, 900..2000, 2300..3000 Hz) to another. It sounds in 60 % of the time,
    with edges of 15 ms. A hiss is uniform noise above a frequency in 2000..2800 Hz, 50 to 120 ms long, with a triangle
    as its envelope. All are drawn uniformly; the peak is at 0.5..0.9.

    Args:
      length: samples, >= 512.
      rate: samples a second, >= 8000.
    Returns:
      Source without an end of "x" [n, length, 1] float32 in [-1, 1].
    Raises:
      ValueError: the length is smaller, or the rate too low.
    """
    if length < 512 or rate < 8000:
        raise ValueError(f"voices need length >= 512 and rate >= 8000 samples a second; got {length} and {rate}")
    return Source(f"voices({length}, {rate})", None, lambda draw: _drawn(draw, length, rate))


def _drawn(draw: Draw, length: int, rate: int) -> Examples:
    seed = (draw.seed + name_index("voices")) % 2**32
    each = _NUMBERS + _BURSTS * length
    x = []
    for position in np.asarray(draw.position, np.uint64):  # one by one: all harmonics at once are large
        u = uniform(seed, position * np.uint64(each) + np.arange(each, dtype=np.uint64))
        wave = _voice(u[:12], length, rate)
        for k in range(_BURSTS):
            own = u[12 + 4 * k : 16 + 4 * k]
            wave = wave + _hiss(own, u[_NUMBERS + k * length : _NUMBERS + (k + 1) * length], length, rate)
        x.append((0.5 + 0.4 * u[20]) * wave / np.abs(wave).max())
    return {"x": np.stack(x)[:, :, None].astype(np.float32)}


def _voice(u: np.ndarray, length: int, rate: int) -> np.ndarray:
    """Returns the voiced part [length] with a root mean square near 1 where it sounds."""
    t = np.linspace(0, 1, length)
    pitch = (90 + 130 * u[0]) * (1 + (0.45 * u[1] - 0.2) * t)
    turn = np.exp(2j * np.pi * np.cumsum(pitch) / rate).astype(np.complex64)
    formants = [
        low + (high - low) * (a + (b - a) * t) for (low, high, _), a, b in zip(_FORMANTS, u[2:5], u[5:8], strict=True)
    ]
    phasor, wave = np.exp(2j * np.pi * u[8]).astype(np.complex64) * turn, np.zeros(length)
    for number in range(1, int(3800 / pitch.min()) + 1):
        frequency = number * pitch
        widths = [width**2 for _, _, width in _FORMANTS]
        gain = sum(w / ((frequency - formant) ** 2 + w) for formant, w in zip(formants, widths, strict=True))
        wave += gain / number * (frequency < 3800) * phasor.imag
        phasor = phasor * turn
    wave /= np.sqrt(np.mean(wave**2)) + 1e-9
    start, edge = 0.4 * u[9], 0.015 * rate / length
    sounding = np.clip(np.minimum((t - start) / edge, (start + 0.6 - t) / edge), 0, 1)
    return wave * sounding


def _hiss(u: np.ndarray, noise: np.ndarray, length: int, rate: int) -> np.ndarray:
    """Returns noise [length] above a frequency, in a triangle of time."""
    spectrum = np.fft.rfft(noise - 0.5)
    wave = np.fft.irfft(spectrum * (np.fft.rfftfreq(length, 1 / rate) >= HISS + 800 * u[0]), length)
    wave /= np.sqrt(np.mean(wave**2)) + 1e-9
    half = (0.025 + 0.035 * u[1]) * rate
    envelope = np.clip(1 - np.abs(np.arange(length) - u[2] * length) / half, 0, 1)
    return (0.5 + u[3]) * wave * envelope
