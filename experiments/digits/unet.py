"""A discriminator that judges every pixel: the U-Net GAN on handwritten digits.

DCGAN's generator against a U-Net discriminator with logits of images and of pixels, and CutMix consistency (Schönfeld
et al. 2020), whose weight rises over the first steps. Judged as `digits`. The log tells what the discriminator makes
of mixed images, where a box of a generated digit is in a real one or the reverse: `discriminator/pixel_accuracy` is the
share of their pixels that it assigns rightly (1/2 by chance), `discriminator/consistency` the mean squared difference
between its map of the mixed image and the mixture of its maps. Both are also measured where it does not learn from
them, with --cutmix 0.

Command: python -m experiments digits_unet [--cutmix 0]
Takes: five to ten minutes of training on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import optax

import jaxgan as jg
from experiments.digits.judge import digits_judge
from jaxgan.data import Source
from jaxgan.networks import unet
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.systems.unet_gan import unet_gan


@dataclass(frozen=True)
class Config:
    """A U-Net discriminator with CutMix on handwritten digits."""

    seed: int = 0  # of parameters, latents and data order
    steps: int = 2500  # train steps
    batch_size: int = 32  # real images a step
    size: int = 32  # side of the images: 32 or 64
    latent: int = 64  # width of z
    generator_features: int = 32  # channels of the generator's widest map; doubled at every halving of its side
    discriminator_features: int = 8  # channels of the discriminator's first map; doubled at every halving
    stages: int = 3  # how often the discriminator halves the image
    cutmix: float = 1.0  # weight of what is learned from mixed images
    warm_up: int = 300  # steps in which that weight rises from 0
    generator_rate: float = 5e-4  # Adam's learning rate
    discriminator_rate: float = 1e-3  # Adam's learning rate
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    ema: float = 0.99  # decay of the averaged generator, per step
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"steps": 4, "batch_size": 8, "generator_features": 2, "discriminator_features": 2, "judge_steps": 4}
MAY_DIFFER = ("steps",)  # a resumed run may be longer: nothing here depends on the number of steps


def source(config: Config) -> Source:
    """Real digits without their labels."""
    return jg.data.unlabelled(jg.data.digits("train", size=config.size))


def held_out(config: Config) -> Source:
    """Real digits that no run trains on."""
    return jg.data.unlabelled(jg.data.digits("test", size=config.size))


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """DCGAN's generator against the U-Net, each with its own learning rate."""
    prior = jg.priors.normal(config.latent)
    networks = {
        "generator": jg.networks.dcgan.Generator(shape[-1], config.size, config.generator_features, classes),
        "discriminator": unet.Discriminator(config.discriminator_features, config.stages, classes=classes),
    }
    system = unet_gan(
        prior=prior,
        optimizer={
            "generator": optax.adam(config.generator_rate, b1=config.b1, b2=config.b2),
            "discriminator": optax.adam(config.discriminator_rate, b1=config.b1, b2=config.b2),
        },
        cutmix=optax.linear_schedule(0.0, config.cutmix, config.warm_up),
    )
    return Experiment(jg.game(networks, system, ema={"generator": config.ema}), prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Held-out digits, seen through a classifier trained here."""
    return digits_judge(config.size, config.judge_steps, folder)
