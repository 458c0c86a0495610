"""The original game on digits: fully connected networks, D(x) and D(G(z)) on their way to 1/2.

Goodfellow et al. 2014, with the non-saturating loss, and R1 so that it settles. Judged as `digits`; the probabilities
are the metrics `discriminator/real_probability` and `discriminator/fake_probability` of the run's page.

Command: python -m experiments digits_mlp
Takes: about two minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import optax

import jaxgan as jg
from experiments.digits.judge import digits_judge
from jaxgan.data import Source
from jaxgan.runs.experiment import Experiment, Judge, draw_images


@dataclass(frozen=True)
class Config:
    """Fully connected GAN on handwritten digits."""

    seed: int = 0  # of parameters, latents and data order
    steps: int = 12000  # train steps
    batch_size: int = 64  # real images a step
    size: int = 28  # side of the images: 28, 32 or 64
    latent: int = 64  # width of z
    generator_width: int = 256  # units of each of the generator's two hidden layers
    discriminator_width: int = 256  # units of each of the discriminator's two hidden layers
    learning_rate: float = 1e-3  # Adam's, of both players; decays to zero along a half cosine
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 1.0  # weight of R1; 0: none, as in the paper
    ema: float = 0.999  # decay of the averaged generator, per step
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"steps": 4, "batch_size": 8, "generator_width": 4, "discriminator_width": 4, "judge_steps": 4}
MAY_DIFFER = ()  # the learning rate depends on the number of steps


def source(config: Config) -> Source:
    """Real digits without their labels."""
    return jg.data.unlabelled(jg.data.digits("train", size=config.size))


def held_out(config: Config) -> Source:
    """Real digits that no run trains on."""
    return jg.data.unlabelled(jg.data.digits("test", size=config.size))


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """Two MLPs in the non-saturating game."""
    rate = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    prior = jg.priors.normal(config.latent)
    networks = {
        "generator": jg.networks.mlp.Generator(shape, (config.generator_width,) * 2, output=jnp.tanh),
        "discriminator": jg.networks.mlp.Discriminator((config.discriminator_width,) * 2),
    }
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        prior=prior,
        optimizer=optax.adam(rate, b1=config.b1, b2=config.b2),
        penalty=jg.penalties.r1(config.gamma) if config.gamma else None,
    )
    return Experiment(jg.game(networks, system, ema={"generator": config.ema}), prior, 0, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Held-out digits, seen through a classifier trained here."""
    return digits_judge(config.size, config.judge_steps, folder)
