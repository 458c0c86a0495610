"""Photographs at four times their sides: SRGAN, its generator with the squared error alone, and bicubic interpolation.

Ledig et al. 2017 in small: grey crops of nine photographs of scikit-image, halved; means of 4x4 pixels are what is
enlarged. SRResNet is trained on the squared error first; from there it goes on as long by the error alone, or as SRGAN,
with a discriminator and the features of a frozen network that learned to tell which photograph a crop is from. On tiles
of 64x64 pixels from parts of the photographs that were not trained on: PSNR; energy above half the Nyquist frequency,
relative to the truth's; how far the law of patches is from the truth's; and the PSNR of the result, made small again,
to what it was made from.

Command: python -m experiments superresolution --seeds 3
Takes: about eleven minutes on 2 CPU cores. Expected result: experiments/README.md.
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
from experiments.restoration.photographs import Eye, eye_variables, tiles
from jaxgan import metrics
from jaxgan.networks import patch, superres
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game

FACTOR, TILE, CROP = 4, 64, 32
SHOWN = 5  # tiles in the picture, of each method


@dataclass(frozen=True)
class Config:
    """Super-resolution of photographs."""

    seed: int = 0  # the first; of parameters, crops and data order
    seeds: int = 1  # runs of each method
    steps: int = 700  # train steps of the first phase, and of either second one
    batch_size: int = 16  # crops a step
    features: int = 24  # channels of the generator
    blocks: int = 4  # of the generator
    weight: float = 3e-2  # of the adversarial loss
    content: float = 1e-2  # of the distance in features
    learning_rate: float = 5e-4  # Adam's, of the generator
    discriminator_rate: float = 5e-4  # Adam's, of the discriminator
    b1: float = 0.9  # Adam's momentum
    ema: float = 0.995  # decay of the averaged generator, per step
    eye_steps: int = 300  # training steps of the network that gives features


SMOKE = {"steps": 2, "batch_size": 4, "features": 2, "blocks": 1, "eye_steps": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, features=1, blocks=0, eye_steps=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws tiles as each method enlarges them, and the truth."""
    truth, _ = tiles("test", TILE, TILE // 2)
    low = truth.reshape(len(truth), TILE // FACTOR, FACTOR, TILE // FACTOR, FACTOR, 1).mean(axis=(2, 4))
    bicubic = np.asarray(jax.image.resize(jnp.asarray(low), truth.shape, "cubic"))
    games = _games(config)
    made: dict[str, list[np.ndarray]] = {"bicubic": [bicubic], "squared error alone": [], "SRGAN": []}
    source = jg.data.degraded(
        jg.data.arrays(tiles("train", TILE, 16)[0], name="photographs"),
        x=jg.data.crop(CROP),
        low=jg.data.downsample(FACTOR),
    )
    for seed in range(config.seed, config.seed + config.seeds):
        training = Training(games["first"], source, seed, config.steps, config.batch_size)
        first = train_member(folder / f"first-seed{seed}", training).state
        batch = jax.tree.map(jnp.asarray, jg.data.batch_at(source, config.batch_size, seed)(0))
        for name in ("squared error alone", "SRGAN"):
            begun = jg.carried.carry(first, games[name], jax.random.key(seed), batch).state
            member = folder / f"{name.replace(' ', '-')}-seed{seed}"
            training = Training(games[name], source, seed, config.steps, config.batch_size, first=begun)
            state = train_member(member, training).state
            made[name].append(np.asarray(jg.sample(games[name], state, jax.random.key(seed), low=low)))
    rows: list[dict[str, Cell]] = []
    for name, several in made.items():
        figures = [_judged(np.clip(x, -1, 1), truth, low) for x in several]
        rows.append({"enlarged by": name, **{column: [each[column] for each in figures] for column in figures[0]}})
    shown = np.linspace(0, len(truth) - 1, SHOWN).astype(int)
    pairs = [np.clip(several[0][shown], -1, 1) for several in [*made.values(), [truth]]]
    draw_images(folder / "samples.png", np.concatenate(pairs))
    note = (
        f"{len(truth)} tiles of {TILE}x{TILE} pixels from {TILE // FACTOR}x{TILE // FACTOR}, after {config.steps} "
        f"steps of {config.batch_size} crops by the squared error and as many of each method; PSNR in dB; energy above "
        f"half the Nyquist frequency relative to the truth's; {config.seeds} seeds from {config.seed}"
    )
    yield Table("Photographs at four times their sides", note, rows)


def high_band(x: np.ndarray) -> float:
    """Returns the mean energy of pictures [n, H, W, 1] above half the Nyquist frequency, by a Hann window."""
    window = np.hanning(x.shape[1])[:, None] * np.hanning(x.shape[2])
    power = np.square(np.abs(np.fft.fft2(x[..., 0] * window)))
    frequency = np.hypot(np.fft.fftfreq(x.shape[1])[:, None], np.fft.fftfreq(x.shape[2]))  # cycles a pixel
    return float(np.mean(power[:, frequency > 0.25]))


def _judged(x: np.ndarray, truth: np.ndarray, low: np.ndarray) -> dict[str, float]:
    return {
        "PSNR": metrics.psnr(x, truth),
        "high band": high_band(x) / high_band(truth),
        "patch distance": metrics.patch_distance(x, truth),
        "PSNR made small": metrics.psnr(_small(x), low),
    }


def _small(x: np.ndarray) -> np.ndarray:
    n, height, width, channels = x.shape
    return x.reshape(n, height // FACTOR, FACTOR, width // FACTOR, FACTOR, channels).mean(axis=(2, 4))


def _games(config: Config) -> dict[str, Game]:
    generator = superres.SRResNet(config.features, config.blocks, FACTOR, normalization="none", outer=5, residual=True)
    # the patches of 16x16 pixels that its logits see are of a crop's size or smaller
    discriminator = patch.Discriminator(features=32, layers=1, normalization="batch")
    loss, ema = jg.losses.non_saturating, {"generator": config.ema}
    optimizers = {
        "generator": optax.adam(config.learning_rate, b1=config.b1),
        "discriminator": optax.adam(config.discriminator_rate, b1=config.b1),
    }
    first = jg.systems.srgan(loss=loss, optimizer=optimizers["generator"], weight=0.0, content=0.0)
    alone = jg.game({"generator": generator}, first, ema=ema)
    eye = jg.networks.pretrained(Eye(), eye_variables(config.eye_steps))
    layers = {"early": config.content, "late": config.content}
    system = jg.systems.srgan(loss=loss, optimizer=optimizers, weight=config.weight, content=layers)
    networks: dict[str, Any] = {"generator": generator, "discriminator": discriminator, "features": eye}
    return {"first": alone, "squared error alone": alone, "SRGAN": jg.game(networks, system, ema=ema)}
