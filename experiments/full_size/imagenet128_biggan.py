"""BigGAN of ImageNet at 128 pixels (Brock et al. 2019): 70,433,988 and 87,982,370 parameters.

Published by the paper: FID 8.7 and Inception score 98.8 without truncation (50,000 samples). The settings are those of
its author's public recipe for eight GPUs: batch 2,048, one discriminator step for each generator step, Adam 1e-4 (G)
and 4e-4 (D; 0, 0.999; epsilon 1e-6), 150,000 steps, generator averaged with 0.9999 from step 20,000 on. On several
devices batch statistics are those of all of them. Judged here during training by small versions of the images, which is
no FID.

Command: python -m experiments imagenet128_biggan --data-dir PREPARED
Takes: not measured here; estimated two weeks on eight GPUs of 2018, some 3,000 device-hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import optax

import jaxgan as jg
from experiments.full_size.cifar10_biggan import averaged_from
from experiments.full_size.data import SYNTHETIC, catalogued
from jaxgan.data import Source
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.runs.judging import JudgedBy, image_judge


@dataclass(frozen=True)
class Config:
    """BigGAN on ImageNet at 128 pixels."""

    dataset: str = "tfds:imagenet2012"  # or "synthetic": noise of the same shape
    data_dir: str | None = None  # where sets are prepared; None: the default of TensorFlow Datasets
    flip: bool = True  # mirror half of the images
    judged: int = 5000  # samples in an evaluation
    judged_by: JudgedBy = "auto"  # feature network: auto is EfficientNet-Lite0 where installed, else 8x8 pixels
    seed: int = 0  # of parameters, latents and data order
    steps: int = 150_000  # generator steps
    n_critic: int = 1  # discriminator steps for each
    batch_size: int = 2048  # real images a discriminator step
    microbatches: int = 1  # parts that a minibatch is cut into to save memory; batch statistics are those of a part
    latent: int = 120  # width of z, in six chunks
    generator_features: int = 96  # "ch": channels of the generator's largest map
    discriminator_features: int = 96  # "ch": channels of the discriminator's first block
    generator_learning_rate: float = 1e-4  # Adam's
    discriminator_learning_rate: float = 4e-4  # Adam's
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.999  # Adam's decay of squared gradients
    adam_epsilon: float = 1e-6  # Adam's
    ema: float = 0.9999  # decay of the averaged generator, per step
    ema_start: int = 20_000  # step until which the average is the generator itself


SMOKE = {
    "dataset": SYNTHETIC,
    "steps": 1,
    "batch_size": 8,
    "generator_features": 1,
    "discriminator_features": 1,
    "judged": 10,
    "judged_by": "pixels",
}
MAY_DIFFER = ("steps",)
CLASSES = 1000


def source(config: Config) -> Source:
    """ImageNet with its labels, cropped to squares of 128 pixels."""
    return catalogued(config.dataset, size=128, classes=CLASSES, flip=config.flip, data_dir=config.data_dir)


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
    rates = {"generator": config.generator_learning_rate, "discriminator": config.discriminator_learning_rate}
    system = jg.systems.gan(
        loss=jg.losses.hinge,
        prior=prior,
        optimizer={
            player: optax.adam(rate, b1=config.b1, b2=config.b2, eps=config.adam_epsilon)
            for player, rate in rates.items()
        },
        n_critic=config.n_critic,
    )
    ema = {"generator": averaged_from(config.ema_start, config.ema)}
    game = jg.game(networks, system, ema=ema, microbatches=config.microbatches)
    return Experiment(game, prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Small versions of samples against those of the images."""
    return image_judge(source(config), config.judged, config.judged_by)
