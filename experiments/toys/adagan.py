"""AdaGAN on the grid of 25 Gaussians: generators one after the other, against one of equal budget.

Tolstikhin et al. 2017: every generator is trained on the points that the mixture so far misses, weighed by a
classifier that tells the data from the mixture. All games are the plain one of `modes`, at the rate at which it loses
modes, and without a penalty, which would help any of them (there WGAN-GP and RpGAN find all 25 alone). "one, as long"
is trained for all the components' steps together, "apart" are as many components that know nothing of each other: what
boosting must beat.

Every component and every classifier is a member: with `--resume` a table that was stopped goes on at the component
where it was, bit for bit.

Command: python -m experiments adagan
Takes: about five minutes for each seed on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import optax

import jaxgan as jg
from experiments.toys import several
from jaxgan.data import Source
from jaxgan.networks import mlp
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Table, at_least
from jaxgan.systems import adagan_weights, density_ratio
from jaxgan.types import Game, TrainState

LEAST = 1e-6  # probability of being real that a point has at least


@dataclass(frozen=True)
class Config:
    """Components, and the classifiers between them."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 1  # runs
    components: int = 6  # generators of a mixture
    steps: int = 2000  # train steps of each
    batch_size: int = 64  # points of an update
    points: int = 5000  # that the mixture is trained on
    width: int = 64  # units of each of two hidden layers, in both networks
    latent: int = 32  # width of z
    learning_rate: float = 3e-3  # Adam's, of both players
    judge_steps: int = 2000  # updates of each classifier
    judge_batch: int = 256  # points of the data, and of the mixture, in each
    judge_width: int = 64  # units of each of its two hidden layers


SMOKE = {
    "components": 2,
    "steps": 2,
    "batch_size": 8,
    "points": 32,
    "width": 4,
    "judge_steps": 2,
    "judge_batch": 8,
    "judge_width": 4,
}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, components=2, steps=1, batch_size=2, width=1, latent=1, judge_steps=1, judge_width=1)
    at_least(config, points=max(config.batch_size, config.judge_batch), judge_batch=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws the first seed's components in their order."""
    game = jg.game(
        {"generator": several.generator(config.width), "discriminator": several.discriminator(config.width)},
        several.system(config.latent, config.learning_rate),
    )
    rows: dict[str, dict[str, list[float]]] = {}
    for seed in range(config.seed, config.seed + config.seeds):
        points = np.asarray(jg.data.batch_at(jg.data.grid(), config.points, seed)(0)["x"])
        source = jg.data.arrays(points, name="grid")
        boosted = _boosted(config, folder, game, points, seed)
        apart = [boosted[0]] + [
            train_member(folder / f"apart{k}-seed{seed}", _training(config, game, source, seed, k)).state
            for k in range(2, config.components + 1)
        ]
        longer = Training(game, source, seed, config.steps * config.components, config.batch_size)
        alone = train_member(folder / f"alone-seed{seed}", longer).state
        drawn = {
            "AdaGAN": [_samples(game, boosted[: k + 1], seed) for k in range(config.components)],
            "apart": [_samples(game, apart, seed)],
            "one, as long": [_samples(game, [alone], seed)],
            "one component": [_samples(game, boosted[:1], seed)],
        }
        for method, sets in drawn.items():
            for column, value in several.judged(sets[-1]).items():
                rows.setdefault(method, {}).setdefault(column, []).append(value)
        found = [several.judged(points)["modes"] for points in drawn["AdaGAN"]]
        print(
            f"seed {seed}: { ({m: round(r['modes'][-1]) for m, r in rows.items()}) }, by components {found}", flush=True
        )
        if seed == config.seed:
            shown = {f"{k + 1} components": [points] for k, points in enumerate(drawn["AdaGAN"])}
            several.draw(folder / "samples.png", shown | {name: drawn[name] for name in ("apart", "one, as long")})
    note = (
        f"{config.components} components of {config.steps} steps of {config.batch_size}, two layers of {config.width}; "
        f"of {several.SAMPLES} samples: modes of 25, share within three standard deviations of one, reverse KL of "
        f"their histogram; {config.seeds} seeds"
    )
    yield Table("Mixtures of generators on the grid of 25", note, [{"method": m, **r} for m, r in rows.items()])


def _boosted(config: Config, folder: Path, game: Game, points: np.ndarray, seed: int) -> list[TrainState]:
    """Trains the components: all have the same share in the end, for each comes with 1 / (number so far)."""
    weights = np.full(len(points), 1 / len(points))
    components: list[TrainState] = []
    for k in range(1, config.components + 1):
        source = jg.data.weighted(jg.data.arrays(points, name="grid"), weights)
        training = _training(config, game, source, seed, k)
        components.append(train_member(folder / f"component{k}-seed{seed}", training).state)
        if k < config.components:
            made = _samples(game, components, seed, len(points))
            logits = _logits(config, folder / f"classifier{k}-seed{seed}", points, made, seed)
            real = 1 / (1 + np.exp(-logits.astype(np.float64)))
            weights = adagan_weights(np.maximum(real, LEAST), share=1 / (k + 1))
    return components


def _training(config: Config, game: Game, source: Source, seed: int, k: int) -> Training:
    """The k-th of several components: each has parameters, latents and an order of its own."""
    return Training(game, source, 100 * seed + k, config.steps, config.batch_size)


def _samples(game: Game, components: list[TrainState], seed: int, n: int = several.SAMPLES) -> np.ndarray:
    """Returns n samples of a mixture of equal shares."""
    each = [
        jg.sample(game, state, jax.random.key(1000 * seed + k), n=-(-n // len(components)))
        for k, state in enumerate(components)
    ]
    return np.stack([np.asarray(points) for points in each], axis=1).reshape(-1, 2)[:n]


def _logits(config: Config, folder: Path, points: np.ndarray, made: np.ndarray, seed: int) -> np.ndarray:
    """Returns log p/q of the data at its points, [N]: a classifier's that was trained to tell both sets apart."""
    rate = optax.cosine_decay_schedule(1e-2, config.judge_steps)
    judge = jg.game(
        {"discriminator": mlp.Discriminator((config.judge_width,) * 2)}, density_ratio(optimizer=optax.adam(rate))
    )
    source = jg.data.arrays({"p": points, "q": made.astype(np.float32)}, name="data and mixture")
    state = train_member(folder, Training(judge, source, seed, config.judge_steps, config.judge_batch)).state
    return np.asarray(jg.sample(judge, state, jax.random.key(0), n=len(points), x=points))
