"""Is it in tune, how clean, and where does its energy lie? Figures of sounds, on the host in float64.

Pitch and harmonics-to-noise ratio are read from one function of a sound, the normalised square difference of McLeod:
n(tau) = 2 sum_t x_t x_{t+tau} / sum_t (x_t^2 + x_{t+tau}^2), which is 1 where x repeats itself after tau samples,
whatever its loudness, and falls with noise as signal / (signal + noise).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.images import check_floating

NEAR = 0.9  # of the highest peak: the first one as high is the period, and not a multiple of it
CLEANEST = 60.0  # dB, that a ratio is cut at: beyond lies rounding


class Pitch(NamedTuple):
    """Of each sound, how fast it repeats itself and how exactly."""

    frequency: np.ndarray  # [N] Hz
    harmonic_to_noise: np.ndarray  # [N] dB, in -60..60: power of what repeats over that of what does not


def pitch(x: ArrayLike, rate: float, low: float, high: float) -> Pitch:
    """Finds the pitch of sounds of a single voice, and their harmonics-to-noise ratio.

    The period is the first peak of n(tau), between 1/high and 1/low, that reaches 0.9 of the highest one, refined by a
    parabola through three samples; with n its height the ratio is 10 log10(n / (1 - n)). Of noise it is some frequency
    with a ratio near or below 0 dB. A protocol names rate, low and high.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> sine = np.sin(2 * np.pi * 250 * np.arange(1024) / 8000)
      >>> read = jg.metrics.pitch(sine[None], 8000, 180, 500)
      >>> round(float(read.frequency[0]), 1), float(read.harmonic_to_noise[0])
      (250.0, 60.0)

    Args:
      x: sounds, [N, L] or [N, L, 1].
      rate: samples a second.
      low: lowest frequency looked for in Hz; four periods of it fit into L samples.
      high: highest, > low, at most a quarter of the rate.
    Returns:
      Pitch; of silence the frequency is NaN, and the ratio -60 dB.
    Raises:
      ValueError: x is not of sounds, or too short, or the frequencies are out of range.
    References:
      McLeod, Wyvill. A Smarter Way to Find Pitch. ICMC 2005, section 4 to 6.
      Boersma. Accurate Short-term Analysis of the Fundamental Frequency and the Harmonics-to-noise Ratio. 1993, eq. 4.
    """
    sounds = checked_signals("pitch", x)
    n, length = sounds.shape
    if not 0 < low < high <= rate / 4 or 4 * rate / low > length:
        raise ValueError(
            "pitch needs 0 < low < high <= rate / 4 and four periods of the lowest in "
            f"{length} samples; got low={low}, high={high}, rate={rate}"
        )
    first, last = int(rate / high) - 1, int(np.ceil(rate / low)) + 1
    lags = np.arange(first - 1, last + 2)
    power = np.abs(np.fft.rfft(sounds, 2 * length, axis=1)) ** 2
    products = np.fft.irfft(power, axis=1)[:, lags]
    energy = np.concatenate([np.zeros((n, 1)), np.cumsum(sounds**2, axis=1)], axis=1)
    paired = energy[:, length - lags] + energy[:, -1:] - energy[:, lags]
    alike = 2 * products / np.where(paired > 0, paired, 1)
    before, here, after = alike[:, :-2], alike[:, 1:-1], alike[:, 2:]
    peak = np.where((here >= before) & (here > after), here, -1)
    place = np.argmax(peak >= np.maximum(NEAR * peak.max(axis=1, keepdims=True), 0), axis=1)
    rows = np.arange(n)
    a, b, c = (part[rows, place] for part in (before, here, after))
    bend = a - 2 * b + c
    shift = np.where(bend < 0, 0.5 * (a - c) / np.where(bend < 0, bend, 1), 0)
    height = np.clip(b - 0.25 * (a - c) * shift, 1e-9, 1 - 1e-9)
    ratio = np.clip(10 * np.log10(height / (1 - height)), -CLEANEST, CLEANEST)
    silent = (energy[:, -1] == 0) | (peak.max(axis=1) <= 0)
    return Pitch(np.where(silent, np.nan, rate / (lags[1:-1][place] + shift)), np.where(silent, -CLEANEST, ratio))


def cents_off(frequency: ArrayLike, notes: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest note of a scale, and how far off it is: 1200 log2(frequency / note), 100 to a semitone.

    Example:
      >>> import jaxgan as jg
      >>> nearest, cents = jg.metrics.cents_off([445.0], [220.0, 440.0])
      >>> nearest.tolist(), cents.round(2).tolist()
      ([1], [19.56])

    Args:
      frequency: [N] Hz, > 0 or NaN.
      notes: [K] Hz, > 0.
    Returns:
      (label of the nearest note [N] int64, cents above it [N]); of NaN the label 0 and NaN.
    Raises:
      ValueError: a frequency is not positive, or there is no note.
    """
    hertz, scale = np.asarray(frequency, np.float64), np.asarray(notes, np.float64)
    if hertz.ndim != 1 or scale.ndim != 1 or not len(scale) or np.any(hertz <= 0) or not np.all(scale > 0):
        raise ValueError(f"cents_off takes frequencies [N] and notes [K] > 0; got shapes {hertz.shape}, {scale.shape}")
    cents = 1200 * np.log2(hertz[:, None] / scale)
    nearest = np.argmin(np.abs(cents), axis=1)
    return nearest, cents[np.arange(len(hertz)), nearest]


def histogram_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Total variation of two histograms: half the sum of |p_k - q_k|, of counts as shares.

    Example:
      >>> import jaxgan as jg
      >>> jg.metrics.histogram_distance([2, 2, 0], [1, 0, 1])
      0.5

    Args:
      a: [K] counts or shares, >= 0.
      b: [K] likewise.
    Returns:
      Distance in [0, 1].
    Raises:
      ValueError: shapes differ, or a histogram is negative or empty.
    """
    p, q = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if p.ndim != 1 or p.shape != q.shape or not (min(p.min(), q.min()) >= 0 < min(p.sum(), q.sum())):
        raise ValueError(f"histogram_distance takes counts [K] >= 0, not all 0, of one K; got {p.shape} and {q.shape}")
    return float(0.5 * np.sum(np.abs(p / p.sum() - q / q.sum())))


def spectrogram(x: ArrayLike, window: int = 256, hop: int = 64) -> np.ndarray:
    """Magnitudes of the short-time Fourier transform by a Hann window (periodic: sum window / 2).

    A sine of amplitude 1 at bin k has its peak there, sum(w)/2 = window / 4 high.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> sine = np.sin(2 * np.pi * 4 * np.arange(64) / 64)[None]  # at bin 4 of a window of 64
      >>> peak = jg.metrics.spectrogram(sine, window=64)[0, 0]
      >>> int(peak.argmax()), round(float(peak.max()), 3)  # 64 / 4
      (4, 16.0)

    Args:
      x: sounds, [N, L] or [N, L, 1], L >= window.
      window: samples, even, >= 4.
      hop: samples from frame to frame, >= 1.
    Returns:
      [N, (L - window) // hop + 1, window / 2 + 1]; bin k is of the frequency k rate / window.
    Raises:
      ValueError: x is not of sounds, or too short, or a setting is out of range.
    """
    sounds = checked_signals("spectrogram", x)
    if window < 4 or window % 2 or hop < 1 or sounds.shape[1] < window:
        raise ValueError(
            f"spectrogram needs an even window in 4..{sounds.shape[1]}, the length, and hop >= 1; got {window}, {hop}"
        )
    frames = np.lib.stride_tricks.sliding_window_view(sounds, window, axis=1)[:, ::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return np.abs(np.fft.rfft(frames * hann, axis=2))


def band_energies(x: ArrayLike, rate: float, edges: ArrayLike) -> np.ndarray:
    """Shares of the energy of all sounds together that lie in bands of frequencies.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> t = np.arange(1000) / 1000
      >>> two = np.sin(2 * np.pi * 50 * t) + 2 * np.sin(2 * np.pi * 200 * t)
      >>> jg.metrics.band_energies(two[None], rate=1000, edges=[0, 100, 500]).round(3).tolist()  # 1 to 2^2
      [0.2, 0.8]

    Args:
      x: sounds, [N, L] or [N, L, 1].
      rate: samples a second.
      edges: [K + 1] Hz, rising; band k is edges[k] <= f < edges[k + 1].
    Returns:
      [K] float64, that sum to 1.
    Raises:
      ValueError: x is not of sounds, the edges do not rise, or no energy lies between them.
    """
    sounds, ends = checked_signals("band_energies", x), np.asarray(edges, np.float64)
    if ends.ndim != 1 or len(ends) < 2 or np.any(np.diff(ends) <= 0):
        raise ValueError(f"band_energies needs edges [K + 1] that rise; got {ends.tolist()}")
    power = np.sum(np.abs(np.fft.rfft(sounds, axis=1)) ** 2, axis=0)
    power[1 : (sounds.shape[1] + 1) // 2] *= 2  # those of negative frequencies
    frequency = np.fft.rfftfreq(sounds.shape[1], 1 / rate)
    total, _ = np.histogram(frequency, ends, weights=power * (frequency < ends[-1]))
    if not total.sum() > 0:
        raise ValueError(f"band_energies: the sounds have no energy between {ends[0]} and {ends[-1]} Hz")
    return total / total.sum()


def checked_signals(caller: str, x: ArrayLike) -> np.ndarray:
    """Returns signals of one channel as float64 [N, L].

    Raises:
      ValueError: not [N, L] or [N, L, 1], empty, of integers, or not finite.
    """
    signals = np.asarray(x)
    signals = signals[..., 0] if signals.ndim == 3 and signals.shape[2] == 1 else signals
    if signals.ndim != 2 or not signals.size:
        raise ValueError(f"{caller} takes signals [N, L] or [N, L, 1], of one channel; got shape {np.shape(x)}")
    check_floating(signals, f"{caller}: signals")
    return signals.astype(np.float64)
