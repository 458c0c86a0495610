"""DCGAN of CIFAR-10 (Radford et al. 2016), with the settings of the StudioGAN benchmark.

Published: FID 48.29 and Inception score 6.11 (StudioGAN, 50,000 real images against 50,000 samples): 200,000 generator
steps, two discriminator steps of 64 images each, Adam 2e-4 (0.5, 0.999). The networks are those of the paper at 32
pixels, which the benchmark's resemble. Judged here during training by small versions of the images, which is no FID.

Command: python -m experiments cifar10_dcgan --data-dir PREPARED
Takes: not measured here; estimated a few hours on one GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import optax

import jaxgan as jg
from experiments.full_size.data import SYNTHETIC, catalogued
from jaxgan.data import Source
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.runs.judging import JudgedBy, image_judge


@dataclass(frozen=True)
class Config:
    """DCGAN on CIFAR-10."""

    dataset: str = "tfds:cifar10"  # or "synthetic": noise of the same shape
    data_dir: str | None = None  # where sets are prepared; None: the default of TensorFlow Datasets
    flip: bool = True  # mirror half of the images
    judged: int = 5000  # samples in an evaluation
    judged_by: JudgedBy = "auto"  # feature network: auto is EfficientNet-Lite0 where installed, else 8x8 pixels
    seed: int = 0  # of parameters, latents and data order
    steps: int = 200_000  # generator steps
    n_critic: int = 2  # discriminator steps for each
    batch_size: int = 64  # real images a discriminator step
    latent: int = 100  # width of z
    generator_features: int = 64  # channels of the generator's largest map; doubled at every halving of its side
    discriminator_features: int = 64  # channels of the discriminator's first map; doubled at every halving
    learning_rate: float = 2e-4  # Adam's, of both players
    b1: float = 0.5  # Adam's momentum
    b2: float = 0.999  # Adam's decay of squared gradients


SMOKE = {
    "dataset": SYNTHETIC,
    "steps": 2,
    "batch_size": 8,
    "generator_features": 2,
    "discriminator_features": 2,
    "judged": 8,
    "judged_by": "pixels",
}
MAY_DIFFER = ("steps",)


def source(config: Config) -> Source:
    """CIFAR-10 without its labels."""
    return catalogued(config.dataset, size=32, flip=config.flip, data_dir=config.data_dir)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """DCGAN networks, with batch normalisation in both, in the non-saturating game."""
    prior = jg.priors.normal(config.latent)
    networks = {
        "generator": jg.networks.dcgan.Generator(channels=shape[-1], size=32, features=config.generator_features),
        "discriminator": jg.networks.dcgan.Discriminator(size=32, features=config.discriminator_features),
    }
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        prior=prior,
        optimizer=optax.adam(config.learning_rate, b1=config.b1, b2=config.b2),
        n_critic=config.n_critic,
    )
    return Experiment(jg.game(networks, system), prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Small versions of samples against those of the images."""
    return image_judge(source(config), config.judged, config.judged_by)
