"""Digits from coarse to fine: a LAPGAN of three levels, and each level against upsampling alone.

An MLP game makes digits of 8x8; two further games make the details of 16x16 and 32x32, given the blurred image (Denton
et al. 2015). Every level is judged from real images of the level before: enlarged alone, or with generated details;
both are brought to 32x32 by upsampling where there is a way to go. The Fréchet distance is that of `digits`.

Command: python -m experiments lapgan
Takes: about five minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan import metrics
from jaxgan.networks.laplacian import DetailDiscriminator, DetailGenerator
from jaxgan.networks.layers.pyramid import downsample, laplacian_pyramid, reconstruct, upsample
from jaxgan.runs.experiment import PICTURED, draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.systems.lapgan import lapgan
from jaxgan.types import Game, TrainState

SIZE = 32
LEVELS = 3
SAMPLES = 1000  # held-out digits


@dataclass(frozen=True)
class Config:
    """Three small games, one for each level of the pyramid."""

    seed: int = 0  # the first; of parameters, latents and data order
    seeds: int = 1  # runs
    steps: int = 2000  # train steps
    batch_size: int = 32  # real images a step
    latent: int = 64  # width of z, of every level
    width: int = 256  # units of each hidden layer of the coarsest level
    features: int = 16  # channels of the details' generators, and of their discriminators' first map
    learning_rate: float = 1e-3  # Adam's, of all players
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 1.0  # weight of R1
    ema: float = 0.998  # decay of the averaged generators, per step
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"steps": 3, "batch_size": 8, "width": 8, "features": 2, "judge_steps": 4}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=1, width=1, features=1, judge_steps=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws samples of the first seed's."""
    train, test = _digits("train"), _digits("test")
    classifier = metrics.train_classifier(train["x"], train["y"], jax.random.key(0), steps=config.judge_steps)
    features = metrics.features(classifier, test["x"])

    def distance(x: Any) -> float:
        return metrics.fid(features, metrics.features(classifier, np.clip(_full(x), -1, 1)))

    judged: dict[str, list[list[float]]] = {}
    began = time.monotonic()
    game, source = build(config), jg.data.unlabelled(jg.data.digits("train", size=SIZE))
    for seed in range(config.seed, config.seed + config.seeds):
        training = Training(game, source, seed, config.steps, config.batch_size)
        state = train_member(folder / f"seed{seed}", training).state
        real = [jnp.asarray(test["x"])]
        while len(real) < LEVELS:
            real.insert(0, downsample(real[0]))
        for level in range(1, LEVELS):
            before = real[level - 1]
            alone = upsample(before, *real[level].shape[1:3])
            drawn = alone + _detail(state, alone, level, config)
            name = f"{before.shape[1]} -> {alone.shape[1]}, from real"
            judged.setdefault(name, []).append([distance(alone), distance(drawn)])
        whole = jg.sample(game, state, jax.random.key(seed), n=SAMPLES)
        coarse = whole
        while coarse.shape[1] > real[0].shape[1]:
            coarse = downsample(coarse)
        judged.setdefault("all levels generated", []).append([distance(coarse), distance(whole)])
        if seed == config.seed:
            draw_images(folder / "samples.png", np.asarray(whole[:PICTURED]))
    rows: list[dict[str, Cell]] = [
        {"level": name, "upsampling alone": [v[0] for v in values], "with details": [v[1] for v in values]}
        for name, values in judged.items()
    ]
    exact = float(jnp.max(jnp.abs(reconstruct(laplacian_pyramid(real[-1], LEVELS)) - real[-1])))
    note = (
        f"Fréchet distance (digits classifier) to {SAMPLES} held-out digits, after {config.steps} steps of "
        f"{config.batch_size}; {config.seeds} seeds from {config.seed}; the last row's upsampling is of its own "
        f"samples, halved to 8x8. The pyramid of the held-out digits reconstructs them to {exact:.1g}. "
        f"{time.monotonic() - began:.0f} s"
    )
    yield Table("Each level of a LAPGAN against upsampling alone", note, rows)


def build(config: Config) -> Game:
    """The game of all levels side by side."""
    hidden, coarse = (config.width, config.width), SIZE // 2 ** (LEVELS - 1)
    networks: dict[str, nn.Module] = {
        "generator_0": jg.networks.mlp.Generator((coarse, coarse, 1), hidden, output=jnp.tanh),
        "discriminator_0": jg.networks.mlp.Discriminator(hidden),
    }
    for level in range(1, LEVELS):
        networks[f"generator_{level}"] = DetailGenerator(config.features)
        networks[f"discriminator_{level}"] = DetailDiscriminator(config.features)
    system = lapgan(
        loss=jg.losses.non_saturating,
        prior=jg.priors.normal(config.latent),
        optimizer=optax.adam(config.learning_rate, b1=config.b1, b2=config.b2),
        levels=LEVELS,
        penalty=jg.penalties.r1(config.gamma),
    )
    return jg.game(networks, system, ema={f"generator_{level}": config.ema for level in range(LEVELS)})


def _detail(state: TrainState, low: jax.Array, level: int, config: Config) -> Any:
    """Draws the detail of blurred images [n, H, W, 1] by a level's averaged generator."""
    z = jg.priors.normal(config.latent)(jax.random.fold_in(jax.random.key(config.seed), level), low.shape[0])
    return DetailGenerator(config.features).apply({"params": state.ema[f"generator_{level}"]}, z, low)


def _full(x: jax.Array) -> jax.Array:
    """Brings images of any level to the full size by upsampling."""
    while x.shape[1] < SIZE:
        x = upsample(x, 2 * x.shape[1], 2 * x.shape[2])
    return x


@functools.cache
def _digits(split: str) -> dict[str, Any]:
    source = jg.data.digits(split, size=SIZE)
    return {name: np.asarray(value) for name, value in jg.data.whole(source).items()}
