"""A letter from a caption in two stages: a sketch of 16 x 16, and a letter of 32 x 32 drawn on top of it.

StackGAN (Zhang et al. 2017: conditioning augmentation, matching-aware discriminators) on the captions of `glyph_text`;
both stages train in one step. Samples of 1,000 captions are read back as there: real letters, real ones halved and
enlarged (all that a perfect sketch could tell), the enlarged sketches of stage I, and what stage II makes of them.

Command: python -m experiments glyph_stack [--augmentation 1]
Takes: about three minutes of one CPU core a seed. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
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
from experiments.glyphs.data import SIZE, draw, endless, reader
from experiments.glyphs.text import SAMPLES, Discriminator, boxes, captioned, embedded, read, words
from jaxgan.networks.conditioning import ConditioningAugmentation
from jaxgan.networks.layers import ConvTranspose, StridedConv, downsample
from jaxgan.networks.layers.resampling import NEAREST
from jaxgan.runs.experiment import PICTURED, draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.samplers import trained
from jaxgan.systems.stackgan import stackgan
from jaxgan.types import Game


@dataclass(frozen=True)
class Config:
    """Letters from captions, in two stages."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 1  # runs
    steps: int = 3500  # train steps
    batch_size: int = 24  # pictures a step
    latent: int = 16  # width of z
    conditioning: int = 64  # width of what is drawn from a caption
    features: int = 16  # channels of the generators' widest maps, and of the discriminators' first
    mismatched: float = 0.5  # share of mismatched captions in what discriminators refuse
    augmentation: float = 0.003  # weight of the divergence of conditioning augmentation; the paper's is 1
    learning_rate: float = 1.5e-3  # Adam's, of all players
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 1.0  # weight of R1; 0: none, as in the paper
    ema: float = 0.998  # decay of the averaged generators, per step
    judge_steps: int = 800  # training steps of the classifier that reads


SMOKE = {"steps": 3, "batch_size": 8, "features": 2, "judge_steps": 4}


class Sketch(nn.Module):
    """Stage I: z [B, Z], noise [B, C] and a caption [B, T] -> pictures [B, 16, 16, 1], and divergences [B]."""

    features: int

    @nn.compact
    def __call__(self, z: Array, noise: Array, y: Array, train: bool = True) -> tuple[Array, Array]:
        """Draws one small picture per latent and caption."""
        condition, divergence = ConditioningAugmentation()(y, noise)
        width = self.features * 4
        x = nn.Dense(4 * 4 * width, use_bias=False)(jnp.concatenate([z, condition], axis=-1))
        x = _active(x.reshape(-1, 4, 4, width), train)
        for features in (width // 2, width // 4):
            x = _active(ConvTranspose(features, use_bias=False)(x), train)
        return jnp.tanh(nn.Conv(1, (3, 3))(x)), divergence


class Refined(nn.Module):
    """Stage II: small pictures [B, H, W, 1], noise [B, C] and captions -> pictures of twice the sides, and divergences.

    The sketch is halved, meets what was drawn from the caption at every place, passes a residual block, and is
    enlarged twice; at its own size it is seen once more.
    """

    features: int

    @nn.compact
    def __call__(self, low: Array, noise: Array, y: Array, train: bool = True) -> tuple[Array, Array]:
        """Draws one picture per sketch and caption."""
        condition, divergence = ConditioningAugmentation()(y, noise)
        width = self.features * 4
        low_features = nn.leaky_relu(nn.Conv(self.features, (3, 3))(low), 0.2)
        h = nn.leaky_relu(StridedConv(width // 2)(low_features), 0.2)
        condition = jnp.broadcast_to(condition[:, None, None], (*h.shape[:3], condition.shape[-1]))
        h = _active(nn.Conv(width, (3, 3), use_bias=False)(jnp.concatenate([h, condition], axis=-1)), train)
        inner = _active(nn.Conv(width, (3, 3), use_bias=False)(h), train)
        h = nn.relu(h + nn.BatchNorm(not train, momentum=0.9)(nn.Conv(width, (3, 3), use_bias=False)(inner)))
        h = _active(ConvTranspose(width // 2, use_bias=False)(h), train)
        h = _active(ConvTranspose(width // 4, use_bias=False)(jnp.concatenate([h, low_features], axis=-1)), train)
        return jnp.tanh(nn.Conv(1, (3, 3))(h)), divergence


def _active(x: Array, train: bool) -> Array:
    return nn.relu(nn.BatchNorm(not train, momentum=0.9)(x))


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, latent=1, conditioning=1, features=1, judge_steps=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws the letters in order: rows of sketches over what was made of them."""
    classifier = reader(lambda few, n: boxes(few, words(few, n)), config.judge_steps)
    judged: dict[str, list[dict[str, float]]] = {}
    game = _game(config)
    for seed in range(config.seed, config.seed + config.seeds):
        training = Training(game, endless(captioned), seed, config.steps, config.batch_size)
        state = train_member(folder / f"seed{seed}", training).state
        few = np.random.default_rng(seed + 1000)
        chosen = words(few, SAMPLES)
        chosen = chosen[np.argsort(chosen[:, 0], kind="stable")]
        real = draw(chosen[:, 0], chosen[:, 1], boxes(few, chosen))
        z = jg.priors.normal(config.latent + 2 * config.conditioning)(jax.random.key(seed), SAMPLES)
        sketches, samples = jax.jit(functools.partial(_stages, game, config))(state, z, embedded(chosen))
        pictures = {
            "real": real,
            "real, halved and enlarged": enlarged(downsample(jnp.asarray(real), NEAREST)),
            "stage I, enlarged": enlarged(sketches),
            "stage II": np.asarray(samples),
        }
        for name, x in pictures.items():
            judged.setdefault(name, []).append(read(classifier, x, chosen))
        if seed == config.seed:
            shown = np.linspace(0, SAMPLES - 1, PICTURED).astype(int).reshape(-1, 10)
            pair = [pictures[name][row] for row in shown for name in ("stage I, enlarged", "stage II")]
            draw_images(folder / "samples.png", np.concatenate(pair))
    rows: list[dict[str, Cell]] = [
        {"pictures": name, **{word: [figures[word] for figures in all_seeds] for word in all_seeds[0]}}
        for name, all_seeds in judged.items()
    ]
    note = (
        f"Share of {SAMPLES} captions whose word is read from the picture, after {config.steps} steps of "
        f"{config.batch_size}; weight of the divergence {config.augmentation:g}; {config.seeds} seeds"
    )
    yield Table("Letters drawn from captions in two stages, read back word by word", note, rows)


def enlarged(x: Any) -> np.ndarray:
    """Enlarges pictures [n, h, w, 1] to [n, SIZE, SIZE, 1], bilinearly."""
    return np.asarray(jax.image.resize(x, (len(x), SIZE, SIZE, 1), "bilinear"))


def _stages(game: Any, config: Config, state: Any, z: Array, y: Array) -> tuple[Array, Array]:
    """Returns the sketches from latents, [n, 16, 16, 1], and the samples that the game makes of the same."""
    sketch = trained(game.networks, state, "generator_0")
    latent, noise, _ = jnp.split(z, [config.latent, config.latent + config.conditioning], axis=1)
    return sketch(latent, noise, y)[0], game.generate(state, jax.random.key(0), {"z": z, "y": y})


def _game(config: Config) -> Game:
    networks = {
        "generator_0": Sketch(config.features),
        "discriminator_0": Discriminator(config.features),
        "generator_1": Refined(config.features),
        "discriminator_1": Discriminator(config.features),
    }
    system = stackgan(
        loss=jg.losses.non_saturating,
        prior=jg.priors.normal(config.latent),
        optimizer=optax.adam(config.learning_rate, b1=config.b1, b2=config.b2),
        conditioning=config.conditioning,
        mismatched=config.mismatched,
        augmentation=config.augmentation,
        penalty=jg.penalties.r1(config.gamma) if config.gamma else None,
    )
    return jg.game(networks, system, ema={"generator_0": config.ema, "generator_1": config.ema})
