"""Notes by WaveGAN, with and without phase shuffle, beside what generates nothing: playback, and noise.

Donahue et al. 2019 in small: notes of one octave by formula (`data.tones`), whose pitch can be measured. Of samples:
total variation of their pitches from real ones (as many real notes have some too; a ratio below 0 dB is no pitch, a
class of its own), the share with a pitch within 20 cents of a note, the median harmonics-to-noise ratio, the total
variation of the energies of octave bands, and how far the nearest training note is in the spectrogram, relative to a
real note that was not trained on: playback is 0. The baselines are training notes as they are, and a Gaussian process
with the mean spectrum of the notes.

Command: python -m experiments tones --seeds 3
Takes: see experiments/README.md, where the expected result is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

import jaxgan as jg
from experiments.signals.game import wave_game
from experiments.signals.listening import draw_spectrograms, write_wav
from jaxgan import metrics
from jaxgan.data.tones import NOTES
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least

RATE = 8000  # samples a second
LOW, HIGH = 180.0, 500.0  # Hz, between which pitch is looked for
BANDS = np.array([0, 180, 360, 720, 1440, 4000])  # Hz
SHOWN, PLAYED = 8, 16  # notes in the picture and in the WAV files
TRAINING, JUDGED = 1024, 1000  # notes that are trained on, and that are judged
REAL = 50_000  # position from which real notes are drawn that nobody trains on


@dataclass(frozen=True)
class Config:
    """Notes by WaveGAN."""

    seed: int = 0  # the first; of parameters, latents and data order
    seeds: int = 1  # runs of each method
    steps: int = 2500  # generator updates
    n_critic: int = 5  # discriminator updates for each
    batch_size: int = 16  # notes an update
    length: int = 1024  # samples of a note: a multiple of 4
    latent: int = 32  # width of z
    features: int = 8  # of the longest map of either network
    shuffle: int = 2  # places, at most, of the phase shuffle
    learning_rate: float = 1e-3  # Adam's, of both players; decays to zero along a half cosine
    b1: float = 0.5  # Adam's momentum
    b2: float = 0.9  # Adam's decay of squared gradients
    ema: float = 0.99  # decay of the averaged generator, per step


SMOKE = {"steps": 2, "n_critic": 1, "batch_size": 4, "length": 256, "features": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, n_critic=1, batch_size=2, length=256, latent=1, features=1, shuffle=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table; writes real and generated notes as WAV files and draws their spectrograms."""
    seeds = range(config.seed, config.seed + config.seeds)
    train, real = _notes(config, 0, TRAINING), _notes(config, REAL, JUDGED)
    judged = {
        "real": [_notes(config, 2 * REAL + seed * JUDGED, JUDGED) for seed in seeds],
        "playback": [train[np.random.default_rng(seed).integers(0, TRAINING, JUDGED)] for seed in seeds],
        "noise of their spectrum": [_noise_like(train, JUDGED, seed) for seed in seeds],
    }
    for name, shuffle in {"no shuffle": 0, "WaveGAN": config.shuffle}.items():
        game, source = wave_game(config, shuffle), jg.data.arrays(train, name="notes")
        judged[name] = []
        for seed in seeds:
            training = Training(game, source, seed, config.steps, config.batch_size * config.n_critic)
            state = train_member(folder / f"{name.replace(' ', '-')}-seed{seed}", training).state
            judged[name].append(np.asarray(jg.sample(game, state, jax.random.key(seed), n=JUDGED)))
            print(f"{name}, seed {seed}: {_rounded(_judged(judged[name][-1], real, train))}", flush=True)
    rows: list[dict[str, Cell]] = []
    for name, several in judged.items():
        figures = [_judged(x, real, train) for x in several]
        rows.append({"notes": name, **{column: [each[column] for each in figures] for column in figures[0]}})
    write_wav(folder / "real.wav", real[:PLAYED], RATE)
    write_wav(folder / "samples.wav", judged["WaveGAN"][0][:PLAYED], RATE)
    shown = {name: several[0][:SHOWN] for name, several in judged.items() if name != "playback"}
    draw_spectrograms(folder / "samples.png", shown, RATE, 2000)
    note = (
        f"{JUDGED} notes of {config.length} samples at {RATE} a second after {config.steps} steps of {config.n_critic} "
        f"x {config.batch_size} of {TRAINING} training notes; pitches between {LOW:.0f} and {HIGH:.0f} Hz by "
        f"`metrics.pitch`; {config.seeds} seeds from {config.seed}"
    )
    yield Table("Notes of an octave", note, rows)


def _judged(x: np.ndarray, real: np.ndarray, train: np.ndarray) -> dict[str, float]:
    (note, tuned, ratio), (truth, _, _) = _read(x), _read(real)
    energies = [metrics.band_energies(sounds, RATE, BANDS) for sounds in (x, real)]
    return {
        "pitches": metrics.histogram_distance(*(np.bincount(k, minlength=len(NOTES) + 1) for k in (note, truth))),
        "in tune": float(np.mean(tuned)),
        "harmonics to noise, dB": float(np.median(ratio)),
        "bands": metrics.histogram_distance(*energies),
        "nearest training note": _novelty(x, train) / _novelty(real, train),
    }


def _read(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns of each sound the nearest note, or one more where it has no pitch; if it is in tune; and its ratio."""
    frequency, ratio = metrics.pitch(x, RATE, LOW, HIGH)
    nearest, cents = metrics.cents_off(frequency, np.asarray(NOTES))
    voiced = ratio > 0
    return np.where(voiced, nearest, len(NOTES)), voiced & (np.abs(cents) <= 20), ratio


def _novelty(x: np.ndarray, train: np.ndarray) -> float:
    """Returns the median distance of notes from the nearest training one, in spectrograms: phases do not matter."""
    a, b = (np.log(metrics.spectrogram(sounds, 128, 64) + 1).reshape(len(sounds), -1) for sounds in (x, train))
    squares = np.sum(a**2, axis=1)[:, None] - 2 * a @ b.T + np.sum(b**2, axis=1)
    return float(np.median(np.sqrt(np.maximum(squares.min(axis=1), 0))))


def _noise_like(train: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Draws a stationary Gaussian process with the mean power spectrum of the training notes."""
    rng, length = np.random.default_rng(seed), train.shape[1]
    power = np.mean(np.abs(np.fft.rfft(train[..., 0], axis=1)) ** 2, axis=0)
    white = np.fft.rfft(rng.normal(size=(n, length)), axis=1) / np.sqrt(length)
    return np.clip(np.fft.irfft(white * np.sqrt(power), length, axis=1), -1, 1)[..., None].astype(np.float32)


def _notes(config: Config, first: int, n: int) -> np.ndarray:
    """Returns n real notes [n, length, 1], those from a position on."""
    source = jg.data.tones(config.length, RATE)
    x: np.ndarray = source.read(jg.data.Draw(0, first + np.arange(n, dtype=np.int64), None))["x"]
    return x


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}
