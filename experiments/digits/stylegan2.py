"""StyleGAN2 on handwritten digits: styles, noise and path length regularisation, at a size for two CPU cores.

Generator with a mapping network, modulated convolutions, noise and skips to images; residual discriminator with
minibatch standard deviation; non-saturating loss, lazy R1 and lazy path length regularisation (Karras et al. 2020); the
generator is averaged. `--truncation 0.5` draws and judges samples nearer to the mean style. Judged like `digits`, and
by the paths of the averaged generator: mean of ||J^T y||, and its standard deviation as a share of the mean, which the
regularisation makes fall (`--path-weight 0`: without).

Command: python -m experiments digits_stylegan2
Takes: ten to twenty minutes on 2 CPU cores; looks collapsed for a third of it. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

import jaxgan as jg
from experiments.digits.judge import digits_judge
from jaxgan.data import Source
from jaxgan.networks import stylegan2
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.systems.stylegan2 import stylegan2 as stylegan2_game
from jaxgan.types import TrainState, name_index

PATHS = 512  # latents at which path lengths are taken


@dataclass(frozen=True)
class Config:
    """A small StyleGAN2 on handwritten digits."""

    seed: int = 0  # of parameters, latents and data order
    steps: int = 4000  # train steps
    batch_size: int = 16  # real images a step
    size: int = 32  # side of the images: 28, 32 or 64
    latent: int = 64  # width of z
    style: int = 64  # width of w and of the mapping's layers
    mapping_layers: int = 2
    features: int = 8  # channels of the largest maps; doubled at every halving of the side
    max_features: int = 64
    learning_rate: float = 5e-3  # Adam's, of both players; b1 = 0
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 2.0  # weight of R1
    r1_every: int = 2  # train steps from one payment of R1 to the next
    path_weight: float = 2.0  # of path length regularisation; 0: none
    path_every: int = 8  # train steps from one payment to the next
    mixing: float = 0.9  # probability of style mixing
    truncation: float = 1.0  # of samples: 1 is none, 0 is the mean style alone
    ema: float = 0.99  # decay of the averaged generator, per step
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {
    "steps": 4,
    "size": 28,  # three sizes of maps, not four
    "batch_size": 8,
    "features": 2,
    "max_features": 4,
    "style": 4,
    "mapping_layers": 1,
    "judge_steps": 4,
}
MAY_DIFFER = ("steps", "truncation")  # neither changes what is trained


def source(config: Config) -> Source:
    """Real digits without their labels."""
    return jg.data.unlabelled(jg.data.digits("train", size=config.size))


def held_out(config: Config) -> Source:
    """Real digits that no run trains on."""
    return jg.data.unlabelled(jg.data.digits("test", size=config.size))


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """StyleGAN2 networks in the non-saturating game with R1 and path length."""
    prior = jg.priors.normal(config.latent)
    networks = {
        "generator": generator(config, shape[-1], classes),
        "discriminator": stylegan2.Discriminator(
            size=config.size, features=config.features, max_features=config.max_features, classes=classes
        ),
    }
    system = stylegan2_game(
        prior=prior,
        optimizer=optax.adam(config.learning_rate, b1=0.0, b2=config.b2),
        penalty=jg.penalties.every(config.r1_every, jg.penalties.r1(config.gamma)),
        path_weight=config.path_weight,
        path_every=config.path_every,
    )
    game = jg.game(networks, system, ema={"generator": config.ema})
    drawer = generator(config, shape[-1], classes)
    return Experiment(game, prior, classes, draw_images, lambda state: paths(drawer, config.latent, state))


def generator(config: Config, channels: int, classes: int) -> stylegan2.Generator:
    """The generator of a config."""
    return stylegan2.Generator(
        channels=channels,
        size=config.size,
        features=config.features,
        max_features=config.max_features,
        hidden=(config.style,) * config.mapping_layers,
        classes=classes,
        mixing=config.mixing,
        truncation=config.truncation,
    )


def halves(generator: stylegan2.Generator, state: TrainState) -> tuple[Any, ...]:
    """Returns both halves of the averaged generator: z [B, Z] -> w [B, layers, W] -> images [B, H, W, C]."""
    drawn = jg.samplers.trained({"generator": generator}, state, "generator")
    return tuple(jax.jit(functools.partial(drawn, method=method)) for method in ("mapping", "synthesis"))


def paths(generator: stylegan2.Generator, latent: int, state: TrainState) -> dict[str, float]:
    """Mean and relative deviation of path lengths of the averaged generator, of an unconditional game."""
    mapping, synthesis = halves(generator, state)
    key = jax.random.fold_in(state.key, name_index("paths"))
    w = mapping(jg.priors.normal(latent)(key, PATHS))
    lengths = jax.jit(lambda w: jg.penalties.path_lengths(synthesis, w, key))(w)
    mean = jnp.mean(lengths)
    return {"path_length": float(mean), "path_deviation": float(jnp.std(lengths) / jnp.maximum(mean, 1e-6))}


def judge(config: Config, folder: Path) -> Judge:
    """Held-out digits, seen through a classifier trained here."""
    return digits_judge(config.size, config.judge_steps, folder)
