"""Digits in one step: a small diffusion model, and generators distilled from it with an adversary and without.

A U-Net of 16x16 digits is trained as in EDM (Karras et al. 2022) and sampled at 1, 5 and 50 steps of Euler's method.
From its weights start one-step generators: by distribution matching alone (DMD, Yin et al. 2024), with an adversary on
the score's features (DMD2), by score identity (SiD, Zhou et al. 2024), each for as many generator updates. The teacher
is small and was trained for minutes, so that what it lacks shows: the adversary meets the digits themselves.

Command: python -m experiments digits_one_step --seeds 3
Takes: about fifteen minutes a seed on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optax

import jaxgan as jg
from experiments.distillation.one_step import SHAPE, SIZE, Distilled, measured, network
from jaxgan.networks import denoisers, mlp
from jaxgan.runs.tables import Table, at_least
from jaxgan.types import Game, System

EULER = (1, 5, 50)


@dataclass(frozen=True)
class Config:
    """One-step generators of digits."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 1  # runs of each method
    teacher_steps: int = 3000  # train steps of the diffusion model
    steps: int = 500  # generator updates of each student
    batch_size: int = 32  # digits an update of a student; the teacher takes twice as many
    features: int = 8  # of the largest map, in all networks
    updates: int = 3  # of the score, per generator update
    weight: float = 3e-2  # of the adversary in the generator's loss
    head_weight: float = 1e-1  # of the head's loss beside the score's error
    r1: float = 10.0  # weight of the approximate R1 on the head
    alpha: float = 1.0  # of score identity
    learning_rate: float = 5e-4  # Adam's, of generators; decays to zero along a half cosine
    score_rate: float = 1e-3  # Adam's, of scores
    teacher_rate: float = 2e-3  # Adam's, of the teacher; decays likewise
    sigma: float = 5.0  # level at which a generator denoises pure noise
    ema: float = 0.98  # decay of the averaged generators, per step
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"teacher_steps": 2, "steps": 2, "batch_size": 4, "features": 2, "updates": 1, "judge_steps": 4}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, teacher_steps=1, steps=1, batch_size=2, features=1, updates=1, judge_steps=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws digits of the first seed's teacher and students."""
    protocol, rows = measured(
        config, folder, Distilled(EULER, _students, {"generator": "denoiser", "score": "denoiser"})
    )
    note = (
        f"{protocol}. Teacher after {config.teacher_steps} steps of {2 * config.batch_size}, students after "
        f"{config.steps} generator updates of {config.batch_size} and {config.updates} of the score each; "
        f"{config.seeds} seeds from {config.seed}. The picture's rows are the table's"
    )
    yield Table("Digits in one step", note, rows)


def _students(config: Config, teacher: Any) -> dict[str, Game]:
    """Returns the games of one step, by what they are called in the table."""
    rate = optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps))
    score = optax.adam(config.score_rate)
    prior = jg.priors.normal(SIZE * SIZE)

    def matching(weight: float, head_weight: float, **options: Any) -> System:
        return jg.systems.distribution_matching(
            prior=prior,
            optimizer={"discriminator": score, "generator": rate},
            weight=weight,
            head_weight=head_weight,
            n_critic=config.updates,
            **options,
        )

    penalty = jg.penalties.approximate_r1(config.r1)
    identity = jg.systems.score_identity(
        prior=prior, optimizer={"score": score, "generator": rate}, alpha=config.alpha, n_critic=config.updates
    )
    head = mlp.Discriminator((32,))
    return {
        "distribution matching": _student(config, teacher, matching(0.0, 0.0), None),
        "with an adversary": _student(
            config, teacher, matching(config.weight, config.head_weight, penalty=penalty), head
        ),
        "score identity": _student(config, teacher, identity, None),
    }


def _student(config: Config, teacher: Any, system: System, head: Any) -> Game:
    generator = denoisers.OneStep(network(config).network, SHAPE, config.sigma)
    networks = {"generator": generator, "score": network(config, head), "teacher": teacher}
    return jg.game(networks, system, ema={"generator": config.ema})
