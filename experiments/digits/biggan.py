"""BigGAN of handwritten digits, asked for a class: a shared embedding, a latent in chunks, and self-attention.

Brock et al. 2019 in small: the hinge loss, spectral normalisation in both networks, orthogonal initialisation, averaged
parameters. Judged as `digits`, and by how often the classifier reads the label that was asked for.

Command: python -m experiments digits_biggan
Takes: about five minutes of training on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import optax

import jaxgan as jg
from experiments.digits.judge import digits_judge
from jaxgan.data import Source
from jaxgan.runs.experiment import Experiment, Judge, draw_images


@dataclass(frozen=True)
class Config:
    """BigGAN on handwritten digits."""

    seed: int = 0  # of parameters, latents and data order
    steps: int = 2000  # train steps
    batch_size: int = 32  # real images a step
    latent: int = 64  # width of z, in four chunks
    generator_features: int = 8  # "ch": a quarter of the channels of every map
    discriminator_features: int = 8  # likewise
    deep: bool = False  # BigGAN-deep
    generator_learning_rate: float = 5e-4  # Adam's
    discriminator_learning_rate: float = 1e-3  # Adam's
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    ema: float = 0.998  # decay of the averaged generator, per step
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"steps": 4, "batch_size": 8, "generator_features": 1, "discriminator_features": 1, "judge_steps": 4}
MAY_DIFFER = ("steps",)
SIZE = 32


def source(config: Config) -> Source:
    """Real digits with their labels."""
    return jg.data.digits("train", size=SIZE)


def held_out(config: Config) -> Source:
    """Real digits that no run trains on."""
    return jg.data.digits("test", size=SIZE)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """BigGAN's networks in the hinge game."""
    prior = jg.priors.normal(config.latent)
    networks = {
        "generator": jg.networks.biggan.Generator(
            channels=shape[-1],
            size=shape[:2],
            features=config.generator_features,
            deep=config.deep,
            classes=classes,
            embedding=32,
        ),
        "discriminator": jg.networks.biggan.Discriminator(
            size=shape[:2], features=config.discriminator_features, deep=config.deep, classes=classes
        ),
    }
    system = jg.systems.gan(
        loss=jg.losses.hinge,
        prior=prior,
        optimizer={
            "generator": optax.adam(config.generator_learning_rate, b1=config.b1, b2=config.b2, eps=1e-6),
            "discriminator": optax.adam(config.discriminator_learning_rate, b1=config.b1, b2=config.b2, eps=1e-6),
        },
    )
    return Experiment(jg.game(networks, system, ema={"generator": config.ema}), prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """As for `digits`, with the agreement between asked and read labels."""
    return digits_judge(SIZE, config.judge_steps, folder, conditional=True)
