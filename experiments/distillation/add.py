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
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import jaxgan as jg
from experiments.digits.data import sized
from experiments.digits.judge import digits_judge
from jaxgan import diffusion
from jaxgan.data import Source
from jaxgan.networks import denoisers
from jaxgan.networks.layers import SpectralNorm
from jaxgan.runs.experiment import Judge, draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Table, at_least
from jaxgan.types import Game, TrainState, averages_in_place

SIZE = 16
SHAPE = (SIZE, SIZE, 1)
EULER = (1, 10)
SHOWN = 20  # digits of each method in the picture


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
    judge = digits_judge(SIZE, config.judge_steps, folder)
    rows: dict[str, dict[str, Any]] = {}
    pictures = []
    for seed in range(config.seed, config.seed + config.seeds):
        for name, calls, images in _made(config, folder, seed, judge):
            figures = judge.judge(images).figures
            row = rows.setdefault(name, {"calls": str(calls)})
            for figure in ("frechet_distance", "precision", "recall"):
                row.setdefault(figure, []).append(figures[figure])
            print(f"seed {seed}, {name}: { {k: round(v, 3) for k, v in figures.items()} }", flush=True)
            pictures += [images[:SHOWN]] if seed == config.seed else []
    draw_images(folder / "samples.png", np.concatenate(pictures))
    note = (
        f"{judge.protocol}. Teacher after {config.teacher_steps} steps of {2 * config.batch_size}, students after "
        f"{config.steps} of {config.batch_size}; {config.seeds} seeds from {config.seed}. The picture's rows are the "
        "table's"
    )
    yield Table("Digits in one step by frozen features", note, [{"made by": k, **row} for k, row in rows.items()])


def _made(config: Config, folder: Path, seed: int, judge: Judge) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yields who made digits of one seed, by how many calls of a network, and the digits."""
    z = jax.random.normal(jax.random.key(seed), (judge.samples, *SHAPE), jnp.float32)
    start = _teacher(config, folder / f"teacher-seed{seed}", seed)
    teacher = jg.networks.pretrained(_network(config), {"params": start.params["denoiser"]})

    @jax.jit
    def solved(sigmas: Any) -> Any:
        return diffusion.solve(lambda x, s: teacher.apply(teacher.variables, x, s), sigmas[0] * z, sigmas)

    for steps in EULER:
        yield f"teacher, {steps} Euler steps", steps, np.asarray(solved(diffusion.grid(diffusion.karras(), steps)))
    for name, game in students(config, teacher).items():
        batch = {"x": jnp.zeros((config.batch_size, *SHAPE), jnp.float32)}
        begun = jg.carry(start, game, jax.random.key(seed), batch, networks={"generator": "denoiser"}).state
        member = folder / f"{name.replace(', ', '-').replace(' ', '-')}-seed{seed}"
        training = Training(game, _source(), seed, config.steps, config.batch_size, first=begun)
        state = train_member(member, training).state
        yield name, 1, np.asarray(game.generate(state, jax.random.key(seed), {"z": z.reshape(len(z), -1)}))


def students(config: Config, teacher: Any) -> dict[str, Game]:
    """Returns the games of one step, by what they are called in the table."""
    rate = optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps), b1=0.0)
    generator = denoisers.OneStep(_network(config).network, SHAPE, config.sigma)

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


def _teacher(config: Config, folder: Path, seed: int) -> TrainState:
    """Trains the diffusion model, and returns its averages in the place of its parameters."""
    optimizer = optax.adam(optax.cosine_decay_schedule(config.teacher_rate, config.teacher_steps))
    system = jg.systems.diffusion(shape=SHAPE, optimizer=optimizer)
    game = jg.game({"denoiser": _network(config)}, system, ema={"denoiser": 0.995})
    training = Training(game, _source(), seed, config.teacher_steps, 2 * config.batch_size)
    return averages_in_place(train_member(folder, training).state)


def _network(config: Config) -> denoisers.Denoiser:
    return denoisers.Denoiser(denoisers.ImageBackbone(config.features))


def _source() -> Source:
    return jg.data.unlabelled(sized("train", SIZE))
