"""Digits by class, from a discriminator that also classifies: AC-GAN, ContraGAN, ReACGAN.

Networks, data and judge of `digits_conditional`, but the discriminator is told no label: it says which class it sees
(Odena et al. 2017), or where the class lies on a sphere (Kang et al. 2020, 2021). Judged as `digits`, and by how often
the classifier reads the label that was asked for.

Command: python -m experiments digits_acgan [--method acgan | contragan | reacgan]
Takes: two to four minutes of training on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import flax.linen as nn
import optax

import jaxgan as jg
from experiments.digits.judge import digits_judge
from jaxgan.data import Source
from jaxgan.networks import heads
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.systems.class_conditional import acgan, contragan, reacgan


@dataclass(frozen=True)
class Config:
    """A class-conditional GAN whose discriminator classifies, on handwritten digits."""

    seed: int = 0  # of parameters, latents and data order
    method: Literal["acgan", "contragan", "reacgan"] = "acgan"  # what the discriminator says of classes
    steps: int = 4000  # train steps
    batch_size: int = 32  # real images a step
    size: int = 32  # side of the images: 28, 32 or 64
    latent: int = 64  # width of z
    generator_features: int = 32  # channels of the generator's widest map; doubled at every halving of its side
    discriminator_features: int = 32  # channels of the discriminator's first map; doubled at every halving
    embedding: int = 64  # width of the sphere, of contragan and reacgan
    weight: float = 1.0  # of the classes in both players' losses
    learning_rate: float = 1e-3  # Adam's, of both players
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 1.0  # weight of R1
    ema: float = 0.999  # decay of the averaged generator, per step
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"steps": 4, "batch_size": 8, "generator_features": 2, "discriminator_features": 2, "judge_steps": 4}
MAY_DIFFER = ("steps",)


def source(config: Config) -> Source:
    """Real digits with their labels."""
    return jg.data.digits("train", size=config.size)


def held_out(config: Config) -> Source:
    """Real digits that no run trains on."""
    return jg.data.digits("test", size=config.size)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """DCGAN's generator against a convolutional body with two heads, in the non-saturating game with R1."""
    contrast = config.method != "acgan"
    second: dict[str, nn.Module] = (
        {"contrast": heads.Contrastive(classes, config.embedding)} if contrast else {"classes": heads.Classes(classes)}
    )
    networks = {
        "generator": jg.networks.dcgan.Generator(
            channels=shape[-1], size=config.size, features=config.generator_features, classes=classes
        ),
        "discriminator": heads.Headed(
            heads.Convolutional(config.discriminator_features, 2 if config.size == 28 else 3),
            {"logits": heads.Logit(), **second},
        ),
    }
    prior = jg.priors.normal(config.latent)
    settings: dict[str, Any] = {
        "loss": jg.losses.non_saturating,
        "prior": prior,
        "optimizer": optax.adam(config.learning_rate, b1=config.b1, b2=config.b2),
        "weight": config.weight,
        "penalty": jg.penalties.r1(config.gamma),
    }
    system = {"acgan": acgan, "contragan": contragan, "reacgan": reacgan}[config.method](**settings)
    return Experiment(jg.game(networks, system, ema={"generator": config.ema}), prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Held-out digits, seen through a classifier trained here, and its agreement with the labels asked for."""
    return digits_judge(config.size, config.judge_steps, folder, conditional=True)
