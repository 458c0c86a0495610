"""Digits with a hole: a context encoder with its adversary, without it, and the mean digit in the hole.

Pathak et al. 2016 on digits whose middle 14x14 of 32x32 pixels are hidden, most of what there is of them. On 1,000
held-out digits: how often a classifier of whole digits reads the completed ones rightly; the squared error in the hole;
and there, how sharp they are beside the truth, and how far their patches are from its. The answer with the smallest
error is a mean of all that may have been there, and so is blurred: the adversary pays in error for sharpness.

Command: python -m experiments inpainting --seeds 3
Takes: about twelve minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import jaxgan as jg
from jaxgan import metrics
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game

SIZE = 32
SHOWN = 10  # digits in the picture


@dataclass(frozen=True)
class Config:
    """Context encoders of digits."""

    seed: int = 0  # the first; of parameters and data order
    seeds: int = 1  # runs of each method
    steps: int = 2000  # train steps
    batch_size: int = 32  # digits a step
    hole: int = 14  # side of what is hidden, in pixels
    weight: float = 0.02  # of the adversarial loss
    features: int = 16  # channels of both networks' first maps
    bottleneck: int = 128  # width of the generator's code
    learning_rate: float = 2e-4  # Adam's, of the discriminator; the generator's is ten times that
    b1: float = 0.5  # Adam's momentum
    ema: float = 0.998  # decay of the averaged generator, per step
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"steps": 3, "batch_size": 8, "features": 2, "bottleneck": 4, "judge_steps": 4}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, features=1, bottleneck=1, judge_steps=1, hole=4)
    if config.hole > SIZE - 8 or config.hole % 2:
        raise ValueError(f"--hole must be even and at most {SIZE - 8}; got {config.hole}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws digits with their hole, as each method completes them, and whole."""
    train, test = _digits("train", config.hole), _digits("test", config.hole)
    mask = test["mask"]
    classifier = metrics.train_classifier(train["x"], train["y"], jax.random.key(0), steps=config.judge_steps)

    def judged(x: np.ndarray) -> dict[str, float]:
        return {
            "read rightly": metrics.accuracy(classifier, x, test["y"]),
            "squared error": float(np.sum(mask * np.square(x - test["x"])) / mask.sum()),
            "sharpness": metrics.gradient_energy_ratio(_middle(x, config), _middle(test["x"], config)),
            "patch distance": metrics.patch_distance(_middle(x, config), _middle(test["x"], config)),
        }

    mean = np.where(mask > 0, train["x"].mean(axis=0, keepdims=True), test["x"])
    rows: list[dict[str, Cell]] = [
        {"completed by": "truth", **judged(test["x"])},
        {"completed by": "mean digit", **judged(mean)},
    ]
    pictures = [np.where(mask > 0, np.float32(0), test["x"]), mean]
    for name, weight in {"squared error alone": 0.0, "context encoder": config.weight}.items():
        game, figures = _game(config, weight), []
        for seed in range(config.seed, config.seed + config.seeds):
            source = jg.data.unlabelled(_source("train", config.hole))
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(folder / f"{name.replace(' ', '-')}-seed{seed}", training).state
            x = np.asarray(jg.sample(game, state, jax.random.key(seed), x=test["x"], mask=mask))
            figures.append(judged(x))
            if seed == config.seed:
                pictures.append(x)
        rows.append({"completed by": name, **{column: [each[column] for each in figures] for column in figures[0]}})
    shown = np.linspace(0, len(mask) - 1, SHOWN).astype(int)
    draw_images(folder / "samples.png", np.concatenate([x[shown] for x in [*pictures, test["x"]]]))
    note = (
        f"{len(mask)} held-out digits with a hole of {config.hole}x{config.hole} pixels, after {config.steps} steps of "
        f"{config.batch_size}; squared error per pixel of the hole, sharpness (gradient energy relative to the truth) "
        f"and patch distance of the hole and 2 pixels around it; {config.seeds} seeds from {config.seed}"
    )
    yield Table("Digits completed by a context encoder", note, rows)


def _game(config: Config, weight: float) -> Game:
    networks = {
        "generator": jg.networks.context.Generator(1, config.features, bottleneck=config.bottleneck),
        "discriminator": jg.networks.dcgan.Discriminator(SIZE, config.features, "none"),
    }
    rates = {"discriminator": config.learning_rate, "generator": 10 * config.learning_rate}
    system = jg.systems.context_encoder(
        loss=jg.losses.non_saturating,
        optimizer={player: optax.adam(rate, b1=config.b1) for player, rate in rates.items()},
        weight=weight,
        overlap=2,
    )
    return jg.game(networks, system, ema={"generator": config.ema})


def _middle(x: np.ndarray, config: Config) -> np.ndarray:
    """Cuts out the hole, and 2 pixels around it."""
    start = (SIZE - config.hole) // 2 - 2
    return x[:, start:-start, start:-start]


@functools.cache
def _source(split: str, hole: int) -> jg.data.Source:
    return jg.data.degraded(jg.data.digits(split, size=SIZE), mask=jg.data.hole(hole))


@functools.cache
def _digits(split: str, hole: int) -> dict[str, Any]:
    source = _source(split, hole)
    return {name: np.asarray(value) for name, value in jg.data.whole(source).items()}
