"""A convolutional GAN of handwritten digits, from install to picture: the main job.

DCGAN networks (Radford et al. 2016) with the non-saturating loss (Goodfellow et al. 2014) and the R1 penalty (Mescheder
et al. 2018) on 4,000 real MNIST digits, averaged parameters for the samples. Judged on 1,000 held-out digits by a
classifier that the run trains first.

Command: python -m experiments digits
Takes: two to five minutes of training on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
import optax

import jaxgan as jg
from experiments.digits.judge import digits_judge
from jaxgan.data import Source
from jaxgan.runs.experiment import Experiment, Judge, draw_images


@dataclass(frozen=True)
class Config:
    """DCGAN with R1 on handwritten digits."""

    seed: int = 0  # of parameters, latents and data order
    steps: int = 5000  # train steps
    batch_size: int = 32  # real images a step
    size: int = 32  # side of the images: 28, 32 or 64
    latent: int = 64  # width of z
    generator_features: int = 32  # channels of the generator's widest map; doubled at every halving of its side
    discriminator_features: int = 32  # channels of the discriminator's first map; doubled at every halving
    learning_rate: float = 1e-3  # Adam's, of both players
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 1.0  # weight of R1
    ema: float = 0.999  # decay of the averaged generator, per step
    shared: bool = False  # one batch of samples for both turns, as `dynamics.alternating` explains
    precision: Literal["float32", "bfloat16", "float16"] = "float32"  # what the networks compute in
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"steps": 4, "batch_size": 8, "generator_features": 2, "discriminator_features": 2, "judge_steps": 4}
MAY_DIFFER = ("steps",)  # a resumed run may be longer: nothing here depends on the number of steps


def source(config: Config) -> Source:
    """Real digits without their labels: this game is unconditional."""
    return jg.data.unlabelled(jg.data.digits("train", size=config.size))


def held_out(config: Config) -> Source:
    """Real digits that no run trains on."""
    return jg.data.unlabelled(jg.data.digits("test", size=config.size))


def build(config: Any, shape: tuple[int, ...], classes: int) -> Experiment:
    """DCGAN networks in the non-saturating game with R1, for any config with the fields from `size` to `ema`.

    Networks compute in the config's `precision`, where it has this field, and under float16 with loss scaling; turns
    are `shared`, where it has that.
    """
    adam = optax.adam(config.learning_rate, b1=config.b1, b2=config.b2)
    precision = getattr(config, "precision", "float32")
    dtype = None if precision == "float32" else jnp.dtype(precision)
    prior = jg.priors.normal(config.latent)
    networks = {
        "generator": jg.networks.dcgan.Generator(
            channels=shape[-1], size=shape[:2], features=config.generator_features, classes=classes, dtype=dtype
        ),
        "discriminator": jg.networks.dcgan.Discriminator(
            size=shape[:2],
            features=config.discriminator_features,
            normalization="none",
            classes=classes,
            dtype=dtype,
        ),
    }
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        penalty=jg.penalties.r1(config.gamma),
        prior=prior,
        optimizer=jg.precision.scaled(adam) if precision == "float16" else adam,
    )
    dynamics = jg.dynamics.alternating(shared=getattr(config, "shared", False))
    game = jg.game(networks, system, ema={"generator": config.ema}, dynamics=dynamics)
    return Experiment(game, prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Held-out digits, seen through a classifier trained here."""
    return digits_judge(config.size, config.judge_steps, folder)
