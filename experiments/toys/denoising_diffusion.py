"""25 Gaussians by a denoising diffusion GAN: four large steps of denoising, or one, with the same networks.

Xiao et al. 2022 on a grid of spacing 1 and standard deviation 0.05: the generator predicts what is behind the noise,
and the discriminator judges single steps. With one step it is a GAN whose networks also see noise that says nothing.
All take as many updates of the same size; of 2,500 samples, modes covered, share of high quality (within three standard
deviations of a mode), reverse KL of their histogram, as in `modes`.

Command: python -m experiments denoising_diffusion --seeds 3
Takes: about four minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import jaxgan as jg
from experiments.toys.scatter import draw_points
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game

SAMPLES = 2500
FINE = 4.0  # what is looked at most closely is multiplied by this: a mode's deviation is 1/28 of the grid's
WIDE = 2**0.5  # the grid's standard deviation: points are divided by it


@dataclass(frozen=True)
class Config:
    """Denoising diffusion GANs of 25 Gaussians."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 1  # runs of each number of steps
    steps: int = 8000  # train steps
    chain: int = 4  # T, denoising steps, beside 1 and 2
    batch_size: int = 256  # points a step
    width: int = 128  # units of a hidden layer, of both networks
    latent: int = 4  # width of z
    learning_rate: float = 2e-3  # Adam's, of both players; decays to zero along a half cosine
    b1: float = 0.5  # Adam's momentum
    gamma: float = 1e-4  # weight of R1, which is paid every `lazy` steps
    lazy: int = 4
    ema: float = 0.995  # decay of the averaged generator, per step


SMOKE = {"steps": 2, "batch_size": 8, "width": 4}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, chain=3, batch_size=2, width=1, latent=1, lazy=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws the samples of each number of steps."""
    source, rows = points(), []
    modes: Any = source.modes
    for chain in (1, 2, config.chain):
        game, figures = build(config, chain), []
        for seed in range(config.seed, config.seed + config.seeds):
            training = Training(game, source, seed, config.steps, config.batch_size, log_every=100)
            state = train_member(folder / f"T{chain}-seed{seed}", training).state
            made = np.asarray(jg.sample(game, state, jax.random.key(seed), n=SAMPLES))
            coverage = metrics.mode_coverage(made, modes.centres, modes.std)
            figures.append((float(coverage.modes), coverage.high_quality, coverage.reverse_kl))
            print(f"T = {chain}, seed {seed}: {[round(value, 3) for value in figures[-1]]}", flush=True)
            if seed == config.seed:
                draw_points(folder / f"T{chain}.png", made)
        columns = zip(("modes", "high quality", "reverse KL"), map(list, zip(*figures, strict=True)), strict=True)
        row: dict[str, Cell] = {"T": str(chain), **dict(columns)}
        rows.append(row)
    note = (
        f"{SAMPLES} samples after {config.steps} steps of {config.batch_size}, of T denoising steps each; "
        f"{config.seeds} seeds from {config.seed}"
    )
    yield Table("25 Gaussians in T steps of denoising", note, rows)


def points() -> Source:
    """The grid in units of its standard deviation."""
    return jg.data.grid(5, 1 / WIDE, 0.05 / WIDE)


def build(config: Config, steps: int) -> Game:
    """The game of so many denoising steps."""
    adam = optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps), b1=config.b1, b2=0.99)
    system = jg.systems.denoising_diffusion(
        loss=jg.losses.non_saturating,
        prior=jg.priors.normal(config.latent),
        optimizer=adam,
        chain=jg.systems.denoising_chain(steps),
        shape=(2,),
        penalty=jg.penalties.every(config.lazy, jg.penalties.r1(config.gamma)),
    )
    networks = {"generator": Denoises(config.width), "discriminator": Judges(config.width)}
    return jg.game(networks, system, ema={"generator": config.ema})


class Denoises(nn.Module):
    """x_t [B, 2], z [B, Z] and a time [B] -> x_0 [B, 2]."""

    width: int

    @nn.compact
    def __call__(self, x: Array, z: Array, t: Array) -> Array:
        """Predicts what is behind the noise."""
        return nn.Dense(2)(_hidden(self.width, x, z, t))


class Judges(nn.Module):
    """Neighbours x_{t-1} and x_t, [B, 2] each, and a time [B] -> logits [B]."""

    width: int

    @nn.compact
    def __call__(self, x: Array, noisy: Array, t: Array) -> Array:
        """Scores the former, given the latter, before any sigmoid."""
        return nn.Dense(1)(_hidden(self.width, x, noisy, t))[:, 0]


def _hidden(width: int, x: Array, other: Array, t: Array) -> Array:
    angles = jnp.pi * t[:, None] * jnp.asarray([[0.5, 1.0, 2.0]], jnp.float32)
    h = jnp.concatenate([FINE * x, other, jnp.sin(angles), jnp.cos(angles)], axis=1)
    for _ in range(3):
        h = nn.leaky_relu(nn.Dense(width)(h), 0.2)
    return h
