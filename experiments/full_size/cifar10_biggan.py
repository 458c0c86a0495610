"""BigGAN of CIFAR-10 (Brock et al. 2019), with the settings of the StudioGAN benchmark; conditional.

Published: FID 4.16 and Inception score 9.96 (StudioGAN, 50,000 real images against 50,000 samples): 100,000 generator
steps, five discriminator steps of 64 images each, Adam 2e-4 (0.5, 0.999), latents of 80 in four chunks, generator
averaged with 0.9999 from step 1,000 on. The paper's own FID of 14.73 is of another protocol. Judged here during
training by small versions of the images, which is no FID.

Command: python -m experiments cifar10_biggan --data-dir PREPARED
Takes: not measured here; estimated a day on one GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import optax

import jaxgan as jg
from experiments.full_size.data import SYNTHETIC, catalogued
from jaxgan.data import Source
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.runs.judging import JudgedBy, image_judge
from jaxgan.types import Schedule


@dataclass(frozen=True)
class Config:
    """BigGAN on CIFAR-10."""

    dataset: str = "tfds:cifar10"  # or "synthetic": noise of the same shape
    data_dir: str | None = None  # where sets are prepared; None: the default of TensorFlow Datasets
    flip: bool = True  # mirror half of the images
    judged: int = 5000  # samples in an evaluation
    judged_by: JudgedBy = "auto"  # feature network: auto is EfficientNet-Lite0 where installed, else 8x8 pixels
    seed: int = 0  # of parameters, latents and data order
    steps: int = 100_000  # generator steps
    n_critic: int = 5  # discriminator steps for each
    batch_size: int = 64  # real images a discriminator step
    latent: int = 80  # width of z, in four chunks
    generator_features: int = 96  # "ch": a quarter of the channels of every map
    discriminator_features: int = 96  # likewise
    learning_rate: float = 2e-4  # Adam's, of both players
    b1: float = 0.5  # Adam's momentum
    b2: float = 0.999  # Adam's decay of squared gradients
    adam_epsilon: float = 1e-6  # Adam's
    ema: float = 0.9999  # decay of the averaged generator, per step
    ema_start: int = 1000  # step until which the average is the generator itself


SMOKE = {
    "dataset": SYNTHETIC,
    "steps": 2,
    "n_critic": 2,
    "batch_size": 8,
    "generator_features": 1,
    "discriminator_features": 1,
    "judged": 10,
    "judged_by": "pixels",
}
MAY_DIFFER = ("steps",)


def source(config: Config) -> Source:
    """CIFAR-10 with its labels."""
    return catalogued(config.dataset, size=32, classes=10, flip=config.flip, data_dir=config.data_dir)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """BigGAN's networks in the hinge game."""
    prior = jg.priors.normal(config.latent)
    networks = {
        "generator": jg.networks.biggan.Generator(
            channels=shape[-1], size=shape[:2], features=config.generator_features, classes=classes
        ),
        "discriminator": jg.networks.biggan.Discriminator(
            size=shape[:2], features=config.discriminator_features, classes=classes
        ),
    }
    system = jg.systems.gan(
        loss=jg.losses.hinge,
        prior=prior,
        optimizer=optax.adam(config.learning_rate, b1=config.b1, b2=config.b2, eps=config.adam_epsilon),
        n_critic=config.n_critic,
    )
    ema = {"generator": averaged_from(config.ema_start, config.ema)}
    return Experiment(jg.game(networks, system, ema=ema), prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Small versions of samples against those of the images."""
    return image_judge(source(config), config.judged, config.judged_by)


def averaged_from(start: int, decay: float) -> Schedule:
    """Decay of an average that is the parameters themselves until a step."""
    return lambda step: jnp.where(step < start, 0.0, decay)
