"""Vibration of machines with damaged bearings, by a conditional WaveGAN: are the faults of the samples those asked for?

Signals by formula (`data.vibration`): a whole bearing, or a fault of its outer race, its inner race or a ball, whose
impacts come at a rate that is known. A classifier of spectra (logistic regression on logarithms of the power and of the
envelope's spectrum) is trained on samples and tested on real signals, and the reverse; of samples that were asked for
with a fault, the share whose envelope's spectrum has its peak within a bin of the fault's rate, the bins that the peak
of their mean is off, and their kurtosis. The baseline is noise with the mean spectrum of its class.

Command: python -m experiments vibration --seeds 3
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

import jaxgan as jg
from experiments.signals.game import wave_game
from experiments.signals.listening import draw_waves, write_wav
from jaxgan import metrics
from jaxgan.data.vibration import NAMES, bearing_rates
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least

RATE, SHAFT = 4096, 30.0  # samples and turns a second
BAND, SEARCH = (500.0, 1600.0), (50.0, 250.0)  # Hz: of what rings, and where the envelope's peak is looked for
TRAINING, JUDGED = 2048, 800  # signals that are trained on, and that are judged
REAL = 50_000  # position from which real signals are drawn that nobody trains on

Labelled = tuple[np.ndarray, np.ndarray]  # signals [n, length, 1] and their kinds [n]


@dataclass(frozen=True)
class Config:
    """Vibration of damaged bearings."""

    seed: int = 0  # the first; of parameters, latents and data order
    seeds: int = 1  # runs
    steps: int = 2000  # generator updates
    n_critic: int = 3  # discriminator updates for each
    batch_size: int = 16  # signals an update
    length: int = 1024  # samples of a signal: a multiple of 4
    latent: int = 32  # width of z
    features: int = 8  # of the longest map of either network
    shuffle: int = 2  # places, at most, of the phase shuffle; 0: none
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
    at_least(config, seeds=1, steps=1, n_critic=1, batch_size=2, length=256, latent=1, features=1, shuffle=0)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table; draws real and generated signals of each kind, and writes them as WAV files."""
    seeds = range(config.seed, config.seed + config.seeds)
    train, test = _signals(config, 0, TRAINING), _signals(config, REAL, JUDGED)
    y = np.arange(JUDGED, dtype=np.int32) % len(NAMES)
    made: dict[str, list[Labelled]] = {
        "real": [_signals(config, 2 * REAL + seed * JUDGED, JUDGED) for seed in seeds],
        "noise of their spectrum": [(_noise_like(train, y, seed), y) for seed in seeds],
        "WaveGAN": [],
    }
    game, source = wave_game(config, config.shuffle, len(NAMES)), jg.data.arrays(*train, name="vibration", names=NAMES)
    for seed in seeds:
        training = Training(game, source, seed, config.steps, config.batch_size * config.n_critic)
        state = train_member(folder / f"WaveGAN-seed{seed}", training).state
        x = np.asarray(jg.sample(game, state, jax.random.key(seed), n=JUDGED, y=jnp.asarray(y)))
        made["WaveGAN"].append((x, y))
    rows: list[dict[str, Cell]] = []
    for name, several in made.items():
        figures = [_judged(each, train, test) for each in several]
        rows.append({"signals": name, **{column: [each[column] for each in figures] for column in figures[0]}})
        print(name, [{column: round(value, 3) for column, value in each.items()} for each in figures], flush=True)
    firsts = {name: _one_of_each(*several[0]) for name, several in made.items()}
    write_wav(folder / "real.wav", firsts["real"], RATE)
    write_wav(folder / "samples.wav", firsts["WaveGAN"], RATE)
    draw_waves(folder / "samples.png", firsts, NAMES)
    faults = ", ".join(f"{rate:.1f}" for rate in bearing_rates(SHAFT)[:3])
    note = (
        f"{JUDGED} signals of {config.length} samples at {RATE} a second after {config.steps} steps of "
        f"{config.n_critic} x {config.batch_size} of {TRAINING} training signals; accuracies of a classifier "
        "trained on the row's signals and tested on real ones, and of one trained on real ones and tested on the "
        f"row's; faults at {faults} Hz, bins of {RATE / config.length:.0f} Hz; {config.seeds} seeds from {config.seed}"
    )
    yield Table("Vibration of damaged bearings", note, rows)


def _judged(made: Labelled, train: Labelled, test: Labelled) -> dict[str, float]:
    x, y = made
    accuracies = metrics.gan_train_test(_classifier, train, test, made)
    step = RATE / x.shape[1]
    near, off, kurtosis = [], [], metrics.kurtosis(x)
    for kind, fault in enumerate(bearing_rates(SHAFT)[:3], 1):
        own = x[y == kind]
        near.append(np.mean(np.abs(metrics.envelope_peak(own, RATE, BAND, SEARCH) - fault) <= step))
        mean = metrics.envelope_spectrum(own, RATE, *BAND).mean(axis=0)
        frequency = np.fft.rfftfreq(x.shape[1], 1 / RATE)
        searched = (frequency >= SEARCH[0]) & (frequency <= SEARCH[1])
        off.append(abs(frequency[searched][np.argmax(mean[searched])] - fault) / step)
    return {
        "trained on them, tested on real": accuracies.gan_train,
        "trained on real, tested on them": accuracies.gan_test,
        "peak within a bin": float(np.mean(near)),
        "mean's peak off, bins": float(np.max(off)),
        "kurtosis, whole": float(np.median(kurtosis[y == 0])),
        "kurtosis, faults": float(np.median(kurtosis[y > 0])),
    }


def _classifier(x: np.ndarray, y: np.ndarray) -> Any:
    """Trains a logistic regression on spectra; returns signals -> kinds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    model.fit(_spectra(x), y)
    return lambda signals: model.predict(_spectra(signals))


def _spectra(x: np.ndarray) -> np.ndarray:
    """Returns logarithms of the power in 64 bands, and of the first 64 bins of the envelope's spectrum."""
    power = np.abs(np.fft.rfft(x[..., 0], axis=1)[:, :-1]) ** 2
    bands = power.reshape(len(x), 64, -1).mean(axis=2)
    return np.log(np.concatenate([bands, metrics.envelope_spectrum(x, RATE, *BAND)[:, 1:65]], axis=1) + 1e-6)


def _noise_like(train: Labelled, y: np.ndarray, seed: int) -> np.ndarray:
    """Draws signals with the mean amplitude spectrum of their kind and random phases."""
    x, kinds = train
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, (len(y), x.shape[1] // 2 + 1))
    power = np.abs(np.fft.rfft(x[..., 0], axis=1)) ** 2
    amplitude = np.sqrt(np.stack([power[kinds == kind].mean(axis=0) for kind in range(len(NAMES))]))
    spectrum = amplitude[y] * np.exp(1j * phase)
    return np.clip(np.fft.irfft(spectrum, x.shape[1], axis=1), -1, 1)[..., None].astype(np.float32)


def _signals(config: Config, first: int, n: int) -> Labelled:
    """Returns n real signals and their kinds, those from a position on."""
    source = jg.data.vibration(config.length, RATE, SHAFT)
    batch = source.read(jg.data.Draw(0, first + np.arange(n, dtype=np.int64), None))
    return batch["x"], batch["y"]


def _one_of_each(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([x[np.argmax(y == kind)] for kind in range(len(NAMES))])
