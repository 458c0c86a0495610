"""What an experiment on signals leaves: a WAV file to listen to, and pictures of waves and spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxgan.metrics import spectrogram
from jaxgan.runs.tables import save

GAP = 0.05  # seconds of silence between two sounds of a file


def write_wav(path: Path, sounds: np.ndarray, rate: int) -> Path:
    """Writes sounds [n, L, 1] in [-1, 1] to one WAV file of 16 bits, one after the other.

    Raises:
      ImportError: soundfile is not installed.
    """
    try:
        import soundfile
    except ImportError as error:
        raise ImportError("WAV files are written by soundfile: pip install 'jaxgan[sound]'") from error
    pauses = np.zeros((len(sounds), round(GAP * rate)), np.float32)
    soundfile.write(path, np.concatenate([sounds[..., 0], pauses], axis=1).ravel(), rate, subtype="PCM_16")
    return path


def draw_spectrograms(path: Path, rows: Mapping[str, np.ndarray], rate: int, highest: float) -> Path:
    """Draws a row of spectrograms for each entry, sounds [n, L, 1], up to a frequency in Hz: the darker the louder."""
    from matplotlib.figure import Figure

    columns = max(len(sounds) for sounds in rows.values())
    figure = Figure(figsize=(1.15 * columns + 0.9, 1.1 * len(rows)))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, sounds) in zip(axes, rows.items(), strict=True):
        window = min(256, 2 * (sounds.shape[1] // 8))
        levels = 20 * np.log10(spectrogram(sounds, window, max(1, window // 8)) / (window / 4) + 1e-4)
        seen = int(highest * window / rate) + 1
        for axis in line:
            axis.set_xticks([])
            axis.set_yticks([])
        for axis, level in zip(line, levels, strict=False):
            axis.imshow(level.T[:seen], origin="lower", aspect="auto", cmap="Greys", vmin=-60, vmax=0)
        line[0].set_ylabel(name, fontsize=7)
    figure.tight_layout(pad=0.3)
    save(figure, path)
    return path


def draw_waves(path: Path, rows: Mapping[str, np.ndarray], titles: Sequence[str]) -> Path:
    """Draws a row of waves for each entry, [n, L, 1] in [-1, 1], below n titles."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.6 * len(titles) + 0.4, 1.0 * len(rows) + 0.3))
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for line, (name, waves) in zip(axes, rows.items(), strict=True):
        for axis, wave in zip(line, waves, strict=True):
            axis.plot(wave[:, 0], linewidth=0.4, color="black")
            axis.set_ylim(-1, 1)
            axis.set_xticks([])
            axis.set_yticks([])
        line[0].set_ylabel(name, fontsize=7)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=8)
    figure.tight_layout(pad=0.3)
    save(figure, path)
    return path
