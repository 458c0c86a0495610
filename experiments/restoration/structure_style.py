"""Shaded solids in two steps, surface normals and then their picture, beside a GAN of the pictures alone.

Wang and Gupta 2016 on spheres, cones and boxes of 16x16 pixels by formula, with light and albedo drawn for each. Do
pictures show the surfaces that they were painted of? Mean angle, on what is no flat ground, between given normals and
those that the estimator reads from the picture: of real pictures, of painted ones, and of painted ones beside the
normals of others. And how far the law of small patches of pictures is from that of real ones.

Command: python -m experiments structure_style --seeds 2
Takes: about eight minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import jaxgan as jg
from jaxgan import metrics
from jaxgan.networks import dcgan
from jaxgan.networks.layers import Conv
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game, TrainState

SIZE = 16
SAMPLES = 500
SHOWN = 10


@dataclass(frozen=True)
class Config:
    """Solids in one step and in two."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 1  # runs of each method
    steps: int = 1500  # train steps
    batch_size: int = 32  # pictures a step
    latent: int = 16  # width of z, of every generator
    features: int = 16  # channels of all networks' first or last maps
    weight: float = 1.0  # of the estimator's angle in the painter's loss
    learning_rate: float = 5e-4  # Adam's, of all players
    b1: float = 0.5  # Adam's momentum
    gamma: float = 0.1  # weight of R1
    ema: float = 0.995  # decay of the averaged generators, per step


SMOKE = {"steps": 2, "batch_size": 4, "latent": 2, "features": 2}


class Normals(nn.Module):
    """Vectors of a network [B, H, W, 3], made as long as 1."""

    network: nn.Module

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Applies the network, whose third entry begins at the ground's direction."""
        vectors = jg.networks.layers.call(self.network, x, train=train) + jnp.array([0.0, 0.0, 0.5]).reshape(1, 1, 1, 3)
        return vectors / jnp.sqrt(jnp.sum(jnp.square(vectors), axis=-1, keepdims=True) + 1e-6)


class Convolutions(nn.Module):
    """Maps [B, H, W, C] -> [B, H, W, channels], by three convolutions."""

    channels: int
    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Applies them."""
        for _ in range(3):
            x = nn.leaky_relu(Conv(self.features)(x), 0.2)
        return Conv(self.channels)(x)


class Painter(nn.Module):
    """z [B, Z] and normals [B, H, W, 3] -> pictures [B, H, W, 1]: the latent, the light say, is the same everywhere."""

    features: int

    @nn.compact
    def __call__(self, z: Array, normals: Array) -> Array:
        """Paints one picture per latent."""
        planes = jnp.broadcast_to(z[:, None, None], (*normals.shape[:3], z.shape[1]))
        return jnp.tanh(Convolutions(1, self.features)(jnp.concatenate([normals, planes], axis=-1)))


class Beside(nn.Module):
    """A discriminator of maps that are laid side by side as channels."""

    network: nn.Module

    @nn.compact
    def __call__(self, *maps: Array) -> Array:
        """Scores them."""
        return self.network(jnp.concatenate(maps, axis=-1))


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, latent=1, features=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws real pictures, painted normals, and samples of either method."""
    real = jg.data.batch_at(jg.data.solids(SIZE), SAMPLES, seed=2**31)(0)
    solid = real["albedo"][..., 0] > 0
    games = {"pictures alone": _alone(config), "structure, then style": _two_steps(config)}
    columns = ("angle", "angle to others'", "patch distance")
    figures: dict[str, list[dict[str, float]]] = {"real": [], "painted normals": [], **{name: [] for name in games}}
    for seed in range(config.seed, config.seed + config.seeds):
        samples = {}
        for name, game in games.items():
            source = jg.data.solids(SIZE)
            training = Training(game, source, seed, config.steps, config.batch_size)
            member = folder / f"{name.replace(',', '').replace(' ', '-')}-seed{seed}"
            state = train_member(member, training).state
            samples[name] = np.asarray(jg.sample(game, state, jax.random.key(seed), n=SAMPLES))
        painted = np.asarray(jg.sample(game, state, jax.random.key(seed), normals=real["normals"]))
        for name, x in {"real": real["x"], "painted normals": painted, **samples}.items():
            known = name in ("real", "painted normals")
            read = _read(config, state, x) if known else None
            angles = [
                _angle(read, normals, place) if read is not None else float("nan")
                for normals, place in ((real["normals"], solid), (real["normals"][::-1], solid[::-1]))
            ]
            figures[name].append(dict(zip(columns, [*angles, metrics.patch_distance(x, real["x"])], strict=True)))
        if seed == config.seed:
            shown = [real["x"], painted, *samples.values()]
            draw_images(folder / "samples.png", np.concatenate([x[:SHOWN] for x in shown]))
    rows: list[dict[str, Cell]] = [
        {"pictures": name, **{column: _cell([each[column] for each in several]) for column in columns}}
        for name, several in figures.items()
    ]
    note = (
        f"{SAMPLES} pictures of {SIZE}x{SIZE} pixels after {config.steps} steps of {config.batch_size}; degrees "
        f"between normals and those read from the picture by the estimator, on solids; {config.seeds} seeds from "
        f"{config.seed}"
    )
    yield Table("Do pictures show the surfaces they were painted of?", note, rows)


def _cell(values: list[float]) -> Cell:
    return values if np.isfinite(values).all() else "none"


def _settings(config: Config) -> dict[str, Any]:
    return {
        "loss": jg.losses.non_saturating,
        "prior": jg.priors.normal(config.latent),
        "optimizer": optax.adam(config.learning_rate, b1=config.b1, b2=0.99),
        "penalty": jg.penalties.r1(config.gamma),
    }


def _alone(config: Config) -> Game:
    networks = {
        "generator": dcgan.Generator(1, SIZE, config.features),
        "discriminator": dcgan.Discriminator(SIZE, config.features, "none"),
    }
    return jg.game(networks, jg.systems.gan(**_settings(config)), ema={"generator": config.ema})


def _two_steps(config: Config) -> Game:
    judge = dcgan.Discriminator(SIZE, config.features, "none")
    networks = {
        "generator_0": Normals(dcgan.Generator(3, SIZE, config.features)),
        "discriminator_0": judge,
        "generator_1": Painter(config.features),
        "discriminator_1": Beside(judge),
        "estimator": _estimator(config),
    }
    system = jg.systems.structure_style(**_settings(config), weight=config.weight)
    return jg.game(networks, system, ema={"generator_0": config.ema, "generator_1": config.ema})


def _estimator(config: Config) -> nn.Module:
    return Normals(Convolutions(3, config.features))


def _read(config: Config, state: TrainState, x: np.ndarray) -> np.ndarray:
    return np.asarray(_estimator(config).apply({"params": state.params["estimator"]}, jnp.asarray(x)))


def _angle(read: np.ndarray, normals: np.ndarray, solid: np.ndarray) -> float:
    """Returns the mean angle in degrees, on solids."""
    cosine = np.clip(np.sum(read * normals, axis=-1), -1, 1)
    return float(np.degrees(np.arccos(cosine))[solid].mean())
