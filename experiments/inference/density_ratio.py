"""What a logit means: log p/q where p and q overlap, mutual information, and where the estimate fails.

A discriminator without a generator tells draws of two densities apart (Sugiyama et al. 2012), or pairs from strangers
(Belghazi et al. 2018 by another bound). Three tables against closed forms: the logit beside log p/q of two pairs of
normals; the mutual information of two normals with a correlation; and KL(p || q) = d^2/2 of N(0, 1) and N(d, 1) beside
the mean logit, which is a guess where the two cease to overlap: it is what the network makes of places without draws.

Command: python -m experiments density_ratio
Takes: about ten minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import numpy as np
import optax

import jaxgan as jg
from jaxgan.data import Draw, Source
from jaxgan.networks import joint, mlp
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least, numbers, save
from jaxgan.systems import density_ratio, mutual_information
from jaxgan.types import Game, System, TrainState

GRID = np.linspace(-12.0, 20.0, 6401)
PAIRS = 100_000  # fresh ones, on which mutual information is read


@dataclass(frozen=True)
class Config:
    """Log density ratios by telling apart."""

    seed: int = 0  # the first; of parameters and draws
    seeds: int = 3  # runs of each row
    steps: int = 4000  # discriminator updates
    batch_size: int = 512  # draws of each density in an update
    width: int = 64  # units of each of the two hidden layers
    activation: Literal["softplus", "silu"] = "softplus"  # of both; how they go on beyond the draws
    learning_rate: float = 1e-2  # Adam's; falls to zero along a half cosine
    correlations: str = "0.5,0.8,0.95"  # of the pairs, with commas between
    distances: str = "1,2,3,4,5,6,7,8"  # between N(0, 1) and N(d, 1)


SMOKE = {"seeds": 1, "steps": 2, "batch_size": 8, "width": 4, "correlations": "0.8", "distances": "1"}


class Normal(NamedTuple):
    """A density on the line."""

    mean: float
    deviation: float

    def density(self, x: np.ndarray) -> np.ndarray:
        """Returns it at points."""
        return np.exp(-0.5 * ((x - self.mean) / self.deviation) ** 2) / (self.deviation * math.sqrt(2 * math.pi))

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Returns its logarithm but for the constant that all normals share."""
        return -0.5 * ((x - self.mean) / self.deviation) ** 2 - math.log(self.deviation)


STANDARD = Normal(0.0, 1.0)
OTHERS = {"N(0, 1) against N(1, 1)": Normal(1.0, 1.0), "N(0, 1) against N(0, 4)": Normal(0.0, 2.0)}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, width=1)
    _correlations(config)
    _apart(config)


def _correlations(config: Config) -> list[float]:
    return numbers(config, "correlations", "numbers in (-1, 1)", lambda values: all(abs(rho) < 1 for rho in values))


def _apart(config: Config) -> list[float]:
    return numbers(config, "distances", "numbers in (0, 8]", lambda values: all(0 < d <= 8 for d in values))


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields the three tables, and draws the first and the last."""
    setting = (
        f"{config.steps} updates of {config.batch_size} and {config.batch_size} draws, two layers of {config.width}; "
        f"{config.seeds} seeds"
    )
    rows, curves = _ratios(config, folder)
    yield Table(
        "The logit beside log p/q",
        "Root mean square of logit - log p/q on an even grid, where both densities are above 0.01 and where one is; "
        f"KL(p || q) in nats and the mean logit over p, by quadrature; {setting}",
        rows,
    )
    yield Table(
        "Mutual information of two normals",
        f"-1/2 log(1 - rho^2) nats, and the mean logit of {PAIRS} fresh pairs; {setting}",
        _informations(config, folder),
    )
    apart = _distances(config, folder)
    _drawn(folder / "ratios.png", curves, apart)
    yield Table(
        "N(0, 1) and N(d, 1) drift apart",
        f"KL(p || q) = d^2/2 nats, and the mean logit over p by quadrature; {setting}",
        apart,
    )


def _ratios(config: Config, folder: Path) -> tuple[list[dict[str, Cell]], dict[str, tuple[np.ndarray, ...]]]:
    """Returns the rows, and for each its grid, truth and the first seed's logit."""
    rows: list[dict[str, Cell]] = []
    curves: dict[str, tuple[np.ndarray, ...]] = {}
    for (name, other), short in zip(OTHERS.items(), ("shifted", "wider"), strict=True):
        truth = STANDARD.log_density(GRID) - other.log_density(GRID)
        p, q = STANDARD.density(GRID), other.density(GRID)
        shown, overlap = (p > 0.01) | (q > 0.01), (p > 0.01) & (q > 0.01)
        logits = [_logits(config, folder, short, other, config.seed + k) for k in range(config.seeds)]
        errors = [[float(np.sqrt(np.mean((t - truth)[where] ** 2))) for t in logits] for where in (overlap, shown)]
        read: list[float] = [_integral(p * t) for t in logits]
        rows.append({"densities": name, "error, both > 0.01": errors[0], "error, one > 0.01": errors[1]})
        rows[-1] |= {"KL": _integral(p * truth), "mean logit over p": read}
        curves[name] = (GRID[shown], truth[shown], logits[0][shown])
    return rows, curves


def _informations(config: Config, folder: Path) -> list[dict[str, Cell]]:
    rows: list[dict[str, Cell]] = []
    for rho in _correlations(config):
        truth, read = -0.5 * math.log1p(-(rho**2)), []
        system = mutual_information(optimizer=_adam(config))
        game = _game(joint.Joint(_network(config)), system)
        for seed in range(config.seed, config.seed + config.seeds):
            state = _trained(config, folder / f"rho{rho:g}-seed{seed}", game, _correlated(rho), seed)
            fresh = _correlated(rho).read(Draw(seed + 10_000, np.arange(PAIRS), None))
            logits = jg.sample(game, state, jax.random.key(0), n=PAIRS, chunk=PAIRS, **fresh)
            read.append(float(np.mean(logits)))
        off = [100 * (value / truth - 1) if truth else math.nan for value in read]
        rows.append({"correlation": rho, "information": truth, "mean logit": read, "off, %": off})
    return rows


def _distances(config: Config, folder: Path) -> list[dict[str, Cell]]:
    rows: list[dict[str, Cell]] = []
    for d in _apart(config):
        seeds = range(config.seed, config.seed + config.seeds)
        logits = [_logits(config, folder, f"apart{d:g}", Normal(d, 1.0), seed) for seed in seeds]
        read: list[float] = [_integral(STANDARD.density(GRID) * t) for t in logits]
        rows.append({"distance": d, "KL": d * d / 2, "mean logit over p": read, "share": [t * 2 / d**2 for t in read]})
    return rows


def _logits(config: Config, folder: Path, name: str, other: Normal, seed: int) -> np.ndarray:
    """Trains on fresh draws of N(0, 1) and of another; returns the logits on the grid."""

    def read(draw: Draw) -> dict[str, Any]:
        few, n = _generator(draw), len(draw.position)
        x = few.normal(size=(2, n, 1)).astype(np.float32)
        return {"p": x[0], "q": np.float32(other.mean) + np.float32(other.deviation) * x[1]}

    game = _game(_network(config), density_ratio(optimizer=_adam(config)))
    state = _trained(config, folder / f"{name}-seed{seed}", game, Source(f"two normals, {name}", None, read), seed)
    x = GRID[:, None].astype(np.float32)
    return np.asarray(jg.sample(game, state, jax.random.key(0), n=len(x), chunk=len(x), x=x), np.float64)


def _correlated(rho: float) -> Source:
    def read(draw: Draw) -> dict[str, Any]:
        x = _generator(draw).normal(size=(2, len(draw.position), 1))
        return {"x": x[0].astype(np.float32), "y": (rho * x[0] + math.sqrt(1 - rho**2) * x[1]).astype(np.float32)}

    return Source(f"pairs of correlation {rho:g}", None, read)


def _generator(draw: Draw) -> np.random.Generator:
    """Returns the generator of a whole batch, told by its seed and its first position."""
    return np.random.default_rng((draw.seed, int(draw.position[0])))


def _network(config: Config) -> nn.Module:
    return mlp.Discriminator((config.width, config.width), activation=getattr(nn, config.activation))


def _adam(config: Config) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps))


def _game(network: nn.Module, system: System) -> Game:
    return jg.game({"discriminator": network}, system)


def _trained(config: Config, folder: Path, game: Game, source: Source, seed: int) -> TrainState:
    rows = max(config.steps // 40, 1)
    training = Training(game, source, seed, config.steps, config.batch_size, log_every=rows, checkpoints=1)
    return train_member(folder, training).state


def _integral(values: np.ndarray) -> float:
    return float(np.trapezoid(values, GRID))


def _drawn(path: Path, curves: dict[str, tuple[np.ndarray, ...]], apart: list[dict[str, Any]]) -> None:
    """Draws logits beside the truth, and the mean logit as densities drift apart."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3), layout="constrained")
    axes = figure.subplots(1, len(curves) + 1)
    for panel, (name, (x, truth, logit)) in zip(axes, curves.items(), strict=False):
        panel.plot(x, truth, "k--", label="log p/q")
        panel.plot(x, logit, label="logit")
        panel.set(title=name, xlabel="x")
        panel.legend()
    distance = [row["distance"] for row in apart]
    axes[-1].plot(distance, [row["KL"] for row in apart], "k--", label="KL")
    axes[-1].plot(distance, [np.mean(row["mean logit over p"]) for row in apart], "o-", label="mean logit")
    axes[-1].set(title="N(0, 1) against N(d, 1)", xlabel="d")
    axes[-1].legend()
    save(figure, path)
