"""A fully connected GAN on a ring of 8 Gaussians: which modes are found, and how well.

Measured as in VEEGAN (Srivastava et al. 2017): modes covered, share of samples within three standard deviations of a
mode, reverse KL of their histogram.

Command: python -m experiments ring
Takes: about a minute on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import optax

import jaxgan as jg
from experiments.toys.scatter import draw_points
from jaxgan.data import Source
from jaxgan.runs.experiment import Experiment, Judge, Judgement


@dataclass(frozen=True)
class Config:
    """MLP GAN with R1 on a ring of Gaussians."""

    seed: int = 0  # of parameters, latents and data
    steps: int = 10000  # train steps
    batch_size: int = 256  # real points in a discriminator update
    n_critic: int = 1  # discriminator updates per generator update
    modes: int = 8  # Gaussians on the ring
    radius: float = 2.0  # of the ring
    std: float = 0.02  # of each Gaussian
    latent: int = 32  # width of z
    width: int = 128  # units of each of the two hidden layers, in both networks
    learning_rate: float = 1e-3  # Adam's, of both players; decays to zero along a half cosine
    b1: float = 0.5  # Adam's momentum
    gamma: float = 0.1  # weight of R1; 0: no penalty
    ema: float = 0.999  # decay of the averaged generator, per step


SMOKE = {"steps": 4, "batch_size": 8, "width": 4}
MAY_DIFFER = ()  # the learning rate depends on the number of steps


def source(config: Config) -> Source:
    """Points on the ring, drawn on the device."""
    return jg.data.ring(config.modes, config.radius, config.std)


def held_out(config: Config) -> Source:
    """The same density: every draw is new."""
    return source(config)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """Two MLPs in the non-saturating game."""
    hidden = (config.width, config.width)
    prior = jg.priors.normal(config.latent)
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        penalty=jg.penalties.r1(config.gamma) if config.gamma else None,
        prior=prior,
        n_critic=config.n_critic,
        optimizer={
            "discriminator": _adam(config, config.steps * config.n_critic),
            "generator": _adam(config, config.steps),
        },
    )
    networks = {
        "generator": jg.networks.mlp.Generator(shape=shape, hidden=hidden),
        "discriminator": jg.networks.mlp.Discriminator(hidden=hidden),
    }
    return Experiment(jg.game(networks, system, ema={"generator": config.ema}), prior, 0, draw_points)


def judge(config: Config, folder: Path) -> Judge:
    """Mode coverage of 2,500 samples."""
    modes = jg.data.ring(config.modes, config.radius, config.std).modes
    if modes is None:
        raise ValueError("the ring has no modes to cover")

    def measure(samples: Any) -> Judgement:
        covered = jg.metrics.mode_coverage(jnp.asarray(samples), modes.centres, modes.std)
        figures = {
            "modes": float(covered.modes),
            "high_quality": covered.high_quality,
            "missed": config.modes - covered.modes + 1.0 - covered.high_quality,
        }
        if covered.modes:  # without a sample of high quality there is no histogram to compare
            figures["reverse_kl"] = covered.reverse_kl
        return Judgement(figures, [int(count) for count in covered.histogram])

    protocol = (
        f"2500 samples of the averaged generator; a sample is of high quality within 3 standard deviations of its "
        f"nearest mode, and a mode is covered by one such sample; `missed` = modes not covered (of {config.modes}) "
        "+ share of samples that are not of high quality"
    )
    return Judge(measure, 2500, "missed", protocol)


def _adam(config: Config, updates: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(config.learning_rate, updates), b1=config.b1, b2=0.99)
