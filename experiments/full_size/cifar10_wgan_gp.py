"""WGAN-GP of CIFAR-10: residual networks, Wasserstein loss, gradient penalty (Gulrajani et al. 2017).

Published: Inception score 7.86 +- 0.07, unconditional; 8.42 +- 0.10 with an auxiliary classifier, which is not here.
The authors' code: 100,000 generator steps, five critic steps of 64 images each, generator steps of 128 latents, Adam
2e-4 (0, 0.9), linearly to 0, penalty weight 10, a critic without normalisation whose last map is averaged. Judged here
during training by small versions of the images, which is no Inception score.

Command: python -m experiments cifar10_wgan_gp --data-dir PREPARED
Takes: not measured here; estimated a day on one GPU of 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jaxgan as jg
from experiments.full_size.cifar10_sngan import decaying, twice_the_latents
from experiments.full_size.data import SYNTHETIC, catalogued
from jaxgan.data import Source
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.runs.judging import JudgedBy, image_judge


@dataclass(frozen=True)
class Config:
    """WGAN-GP on CIFAR-10."""

    dataset: str = "tfds:cifar10"  # or "synthetic": noise of the same shape
    data_dir: str | None = None  # where sets are prepared; None: the default of TensorFlow Datasets
    judged: int = 5000  # samples in an evaluation
    judged_by: JudgedBy = "auto"  # feature network: auto is EfficientNet-Lite0 where installed, else 8x8 pixels
    seed: int = 0  # of parameters, latents and data order
    steps: int = 100_000  # generator steps
    n_critic: int = 5  # critic steps for each
    batch_size: int = 64  # real images a critic step; a generator step has twice as many latents
    latent: int = 128  # width of z
    generator_features: int = 128  # channels of every map
    discriminator_features: int = 128  # channels of every block
    penalty: float = 10.0  # weight of the gradient penalty
    learning_rate: float = 2e-4  # Adam's, of both players; linearly to 0
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.9  # Adam's decay of squared gradients


SMOKE = {
    "dataset": SYNTHETIC,
    "steps": 2,
    "n_critic": 2,
    "batch_size": 8,
    "generator_features": 2,
    "discriminator_features": 2,
    "judged": 8,
    "judged_by": "pixels",
}
MAY_DIFFER = ()  # the learning rate follows the number of steps


def source(config: Config) -> Source:
    """CIFAR-10 without its labels."""
    return catalogued(config.dataset, size=32, data_dir=config.data_dir)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """Residual networks in the Wasserstein game."""
    prior = jg.priors.normal(config.latent)
    networks = {
        "generator": jg.networks.resnet.Generator(
            channels=shape[-1], size=shape[:2], features=config.generator_features
        ),
        "discriminator": jg.networks.resnet.Discriminator(
            size=shape[:2], features=config.discriminator_features, normalization="none", pool="mean"
        ),
    }
    system = jg.systems.gan(
        loss=jg.losses.wasserstein,
        penalty=jg.penalties.gradient_penalty(config.penalty),
        prior=prior,
        optimizer=decaying(config.learning_rate, config.b1, config.b2, config.steps, config.n_critic),
        n_critic=config.n_critic,
    )
    return Experiment(jg.game(networks, twice_the_latents(system)), prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Small versions of samples against those of the images."""
    return image_judge(source(config), config.judged, config.judged_by)
