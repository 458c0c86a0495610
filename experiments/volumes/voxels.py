"""Solids of voxels: 3D-GAN with its waiting discriminator, beside a VAE and voxels drawn one by one.

Wu et al. 2016 in small: spheres, boxes, cylinders, tori and cones in volumes of 16^3 voxels. Of 1,000 samples: the
share of a solid's voxels in its largest connected part, how sure a classifier of such solids is of one of the five
kinds, the share of the rarest kind, how far the law of volumes is from the solids' (Kolmogorov and Smirnov's distance),
the Fréchet distance of the classifier's features, and how much they are like the nearest training solid (intersection
over union, beside what a held-out solid has). The baselines are a VAE with the same networks and as many steps, and
independent voxels at the means of a class.

Command: python -m experiments voxels --seeds 3
Takes: about half an hour on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import jaxgan as jg
from experiments.inference.vae import vae
from experiments.volumes.drawing import moving_picture, rendered
from jaxgan import metrics
from jaxgan.networks import encoders, voxels
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game

SIDE = 16
SHOWN = 10  # solids in the picture, of each kind of sample
FRAMES = 24  # of a whole turn


@dataclass(frozen=True)
class Config:
    """3D-GAN of formula solids."""

    seed: int = 0  # the first; of parameters, latents and data order
    seeds: int = 1  # runs of each method
    steps: int = 1500  # train steps of either game
    batch_size: int = 32  # solids a step
    features: int = 16  # of the largest map, in all networks
    latent: int = 32  # width of z
    learning_rate: float = 1e-3  # Adam's, of the generator and the VAE
    discriminator_rate: float = 1e-3  # Adam's, of the discriminator
    b1: float = 0.5  # Adam's momentum
    accurate: float = 0.8  # share of a batch that the discriminator may be right about and still move
    ema: float = 0.998  # decay of the averaged generator, per step
    training: int = 4000  # solids
    samples: int = 1000  # that are judged, and held-out solids beside them
    judge_steps: int = 1500  # training steps of the classifier that judges


SMOKE = {"steps": 2, "batch_size": 4, "features": 2, "training": 24, "samples": 12, "judge_steps": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, features=1, latent=1, training=10, samples=10, judge_steps=1)
    if config.batch_size > config.training:
        raise ValueError(f"--batch-size must be at most --training {config.training}; got {config.batch_size}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws solids of each kind, as pictures and turning."""
    train, test = (solids(count, first) for count, first in ((config.training, 0), (config.samples, 10**6)))
    judge = metrics.train_classifier(
        train["x"][..., 0], train["y"], jax.random.key(0), config.judge_steps, min(64, config.training)
    )
    print(f"the judge reads {metrics.accuracy(judge, test['x'][..., 0], test['y']):.3f} of held-out solids", flush=True)
    made = {"held-out solids": [test["x"]], "voxels by themselves": [], "VAE": [], "3D-GAN": []}
    source = jg.data.arrays(train["x"], name="solids")
    for seed in range(config.seed, config.seed + config.seeds):
        made["voxels by themselves"].append(_independent(train, config.samples, seed))
        for name, game in _games(config).items():
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(folder / f"{name}-seed{seed}", training).state
            made[name].append(np.asarray(jg.sample(game, state, jax.random.key(seed), n=config.samples)))
            print(f"{name}, seed {seed}: {_rounded(_judged(made[name][-1], train, test, judge))}", flush=True)
    rows: list[dict[str, Cell]] = []
    for name, several in made.items():
        figures = [_judged(x, train, test, judge) for x in several]
        columns = {column: [each[column] for each in figures] for column in figures[0]}
        known = name == "held-out solids"
        rows.append({"solids": name, **{c: values[0] if known else values for c, values in columns.items()}})
    _draw(folder, {name: several[0][:SHOWN, ..., 0] for name, several in made.items()})
    note = (
        f"{config.samples} volumes of {SIDE}^3 after {config.steps} steps of {config.batch_size}; largest part: share "
        "of a solid's voxels, mean; volumes: distance of their law; nearest: mean intersection over union with the "
        f"nearest of {config.training} training solids, and the share that has more than 0.98; {config.seeds} seeds "
        f"from {config.seed}. The picture's rows, and the columns of turning.gif: {', '.join(made)}"
    )
    yield Table("Solids of voxels", note, rows)


@functools.cache
def solids(count: int, first: int) -> dict[str, Any]:
    """Solids of one seed, from a position on: "x" [n, 16, 16, 16, 1] and their kinds "y" [n]."""
    return jg.data.voxel_solids(SIDE).read(jg.data.Draw(0, np.arange(first, first + count), None))


def _independent(train: dict[str, Any], n: int, seed: int) -> np.ndarray:
    """Voxels that are drawn each for itself, at the means of a kind."""
    rng = np.random.default_rng(seed)
    means = np.stack([(train["x"][train["y"] == k].mean(axis=0) + 1) / 2 for k in np.unique(train["y"])])
    chosen = means[rng.integers(len(means), size=n)]
    return np.where(rng.uniform(size=chosen.shape) < chosen, 1.0, -1.0).astype(np.float32)


def _judged(x: np.ndarray, train: dict[str, Any], test: dict[str, Any], judge: metrics.Classifier) -> dict[str, float]:
    p = metrics.probabilities(judge, x[..., 0])
    like = metrics.nearest_solid(x, train["x"])
    features = [metrics.features(judge, each[..., 0]).astype(np.float64) for each in (test["x"], x)]
    return {
        "largest part": float(np.mean(metrics.connected(x).largest)),
        "sure": float(np.mean(p.max(axis=1))),
        "rarest kind": float(np.min(metrics.label_histogram(p)) / len(x)),
        "volumes": metrics.volume_distance(test["x"], x),
        "Fréchet distance": metrics.fid(*features),
        "nearest": float(np.mean(like)),
        "copies": float(np.mean(like > 0.98)),
    }


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


def _games(config: Config) -> dict[str, Game]:
    adam = optax.adam(config.learning_rate, b1=config.b1)
    generator = voxels.Generator(size=SIDE, features=config.features)
    odds = generator.clone(output=None)  # log odds of a voxel's being filled
    body = voxels.Convolutional(SIDE, config.features)
    prior = jg.priors.normal(config.latent)
    plain = vae(prior=prior, optimizer=adam, reconstruction=_coins)
    coder = plain._replace(generate=lambda nets, key, inputs: jnp.tanh(plain.generate(nets, key, inputs) / 2))
    optimizers = {"generator": adam, "discriminator": optax.adam(config.discriminator_rate, b1=config.b1)}
    system = jg.systems.voxel(loss=jg.losses.non_saturating, prior=prior, optimizer=optimizers)
    players = {"generator": generator, "discriminator": voxels.Discriminator(SIDE, config.features)}
    waits = jg.dynamics.gated(jg.systems.accurate(config.accurate))
    return {
        "VAE": jg.game({"encoder": encoders.Gaussian(body), "decoder": odds}, coder, ema={"decoder": config.ema}),
        "3D-GAN": jg.game(players, system, ema={"generator": config.ema}, dynamics=waits),
    }


def _coins(x: Array, log_odds: Array) -> Array:
    return jg.losses.bernoulli((x + 1) / 2, log_odds)


def _draw(folder: Path, rows: dict[str, np.ndarray]) -> None:
    """Draws a row of solids of each kind, and the same, turning, in columns."""
    turns = np.arange(FRAMES) / FRAMES * 2 * np.pi
    still = [rendered(volumes, 0.6) for volumes in rows.values()]
    draw_images(folder / "samples.png", np.concatenate(still))
    few = np.concatenate([volumes[:4] for volumes in rows.values()])
    moving_picture(folder / "turning.gif", [rendered(few, 0.6 + yaw, 48) for yaw in turns], 4, 100, scale=2)
