"""Spectra of signals: the short-time Fourier transform, and its magnitudes in bands as wide as hearing tells apart."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

_LINEAR, _STEP = 200 / 3, math.log(6.4) / 27  # Hz of a mel below 1000 Hz, and its logarithm above
_KNEE = 1000 / _LINEAR  # mels at 1000 Hz


def stft(x: Array, window: int, hop: int, pad: int = 0) -> Array:
    """Short-time Fourier transform by a periodic Hann window w, whose sum is window / 2.

    A sine of amplitude 1 at bin k = f window / rate has a magnitude of sum(w) / 2 = window / 4 there.

    Args:
      x: signals [..., L].
      window: samples, a multiple of the hop.
      hop: samples from frame to frame, >= 1.
      pad: samples that are reflected at either end, < L: (window - hop) / 2 for L / hop frames, window / 2 for frames
        around every hop-th sample, as is common.
    Returns:
      [..., frames, window / 2 + 1] complex64, with (L + 2 pad - window) // hop + 1 frames.
    Raises:
      ValueError: the hop does not divide the window, or signals are too short.
    """
    length = x.shape[-1] + 2 * pad
    if hop < 1 or window < 2 or window % hop or window % 2 or not 0 <= pad < x.shape[-1] or length < window:
        raise ValueError(
            f"stft needs an even window that the hop divides, pad < L and a signal of a window at least; got signals "
            f"{x.shape}, window={window}, hop={hop} and pad={pad}"
        )
    if pad:
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(pad, pad)], mode="reflect")
    parts, count = window // hop, (x.shape[-1] - window) // hop + 1
    blocks = x[..., : (count + parts - 1) * hop].reshape(*x.shape[:-1], count + parts - 1, hop)
    frames = jnp.concatenate([blocks[..., k : k + count, :] for k in range(parts)], axis=-1)
    return jnp.fft.rfft(frames * hann(window).reshape((1,) * (frames.ndim - 1) + (-1,)))


def hann(window: int) -> np.ndarray:
    """Returns the periodic Hann window [window] float32."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)


def mel_filters(rate: float, window: int, bands: int, low: float = 0.0, high: float | None = None) -> np.ndarray:
    """Triangles of equal area over frequencies that are equally far apart in mels: Slaney's filterbank.

    A mel is 200/3 Hz up to 1000 Hz, and a factor of 6.4^(1/27) above. Triangle j rises from m_j to m_j+1 and falls to
    m_j+2, with a height of 2 / (m_j+2 - m_j) per Hz.

    Example:
      >>> from jaxgan.networks.layers import mel_filters
      >>> mel_filters(8.0, window=8, bands=1).T.tolist()  # from 0 to 4 Hz, its top of 2 / 4 at 2 Hz
      [[0.0, 0.25, 0.5, 0.25, 0.0]]

    Args:
      rate: samples a second.
      window: samples of a frame, even.
      bands: how many, >= 1.
      low: Hz, >= 0.
      high: Hz, at most half the rate, which is None's.
    Returns:
      [window / 2 + 1, bands] float32, to be multiplied with magnitudes; of few samples, low bands may be empty.
    Raises:
      ValueError: there is no band, or the frequencies do not rise up to half the rate.
    References:
      Slaney. Auditory Toolbox. Interval Research technical report 1998-010.
    """
    high = rate / 2 if high is None else high
    if bands < 1 or window % 2 or not 0 <= low < high <= rate / 2:
        raise ValueError(
            f"mel_filters needs an even window, bands >= 1 and 0 <= low < high <= rate / 2; got {window}, {bands}, "
            f"{low} and {high} of {rate}"
        )
    edges = _hertz(np.linspace(_mels(low), _mels(high), bands + 2))
    frequency = np.linspace(0, rate / 2, window // 2 + 1)[:, None]
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    height = 2 / (edges[2:] - edges[:-2])
    filters: np.ndarray = np.maximum(0, np.minimum(rising, falling)) * height
    return filters.astype(np.float32)


def mel_spectrogram(x: Array, rate: float, window: int, hop: int, bands: int, pad: int | None = None) -> Array:
    """Magnitudes of the transform, summed by the triangles of `mel_filters`.

    Args:
      x: signals [..., L].
      rate: samples a second.
      window: samples, a multiple of the hop.
      hop: samples from frame to frame.
      bands: how many.
      pad: as of `stft`; None: (window - hop) / 2, so that there are L / hop frames.
    Returns:
      [..., frames, bands] float32 >= 0.
    Raises:
      ValueError: as `stft` and `mel_filters`.
    """
    magnitudes = jnp.abs(stft(x, window, hop, (window - hop) // 2 if pad is None else pad))
    return magnitudes @ mel_filters(rate, window, bands)


def mel_levels(x: Array, rate: float, window: int, hop: int, bands: int, floor: float = 1e-5) -> Array:
    """Logarithms of a mel spectrogram, from -1 at the floor to 1 at a magnitude of 1: what a vocoder is given.

    Args:
      x: signals [..., L].
      rate: samples a second.
      window: samples, a multiple of the hop.
      hop: samples from frame to frame, which divides L.
      bands: how many.
      floor: of magnitudes, in (0, 1).
    Returns:
      [..., L / hop, bands] float32 in [-1, 1].
    Raises:
      ValueError: as `mel_spectrogram`.
    """
    magnitudes = mel_spectrogram(x, rate, window, hop, bands)
    return 1 - 2 * jnp.log(jnp.clip(magnitudes, floor, 1.0)) / math.log(floor)


def _mels(hertz: float) -> float:
    return hertz / _LINEAR if hertz < 1000 else _KNEE + math.log(hertz / 1000) / _STEP


def _hertz(mels: np.ndarray) -> np.ndarray:
    return np.where(mels < _KNEE, mels * _LINEAR, 1000 * np.exp(_STEP * (mels - _KNEE)))
