"""Digits in one step: a teacher, and students that start from its weights, all of them measured alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from experiments.digits.data import sized
from experiments.digits.judge import digits_judge
from jaxgan import diffusion
from jaxgan.data import Source
from jaxgan.networks import denoisers
from jaxgan.runs.experiment import Judge, draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell
from jaxgan.types import Game, TrainState, averages_in_place

SIZE = 16
SHAPE = (SIZE, SIZE, 1)
SHOWN = 20  # digits of each method in the picture


class Distilled(NamedTuple):
    """What an experiment makes of its teacher."""

    euler: Sequence[int]  # numbers of steps that the teacher itself is sampled by
    students: Callable[[Any, Any], Mapping[str, Game]]  # (config, teacher) -> games, by what the table calls them
    begin: Mapping[str, str]  # of their networks, which start from the teacher's: {"generator": "denoiser"}


def measured(config: Any, folder: Path, distilled: Distilled) -> tuple[str, list[dict[str, Cell]]]:
    """Trains a teacher and its students, seed by seed, and draws digits of the first seed's.

    Returns:
      The judge's protocol, and the table's rows.
    """
    judge = digits_judge(SIZE, config.judge_steps, folder)
    rows: dict[str, dict[str, Any]] = {}
    pictures = []
    for seed in range(config.seed, config.seed + config.seeds):
        for name, calls, images in _made(config, folder, seed, judge, distilled):
            figures = judge.judge(images).figures
            row = rows.setdefault(name, {"calls": str(calls)})
            for figure in ("frechet_distance", "precision", "recall"):
                row.setdefault(figure, []).append(figures[figure])
            print(f"seed {seed}, {name}: { {k: round(v, 3) for k, v in figures.items()} }", flush=True)
            pictures += [images[:SHOWN]] if seed == config.seed else []
    draw_images(folder / "samples.png", np.concatenate(pictures))
    return judge.protocol, [{"made by": name, **figures} for name, figures in rows.items()]


def network(config: Any, head: Any = None) -> denoisers.Denoiser:
    """The teacher's network, and the students'."""
    return denoisers.Denoiser(denoisers.ImageBackbone(config.features), head=head)


def _made(
    config: Any, folder: Path, seed: int, judge: Judge, distilled: Distilled
) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yields who made digits of one seed, by how many calls of a network, and the digits."""
    z = jax.random.normal(jax.random.key(seed), (judge.samples, *SHAPE), jnp.float32)
    start = _teacher(config, folder / f"teacher-seed{seed}", seed)
    teacher = jg.networks.pretrained(network(config), {"params": start.params["denoiser"]})

    @jax.jit
    def solved(sigmas: Any) -> Any:
        return diffusion.solve(lambda x, s: teacher.apply(teacher.variables, x, s), sigmas[0] * z, sigmas)

    for steps in distilled.euler:
        yield f"teacher, {steps} Euler steps", steps, np.asarray(solved(diffusion.grid(diffusion.karras(), steps)))
    for name, game in distilled.students(config, teacher).items():
        batch = {"x": jnp.zeros((config.batch_size * game.updates, *SHAPE), jnp.float32)}
        begun = jg.carry(start, game, jax.random.key(seed), batch, networks=distilled.begin).state
        member = folder / f"{name.replace(', ', '-').replace(' ', '-')}-seed{seed}"
        training = Training(game, _source(), seed, config.steps, config.batch_size, first=begun)
        state = train_member(member, training).state
        yield name, 1, np.asarray(game.generate(state, jax.random.key(seed), {"z": z.reshape(len(z), -1)}))


def _teacher(config: Any, folder: Path, seed: int) -> TrainState:
    """Trains the diffusion model, and returns its averages in the place of its parameters."""
    optimizer = optax.adam(optax.cosine_decay_schedule(config.teacher_rate, config.teacher_steps))
    system = jg.systems.diffusion(shape=SHAPE, optimizer=optimizer)
    game = jg.game({"denoiser": network(config)}, system, ema={"denoiser": 0.995})
    training = Training(game, _source(), seed, config.teacher_steps, 2 * config.batch_size)
    return averages_in_place(train_member(folder, training).state)


def _source() -> Source:
    return jg.data.unlabelled(sized("train", SIZE))
