"""Distances of sounds in their spectra, at several resolutions of time and frequency."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.losses.pairs import wide
from jaxgan.networks.layers import mel_spectrogram, stft

WINDOWS, BANDS = (32, 64, 128, 256, 512, 1024, 2048), (5, 10, 20, 40, 80, 160, 320)  # samples, and mels of each


def mel_distance(
    x: ArrayLike,
    y: ArrayLike,
    rate: float,
    windows: Sequence[int] = WINDOWS,
    bands: Sequence[int] = BANDS,
    floor: float = 1e-5,
) -> Array:
    """Sum over windows of E |log10 max(M x, floor) - log10 max(M y, floor)|, of mel spectrograms M.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> x = jnp.sin(jnp.arange(512.0)).reshape(1, 512, 1)
      >>> round(float(jg.losses.mel_distance(x, 0.1 * x, 8000, windows=(256,), bands=(1,))), 4)
      1.0

    Args:
      x: sounds [B, L, C], L > half the longest window.
      y: the same shape.
      rate: samples a second.
      windows: samples of each resolution, multiples of 4; the hop is a quarter. HiFi-GAN has one of 1024.
      bands: mels of each.
      floor: of magnitudes, > 0.
    Returns:
      [], a sum over windows of means over all entries.
    Raises:
      ValueError: shapes differ, are not of sounds or too short, or windows and bands are not as many.
    References:
      Kumar, Seetharaman, Luebs, Kumar, Kumar. High-Fidelity Audio Compression with Improved RVQGAN. NeurIPS 2023,
      section 3.6.
    """
    one, other = _sounds("mel_distance", x, y)
    if len(windows) != len(bands) or not windows or not floor > 0:
        raise ValueError(f"mel_distance needs bands for each window, and floor > 0; got {windows}, {bands} and {floor}")
    total = jnp.zeros((), jnp.float32)
    for window, count in zip(windows, bands, strict=True):
        levels = [
            jnp.log10(jnp.maximum(mel_spectrogram(each, rate, window, window // 4, count, window // 2), floor))
            for each in (one, other)
        ]
        total = total + jnp.mean(jnp.abs(levels[0] - levels[1]))
    return total


def spectral_distance(
    x: ArrayLike, y: ArrayLike, windows: Sequence[int] = (512, 1024, 2048), floor: float = 1e-5
) -> Array:
    """Multi-resolution STFT loss: mean over windows of ||S x - S y|| / ||S x|| + E |log S x - log S y|, magnitudes S.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> x = jnp.sin(jnp.arange(512.0) ** 2).reshape(1, 512, 1)  # as good as noise
      >>> round(float(jg.losses.spectral_distance(x, 0.5 * x, windows=(256,))), 3)  # 1/2 + log 2
      1.193

    Args:
      x: sounds [B, L, C] that are aimed at, L > half the longest window.
      y: the same shape, as made.
      windows: samples of each resolution, multiples of 4; the hop is a quarter, and the window as long as the transform
        (the paper's transforms are longer).
      floor: of magnitudes, > 0.
    Returns:
      [], a mean over windows; the first part is a mean over sounds, where the authors' norms are of a whole batch.
    Raises:
      ValueError: shapes differ, are not of sounds or too short, or there is no window.
    References:
      Yamamoto, Song, Kim. Parallel WaveGAN: A Fast Waveform Generation Model Based on Generative Adversarial Networks
      with Multi-Resolution Spectrogram. ICASSP 2020, eq. 3 to 6.
    """
    one, other = _sounds("spectral_distance", x, y)
    if not windows or not floor > 0:
        raise ValueError(f"spectral_distance needs windows, and floor > 0; got {windows} and {floor}")
    total = jnp.zeros((), jnp.float32)
    for window in windows:
        real, fake = (
            jnp.maximum(jnp.abs(stft(each, window, window // 4, window // 2)), floor) for each in (one, other)
        )
        apart, whole = (jnp.sqrt(jnp.sum(jnp.square(s), axis=(1, 2, 3)) + floor**2) for s in (real - fake, real))
        total = total + jnp.mean(apart / whole) + jnp.mean(jnp.abs(jnp.log(real) - jnp.log(fake)))
    return total / len(windows)


def _sounds(name: str, x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Returns both as [B, C, L]."""
    one, other = wide(x), wide(y)
    if one.ndim != 3 or one.shape != other.shape:
        raise ValueError(f"{name} compares sounds [B, L, C] of one shape; got {one.shape} and {other.shape}")
    return one.swapaxes(1, 2), other.swapaxes(1, 2)
