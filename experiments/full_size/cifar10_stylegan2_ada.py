"""StyleGAN2-ADA of CIFAR-10 at full size: the authors' "cifar" configuration, conditional on the ten classes.

Mapping of two layers, 512 channels at every resolution, no style mixing, no path length regularisation; a plain
discriminator with minibatch standard deviation over 32; non-saturating loss, R1 with gamma 0.01 at every 16th step;
Adam at 0.0025 (0, 0.99) for D, whose R1 is paid in an update that it makes anyway (the authors' R1 is an update of its
own, for which they scale by 16/17), and for G at 4/5 of that, with b2 0.99^(4/5), as theirs though path length is off;
activations clamped at 256; R1 through the augmentation;
averaged generator with a half-life of 500 thousand images, ramped up; ADA with target 0.6 over 500 thousand images.

Published: FID 2.42 (50,000 samples against the 50,000 training images, mean of several runs' best snapshots), Karras et
al. Training Generative Adversarial Networks with Limited Data. NeurIPS 2020, figure 11; after 100 million images on two
GPUs. What is logged here is no FID (see the protocol).

Command: python -m experiments cifar10_stylegan2_ada --dataset tfds:cifar10
Takes: days on a GPU; it has not been run here. `--smoke` runs a few steps of tiny networks on noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import optax

import jaxgan as jg
from experiments.full_size.data import catalogued
from jaxgan.data import Source
from jaxgan.networks import stylegan2
from jaxgan.recipes.parts import ema_decay
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.runs.judging import JudgedBy, image_judge

SIZE, CLASSES = 32, 10


@dataclass(frozen=True)
class Config:
    """The "cifar" configuration of StyleGAN2-ADA."""

    seed: int = 0  # of parameters, latents and data order
    dataset: str = "tfds:cifar10"  # or "synthetic": noise
    data_dir: str | None = None  # where sets are prepared; None: the default of TensorFlow Datasets
    steps: int = 1_562_500  # train steps: 100 million images
    batch_size: int = 64  # real images a step
    latent: int = 512  # width of z
    style: int = 512  # width of w and of the mapping's layers
    mapping_layers: int = 2  # of the generator's mapping
    features: int = 512  # channels of all maps
    group: int = 32  # of the minibatch standard deviation: a GPU's share of the batch there
    learning_rate: float = 0.0025  # Adam's
    b2: float = 0.99
    correction: float = 4 / 5  # of G's rate and of the exponent of its b2
    clamp: float = 256.0  # bound of the activations
    gamma: float = 0.01  # weight of R1
    r1_every: int = 16  # train steps from one payment of R1 to the next
    ema_kimg: float = 500.0  # half-life of the averaged generator, in thousands of images
    ema_ramp: float = 0.05  # and at most this share of the images seen
    target: float = 0.6  # of ADA: E sign(D(real))
    ada_kimg: float = 500.0  # thousands of images in which its probability can go from 0 to 1
    judged: int = 2000  # samples in an evaluation
    judged_by: JudgedBy = "auto"  # feature network: auto is EfficientNet-Lite0 where installed, else 8x8 pixels


SMOKE = {
    "dataset": "synthetic",
    "steps": 2,
    "batch_size": 8,
    "latent": 4,
    "style": 4,
    "features": 2,
    "group": 4,
    "judged": 8,
    "judged_by": "pixels",
}
MAY_DIFFER = ("steps",)


def source(config: Config) -> Source:
    """CIFAR-10 with its labels, not mirrored."""
    return catalogued(config.dataset, size=SIZE, classes=CLASSES, data_dir=config.data_dir)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """StyleGAN2 networks in the non-saturating game with lazy R1 and ADA."""
    prior = jg.priors.normal(config.latent)
    networks = {
        "generator": stylegan2.Generator(
            channels=shape[-1],
            size=SIZE,
            features=config.features,
            max_features=config.features,
            hidden=(config.style,) * config.mapping_layers,
            classes=classes,
            mixing=0.0,
            conv_clamp=config.clamp,
        ),
        "discriminator": stylegan2.Discriminator(
            size=SIZE,
            features=config.features,
            max_features=config.features,
            classes=classes,
            architecture="plain",
            group=config.group,
            conv_clamp=config.clamp,
        ),
        "augment": jg.augment.Adaptive(target=config.target, kimg=config.ada_kimg),
    }
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        penalty=jg.penalties.every(config.r1_every, jg.penalties.r1(config.gamma)),
        prior=prior,
        optimizer={"discriminator": _adam(config, 1.0), "generator": _adam(config, config.correction)},
        augment="augment",
    )
    decay = ema_decay(config.batch_size, 1000 * config.ema_kimg, config.ema_ramp)
    return Experiment(jg.game(networks, system, ema={"generator": decay}), prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Small versions of samples against those of the images; measure an FID with `metrics` and Inception features."""
    return image_judge(source(config), config.judged, config.judged_by)


def _adam(config: Config, share: float) -> optax.GradientTransformation:
    """Adam at a share of the rate, with moments that last as many images."""
    return optax.adam(config.learning_rate * share, b1=0.0, b2=config.b2**share)
