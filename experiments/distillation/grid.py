"""25 Gaussians in one step: distribution matching distillation, with an adversary and without, of two teachers.

DMD2 (Yin et al. 2024) in the plane, where a teacher stands in closed form: the posterior mean of a mixture. Its sampler
is measured at 1 to 50 steps of Euler's method, then one-step students of it; with an exact teacher an adversary has
nothing to mend. The other teacher is a small network trained for a short time on the points: what it does not know, the
adversary can take from the data. Generator and score start from one denoiser that was trained on the points; students
of both teachers take as many steps. The closed form judges all: a mode counts that has more than 20 of 5,000 samples.

Command: python -m experiments grid_one_step --seeds 3
Takes: about four minutes a seed on a CPU core. Expected result: experiments/README.md.
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
from experiments.toys.scatter import draw_points
from jaxgan import diffusion, metrics
from jaxgan.data import Source
from jaxgan.networks import denoisers, mlp
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Table, at_least
from jaxgan.types import Game, TrainState, averages_in_place

SIDE, STD = 5, 0.05
SIGMA_DATA = math.sqrt(2 + STD**2)  # of a coordinate: centres are -2..2
SAMPLES, ENOUGH = 5000, 20  # points; a mode counts that has more than so many of them
EULER = (1, 5, 10, 50)
LEVELS = (0.03, 5.0)  # of training; the samplers of teachers begin at 80
WAVES = 3  # of networks: without them 25 narrow modes are learned slowly
EXACT = denoisers.GaussianMixture(tuple((float(i), float(j)) for i in range(-2, 3) for j in range(-2, 3)), STD)


@dataclass(frozen=True)
class Config:
    """One-step generators of 25 Gaussians."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 1  # runs of each method
    steps: int = 6000  # generator updates of each student
    start_steps: int = 3000  # train steps of the denoiser that students start from
    weak_steps: int = 400  # train steps of the small teacher
    batch_size: int = 128  # points an update
    width: int = 128  # units of a hidden layer
    weak_width: int = 32  # units of the small teacher's
    updates: int = 3  # of the score, per generator update
    weight: float = 3e-2  # of the adversary in the generator's loss
    head_weight: float = 1e-2  # of the head's loss beside the score's error
    learning_rate: float = 1e-3  # Adam's, of the generator; decays to zero along a half cosine
    score_rate: float = 1e-3  # Adam's, of the score and of denoisers
    sigma: float = 5.0  # level at which the generator denoises pure noise
    ema: float = 0.99  # decay of the averaged generator and denoisers, per step


SMOKE = {"steps": 2, "start_steps": 2, "weak_steps": 2, "batch_size": 8, "width": 4, "weak_width": 2, "updates": 1}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, start_steps=1, weak_steps=1, batch_size=2, width=1, weak_width=1, updates=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws the points that the first seed's teachers and students make."""
    rows: dict[str, dict[str, Any]] = {}
    for seed in range(config.seed, config.seed + config.seeds):
        for name, calls, points in _made(config, folder, seed):
            row = rows.setdefault(name, {"calls": str(calls)})
            for figure, value in _figures(points).items():
                row.setdefault(figure, []).append(value)
            print(f"seed {seed}, {name}: { {k: round(v, 3) for k, v in _figures(points).items()} }", flush=True)
            if seed == config.seed:
                draw_points(folder / f"{name.replace(', ', '-').replace(' ', '-')}.png", points)
    note = (
        f"{SAMPLES} samples; modes of 25 with more than {ENOUGH} of them, share within three standard deviations of a "
        f"mode, and divergence of their histogram from uniform; students after {config.steps} generator updates of "
        f"{config.batch_size} points and {config.updates} of the score each; {config.seeds} seeds from {config.seed}"
    )
    yield Table("25 Gaussians in one step", note, [{"made by": name, **figures} for name, figures in rows.items()])


def _made(config: Config, folder: Path, seed: int) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yields who made points of one seed, by how many calls of a network, and the points."""
    z = jax.random.normal(jax.random.key(seed), (SAMPLES, 2), jnp.float32)
    start = _denoiser(config, folder / f"start-seed{seed}", seed, config.width, config.start_steps)
    weak = _denoiser(config, folder / f"weak-seed{seed}", seed, config.weak_width, config.weak_steps)
    small = jg.networks.pretrained(_network(config.weak_width), {"params": weak.params["denoiser"]})
    teachers: dict[str, Any] = {"exact": EXACT, "weak": small}
    for name, teacher in teachers.items():
        variables = {} if teacher is EXACT else teacher.variables
        for steps in EULER:
            sigmas = diffusion.grid(diffusion.karras(), steps)
            made = jax.jit(_solved(teacher, variables))(sigmas[0] * z, sigmas)
            yield f"{name} teacher, {steps} Euler steps", steps, np.asarray(made)
        for weight in (0.0, config.weight):
            game = _student(config, teacher, weight)
            batch = {"x": jnp.zeros((config.batch_size * config.updates, 2), jnp.float32)}
            names = {"generator": "denoiser", "score": "denoiser"}
            begun = jg.carry(start, game, jax.random.key(seed), batch, networks=names).state
            if teacher is EXACT and not weight:
                yield "where students start", 1, np.asarray(game.generate(begun, jax.random.key(seed), {"z": z}))
            member = folder / f"{name}-{'adversary' if weight else 'alone'}-seed{seed}"
            training = Training(game, _source(), seed, config.steps, config.batch_size, first=begun, log_every=100)
            state = train_member(member, training).state
            made = game.generate(state, jax.random.key(seed), {"z": z})
            yield f"student of the {name} teacher{', adversary' if weight else ''}", 1, np.asarray(made)


def _solved(teacher: Any, variables: Any) -> Any:
    return lambda x, sigmas: diffusion.solve(lambda x, sigma: teacher.apply(variables, x, sigma), x, sigmas)


def _figures(points: np.ndarray) -> dict[str, float]:
    modes: Any = _source().modes
    coverage = metrics.mode_coverage(points, modes.centres, modes.std)
    enough = float(np.sum(coverage.histogram > ENOUGH))
    return {"modes": enough, "high quality": coverage.high_quality, "reverse KL": coverage.reverse_kl}


def _denoiser(config: Config, folder: Path, seed: int, width: int, steps: int) -> TrainState:
    """Trains a denoiser on the points, and returns its averages in the place of its parameters."""
    optimizer = optax.adam(optax.cosine_decay_schedule(config.score_rate, steps))
    levels = diffusion.karras(*LEVELS)
    system = jg.systems.diffusion(shape=(2,), optimizer=optimizer, levels=levels, sigma_data=SIGMA_DATA)
    game = jg.game({"denoiser": _network(width)}, system, ema={"denoiser": config.ema})
    training = Training(game, _source(), seed, steps, 2 * config.batch_size, log_every=100)
    return averages_in_place(train_member(folder, training).state)


def _student(config: Config, teacher: Any, weight: float) -> Game:
    """Returns the game of one step, with an adversary where it has a weight."""
    system = jg.systems.distribution_matching(
        prior=jg.priors.normal(2),
        optimizer={
            "discriminator": optax.adam(config.score_rate),
            "generator": optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps)),
        },
        levels=diffusion.karras(*LEVELS),
        sigma_data=SIGMA_DATA,
        weight=weight,
        head_weight=config.head_weight if weight else 0.0,
        n_critic=config.updates,
    )
    head = mlp.Discriminator((config.width // 2,)) if weight else None
    networks = {
        "generator": denoisers.OneStep(_backbone(config.width), (2,), config.sigma, SIGMA_DATA),
        "score": _network(config.width, head),
        "teacher": teacher,
    }
    return jg.game(networks, system, ema={"generator": config.ema})


def _network(width: int, head: Any = None) -> denoisers.Denoiser:
    return denoisers.Denoiser(_backbone(width), SIGMA_DATA, head)


def _backbone(width: int) -> denoisers.PointBackbone:
    return denoisers.PointBackbone(width, waves=WAVES)


def _source() -> Source:
    return jg.data.grid(SIDE, 1.0, STD)
