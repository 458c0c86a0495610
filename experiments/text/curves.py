"""What the experiments on text share: networks' laws at a temperature, and curves of quality against diversity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxgan as jg
from jaxgan.metrics import Point, quality_at
from jaxgan.runs.tables import save
from jaxgan.types import Game, TrainState

TEMPERATURES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)
CHUNK = 1000  # sequences of one call


def samples(game: Game, state: TrainState, n: int, temperature: float = 1.0, **given: Any) -> np.ndarray:
    """Returns drawn tokens [n, T], the same noise at every temperature."""
    drawn = jg.sample(game, state, jax.random.key(0), n=n, chunk=min(CHUNK, n), temperature=temperature, **given)
    return np.asarray(drawn)


def nats(
    game: Game, state: TrainState, tokens: np.ndarray, temperatures: Sequence[float], mask: np.ndarray | None = None
) -> list[float]:
    """Returns -log p of each token that counts under a generator at several temperatures, in nats, a mean over all."""
    networks: Any = game.networks
    params = state.ema.get("generator", state.params["generator"])
    given = () if mask is None else (mask,)
    logits = jax.jit(networks["generator"].apply)({"params": params}, jnp.asarray(tokens), *given)
    log_p = [np.asarray(jg.losses.token_log_probabilities(logits, tokens, each), np.float64) for each in temperatures]
    weights = np.ones(tokens.shape) if mask is None else mask
    return [float(-np.sum(weights * each) / np.sum(weights)) for each in log_p]


def at_equal_diversity(curves: Mapping[str, Sequence[Point]]) -> dict[str, float]:
    """Returns each method's quality at the best diversity that all of them reach at some temperature."""
    common = max(min(point.diversity for point in points) for points in curves.values())
    return {name: quality_at(points, common) for name, points in curves.items()}


def draw_curves(path: Path, curves: Mapping[str, Sequence[Point]], axes: tuple[str, str]) -> None:
    """Draws curves of temperature: diversity to the right, quality upwards, both better where lower."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    plane = figure.subplots()
    for name, points in curves.items():
        plane.plot([p.diversity for p in points], [p.quality for p in points], "o-", markersize=3, label=name)
        (one,) = [p for p in points if p.temperature == 1.0]
        plane.plot([one.diversity], [one.quality], "k*", markersize=8)
    plane.set(xlabel=axes[0], ylabel=axes[1], title="temperatures; stars: 1")
    plane.legend()
    save(figure, path)
