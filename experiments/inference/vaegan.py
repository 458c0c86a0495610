"""Digits by an autoencoder whose error is measured by a discriminator, beside one that measures pixels.

VAE/GAN (Larsen et al. 2016): three players at once, gated as in the authors' code, so that neither discriminator nor
decoder gets far ahead. The baseline is a variational autoencoder of the same encoder and decoder. Of each: the Fréchet
distance of samples from the prior; and of 1,000 held-out digits' reconstructions how often the judge's classifier reads
the digit's class, the pixels' mean squared error, and their sharpness beside the digits'.

Command: python -m experiments digits_vaegan
Takes: about five minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import jaxgan as jg
from experiments.digits.judge import digits_judge
from experiments.inference.vae import vae
from jaxgan import metrics
from jaxgan.networks import dcgan, encoders, heads
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.systems import margins, vaegan
from jaxgan.types import Game

SIZE = 32  # side of the images


@dataclass(frozen=True)
class Config:
    """VAE/GAN and VAE of handwritten digits."""

    seed: int = 0  # the first; of parameters, latents and data order
    seeds: int = 1  # runs of each
    steps: int = 1500  # train steps
    batch_size: int = 32  # real images a step
    latent: int = 16  # width of z
    features: int = 16  # channels of the encoder's and the discriminator's first map, and of the decoder's widest
    learning_rate: float = 1e-3  # Adam's, of all players
    b1: float = 0.5  # Adam's momentum
    ema: float = 0.998  # decay of the averaged encoder and decoder, per step
    weight: float = 0.01  # of the likeness in the decoder's loss
    reconstructed: float = 0.5  # share of reconstructions among what the discriminator refuses
    margin: float = 0.35  # nats around the equilibrium beyond which a player waits
    gamma: float = 1.0  # weight of R1; 0: none, as in the paper
    judge_steps: int = 1000  # training steps of the classifier that judges


SMOKE = {"steps": 2, "batch_size": 8, "features": 2, "latent": 2, "judge_steps": 4}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, latent=1, features=1, judge_steps=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws digits, the first seed's reconstructions of them, and samples."""
    judge = digits_judge(SIZE, config.judge_steps, folder)
    classifier = metrics.load_classifier(folder / "judge.npz")
    test = _held_out()
    rows: list[dict[str, Cell]] = []
    shown = np.linspace(0, len(test["x"]) - 1, 20).astype(int)  # they lie in the order of their classes
    pictures = [test["x"][shown]]
    for name, game in {"VAE": _baseline(config), "VAE/GAN": _game(config)}.items():
        began, figures = time.monotonic(), []
        for seed in range(config.seed, config.seed + config.seeds):
            member = folder / f"{name.lower().replace('/', '-')}-seed{seed}"
            source = jg.data.unlabelled(jg.data.digits("train", size=SIZE))
            state = train_member(member, Training(game, source, seed, config.steps, config.batch_size)).state
            samples = np.asarray(jg.sample(game, state, jax.random.key(seed), n=judge.samples))
            rebuilt = np.asarray(jg.sample(game, state, jax.random.key(seed), n=len(test["x"]), x=test["x"]))
            figures.append(judge.judge(samples).figures | _likeness(classifier, rebuilt, test))
            pictures += [rebuilt[shown], samples[:20]] if seed == config.seed else []
        columns = {
            figure: [each[figure] for each in figures]
            for figure in ("frechet_distance", "precision", "recall", "read rightly", "pixel error", "sharpness")
        }
        rows.append({"method": name, **columns, "seconds": str(round(time.monotonic() - began))})
    draw_images(folder / "samples.png", np.concatenate(pictures))
    note = (
        f"{judge.protocol}. Of {len(test['x'])} held-out digits' reconstructions: share that the classifier reads as "
        "the digit's class, mean squared error of pixels in [-1, 1], and gradient energy beside the digits'; "
        f"{config.steps} steps of {config.batch_size}; {config.seeds} seeds"
    )
    yield Table("Samples and reconstructions of digits", note, rows)


def _likeness(classifier: metrics.Classifier, rebuilt: np.ndarray, test: dict[str, np.ndarray]) -> dict[str, float]:
    read = np.argmax(metrics.probabilities(classifier, np.clip(rebuilt, -1, 1)), axis=1)
    return {
        "read rightly": float(np.mean(read == test["y"])),
        "pixel error": float(np.mean(np.square(rebuilt - test["x"]))),
        "sharpness": metrics.gradient_energy_ratio(rebuilt, test["x"]),
    }


def _held_out() -> dict[str, np.ndarray]:
    source = jg.data.digits("test", size=SIZE)
    return {name: np.asarray(value) for name, value in jg.data.whole(source).items()}


def _autoencoder(config: Config) -> dict[str, Any]:
    return {
        "encoder": encoders.Gaussian(heads.Convolutional(config.features)),
        "decoder": dcgan.Generator(channels=1, size=SIZE, features=config.features),
    }


def _adam(config: Config) -> optax.GradientTransformation:
    return optax.adam(config.learning_rate, b1=config.b1)


def _baseline(config: Config) -> Game:
    prior = jg.priors.normal(config.latent)
    system = vae(prior=prior, optimizer=_adam(config), reconstruction=jg.losses.unit_gaussian)
    return jg.game(_autoencoder(config), system, ema=_averages(config))


def _game(config: Config) -> Game:
    body = heads.Convolutional(config.features)
    networks = _autoencoder(config) | {"discriminator": heads.Headed(body, {"logits": heads.Logit()})}
    system = vaegan(
        loss=jg.losses.non_saturating,
        prior=jg.priors.normal(config.latent),
        optimizer=_adam(config),
        weight=config.weight,
        reconstructed=config.reconstructed,
        penalty=jg.penalties.r1(config.gamma) if config.gamma else None,
    )
    dynamics = jg.dynamics.gated(margins(margin=config.margin), jg.dynamics.simultaneous())
    return jg.game(networks, system, ema=_averages(config), dynamics=dynamics)


def _averages(config: Config) -> dict[str, float]:
    return {"encoder": config.ema, "decoder": config.ema}
