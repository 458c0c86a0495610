"""SNGAN of CIFAR-10: residual networks, spectral normalisation of D, hinge loss (Miyato et al. 2018, ResNet).

Published: Inception score 8.22 +- 0.05 (5,000 samples, ten times), FID 21.7 +- 0.21 (10,000 real images against 5,000
samples), unconditional. The authors' code: 50,000 generator steps, five discriminator steps of 64 images each,
generator steps of 128 latents, Adam 2e-4 (0, 0.9), linearly to 0. Scores of other protocols do not compare. Judged here
during training by small versions of the images, which is no FID.

Command: python -m experiments cifar10_sngan --data-dir PREPARED
Takes: not measured here; estimated half a day on one GPU of 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

import jaxgan as jg
from experiments.full_size.data import SYNTHETIC, catalogued
from jaxgan.data import Source
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.runs.judging import JudgedBy, image_judge
from jaxgan.types import Batch, Metrics, Nets, System, Turn


@dataclass(frozen=True)
class Config:
    """SNGAN on CIFAR-10."""

    dataset: str = "tfds:cifar10"  # or "synthetic": noise of the same shape
    data_dir: str | None = None  # where sets are prepared; None: the default of TensorFlow Datasets
    flip: bool = False  # mirror half of the images
    labels: bool = False  # conditional: by batch normalisation in G, by projection in D
    judged: int = 5000  # samples in an evaluation
    judged_by: JudgedBy = "auto"  # feature network: auto is EfficientNet-Lite0 where installed, else 8x8 pixels
    seed: int = 0  # of parameters, latents and data order
    steps: int = 50_000  # generator steps
    n_critic: int = 5  # discriminator steps for each
    batch_size: int = 64  # real images a discriminator step; a generator step has twice as many latents
    latent: int = 128  # width of z
    generator_features: int = 256  # channels of every map
    discriminator_features: int = 128  # channels of every block
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
    """CIFAR-10, with its labels if the game is conditioned on them."""
    classes = 10 if config.labels else 0
    return catalogued(config.dataset, size=32, classes=classes, flip=config.flip, data_dir=config.data_dir)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """Residual networks in the hinge game."""
    prior = jg.priors.normal(config.latent)
    networks = {
        "generator": jg.networks.resnet.Generator(
            channels=shape[-1], size=shape[:2], features=config.generator_features, classes=classes
        ),
        "discriminator": jg.networks.resnet.Discriminator(
            size=shape[:2], features=config.discriminator_features, classes=classes
        ),
    }
    system = jg.systems.gan(
        loss=jg.losses.hinge,
        prior=prior,
        optimizer=decaying(config.learning_rate, config.b1, config.b2, config.steps, config.n_critic),
        n_critic=config.n_critic,
    )
    return Experiment(jg.game(networks, twice_the_latents(system)), prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Small versions of samples against those of the images."""
    return image_judge(source(config), config.judged, config.judged_by)


def decaying(
    learning_rate: float, b1: float, b2: float, steps: int, n_critic: int
) -> dict[str, optax.GradientTransformation]:
    """Adam for both players, the rate falling linearly to 0 over the run, however many updates each player makes."""
    updates = {"generator": steps, "discriminator": steps * n_critic}
    return {
        player: optax.adam(optax.linear_schedule(learning_rate, 0.0, count), b1=b1, b2=b2)
        for player, count in updates.items()
    }


def twice_the_latents(system: System) -> System:
    """A two-player system whose generator sees two latents for each example of its minibatch, as SNGAN's does."""
    player = system.players["generator"]

    def loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[jax.Array, Metrics]:
        doubled = jax.tree.map(lambda x: jnp.concatenate([x, x]), batch)
        here = jnp.arange(batch["x"].shape[0]) if turn.examples is None else turn.examples
        return player.loss(nets, doubled, turn._replace(examples=jnp.concatenate([2 * here, 2 * here + 1])))

    return system._replace(players=system.players | {"generator": player._replace(loss=loss)})
