"""Bars into discs: a relation between two kinds of pictures that have nothing in common but an angle.

DiscoGAN's measurement (Kim et al. 2017, section 4: cars turned into cars, their angles compared) on formulas: a are
bars that are bright at one end, at any angle, b are discs with a wedge missing, at any angle, all unpaired. Figures are
of 1,000 held-out bars: the correlation of the angles before and after, |E exp i(out - in)| or, for a relation that
mirrors, |E exp i(out + in)|, whichever is larger, the angle's root mean squared error about that relation, and the
share of 12 sectors that the discs' angles reach. Beside it stand the paper's baselines: a game alone, and with a
reconstruction of a, both with one discriminator. The objective prefers no relation: one in pieces, which a continuous
one would have to be cut for, costs the same, and some seeds settle on such a one in their first 300 steps.

Command: python -m experiments disco --seeds 3
Takes: about two minutes a seed on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import heads, translators
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.systems import adversary, between, discogan, player_loss, players
from jaxgan.types import Game

SIZE = 16  # side of the pictures
EXAMPLES, HELD_OUT = 4000, 1000
SECTORS = 12  # in which discs' angles are counted
DIRECTIONS = 180  # angles that are told apart


@dataclass(frozen=True)
class Config:
    """Bars into discs."""

    seed: int = 0  # the first; of parameters and data order
    seeds: int = 1  # runs of each method
    steps: int = 1000  # train steps
    batch_size: int = 32  # pictures of each kind a step
    features: int = 16  # channels of all networks' first maps
    reconstruction: float = 0.5  # r
    learning_rate: float = 5e-4  # Adam's, of all players
    b1: float = 0.5  # Adam's momentum
    ema: float = 0.998  # decay of the averaged translators, per step


SMOKE = {"steps": 3, "batch_size": 8, "features": 2}
METHODS = ("discogan", "game and reconstruction", "game alone")


def bars(angle: np.ndarray) -> np.ndarray:
    """Bars across the middle, bright towards the angle [n] and dim at the other end, [n, SIZE, SIZE, 1] in [-1, 1]."""
    along, across = _turned(angle)
    ink = np.clip(3 - np.abs(across), 0, 1) * np.clip(7 - np.abs(along), 0, 1)
    return (ink * (1.2 + np.clip(along / 7, -1, 1)) / 1.1 - 1).astype(np.float32)[..., None]


def discs(angle: np.ndarray) -> np.ndarray:
    """Discs with a wedge of 60 degrees missing at the angle [n], [n, SIZE, SIZE, 1] in [-1, 1]."""
    along, across = _turned(angle)
    missing = np.clip(0.5 - np.abs(across) + np.tan(np.pi / 6) * along, 0, 1)
    ink = np.clip(7 - np.hypot(along, across), 0, 1) * (1 - missing)
    return (2 * ink - 1).astype(np.float32)[..., None]


def angles(pictures: np.ndarray) -> np.ndarray:
    """Angles [n] of discs: those of the most correlated true disc."""
    tried = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    known, given = (x.reshape(len(x), -1) for x in (discs(tried), pictures))
    known, given = (x - x.mean(axis=1, keepdims=True) for x in (known, given))
    return tried[np.argmax(given @ known.T / np.linalg.norm(known, axis=1), axis=1)]


def relation(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Correlation of angles [n], the error about the relation in degrees, and the share of sectors that are reached."""
    mean, sign = max(((np.mean(np.exp(1j * (after - s * before))), s) for s in (1, -1)), key=lambda pair: abs(pair[0]))
    off = np.angle(np.exp(1j * (after - sign * before)) / np.exp(1j * np.angle(mean)))
    reached = np.bincount((after / (2 * np.pi) * SECTORS).astype(int) % SECTORS, minlength=SECTORS)
    return {
        "correlation": float(abs(mean)),
        "error, degrees": float(np.degrees(np.sqrt(np.mean(off**2)))),
        "sectors": float(np.mean(reached >= 0.01 * len(after))),
    }


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, features=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws bars and what each method makes of them below each other."""
    few = np.random.default_rng(0)
    a, b, held_out = (few.uniform(0, 2 * np.pi, n) for n in (EXAMPLES, EXAMPLES, HELD_OUT))
    source = jg.data.unpaired(a=jg.data.arrays(bars(a), name="bars"), b=jg.data.arrays(discs(b), name="discs"))
    shown, rows, tests = [bars(np.arange(10) * 0.2 * np.pi)], list[dict[str, Cell]](), bars(held_out)
    for method in METHODS:
        game, figures = _game(config, method), list[dict[str, float]]()
        for seed in range(config.seed, config.seed + config.seeds):
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(folder / f"{method.replace(' ', '-')}-seed{seed}", training).state
            made = np.asarray(jg.sample(game, state, jax.random.key(0), a=tests))
            figures.append(relation(held_out, angles(made)))
            shown += [np.asarray(jg.sample(game, state, jax.random.key(0), a=shown[0]))] if seed == config.seed else []
        rows.append({"method": method, **{name: [f[name] for f in figures] for name in figures[0]}})
    draw_images(folder / "samples.png", np.concatenate(shown))
    read = relation(b, angles(discs(b)))["error, degrees"]
    note = (
        f"{HELD_OUT} held-out bars after {config.steps} steps of {config.batch_size}; sectors are the share of "
        f"{SECTORS} with 1% of the discs or more; true discs are read to {read:.2g} degrees, and angles at random err "
        f"by {180 / np.sqrt(3):.0f}; {config.seeds} seeds"
    )
    yield Table("Angles of bars and of the discs they become", note, rows)


def _turned(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of pixels along an angle and across it, each [n, SIZE, SIZE]."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    cosine, sine = (f(angle)[:, None, None] for f in (np.cos, np.sin))
    return x * cosine + y * sine, y * cosine - x * sine


def _game(config: Config, method: str) -> Game:
    translator = translators.UNet(1, config.features, 3, "batch", dropout=0.0, skips=False)
    judge = heads.Headed(heads.Convolutional(config.features, 2), {"logits": heads.Logit()})
    networks = {"a_to_b": translator, "b_to_a": translator, "discriminator_a": judge, "discriminator_b": judge}
    common = {
        "loss": jg.losses.non_saturating,
        "optimizer": optax.adam(config.learning_rate, b1=config.b1),
        "reconstruction": config.reconstruction,
    }
    system = discogan(**common) if method == "discogan" else one_sided(**common, back=method != "game alone")
    own = {name: networks[name] for player in system.players.values() for name in player.owns}
    return jg.game(own, system, ema={"a_to_b": config.ema})


def one_sided(*, loss: Any, optimizer: Any, reconstruction: float, back: bool) -> jg.System:
    """The paper's baselines: a to b with one discriminator, and the way back where asked for (its figure 2)."""
    judge = adversary(loss, "discriminator_b")

    def sides(nets: Any, batch: Any, turn: Any) -> Any:
        return batch["b"], nets["a_to_b"](batch["a"])

    def translators(nets: Any, batch: Any, turn: Any) -> Any:
        real, fake = sides(nets, batch, turn)
        game = judge.generator(nets, turn, real, fake).loss
        if not back:
            return game, {}
        error = jg.losses.squared_error(nets["b_to_a"](fake), batch["a"])
        return (1 - reconstruction) * game + reconstruction * error, {"reconstruction_a": error}

    playing = players(
        optimizer,
        discriminator_b=("discriminator_b", player_loss(judge.discriminator, sides)),
        translators=(("a_to_b", "b_to_a") if back else "a_to_b", translators),
    )
    return between(judge, playing, lambda nets, key, inputs: nets["a_to_b"](inputs["a"]), asks={"a": "bars"})
