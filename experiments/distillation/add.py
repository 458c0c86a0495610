"""Digits in one step by heads on frozen features (LADD), with what the teacher would say (ADD's term) and without.

A U-Net of 16x16 digits is trained as in EDM. One-step students start from its weights; small heads judge the features
that the teacher itself has of noised digits (Sauer et al. 2024), and with a weight the student also minimises its
distance from the teacher's answer (Sauer et al. 2023). Baselines: the teacher at one step of Euler's method and at ten,
and the distance alone, which has no adversary. The judge is a classifier that no game sees.

Command: python -m experiments digits_add --seeds 3
Takes: about five minutes a seed on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax
from jax import Array

import jaxgan as jg
from experiments.distillation.one_step import SHAPE, SIZE, Distilled, measured, network
from jaxgan.networks import denoisers
from jaxgan.networks.layers import SpectralNorm
from jaxgan.runs.tables import Table, at_least
from jaxgan.types import Game

EULER = (1, 10)


@dataclass(frozen=True)
class Config:
    """One-step students of a diffusion model of digits."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 1  # runs of each method
    teacher_steps: int = 2000  # train steps of the diffusion model
    steps: int = 800  # train steps of each student
    batch_size: int = 32  # digits a step; the teacher takes twice as many
    features: int = 8  # of the largest map
    width: int = 64  # of the heads
    weight: float = 1.0  # of the distance from the teacher's answer
    r1: float = 0.01  # weight of R1, on features
    learning_rate: float = 5e-4  # Adam's, of students; decays to zero along a half cosine
    head_rate: float = 1e-3  # Adam's, of heads
    teacher_rate: float = 2e-3  # Adam's, of the teacher; decays likewise
    sigma: float = 5.0  # level at which a student denoises pure noise
    ema: float = 0.98  # decay of the averaged students, per step
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"teacher_steps": 1, "steps": 1, "batch_size": 4, "features": 2, "width": 4, "judge_steps": 4}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, teacher_steps=1, steps=1, batch_size=2, features=1, width=1, judge_steps=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws digits of the first seed's teacher and students."""
    protocol, rows = measured(config, folder, Distilled(EULER, students, {"generator": "denoiser"}))
    note = (
        f"{protocol}. Teacher after {config.teacher_steps} steps of {2 * config.batch_size}, students after "
        f"{config.steps} of {config.batch_size}; {config.seeds} seeds from {config.seed}. The picture's rows are the "
        "table's"
    )
    yield Table("Digits in one step by frozen features", note, rows)


def students(config: Config, teacher: Any) -> dict[str, Game]:
    """Returns the games of one step, by what they are called in the table."""
    rate = optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps), b1=0.0)
    generator = denoisers.OneStep(network(config).network, SHAPE, config.sigma)

    def game(loss: Any, weight: float) -> Game:
        system = jg.systems.adversarial_distillation(
            prior=jg.priors.normal(SIZE * SIZE),
            optimizer={"discriminator": optax.adam(config.head_rate, b1=0.0), "generator": rate},
            loss=loss,
            features="teacher",
            weight=weight,
            penalty=jg.penalties.r1(config.r1),
        )
        networks = {"generator": generator, "discriminator": Heads(config.width), "teacher": teacher}
        return jg.game(networks, system, ema={"generator": config.ema})

    deaf = jg.losses.hinge._replace(generator=lambda real_logits, fake_logits: 0.0 * jnp.mean(fake_logits))
    return {
        "the distance alone": game(deaf, config.weight),
        "heads alone": game(jg.losses.hinge, 0.0),
        "heads and the distance": game(jg.losses.hinge, config.weight),
    }


class Heads(nn.Module):
    """Features [B, h, w, F] of digits noised at sigma [B] -> logits [B, h, w], under spectral normalisation."""

    width: int

    @nn.compact
    def __call__(self, features: Array, sigma: Array, train: bool = True) -> Array:
        """Scores every place of the map."""
        h = SpectralNorm(nn.Conv(self.width, (3, 3), name="first"))(features, train)
        h = nn.leaky_relu(h + nn.Dense(self.width, name="level")(jnp.log(sigma)[:, None])[:, None, None], 0.2)
        h = nn.leaky_relu(SpectralNorm(nn.Conv(self.width, (3, 3), name="second"))(h, train), 0.2)
        return nn.Conv(1, (1, 1), name="logits")(h)[..., 0]
