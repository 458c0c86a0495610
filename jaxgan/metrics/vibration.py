"""How impulsive is a signal, and how often do impulses come? Figures of machines' vibration, on the host in float64."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.sound import checked_signals


def kurtosis(x: ArrayLike) -> np.ndarray:
    """Fourth moment over the squared variance of each signal: 3 of normal noise, more of impulses, 1.5 of a sine.

    Example:
      >>> import jaxgan as jg
      >>> jg.metrics.kurtosis([[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 2.0]]).round(4).tolist()
      [1.0, 2.3333]

    Args:
      x: [N, L] or [N, L, 1].
    Returns:
      [N] float64; NaN of a constant signal.
    Raises:
      ValueError: x is not of signals.
    """
    centred = checked_signals("kurtosis", x)
    centred = centred - centred.mean(axis=1, keepdims=True)
    variance = np.mean(centred**2, axis=1)
    return np.mean(centred**4, axis=1) / np.where(variance > 0, variance, np.nan) ** 2


def envelope_spectrum(x: ArrayLike, rate: float, low: float, high: float) -> np.ndarray:
    """Spectrum of how loud a band is: where impulses that ring in it come f times a second, there is a peak at f.

    The band's analytic signal, by the Fourier transform; its squared magnitude, without its mean; and of that the
    transform's magnitudes, divided by L / 2, so that an amplitude modulated by 1 + m cos gives a peak of 2 m times its
    mean square.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> t = np.arange(1000) / 1000
      >>> x = (1 + 0.5 * np.cos(2 * np.pi * 7 * t)) * np.sin(2 * np.pi * 100 * t)  # louder 7 times a second
      >>> int(jg.metrics.envelope_spectrum(x[None], rate=1000, low=50, high=150)[0].argmax())
      7

    Args:
      x: signals, [N, L] or [N, L, 1].
      rate: samples a second.
      low: of the band in Hz, >= 0.
      high: > low, at most half the rate.
    Returns:
      [N, L // 2 + 1] float64; bin k is of the frequency k rate / L.
    Raises:
      ValueError: x is not of signals, or the band is out of range.
    References:
      Randall, Antoni. Rolling element bearing diagnostics: A tutorial. 2011, section 4.3.
    """
    signals = checked_signals("envelope_spectrum", x)
    if not 0 <= low < high <= rate / 2:
        raise ValueError(f"envelope_spectrum needs 0 <= low < high <= {rate / 2}, half the rate; got {low} and {high}")
    length = signals.shape[1]
    frequency = np.fft.fftfreq(length, 1 / rate)
    inside = (frequency >= low) & (frequency <= high)
    analytic = np.fft.ifft(np.where(inside, 2 * np.fft.fft(signals, axis=1), 0), axis=1)
    loudness = np.abs(analytic) ** 2
    return np.abs(np.fft.rfft(loudness - loudness.mean(axis=1, keepdims=True), axis=1)) / (length / 2)


def envelope_peak(x: ArrayLike, rate: float, band: tuple[float, float], search: tuple[float, float]) -> np.ndarray:
    """Frequency of the highest peak of each signal's envelope spectrum, between two frequencies, in Hz.

    Its resolution is a bin, rate / L.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> t = np.arange(1000) / 1000
      >>> x = (1 + 0.5 * np.cos(2 * np.pi * 7 * t)) * np.sin(2 * np.pi * 100 * t)
      >>> jg.metrics.envelope_peak(x[None], rate=1000, band=(50, 150), search=(2, 20)).tolist()  # Hz
      [7.0]

    Args:
      x: signals, [N, L] or [N, L, 1].
      rate: samples a second.
      band: (low, high) in Hz, of what rings.
      search: (least, most) in Hz, where the peak is looked for.
    Returns:
      [N] float64.
    Raises:
      ValueError: as `envelope_spectrum`, or no bin lies in what is searched.
    """
    spectrum = envelope_spectrum(x, rate, *band)
    length = np.shape(x)[1]
    frequency = np.fft.rfftfreq(length, 1 / rate)
    inside = (frequency >= search[0]) & (frequency <= search[1])
    if not inside.any():
        raise ValueError(f"envelope_peak: no bin of {rate / length:.3g} Hz lies between {search[0]} and {search[1]} Hz")
    return frequency[inside][np.argmax(spectrum[:, inside], axis=1)]
