"""A letter from a caption: "large bold A, top left", by GAN-CLS with interpolated captions.

Captions of four words (letter, weight, size, place) are told to both networks as one-hot words (Reed et al. 2016:
matching-aware discriminator, interpolation of captions). Samples of 1,000 captions are read back: the letter and the
weight by a classifier of real letters, size and place from the bounding box of the ink.

Command: python -m experiments glyph_text [--mismatched 0 --interpolated 0]
Takes: about four minutes on 2 CPU cores. Expected result: experiments/README.md.
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
from experiments.glyphs.data import LETTERS, SIZE, draw, endless, ink_box, inside, reader
from jaxgan import metrics
from jaxgan.networks import dcgan, heads
from jaxgan.runs.experiment import PICTURED, draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.systems.captions import gan_cls_int
from jaxgan.types import Game

SAMPLES = 1000
WORDS = (LETTERS, ("light", "bold"), ("small", "large"), ("top left", "top right", "bottom left", "bottom right"))
SIDES = (10, 15)  # of small and large letters, in pixels


@dataclass(frozen=True)
class Config:
    """Letters from captions."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 1  # runs
    steps: int = 3000  # train steps
    batch_size: int = 32  # pictures a step
    latent: int = 16  # width of z
    features: int = 16  # channels of the generator's widest map, and of the discriminator's first
    mismatched: float = 0.5  # share of mismatched captions in what D refuses; 0: a plain conditional GAN
    interpolated: float = 1.0  # weight of G's loss between captions; 0: none
    learning_rate: float = 1e-3  # Adam's, of both players
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 1.0  # weight of R1; 0: none, as in the paper
    ema: float = 0.998  # decay of the averaged generator, per step
    judge_steps: int = 800  # training steps of the classifier that reads


SMOKE = {"steps": 3, "batch_size": 8, "features": 2, "judge_steps": 4}


class Generator(nn.Module):
    """z [B, Z] and a caption [B, T] -> pictures: DCGAN's generator of both side by side."""

    features: int

    @nn.compact
    def __call__(self, z: Array, y: Array, train: bool = True) -> Array:
        """Draws one picture per latent and caption."""
        condition = nn.leaky_relu(nn.Dense(32)(y), 0.2)
        return dcgan.Generator(1, SIZE, self.features)(jnp.concatenate([z, condition], axis=-1), train=train)


class Discriminator(nn.Module):
    """Pictures with captions [B, T] -> logits [B]: the caption meets every place of the last map."""

    features: int

    @nn.compact
    def __call__(self, x: Array, y: Array) -> Array:
        """Scores every picture with its caption."""
        h = heads.Convolutional(self.features)(x)
        condition = nn.leaky_relu(nn.Dense(32)(y), 0.2)
        condition = jnp.broadcast_to(condition[:, None, None], (*h.shape[:3], condition.shape[-1]))
        h = nn.leaky_relu(nn.Conv(self.features * 4, (1, 1))(jnp.concatenate([h, condition], axis=-1)), 0.2)
        return nn.Dense(1)(h.reshape(h.shape[0], -1))[:, 0]


def words(few: np.random.Generator, n: int) -> np.ndarray:
    """Draws captions, [n, 4] integers: which letter, weight, size and place."""
    return np.stack([few.integers(0, len(known), n) for known in WORDS], axis=1)


def embedded(chosen: np.ndarray) -> np.ndarray:
    """Returns captions as one-hot words, [n, T] float32."""
    hot = [np.eye(len(known))[which] for known, which in zip(WORDS, chosen.T, strict=True)]
    return np.concatenate(hot, axis=1).astype(np.float32)


def boxes(few: np.random.Generator, chosen: np.ndarray) -> np.ndarray:
    """Returns where captions put their letters, moved by up to a pixel, [n, 4] in [0, 1]."""
    side = np.asarray(SIDES)[chosen[:, 2]][:, None]
    far = np.stack([chosen[:, 3] % 2, chosen[:, 3] // 2], axis=1)  # right, bottom
    corner = np.clip(far * (SIZE - side) + few.integers(-1, 2, far.shape), 0, SIZE - side)
    return np.concatenate([corner, corner + side], axis=1).astype(np.float32) / SIZE


def captioned(few: np.random.Generator, n: int) -> dict[str, Any]:
    """Draws pictures and their captions: "x" [n, SIZE, SIZE, 1] and "y" [n, T]."""
    chosen = words(few, n)
    return {"x": draw(chosen[:, 0], chosen[:, 1], boxes(few, chosen)), "y": embedded(chosen)}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, features=1, judge_steps=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws samples of the letters in order."""
    classifier = reader(lambda few, n: boxes(few, words(few, n)), config.judge_steps)
    judged: list[dict[str, float]] = []
    real: dict[str, float] = {}
    game = _game(config)
    for seed in range(config.seed, config.seed + config.seeds):
        training = Training(game, endless(captioned), seed, config.steps, config.batch_size)
        state = train_member(folder / f"seed{seed}", training).state
        few = np.random.default_rng(seed + 1000)
        chosen = words(few, SAMPLES)
        chosen = chosen[np.argsort(chosen[:, 0], kind="stable")]
        asked = {"index": jnp.arange(SAMPLES), "y": embedded(chosen)}
        samples = np.asarray(jax.jit(game.generate)(state, jax.random.key(seed), asked))
        judged.append(read(classifier, samples, chosen))
        if seed == config.seed:
            draw_images(folder / "samples.png", samples[np.linspace(0, SAMPLES - 1, PICTURED).astype(int)])
            real = read(classifier, draw(chosen[:, 0], chosen[:, 1], boxes(few, chosen)), chosen)
    rows: list[dict[str, Cell]] = [
        {"pictures": "real", **real},
        {"pictures": "generated", **{name: [figures[name] for figures in judged] for name in real}},
    ]
    note = (
        f"Share of {SAMPLES} captions whose word is read from the picture, after {config.steps} steps of "
        f"{config.batch_size}; mismatched {config.mismatched}, interpolated {config.interpolated}; {config.seeds} seeds"
    )
    yield Table("Letters drawn from captions, read back word by word", note, rows)


def read(classifier: Any, x: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
    """Shares of captions [n, 4] whose words are read from pictures [n, SIZE, SIZE, 1], by word and of all four."""
    box = ink_box(x)
    label = np.argmax(metrics.probabilities(classifier, inside(x, box)), axis=1)
    side = np.max(box[:, 2:] - box[:, :2], axis=1) * SIZE
    centre = (box[:, :2] + box[:, 2:]) / 2
    answers = (label // 2, label % 2, side > np.mean(SIDES), (centre[:, 0] > 0.5) + 2 * (centre[:, 1] > 0.5))
    right = {name: s == c for name, s, c in zip(("letter", "weight", "size", "place"), answers, chosen.T, strict=True)}
    return {name: float(np.mean(r)) for name, r in right.items()} | {
        "whole caption": float(np.mean(np.all(list(right.values()), axis=0)))
    }


def _game(config: Config) -> Game:
    networks = {"generator": Generator(config.features), "discriminator": Discriminator(config.features)}
    system = gan_cls_int(
        loss=jg.losses.non_saturating,
        prior=jg.priors.normal(config.latent),
        optimizer=optax.adam(config.learning_rate, b1=config.b1, b2=config.b2),
        mismatched=config.mismatched,
        interpolated=config.interpolated,
        penalty=jg.penalties.r1(config.gamma) if config.gamma else None,
    )
    return jg.game(networks, system, ema={"generator": config.ema})
