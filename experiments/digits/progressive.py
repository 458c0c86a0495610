"""Progressive growing on handwritten digits: games at 8, 16 and 32 pixels, each grown out of the one before.

Small networks of Karras et al. 2018 with WGAN-GP and drift as there; new layers fade in over the first half of each
stage. For every stage: how far samples at alpha = 0 are from the doubled samples of the smaller game (they are the
same), how many parameters carried over, and the Fréchet distance between samples and held-out digits of that size, as
vectors of 8 x 8 pixels; beside it, that of a game of 32 pixels trained from nothing for as many steps as all stages.

Command: python -m experiments progressive
Takes: minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.networks import progressive
from jaxgan.networks.layers.resampling import NEAREST, downsample, upsample
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.sample import save_grid
from jaxgan.systems.progressive import fade_real, fading, grown
from jaxgan.types import Game, Schedule, TrainState, name_index

SIDES = (8, 16, 32)


@dataclass(frozen=True)
class Config:
    """Three games, one after another."""

    seed: int = 0  # of parameters, latents and data order
    steps: int = 1000  # train steps of every stage
    batch_size: int = 16  # real images a step
    latent: int = 64  # width of z
    features: int = 64  # channels of the smallest map; halved at every doubling of its side
    learning_rate: float = 5e-3  # Adam's, of both players; b1 = 0, b2 = 0.99
    penalty: float = 10.0  # weight of the gradient penalty
    drift: float = 1e-3  # weight of the squared logits of real data
    ema: float = 0.99  # decay of the averaged generator, per step
    judged: int = 1000  # samples of a figure
    scratch: bool = True  # also train the largest game from nothing


SMOKE = {"steps": 2, "batch_size": 4, "features": 8, "judged": 20}


def check(config: Config) -> None:
    """Refuses settings that no game can be played with.

    Raises:
      ValueError: says which.
    """
    at_least(config, steps=2, batch_size=1, features=1, judged=10)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields the table; draws samples of every stage."""
    rows: list[dict[str, Cell]] = []
    before: tuple[Game, TrainState] | None = None
    fade = optax.linear_schedule(0.0, 1.0, max(1, config.steps // 2))
    for number, side in enumerate(SIDES):
        began = time.monotonic()
        game = build(config, side, fade if before else None)
        state = game.init(jax.random.key(config.seed + 1000 * number), _batch(config, side))
        jump: Cell = ""
        carried: Cell = ""
        if before:
            shared = _sizes(before[1].params) & _sizes(state.params)
            carried = f"{sum(size for _, size in shared)} of {sum(size for _, size in _sizes(state.params))}"
            state = grown(before[1], state)
            jump = _jump(before, (game, state))
        training = Training(game, _source(side), config.seed, config.steps, config.batch_size, state)
        state = train_member(folder / str(side), training).state
        samples = _samples(game, state, config.judged)
        save_grid(folder / f"{side}.png", samples[:100], columns=10)
        rows.append(_row(f"{side}, grown" if before else f"{side}", jump, carried, samples, side, began))
        before = game, state
    if config.scratch:
        began, side = time.monotonic(), SIDES[-1]
        game = build(config, side, None)
        state = game.init(jax.random.key(config.seed), _batch(config, side))
        steps = len(SIDES) * config.steps
        training = Training(game, _source(side), config.seed, steps, config.batch_size, state)
        state = train_member(folder / "scratch", training).state
        samples = _samples(game, state, config.judged)
        save_grid(folder / "scratch.png", samples[:100], columns=10)
        rows.append(_row(f"{side}, from nothing", "", "", samples, side, began))
    note = (
        f"{config.steps} steps of batch {config.batch_size} a stage, from nothing {len(SIDES)} times as many; jump: "
        "largest difference between samples at alpha = 0 and the doubled samples of the stage before, of both averaged "
        f"generators; Fréchet distance (8 x 8 pixels) of {config.judged} samples against as many held-out digits; seed "
        f"{config.seed}."
    )
    yield Table("Progressive growing on digits", note, rows)


def build(config: Config, side: int, fade: Schedule | None) -> Game:
    """The game of one size; `fade` is the share of its newest layers by step, None if there is nothing to fade from."""
    networks = {
        "generator": progressive.Generator(1, side, config.features, flat=1),
        "discriminator": progressive.Discriminator(side, config.features, flat=1),
    }
    system = jg.systems.gan(
        loss=jg.losses.wasserstein,
        penalty=jg.penalties.total(jg.penalties.gradient_penalty(config.penalty), jg.penalties.drift(config.drift)),
        prior=jg.priors.normal(config.latent),
        optimizer=optax.adam(config.learning_rate, b1=0.0, b2=0.99),
        augment=fade_real(fade) if fade else None,
    )
    return jg.game(networks, fading(system, fade) if fade else system, ema={"generator": config.ema})


def _source(side: int) -> Source:
    """Digits averaged down to one size."""
    digits, coarse = jg.data.unlabelled(jg.data.digits("train", size=32)), jax.jit(lambda x: _coarse(x, side))
    return digits._replace(read=lambda draw: {"x": coarse(digits.read(draw)["x"])})


def _row(name: str, jump: Cell, carried: Cell, samples: np.ndarray, side: int, began: float) -> dict[str, Cell]:
    test = jg.data.digits("test", size=32)
    index = np.arange(min(len(samples), test.size or 0))
    real = np.asarray(test.read(jg.data.Draw(0, index, index))["x"])
    row: dict[str, Cell] = {
        "pixels": name,
        "jump": jump,
        "parameters carried over": carried,
        "Fréchet distance": metrics.fid(_vectors(real), _vectors(samples)),
        "seconds": str(round(time.monotonic() - began)),
    }
    print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def _jump(small: tuple[Game, TrainState], large: tuple[Game, TrainState]) -> float:
    """Largest difference between a new game at the start of its fade and the one that it grew from."""
    game, state = large
    start = state._replace(model_state=jax.tree.map(jnp.zeros_like, state.model_state))  # alpha, in both networks
    key = jax.random.key(0)
    first, second = jg.sample(small[0], small[1], key, n=16), jg.sample(game, start, key, n=16)
    return float(jnp.abs(upsample(first, NEAREST) - second).max())


def _samples(game: Game, state: TrainState, n: int) -> np.ndarray:
    return np.asarray(jg.sample(game, state, jax.random.fold_in(state.key, name_index("judgement")), n=n))


def _sizes(params: Any) -> set[tuple[str, int]]:
    return {(jax.tree_util.keystr(path), leaf.size) for path, leaf in jax.tree_util.tree_leaves_with_path(params)}


def _batch(config: Config, side: int) -> dict[str, Any]:
    return {"x": jnp.zeros((config.batch_size, side, side, 1))}


def _coarse(x: Any, side: int) -> Any:
    """Averages images [n, 32, 32, 1] down to a side."""
    while x.shape[1] > side:
        x = downsample(x, NEAREST)
    return x


def _vectors(images: Any) -> np.ndarray:
    small = _coarse(jnp.asarray(images), SIDES[0])
    return np.asarray(small).reshape(len(small), -1)
