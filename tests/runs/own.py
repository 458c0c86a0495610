"""An experiment of a user's own: points on a circle, told their angle, by three networks of three players.

A conditional BiGAN (Donahue et al. 2017) whose encoder and generator are players of their own. No array is called "x",
what is asked for is no label, and nothing judges the samples.

Command: jaxgan run tests/runs/own.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.runs.experiment import Experiment

SIZE, LATENT = 64, 2


@dataclass(frozen=True)
class Config:
    """A small game."""

    seed: int = 0
    steps: int = 2000
    batch_size: int = 8
    learning_rate: float = 1e-3


SMOKE = {"steps": 3}


class Two(nn.Module):
    """Two layers of everything that it is given."""

    width: int

    @nn.compact
    def __call__(self, *inputs):
        return nn.Dense(self.width)(nn.tanh(nn.Dense(8)(jnp.concatenate(inputs, axis=-1))))


def source(config: Config) -> jg.data.Source:
    """The points with their angles, in a batch of a form of its own."""
    angle = (2 * np.pi * np.arange(SIZE)[:, None] / SIZE).astype(np.float32)
    points = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)

    def read(draw: jg.data.Draw) -> dict[str, Any]:
        return {"points": points[draw.index], "rotation": {"angle": angle[draw.index]}}

    return jg.data.Source("circle", SIZE, read)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """Discriminator, generator and encoder."""
    prior = jg.priors.normal(LATENT)

    def drawn(turn: jg.Turn, batch: Any) -> jax.Array:
        return prior(turn.named("latent"), len(batch["points"]), turn.examples)

    def logits(nets: Any, batch: Any, turn: jg.Turn) -> tuple[jax.Array, jax.Array]:
        x, angle, z = batch["points"], batch["rotation"]["angle"], drawn(turn, batch)
        real = nets["discriminator"](x, angle, nets["encoder"](x))
        return real, nets["discriminator"](nets["generator"](z, angle), angle, z)

    def discriminates(nets: Any, batch: Any, turn: jg.Turn) -> Any:
        real, fake = logits(nets, batch, turn)
        return jnp.mean(nn.softplus(-real)) + jnp.mean(nn.softplus(fake)), {}

    def generates(nets: Any, batch: Any, turn: jg.Turn) -> Any:
        return jnp.mean(nn.softplus(-logits(nets, batch, turn)[1])), {}

    def encodes(nets: Any, batch: Any, turn: jg.Turn) -> Any:
        return jnp.mean(nn.softplus(logits(nets, batch, turn)[0])), {}

    def inputs(batch: Any) -> Any:
        x, angle = batch["points"], batch["rotation"]["angle"]
        z = jnp.zeros((len(x), LATENT))
        return {"discriminator": (x, angle, z), "generator": (z, angle), "encoder": (x,)}

    def generate(nets: Any, key: jax.Array, inputs: Any) -> jax.Array:
        return nets["generator"](prior(key, len(inputs["index"]), inputs["index"]), inputs["y"]["angle"])

    losses = {"discriminator": discriminates, "generator": generates, "encoder": encodes}
    adam = optax.adam(config.learning_rate, b1=0.5)
    players = {name: jg.Player(owns=(name,), loss=loss, optimizer=adam) for name, loss in losses.items()}
    networks = {"discriminator": Two(1), "generator": Two(shape[-1]), "encoder": Two(LATENT)}
    game = jg.game(networks, jg.System(players, inputs, generate), ema={"generator": 0.9})
    return Experiment(game, draw=draw, inputs=asked)


def asked(n: int) -> dict[str, Any]:
    """Angles all around the circle."""
    return {"y": {"angle": np.linspace(0, 2 * np.pi, n, endpoint=False, dtype=np.float32)[:, None]}}


def draw(path: Path, points: Any) -> Path:
    """Writes the points as they are: no picture, but what a test can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, np.asarray(points))
    return path
