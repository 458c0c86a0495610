"""Speech at 12 kbit/s by a neural codec, with and without its adversary, at equal bits and steps.

EnCodec in small: voices by formula (`data.voices`) whose hisses above 2 kHz no code of this size can follow, so that
what is nearest on average is silence there. Encoder and decoder of DAC's kind, four books of 64 codes for every 16
samples; the same weights of waves and spectra either way, and with the adversary judges of periods and of complex
spectra, relative matching of features and EnCodec's balancer. Of voices that were not trained on: the distance of log
mels, the energy above 2 kHz relative to the truth's, the error of the waves, bits a second, and the
perplexity of the books (64 at most).

Command: python -m experiments speech_codec --seeds 3
Takes: see experiments/README.md, where the expected result is.
"""

from __future__ import annotations

import math
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
from jaxgan.data.voices import HISS
from jaxgan.networks import codecs, listeners
from jaxgan.networks.quantizers import EMAVQ
from jaxgan.networks.residual_codes import ResidualQuantizer
from jaxgan.runs.members import Training, last_metrics, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game

RATE = 8000  # samples a second
STRIDES = (2, 2, 4)  # a frame has 16 samples
SIZE = 64  # codes of a book
WINDOWS, BANDS = (32, 64, 128, 256, 512), (5, 10, 20, 40, 64)  # of the distance of log mels
REAL = 50_000  # position from which voices are drawn that nobody trains on
SHOWN, PLAYED = 6, 12


@dataclass(frozen=True)
class Config:
    """Speech by a neural codec."""

    seed: int = 0  # the first; of parameters and data order
    seeds: int = 1  # runs of each method
    steps: int = 600  # train steps
    batch_size: int = 8  # voices a step
    training: int = 800  # voices that are trained on
    judged: int = 128  # others, that are judged
    length: int = 1024  # samples of a voice that is trained on, a part of 2048
    books: int = 4  # of 64 codes
    width: int = 16  # of a frame
    features: int = 8  # of the encoder's first map
    judges: int = 8  # features of the judges of spectra
    wave: float = 0.1  # weight of the waves
    spectrum: float = 1.0  # weight of the distance of log mels
    adversarial: float = 3.0  # weight of the adversarial loss
    matching: float = 3.0  # weight of the features
    norm: float = 1.0  # of the gradient that the balancer makes
    learning_rate: float = 2e-3  # Adam's, of the codec; decays to zero along a half cosine
    judges_rate: float = 1e-3  # likewise of the judges
    b1: float = 0.5  # Adam's momentum
    ema: float = 0.99  # decay of the averaged codec, per step


SMOKE = {
    "steps": 2,
    "training": 8,
    "judged": 6,
    "batch_size": 4,
    "length": 512,
    "books": 2,
    "width": 2,
    "features": 2,
    "judges": 2,
}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(
        config,
        seeds=1,
        steps=1,
        training=5,
        judged=SHOWN,
        batch_size=2,
        length=512,
        books=1,
        width=1,
        features=1,
        judges=1,
    )
    if config.length % math.prod(STRIDES) or config.length > 2048:
        raise ValueError(f"--length must be a multiple of {math.prod(STRIDES)} up to 2048; got {config.length}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table; writes voices as WAV files and draws their spectrograms."""
    truth = _voices(REAL, config.judged, 2048)
    source = jg.data.arrays(_voices(0, config.training, config.length), name="voices")
    games = {"no adversary": _game(config, judged=False), "with adversary": _game(config, judged=True)}
    rows: list[dict[str, Cell]] = []
    shown = {"truth": truth}
    for name, game in games.items():
        figures = []
        for seed in range(config.seed, config.seed + config.seeds):
            member = folder / f"{name.replace(' ', '-')}-seed{seed}"
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(member, training).state
            made = np.asarray(jg.sample(game, state, jax.random.key(seed), x=truth))
            figures.append(judged(made, truth) | {"perplexity": last_metrics(member)["codec/perplexity"]})
            shown.setdefault(name, made)
            print(f"{name}, seed {seed}: { ({k: round(v, 3) for k, v in figures[-1].items()}) }", flush=True)
        bits = jg.systems.bits_per_second(RATE, math.prod(STRIDES), config.books, SIZE)
        row: dict[str, Cell] = {"codec": name, "kbit/s": bits / 1000}
        rows.append(row | {column: [each[column] for each in figures] for column in figures[0]})
    for name, sounds in shown.items():
        write_wav(folder / f"{name.replace(' ', '-')}.wav", sounds[:PLAYED], RATE)
    draw_spectrograms(folder / "samples.png", {name: sounds[:SHOWN] for name, sounds in shown.items()}, RATE, RATE / 2)
    note = (
        f"{config.judged} voices of 2048 samples at {RATE} a second after {config.steps} steps of {config.batch_size} "
        f"of {config.length} samples; log mel distance a sum over {len(WINDOWS)} windows; energy relative to the "
        "truth's; "
        f"{config.seeds} seeds from {config.seed}"
    )
    yield Table("Speech by a neural codec", note, rows)


def judged(made: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Returns how far sounds [n, L, 1] are from the truth, and how much of its energy above 2 kHz they have."""
    energy = [
        metrics.band_energies(x, RATE, np.array([0, HISS, RATE / 2 + 1]))[1] * np.sum(np.square(x))
        for x in (made, truth)
    ]
    return {
        "log mel distance": float(_distance(jnp.asarray(truth), jnp.asarray(made))),
        "energy above 2 kHz": float(energy[0] / energy[1]),
        "wave L1": float(np.mean(np.abs(made - truth))),
    }


def _distance(x: jax.Array, y: jax.Array) -> jax.Array:
    return jg.losses.mel_distance(x, y, RATE, WINDOWS, BANDS)


def _game(config: Config, judged: bool) -> Game:
    weights = {"wave": config.wave, "spectrum": config.spectrum}
    weights |= {"adversarial": config.adversarial, "features": config.matching} if judged else {}
    wide = config.features * 2 ** len(STRIDES)
    networks: dict[str, Any] = {
        "encoder": codecs.Encoder(config.width, config.features, STRIDES, (3,)),
        "bottleneck": ResidualQuantizer(EMAVQ(SIZE), config.books),
        "decoder": codecs.Decoder(1, wide, STRIDES[::-1], (3,)),
        "balancer": jg.losses.Balancer(config.norm),
    }
    rates = {"codec": config.learning_rate}
    if judged:
        periods = listeners.MultiPeriodDiscriminator((2, 5), (8, 16, 16))
        spectra = listeners.MultiResolutionDiscriminator((256, 128), config.judges, bands=())
        networks["discriminator"] = listeners.Listeners((periods, spectra))
        rates["discriminator"] = config.judges_rate
    adam = {n: optax.adam(optax.cosine_decay_schedule(r, config.steps), b1=config.b1, b2=0.9) for n, r in rates.items()}
    system = jg.systems.codec(optimizer=adam, distance=_distance, weights=weights, relative=True, balancer="balancer")
    return jg.game(networks, system, ema=dict.fromkeys(("encoder", "bottleneck", "decoder"), config.ema))


def _voices(first: int, n: int, length: int) -> np.ndarray:
    """Returns n voices, those from a position on; shorter ones are parts of them, from places by turns."""
    read = jg.data.voices(2048, RATE).read
    x: np.ndarray = read(jg.data.Draw(0, first + np.arange(n, dtype=np.int64), None))["x"]
    starts = np.linspace(0, 2048 - length, 5).astype(int)
    return np.concatenate([x[k::5, start : start + length] for k, start in enumerate(starts)]) if length < 2048 else x
