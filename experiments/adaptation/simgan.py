"""Digits set in type are refined until they look handwritten, and train a classifier of handwritten ones.

SimGAN (Shrivastava et al. 2017): labels come with the typeset digits alone, and real digits are seen without. A
classifier is trained on the digits as they are typeset, on the same bent and blurred by hand, and on refined ones, and
reads held-out handwritten digits; trained on real labelled digits it is the ceiling. Every classifier sees what it is
trained on turned and moved a little. A label is worth nothing if refining changes the digit: how often refined digits
are read as what they were set as, by the classifier of real ones, stands beside it.

Command: python -m experiments simgan
Takes: about six minutes on a CPU core for a seed. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from experiments.adaptation.data import bent, handwritten, typeset
from jaxgan import metrics
from jaxgan.networks import heads
from jaxgan.networks.refiner import Refiner
from jaxgan.networks.remedies import History
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game, TrainState

TYPESET = 4000  # digits
DRAWN = 10  # digits in a row of the picture
PART = 500  # digits refined at once


@dataclass(frozen=True)
class Config:
    """Refined digits."""

    seed: int = 0  # the first; of parameters, typeset digits and data order
    seeds: int = 1  # runs
    steps: int = 2000  # train steps, with those of the phases
    alone: int = 200  # the first, in which the refiner learns to keep its input
    waiting: int = 100  # the next, in which the discriminator moves alone
    batch_size: int = 32  # typeset digits, and handwritten ones, a step
    features: int = 8  # channels of the refiner; the discriminator's first map has twice as many
    blocks: int = 2  # residual blocks of the refiner
    weight: float = 0.3  # lambda of the self-regularisation
    buffer: int = 2048  # refined digits of the past that are kept
    learning_rate: float = 1e-3  # Adam's, of both players
    ema: float = 0.99  # decay of the averaged refiner, per step
    judge_steps: int = 400  # training steps of each classifier


SMOKE = {"steps": 3, "alone": 1, "waiting": 1, "batch_size": 4, "features": 2, "blocks": 1, "judge_steps": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, alone=0, waiting=0, batch_size=2, features=1, blocks=1, judge_steps=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws digits: a row as typeset above the same refined, twice, and a row of real ones."""
    (x, y), (x_test, y_test) = handwritten("train"), handwritten("test")
    judged: dict[str, list[dict[str, float]]] = {}
    for seed in range(config.seed, config.seed + config.seeds):
        plain, labels = typeset(TYPESET, seed)
        real = jg.data.arrays(x, name="handwritten")
        source = jg.data.unpaired(synthetic=jg.data.arrays(plain, labels, name="typeset"), real=real)
        game = _game(config)
        state = train_member(
            folder / f"seed{seed}", Training(game, source, seed, config.steps, config.batch_size)
        ).state
        refined = _refined(game, state, plain)
        oracle = metrics.train_classifier(x, y, jax.random.key(seed), steps=config.judge_steps)
        trained_on = {
            "typeset": plain,
            "typeset, bent and blurred": bent(plain, seed),
            "refined": refined,
            "refined, bent and blurred": bent(refined, seed),
        }
        for name, images in trained_on.items():
            classifier = metrics.train_classifier(images, labels, jax.random.key(seed), steps=config.judge_steps)
            figures = {
                "handwritten": metrics.accuracy(classifier, x_test, y_test),
                "read as their labels": metrics.accuracy(oracle, images, labels),
                "moved": float(np.mean(np.abs(images - plain))),
                "Fréchet distance": metrics.fid(metrics.features(oracle, x_test), metrics.features(oracle, images)),
            }
            judged.setdefault(name, []).append(figures)
        ceiling = {
            "handwritten": metrics.accuracy(oracle, x_test, y_test),
            "read as their labels": metrics.accuracy(oracle, x, y),
            "moved": 0.0,
            "Fréchet distance": metrics.fid(metrics.features(oracle, x_test), metrics.features(oracle, x)),
        }
        judged.setdefault("handwritten with labels", []).append(ceiling)
        if seed == config.seed:
            rows = [each[k : k + DRAWN] for k in (0, DRAWN) for each in (plain, refined)]
            draw_images(folder / "samples.png", np.concatenate([*rows, x_test[:: len(x_test) // DRAWN][:DRAWN]]))
    note = (
        f"classifiers trained for {config.judge_steps} steps on {TYPESET} digits ({len(x)} real ones); shares of "
        f"{len(x_test)} held-out handwritten digits read rightly, and of the digits trained on that a classifier of "
        "real ones reads as their labels; moved: mean difference from the typeset digit, pixels in [-1, 1]; Fréchet "
        f"distance to the held-out digits by the features of that classifier; {config.seeds} seeds"
    )
    yield Table("Trained on typeset digits, read handwritten ones", note, _rows(judged))


def _rows(judged: dict[str, list[dict[str, float]]]) -> list[dict[str, Cell]]:
    return [
        {"trained on": name, **{figure: [each[figure] for each in runs] for figure in runs[0]}}
        for name, runs in judged.items()
    ]


def _refined(game: Game, state: TrainState, x: np.ndarray) -> np.ndarray:
    generate = jax.jit(game.generate)
    parts = (x[k : k + PART] for k in range(0, len(x), PART))
    return np.concatenate(
        [np.asarray(generate(state, jax.random.key(0), {"synthetic": jnp.asarray(part)})) for part in parts]
    )


def _game(config: Config) -> Game:
    networks = {
        "refiner": Refiner(config.features, config.blocks),
        "discriminator": nn.Sequential([heads.Convolutional(2 * config.features, 2), nn.Dense(1), lambda h: h[..., 0]]),
        "history": History(config.buffer),
    }
    adam = optax.chain(optax.clip_by_global_norm(50.0), optax.adam(config.learning_rate))
    system = jg.systems.simgan(loss=jg.losses.non_saturating, optimizer=adam, weight=config.weight, alone=config.alone)
    first, both = config.alone, config.alone + config.waiting
    phases = jg.dynamics.gated(
        {
            "refiner": lambda metrics, step: (step < first) | (step >= both),
            "discriminator": lambda metrics, step: step >= first,
        }
    )
    return jg.game(networks, system, ema={"refiner": config.ema}, dynamics=phases)
