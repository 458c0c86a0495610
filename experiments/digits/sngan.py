"""A residual GAN with spectral normalisation of handwritten digits: every layer of D has norm 1, and nothing else.

SNGAN (Miyato et al. 2018): the hinge loss, no penalty, no batch statistics in D. Judged as `digits`, and by
`spectral_error`: how far the layers of D are from norm 1, by singular value decomposition.

Command: python -m experiments digits_sngan
Takes: about five minutes of training on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import optax

import jaxgan as jg
from experiments.digits.judge import digits_judge
from jaxgan.data import Source
from jaxgan.networks.layers.normalization import spectral_norms
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.types import TrainState


@dataclass(frozen=True)
class Config:
    """SNGAN on handwritten digits."""

    labels: bool = False  # condition on the digit: by batch normalisation in G, by projection in D
    seed: int = 0  # of parameters, latents and data order
    steps: int = 3000  # train steps
    batch_size: int = 32  # real images a step
    latent: int = 64  # width of z
    generator_features: int = 64  # channels of the generator's smallest maps; a quarter of it at 32 pixels
    discriminator_features: int = 64  # channels of the discriminator's smallest maps; a quarter of it at 32 pixels
    generator_learning_rate: float = 5e-4  # Adam's; falls linearly to 0, as in the paper
    discriminator_learning_rate: float = 1e-3  # likewise
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.9  # Adam's decay of squared gradients
    iterations: int = 1  # of power iteration, in each of the discriminator's calls
    ema: float = 0.998  # decay of the averaged generator, per step
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"steps": 4, "batch_size": 8, "generator_features": 4, "discriminator_features": 4, "judge_steps": 4}
MAY_DIFFER = ()  # the rates fall over the steps
SIZE = 32


def source(config: Config) -> Source:
    """Real digits, with their labels if the game is conditioned on them."""
    images = jg.data.digits("train", size=SIZE)
    return images if config.labels else jg.data.unlabelled(images)


def held_out(config: Config) -> Source:
    """Real digits that no run trains on, labelled likewise."""
    images = jg.data.digits("test", size=SIZE)
    return images if config.labels else jg.data.unlabelled(images)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """Residual networks in the hinge game."""
    prior = jg.priors.normal(config.latent)

    def falling(rate: float) -> optax.Schedule:  # one power iteration a step keeps up with weights that slow down
        return optax.linear_schedule(rate, 0.0, config.steps)

    g, d = config.generator_features, config.discriminator_features
    networks = {
        "generator": jg.networks.resnet.Generator(
            channels=shape[-1], size=shape[:2], features=(g, g, g // 2, g // 4), classes=classes
        ),
        "discriminator": jg.networks.resnet.Discriminator(
            size=shape[:2], features=(d // 4, d // 2, d, d), iterations=config.iterations, classes=classes
        ),
    }
    system = jg.systems.gan(
        loss=jg.losses.hinge,
        prior=prior,
        optimizer={
            "generator": optax.adam(falling(config.generator_learning_rate), b1=config.b1, b2=config.b2),
            "discriminator": optax.adam(falling(config.discriminator_learning_rate), b1=config.b1, b2=config.b2),
        },
    )
    game = jg.game(networks, system, ema={"generator": config.ema})
    return Experiment(game, prior, classes, draw_images, lambda state: {"spectral_error": spectral_error(state)})


def judge(config: Config, folder: Path) -> Judge:
    """Held-out digits, seen through a classifier trained here; with labels, also how often it reads the asked one."""
    return digits_judge(SIZE, config.judge_steps, folder, conditional=config.labels)


def spectral_error(state: TrainState, network: str = "discriminator") -> float:
    """Largest |sigma - 1| over the layers of a network, sigma being the norm of the weights that the layer applies."""
    norms = spectral_norms({"params": state.params[network], **state.model_state[network]})
    return max(abs(norm - 1) for norm in norms.values())
