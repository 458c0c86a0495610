"""Discriminators of sounds [B, L, C]: by periods of samples, and by complex spectra at several resolutions.

Each is several judges that hear the same, and returns what each has heard: logits of many places, and its features.
`Listeners` puts some of them together.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers import BlockedConv, call, hann, stft

BANDS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)  # shares of the frequencies, of DAC


class Heard(NamedTuple):
    """What one judge returns."""

    logits: Array  # [B, n], of as many places
    features: tuple[Array, ...]  # [B, ...], of each layer but the last


def by_period(x: Array, period: int) -> Array:
    """Lays every period of samples side by side: x [B, L, C] -> [B, ceil(L / period), period, C].

    What is missing at the end is reflected. What repeats with this period is constant along the first of both axes.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxgan.networks.listeners import by_period
      >>> by_period(jnp.arange(5.0).reshape(1, 5, 1), 3)[0, :, :, 0].tolist()
      [[0.0, 1.0, 2.0], [3.0, 4.0, 3.0]]
    """
    x = jnp.pad(x, ((0, 0), (0, -x.shape[1] % period), (0, 0)), mode="reflect")
    return x.reshape(x.shape[0], -1, period, x.shape[2])


class MultiPeriodDiscriminator(nn.Module):
    """HiFi-GAN's judges of periods: convolutions along every p-th sample, which know nothing of what lies between.

    Of the paper's five, without weight normalisation, 41,092,165 parameters.

    References:
      Kong, Kim, Bae. HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis.
      NeurIPS 2020, section 2.3.
    """

    periods: Sequence[int] = (2, 3, 5, 7, 11)  # samples
    features: Sequence[int] = (32, 128, 512, 1024, 1024)  # of each layer; all but the last have a stride of 3
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array) -> tuple[Heard, ...]:
        """Judges x [B, L, C], L longer than the longest period."""
        _check_sounds("MultiPeriodDiscriminator", x, max(self.periods, default=0))
        return tuple(self._judged(by_period(x, period), f"period{period}") for period in self.periods)

    def _judged(self, h: Array, name: str) -> Heard:
        heard: list[Array] = []
        for layer, features in enumerate(self.features):
            stride = 3 if layer < len(self.features) - 1 else 1
            conv = BlockedConv(features, (5, 1), (stride, 1), dtype=self.dtype, name=f"{name}_{layer}")
            h = nn.leaky_relu(conv(h), 0.1)
            heard.append(h)
        return _verdict(BlockedConv(1, (3, 1), dtype=self.dtype, name=f"{name}_logits")(h), heard)


class MultiResolutionDiscriminator(nn.Module):
    """Judges of complex spectra, real and imaginary parts as channels, one for each window: EnCodec's and DAC's.

    A layer of 3 x 9 places of time and frequency, three more that halve the frequencies, one of 3 x 3. As it is, DAC's:
    five bands of frequencies have layers of their own, spectra are padded. EnCodec's has `bands=()`, dilations (1, 2,
    4), slope 0.2, `normalized` and not `padded`.

    References:
      Kumar, Seetharaman, Luebs, Kumar, Kumar. High-Fidelity Audio Compression with Improved RVQGAN. NeurIPS 2023,
      section 3.4.
      Défossez, Copet, Synnaeve, Adi. High Fidelity Neural Audio Compression. TMLR 2023, section 3.4 and figure 2.
    """

    windows: Sequence[int] = (2048, 1024, 512)  # samples, multiples of 4; the hop is a quarter
    features: int = 32  # of every layer
    bands: Sequence[float] = BANDS  # ends of bands, as shares of the frequencies; (): all in one
    dilations: tuple[int, int, int] = (1, 1, 1)  # in time, of the layers that halve the frequencies
    slope: float = 0.1  # of the leaky rectifiers
    padded: bool = True  # by reflection, to ceil(L / hop) frames
    normalized: bool = False  # spectra divided by the root of the window's energy
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array) -> tuple[Heard, ...]:
        """Judges x [B, L, C], L of the longest window at least."""
        _check_sounds("MultiResolutionDiscriminator", x, max(self.windows, default=0))
        return tuple(self._judged(self._spectrum(x, window), f"window{window}") for window in self.windows)

    def _spectrum(self, x: Array, window: int) -> Array:
        """Returns [B, frames, window / 2 + 1, 2 C]."""
        x, hop = x.swapaxes(1, 2).astype(jnp.float32), window // 4
        if self.padded:
            pad = (window - hop) // 2
            x = jnp.pad(x, ((0, 0), (0, 0), (pad, pad + -x.shape[2] % hop)), mode="reflect")
        spectrum = jnp.moveaxis(stft(x, window, hop), 1, -1)
        if self.normalized:
            spectrum = spectrum / float((hann(window) ** 2).sum() ** 0.5)
        return jnp.concatenate([spectrum.real, spectrum.imag], axis=-1)

    def _judged(self, spectrum: Array, name: str) -> Heard:
        heard: list[Array] = []
        ends = [int(share * spectrum.shape[2]) for share in self.bands or (0, 1)]
        parts = []
        for band, (low, high) in enumerate(itertools.pairwise(ends)):
            h = spectrum[:, :, low:high]
            shapes: list[tuple[int, int, int]] = [(9, 1, 1), *((9, 2, dilation) for dilation in self.dilations)]
            for layer, (width, stride, dilation) in enumerate([*shapes, (3, 1, 1)]):
                own = f"{name}_{band}_{layer}"
                conv = BlockedConv(self.features, (3, width), (1, stride), (dilation, 1), dtype=self.dtype, name=own)
                h = nn.leaky_relu(conv(h), self.slope)
                heard.append(h)
            parts.append(h)
        last = BlockedConv(1, (3, 3), dtype=self.dtype, name=f"{name}_logits")
        return _verdict(last(jnp.concatenate(parts, axis=2)), heard)


class Listeners(nn.Module):
    """Several of such discriminators, whose judges are one after the other in one tuple."""

    members: Sequence[nn.Module]
    levelled: bool = False  # sounds without their mean, with a peak of 0.8, as DAC's judges hear them

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> tuple[Heard, ...]:
        """Judges x [B, L, C]."""
        if self.levelled:
            x = x - jnp.mean(x, axis=1, keepdims=True)
            x = 0.8 * x / (jnp.max(jnp.abs(x), axis=1, keepdims=True) + 1e-9)
        return tuple(heard for member in self.members for heard in call(member, x, train=train))


def _verdict(last: Array, heard: list[Array]) -> Heard:
    return Heard(last.reshape(last.shape[0], -1).astype(jnp.float32), tuple(heard))


def _check_sounds(network: str, x: Array, least: int) -> None:
    if x.ndim != 3 or x.shape[1] < max(least, 2):
        raise ValueError(f"{network} takes sounds [B, L, C] of {max(least, 2)} samples or more; got shape {x.shape}")
