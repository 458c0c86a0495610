"""Notes from their mel spectrograms, by a vocoder with and without its adversary, at equal steps.

HiFi-GAN in small: notes of one octave by formula (`data.tones`), whose pitch can be measured, from 32 mels a frame of
64 samples. The same distance of log mels either way, and with the adversary judges of periods and of complex spectra.
Of notes that were not trained on: the multi-resolution STFT distance, the distance of log mels, the error of the pitch
in cents (the median, and the share within 20), and the median harmonics-to-noise ratio beside the truth's. The baseline
without learning is Griffin and Lim's: phases that fit the truth's whole spectrogram, which says more than its mels.

Command: python -m experiments tones_vocoder --seeds 3
Takes: see experiments/README.md, where the expected result is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from experiments.signals.listening import draw_spectrograms, write_wav
from jaxgan import metrics
from jaxgan.networks import codecs, listeners
from jaxgan.networks.layers import mel_levels, stft
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game

RATE = 8000  # samples a second
LOW, HIGH = 180.0, 500.0  # Hz, between which pitch is looked for
WINDOW, RATES, MELS = 256, (4, 4, 4), 32  # samples of a spectrum; factors of its hop; bands
WINDOWS, BANDS = (64, 256), (10, 40)  # of the distance of log mels
REAL = 50_000  # position from which notes are drawn that nobody trains on
SHOWN, PLAYED, ROUNDS = 6, 12, 32


@dataclass(frozen=True)
class Config:
    """Notes by a vocoder."""

    seed: int = 0  # the first; of parameters and data order
    seeds: int = 1  # runs of each method
    steps: int = 3000  # train steps
    training: int = 512  # notes that are trained on
    judged: int = 128  # others, that are judged
    batch_size: int = 8  # notes a step
    length: int = 1024  # samples of a note, a multiple of 64
    features: int = 32  # of the generator's first map, a multiple of 8
    judges: int = 8  # features of the judges of spectra
    spectrum: float = 15.0  # weight of the distance of log mels
    adversarial: float = 2.0  # weight of the adversarial loss
    matching: float = 2.0  # weight of the features
    learning_rate: float = 2e-3  # Adam's, of both players; decays to zero along a half cosine
    b1: float = 0.5  # Adam's momentum
    ema: float = 0.99  # decay of the averaged generator, per step


SMOKE = {"steps": 2, "training": 8, "judged": 6, "batch_size": 4, "length": 512, "features": 8, "judges": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, training=4, judged=SHOWN, batch_size=2, length=512, features=8, judges=1)
    if config.length % 64 or config.features % 8:
        raise ValueError(
            f"--length must be a multiple of 64 and --features of 8; got {config.length} and {config.features}"
        )


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table; writes notes as WAV files and draws their spectrograms."""
    truth = _notes(REAL, config.judged, config.length)
    train = _notes(0, config.training, config.length)
    source = jg.data.arrays({"x": train, "mel": _levels(train)}, name="notes with their mels")
    made: dict[str, list[np.ndarray]] = {"truth": [truth], "Griffin and Lim": [_griffin_lim(truth)]}
    for name, judges in {"no adversary": False, "with adversary": True}.items():
        game, made[name] = _game(config, judges), []
        for seed in range(config.seed, config.seed + config.seeds):
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(folder / f"{name.replace(' ', '-')}-seed{seed}", training).state
            made[name].append(np.asarray(jg.sample(game, state, jax.random.key(seed), mel=_levels(truth))))
            figures = {column: round(value, 3) for column, value in judged(made[name][-1], truth).items()}
            print(f"{name}, seed {seed}: {figures}", flush=True)
    rows: list[dict[str, Cell]] = []
    for name, several in made.items():
        each = [judged(sounds, truth) for sounds in several]
        rows.append({"notes": name, **{column: [figures[column] for figures in each] for column in each[0]}})
        write_wav(folder / f"{name.replace(' ', '-')}.wav", several[0][:PLAYED], RATE)
    draw_spectrograms(folder / "samples.png", {name: several[0][:SHOWN] for name, several in made.items()}, RATE, 2000)
    note = (
        f"{config.judged} notes of {config.length} samples at {RATE} a second from {MELS} mels every 64 samples, after "
        f"{config.steps} steps of {config.batch_size}; pitches by `metrics.pitch`; {config.seeds} seeds from "
        f"{config.seed}"
    )
    yield Table("Notes from their mel spectrograms", note, rows)


def judged(made: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Returns how far sounds [n, L, 1] are from the truth, in spectra and in pitch."""
    x, y = jnp.asarray(truth), jnp.asarray(made)
    (real, _), (heard, ratio) = (metrics.pitch(sounds, RATE, LOW, HIGH) for sounds in (truth, made))
    cents = np.abs(1200 * np.log2(heard / real))
    return {
        "STFT distance": float(jg.losses.spectral_distance(x, y, (64, 128, 256))),
        "log mel distance": float(_distance(x, y)),
        "pitch off, cents": float(np.nanmedian(cents)),
        "within 20 cents": float(np.mean(cents <= 20)),
        "harmonics to noise, dB": float(np.median(ratio)),
    }


def _distance(x: jax.Array, y: jax.Array) -> jax.Array:
    return jg.losses.mel_distance(x, y, RATE, WINDOWS, BANDS)


def _levels(x: np.ndarray) -> np.ndarray:
    return np.asarray(mel_levels(jnp.asarray(x[..., 0]), RATE, WINDOW, 64, MELS))


def _game(config: Config, judges: bool) -> Game:
    weights = {"spectrum": config.spectrum}
    weights |= {"adversarial": config.adversarial, "features": config.matching} if judges else {}
    networks: dict[str, Any] = {"generator": codecs.HiFiGenerator(1, config.features, RATES, (3, 7), (1, 3))}
    players = ["generator"]
    if judges:
        periods = listeners.MultiPeriodDiscriminator((2, 5), (8, 16, 16))
        spectra = listeners.MultiResolutionDiscriminator((256, 128), config.judges, bands=())
        networks["discriminator"] = listeners.Listeners((periods, spectra))
        players.append("discriminator")
    schedule = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    adam = dict.fromkeys(players, optax.adam(schedule, b1=config.b1, b2=0.9))
    system = jg.systems.vocoder(optimizer=adam, distance=_distance, weights=weights)
    return jg.game(networks, system, ema={"generator": config.ema})


def _griffin_lim(truth: np.ndarray) -> np.ndarray:
    """Finds signals whose spectrograms are the truth's, by turns of the transform and of its inverse."""
    hop = WINDOW // 4
    x = jnp.pad(jnp.asarray(truth[..., 0]), ((0, 0), (WINDOW, WINDOW)))
    magnitudes = np.abs(np.asarray(stft(x, WINDOW, hop)))
    rng = np.random.default_rng(0)
    phases = np.exp(2j * np.pi * rng.uniform(size=magnitudes.shape))
    made = np.zeros(x.shape)
    for _ in range(ROUNDS):
        made = _inverse(magnitudes * phases, hop, x.shape[1])
        spectrum = np.asarray(stft(jnp.asarray(made, jnp.float32), WINDOW, hop))
        phases = spectrum / np.maximum(np.abs(spectrum), 1e-8)
    return np.clip(made[:, WINDOW:-WINDOW, None], -1, 1).astype(np.float32)


def _inverse(spectra: np.ndarray, hop: int, length: int) -> np.ndarray:
    """Returns the signals [n, length] whose spectra are nearest to these, by least squares of overlapping frames."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    frames = np.fft.irfft(spectra, WINDOW) * window
    total, weight = np.zeros((len(frames), length)), np.full(length, 1e-8)
    for k in range(frames.shape[1]):
        total[:, k * hop : k * hop + WINDOW] += frames[:, k]
        weight[k * hop : k * hop + WINDOW] += window**2
    return total / weight


def _notes(first: int, n: int, length: int) -> np.ndarray:
    """Returns n notes [n, length, 1], those from a position on."""
    x: np.ndarray = jg.data.tones(length, RATE).read(jg.data.Draw(0, first + np.arange(n, dtype=np.int64), None))["x"]
    return x
