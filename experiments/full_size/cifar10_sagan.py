"""SAGAN of CIFAR-10 (Zhang et al. 2019), with the settings of the StudioGAN benchmark; conditional.

Published: FID 10.35 and Inception score 8.64 (StudioGAN, 50,000 real images against 50,000 samples): 100,000 generator
steps, five discriminator steps of 64 images each, Adam 2e-4 (0.5, 0.999), self-attention at 16 pixels and spectral
normalisation in both networks. Judged here during training by small versions of the images, which is no FID.

Command: python -m experiments cifar10_sagan --data-dir PREPARED
Takes: not measured here; estimated a day on one GPU.
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
    """SAGAN on CIFAR-10."""

    dataset: str = "tfds:cifar10"  # or "synthetic": noise of the same shape
    data_dir: str | None = None  # where sets are prepared; None: the default of TensorFlow Datasets
    flip: bool = True  # mirror half of the images
    judged: int = 5000  # samples in an evaluation
    judged_by: JudgedBy = "auto"  # feature network: auto is EfficientNet-Lite0 where installed, else 8x8 pixels
    seed: int = 0  # of parameters, latents and data order
    steps: int = 100_000  # generator steps
    n_critic: int = 5  # discriminator steps for each
    batch_size: int = 64  # real images a discriminator step
    latent: int = 128  # width of z
    generator_features: int = 256  # channels of every map
    discriminator_features: int = 128  # channels of every block
    learning_rate: float = 2e-4  # Adam's, of both players
    b1: float = 0.5  # Adam's momentum
    b2: float = 0.999  # Adam's decay of squared gradients


SMOKE = {
    "dataset": SYNTHETIC,
    "steps": 2,
    "n_critic": 2,
    "batch_size": 8,
    "generator_features": 2,
    "discriminator_features": 2,
    "judged": 10,
    "judged_by": "pixels",
}
MAY_DIFFER = ("steps",)


def source(config: Config) -> Source:
    """CIFAR-10 with its labels."""
    return catalogued(config.dataset, size=32, classes=10, flip=config.flip, data_dir=config.data_dir)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """Residual networks that attend to themselves at half the height, in the hinge game."""
    prior = jg.priors.normal(config.latent)
    networks = {
        "generator": jg.networks.resnet.Generator(
            channels=shape[-1],
            size=shape[:2],
            features=config.generator_features,
            spectral=True,
            attention=shape[0] // 2,
            classes=classes,
        ),
        "discriminator": jg.networks.resnet.Discriminator(
            size=shape[:2], features=config.discriminator_features, attention=shape[0] // 2, classes=classes
        ),
    }
    system = jg.systems.gan(
        loss=jg.losses.hinge,
        prior=prior,
        optimizer=optax.adam(config.learning_rate, b1=config.b1, b2=config.b2),
        n_critic=config.n_critic,
    )
    return Experiment(jg.game(networks, system), prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Small versions of samples against those of the images."""
    return image_judge(source(config), config.judged, config.judged_by)
