"""What and where: a letter asked for by name, drawn into a box that is given.

GAWWN's condition (Reed et al. 2016) on pictures of one letter: {"caption": one-hot letter and weight, "box": left, top,
right, bottom}. D also refuses real pictures with another's letter or another's box. Read back on 1,000 boxes: the
overlap (intersection over union) of the ink's bounding box with the one asked for, and how often a classifier of real
letters reads the letter in the asked box.

Command: python -m experiments glyph_where
Takes: about four minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from experiments.glyphs.data import LETTERS, SIZE, draw, endless, ink_box, inside, overlap, reader
from jaxgan import metrics
from jaxgan.networks.places import BoxDiscriminator, BoxGenerator
from jaxgan.runs.experiment import PICTURED, draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.systems.captions import gawwn
from jaxgan.types import Game

SAMPLES = 1000


@dataclass(frozen=True)
class Config:
    """Letters drawn into boxes."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 1  # runs
    steps: int = 2500  # train steps
    batch_size: int = 32  # pictures a step
    latent: int = 16  # width of z
    features: int = 16  # channels of both networks' widest maps
    mismatched: float = 0.5  # share of mismatched pairs in what D refuses
    learning_rate: float = 1e-3  # Adam's, of both players
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 1.0  # weight of R1; 0: none, as in the paper
    ema: float = 0.998  # decay of the averaged generator, per step
    judge_steps: int = 800  # training steps of the classifier that reads


SMOKE = {"steps": 3, "batch_size": 8, "features": 2, "judge_steps": 4}


def boxes(few: np.random.Generator, n: int) -> np.ndarray:
    """Boxes of 10 to 20 pixels a side, anywhere in the picture, [n, 4]."""
    side = few.integers(10, 21, (n, 2))
    corner = few.integers(0, SIZE - side + 1)
    return np.concatenate([corner, corner + side], axis=1).astype(np.float32) / SIZE


def boxed(few: np.random.Generator, n: int) -> dict[str, Any]:
    """Draws pictures and their conditions."""
    letter, bold, box = few.integers(0, len(LETTERS), n), few.integers(0, 2, n), boxes(few, n)
    return {"x": draw(letter, bold, box), "y": {"caption": caption(letter, bold), "box": box}}


def caption(letter: np.ndarray, bold: np.ndarray) -> np.ndarray:
    """One-hot letter and weight, [n, letters + 2]."""
    return np.concatenate([np.eye(len(LETTERS))[letter], np.eye(2)[bold]], axis=1).astype(np.float32)


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, features=1, judge_steps=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws samples of every letter."""
    classifier, judged = reader(boxes, config.judge_steps), []
    game = _game(config)
    for seed in range(config.seed, config.seed + config.seeds):
        training = Training(game, endless(boxed), seed, config.steps, config.batch_size)
        state = train_member(folder / f"seed{seed}", training).state
        few = np.random.default_rng(seed + 1000)
        letter = np.arange(SAMPLES) * len(LETTERS) // SAMPLES
        bold, box = few.integers(0, 2, SAMPLES), boxes(few, SAMPLES)
        y = {"caption": caption(letter, bold), "box": box}
        generate = jax.jit(game.generate)
        samples = np.asarray(generate(state, jax.random.key(seed), {"index": jnp.arange(SAMPLES), "y": y}))
        judged.append(_read(classifier, samples, letter, bold, box))
        if seed == config.seed:
            shown = samples[np.linspace(0, SAMPLES - 1, PICTURED).astype(int)]
            draw_images(folder / "samples.png", shown)
            real = _read(classifier, draw(letter, bold, box), letter, bold, box)
    rows: list[dict[str, Cell]] = [
        {"pictures": "real", **real},
        {"pictures": "generated", **{name: [figures[name] for figures in judged] for name in real}},
    ]
    note = (
        f"{SAMPLES} boxes after {config.steps} steps of {config.batch_size}; overlap of the ink's bounding box with "
        f"the asked one, and shares of letters and weights read in the asked box; {config.seeds} seeds"
    )
    yield Table("A letter in the box that was asked for", note, rows)


def _read(classifier: Any, x: np.ndarray, letter: np.ndarray, bold: np.ndarray, box: np.ndarray) -> dict[str, float]:
    read = np.argmax(metrics.probabilities(classifier, inside(x, box)), axis=1)
    return {
        "overlap": float(np.mean(overlap(ink_box(x), box))),
        "letter": float(np.mean(read // 2 == letter)),
        "weight": float(np.mean(read % 2 == bold)),
    }


def _game(config: Config) -> Game:
    networks = {"generator": BoxGenerator(SIZE, 1, config.features), "discriminator": BoxDiscriminator(config.features)}
    system = gawwn(
        loss=jg.losses.non_saturating,
        prior=jg.priors.normal(config.latent),
        optimizer=optax.adam(config.learning_rate, b1=config.b1, b2=config.b2),
        mismatched=config.mismatched,
        penalty=jg.penalties.r1(config.gamma) if config.gamma else None,
    )
    return jg.game(networks, system, ema={"generator": config.ema})
