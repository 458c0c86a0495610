"""The next frame of digits that turn at random: Mathieu's multi-scale game, beside the errors it is meant to mend.

Mathieu, Couprie and LeCun 2016 in small: one handwritten digit of 16x16 pixels moves over 32x32 at 2 pixels a frame,
bounces, and with probability 1/2 takes a new direction at a frame, so that the mean square error's best answer is a
blur. The same multi-scale generator is trained by the square error, by it and the gradient difference, and with the
discriminators of every scale besides; the last frame as it is stands beside them. Of held-out digits: how sharp the
next frame is (gradient energy beside the truth's), its PSNR, how far the law of its patches is from the truth's, and
whether a classifier of frames still reads the digit, in the next frame and in the eighth, each made of those made
before.

Command: python -m experiments moving_digits --seeds 3
Takes: about half an hour on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import jaxgan as jg
from experiments.volumes.drawing import moving_picture
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.networks import frames
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game, TrainState

PAST, AHEAD = 4, 8  # frames that are given, and frames that are made of them
SHOWN = 10  # clips in the pictures


@dataclass(frozen=True)
class Config:
    """Next frames of moving digits."""

    seed: int = 0  # the first; of parameters and clips
    seeds: int = 1  # runs of each method
    steps: int = 900  # train steps of each
    batch_size: int = 16  # clips a step
    turn: float = 0.5  # probability of a new direction at a frame
    speed: float = 2.0  # pixels a frame
    scales: int = 3  # of all networks
    features: int = 16  # channels of the generator's outer layers, and of the discriminators' first
    weight: float = 0.05  # of the adversarial loss
    gradient: float = 0.5  # of the gradient difference, where it is used
    learning_rate: float = 3e-4  # Adam's, of the generator: at 1e-3 every tanh may end where it has no slope
    warmup: int = 200  # steps in which that rate rises from 0
    discriminator_rate: float = 3e-4  # Adam's, of the discriminators
    b1: float = 0.5  # Adam's momentum
    ema: float = 0.995  # decay of the averaged generator, per step
    samples: int = 500  # clips that are judged
    judge_steps: int = 1500  # training steps of the classifier that judges


SMOKE = {"steps": 2, "batch_size": 2, "scales": 2, "features": 2, "samples": 12, "judge_steps": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, scales=1, features=1, samples=10, judge_steps=1, warmup=1)
    if config.scales > 4:
        raise ValueError(f"--scales must be at most 4, from 4x4 pixels on; got {config.scales}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws clips as they went on and as each method goes on with them."""
    clips = jg.data.batch_at(_clips(config, PAST + AHEAD, "test"), config.samples, 10**6)(0)
    judge = _judge(config)
    last = np.repeat(clips["x"][:, PAST - 1 : PAST], AHEAD, axis=1)
    made: dict[str, list[np.ndarray]] = {"truth": [clips["x"][:, PAST:]], "last frame": [last]}
    source = jg.data.unlabelled(_clips(config, PAST + 1, "train"))
    for name, game in _games(config).items():
        for seed in range(config.seed, config.seed + config.seeds):
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(folder / f"{name.replace(' ', '-')}-seed{seed}", training).state
            made.setdefault(name, []).append(continued(game, state, clips["x"][:, :PAST], AHEAD))
            print(f"{name}, seed {seed}: {_judged(made[name][-1], clips, judge)}", flush=True)
    rows: list[dict[str, Cell]] = []
    for name, several in made.items():
        figures = [_judged(x, clips, judge) for x in several]
        columns = {column: [each[column] for each in figures] for column in figures[0]}
        fixed = len(several) == 1
        rows.append({"frames by": name, **{c: values[0] if fixed else values for c, values in columns.items()}})
    _draw(folder, clips["x"], {name: several[0] for name, several in made.items()})
    note = (
        f"{config.samples} clips of held-out digits after {config.steps} steps of {config.batch_size}; sharpness: "
        f"gradient energy of the next frame over the truth's; PSNR in dB; read: share of digits read rightly in the "
        f"next frame, and in the {AHEAD}th; {config.seeds} seeds from {config.seed}. The picture: the last frame "
        f"that is given, then the next by {', '.join(made)}. moving.gif goes on to the {AHEAD}th frame, a row of each"
    )
    yield Table("The next frame of moving digits", note, rows)


def continued(game: Game, state: TrainState, past: np.ndarray, count: int) -> np.ndarray:
    """Goes on with clips [N, T, H, W, C] by their next frame, made of those made before: [N, count, H, W, C]."""
    whole = past
    for _ in range(count):
        answer = np.clip(np.asarray(jg.sample(game, state, jax.random.key(0), x=whole[:, -past.shape[1] :])), -1, 1)
        whole = np.concatenate([whole, answer[:, None]], axis=1)
    return whole[:, past.shape[1] :]


def _clips(config: Config, count: int, split: str) -> Source:
    return jg.data.moving_digits(count, turn=config.turn, speed=config.speed, split=split)


def _judge(config: Config) -> metrics.Classifier:
    """A classifier of frames of training digits."""
    clips = jg.data.batch_at(_clips(config, 2, "train"), min(8000, 64 * config.judge_steps), 0)(0)
    return metrics.train_classifier(clips["x"][:, 0], clips["y"], jax.random.key(0), config.judge_steps)


def _judged(made: np.ndarray, clips: dict[str, Any], judge: metrics.Classifier) -> dict[str, float]:
    """Measures frames [N, AHEAD, H, W, 1] beside those that came."""
    truth = clips["x"][:, PAST:]
    known = np.array_equal(made, truth)
    return {
        "sharpness": metrics.gradient_energy_ratio(made[:, 0], truth[:, 0]),
        "PSNR": float("inf") if known else _finite_psnr(made[:, 0], truth[:, 0]),
        "patch distance": metrics.patch_distance(made[:, 0], truth[:, 0]),
        "read": metrics.accuracy(judge, made[:, 0], clips["y"]),
        "read at last": metrics.accuracy(judge, made[:, -1], clips["y"]),
    }


def _finite_psnr(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR of the mean error: one digit that comes back to its place would have an infinite ratio of its own."""
    return float(10 * np.log10(4 / np.mean(np.square(a - b))))


def _games(config: Config) -> dict[str, Game]:
    f = config.features
    generator = frames.Generator(config.scales, PAST, (f, 2 * f, f))
    judges: dict[str, Any] = {f"discriminator_{k}": frames.Discriminator(f) for k in range(config.scales)}
    adam = optax.adam(optax.linear_schedule(0.0, config.learning_rate, config.warmup), b1=config.b1)
    rate = optax.adam(config.discriminator_rate, b1=config.b1)
    settings: dict[str, Any] = {"loss": jg.losses.non_saturating, "scales": config.scales}
    weights = {
        "square error": (0.0, 0.0),
        "and gradients": (0.0, config.gradient),
        "and game": (config.weight, config.gradient),
    }
    games = {}
    for name, (weight, gradient) in weights.items():
        others = judges if weight else {}
        optimizer = {"generator": adam} | dict.fromkeys(others, rate)
        system = jg.systems.next_frame(**settings, optimizer=optimizer, weight=weight, gradient=gradient)
        games[name] = jg.game({"generator": generator} | others, system, ema={"generator": config.ema})
    return games


def _draw(folder: Path, clips: np.ndarray, made: dict[str, np.ndarray]) -> None:
    """Draws the last known and the next frames, a row of each method, and a GIF of clips that go on."""
    shown = min(SHOWN, len(clips))
    rows = [clips[:shown, PAST - 1], *(frames_[:shown, 0] for frames_ in made.values())]
    draw_images(folder / "samples.png", np.concatenate(rows))
    past = [np.concatenate([clips[:shown, t]] * len(made)) for t in range(PAST)]
    ahead = [np.concatenate([frames_[:shown, t] for frames_ in made.values()]) for t in range(AHEAD)]
    moving_picture(folder / "moving.gif", past + ahead, shown, 250, scale=2)
