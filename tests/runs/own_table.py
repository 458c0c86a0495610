"""A table experiment of a user's own: games of two seeds on a ring, and one that goes on from the second of them.

Command: jaxgan run tests/runs/own_table.py
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.runs.members import Training, last_metrics, train_member
from jaxgan.runs.tables import Table

STOP: list[tuple[int, int]] = []  # (seed, step): reading its batch raises SIGTERM, once
BROKEN: list[tuple[int, int]] = []  # (seed, step): from this step on all batches are NaN


@dataclass(frozen=True)
class Config:
    """Three small games."""

    seed: int = 0
    seeds: int = 2
    steps: int = 12


def source() -> jg.data.Source:
    """A ring that can be told to fail."""
    ring = jg.data.ring()

    def read(draw: jg.data.Draw) -> dict[str, np.ndarray]:
        here = (draw.seed, int(draw.position[0]) // len(draw.position))
        if here in STOP:
            STOP.clear()
            os.kill(os.getpid(), signal.SIGTERM)
        broken = any(here[0] == seed and here[1] >= step for seed, step in BROKEN)
        return {"x": ring.read(draw)["x"] * (jnp.nan if broken else 1.0)}

    return ring._replace(read=read)


def build() -> jg.Game:
    """Two tiny MLPs."""
    networks = {
        "generator": jg.networks.mlp.Generator(hidden=(4,)),
        "discriminator": jg.networks.mlp.Discriminator(hidden=(4,)),
    }
    system = jg.systems.gan(
        loss=jg.losses.non_saturating, prior=jg.priors.normal(2), optimizer=optax.adam(1e-2, b1=0.0), n_critic=2
    )
    return jg.game(networks, system, ema={"generator": 0.9})


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """One row for each game."""
    game, rows, state = build(), [], None
    for seed in range(config.seed, config.seed + config.seeds):
        name = f"seed{seed}"
        state = train_member(folder / name, Training(game, source(), seed, config.steps, 8, checkpoints=3)).state
        rows.append({"game": name, **row(folder / name, state)})
    training = Training(game, source(), 5, 5, 8, state._replace(step=jnp.zeros((), jnp.int32)))
    rows.append({"game": "further", **row(folder / "further", train_member(folder / "further", training).state)})
    yield Table("Three games", "norm of all averaged parameters, and the last loss", rows)


def row(folder: Path, state: jg.TrainState) -> dict[str, float]:
    """What depends on every bit of a training."""
    size = float(optax.tree.norm(state.ema))
    return {"size": size, "loss": last_metrics(folder)["generator/loss"], "step": int(state.step)}
