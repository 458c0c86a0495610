"""R3GAN of CIFAR-10 at full size: the authors' preset, conditional on the ten classes.

Residual networks of 768 features without normalisation; RpGAN with R1 and R2 in every step; Adam without momentum. Over
the first 20 million images the learning rate falls from 2e-4 to 5e-5, gamma from 0.05 to 0.005, while b2 rises from 0.9
to 0.99, the half-life of the averaged generator from 0 to 5 million images, and the probability of augmentation from 0
to 0.55, along half cosines.

Published: FID 1.96 (50,000 samples against the 50,000 training images; recall 0.57), Huang et al. The GAN is Dead; Long
Live the GAN! A Modern GAN Baseline. NeurIPS 2024, after 250 million images on 8 GPUs. What is logged here is no FID
(see the protocol). Two differences: penalties are on the gradient at the augmented image, where the authors
differentiate through the augmentation; and no layer computes in bfloat16 unless `--bfloat16`.

Command: python -m experiments cifar10_r3gan --dataset tfds:cifar10
Takes: at the pace of the authors' Stacked MNIST (the same networks, 10 million images in 56 GPU-hours on L40) some
1,400 GPU-hours; it has not been run here. `--smoke` runs a few steps of tiny networks on noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import optax
from jax import Array

import jaxgan as jg
from experiments.full_size.data import catalogued
from jaxgan.data import Source
from jaxgan.networks import r3gan
from jaxgan.recipes.parts import half_cosine
from jaxgan.recipes.r3gan import scheduled
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.runs.judging import JudgedBy, image_judge

SIZE, CLASSES = 32, 10


@dataclass(frozen=True)
class Config:
    """The CIFAR-10 preset of R3GAN."""

    seed: int = 0  # of parameters, latents and data order
    dataset: str = "tfds:cifar10"  # or "synthetic": noise
    data_dir: str | None = None  # where sets are prepared; None: the default of TensorFlow Datasets
    steps: int = 488_282  # train steps: 250 million images
    batch_size: int = 512  # real images a step
    latent: int = 64  # width of z
    features: int = 768  # channels of all maps
    blocks: int = 2  # residual blocks at each resolution
    bfloat16: bool = False  # compute in bfloat16 inside the networks
    burn_in: float = 20.0  # millions of images over which the schedules move
    learning_rate: float = 2e-4  # Adam's at first
    last_learning_rate: float = 5e-5
    b2: float = 0.9  # Adam's decay of squared gradients at first
    last_b2: float = 0.99
    gamma: float = 0.05  # weight of R1 and of R2 at first
    last_gamma: float = 0.005
    ema_mimg: float = 5.0  # half-life of the averaged generator in the end, in millions of images; 0 at first
    augmentation: float = 0.55  # probability of every augmentation in the end; of those of colour, half of it
    judged: int = 2000  # samples in an evaluation
    judged_by: JudgedBy = "auto"  # feature network: auto is EfficientNet-Lite0 where installed, else 8x8 pixels


SMOKE = {
    "dataset": "synthetic",
    "steps": 2,
    "batch_size": 8,
    "latent": 4,
    "features": 2,
    "blocks": 1,
    "judged": 8,
    "judged_by": "pixels",
}
MAY_DIFFER = ("steps",)


def source(config: Config) -> Source:
    """CIFAR-10 with its labels."""
    return catalogued(config.dataset, size=SIZE, classes=CLASSES, data_dir=config.data_dir)


def build(config: Any, shape: tuple[int, ...], classes: int) -> Experiment:
    """R3GAN networks in the relativistic game with R1 and R2, for any config with the fields of this one."""
    prior = jg.priors.normal(config.latent)
    settings: dict[str, Any] = {
        "size": shape[:2],
        "features": config.features,
        "blocks": config.blocks,
        "classes": classes,
        "dtype": jnp.bfloat16 if config.bfloat16 else None,
    }
    networks = {
        "generator": r3gan.Generator(channels=shape[-1], **settings),
        "discriminator": r3gan.Discriminator(**settings),
    }
    steps = max(1, round(1e6 * config.burn_in / config.batch_size))
    gamma = half_cosine(config.gamma, config.last_gamma, steps)
    adam = optax.inject_hyperparams(optax.adam, static_args=("b1",))(
        learning_rate=half_cosine(config.learning_rate, config.last_learning_rate, steps),
        b1=0.0,
        b2=half_cosine(config.b2, config.last_b2, steps),
    )
    system = jg.systems.gan(
        loss=jg.losses.relativistic,
        penalty=jg.penalties.total(jg.penalties.r1(gamma), jg.penalties.r2(gamma)),
        prior=prior,
        optimizer=adam,
        augment=scheduled(half_cosine(0.0, config.augmentation, steps)) if config.augmentation else None,
    )
    half_life = half_cosine(0.0, 1e6 * config.ema_mimg, steps)

    def decay(step: Array) -> Array:
        return 0.5 ** (config.batch_size / jnp.maximum(half_life(step), 1e-8))

    return Experiment(jg.game(networks, system, ema={"generator": decay}), prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Small versions of samples against those of the images; measure an FID with `metrics` and Inception features."""
    return image_judge(source(config), config.judged, config.judged_by)
