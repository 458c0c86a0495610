"""What mixtures are made of: the game of `modes` that collapses on the grid of 25, and how samples are judged."""

from __future__ import annotations

from pathlib import Path

import flax.linen as nn
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import mlp
from jaxgan.runs.tables import save
from jaxgan.types import System

SAMPLES = 2500  # that a mixture is judged by, as in `modes`


def system(latent: int, learning_rate: float) -> System:
    """The game of one pair, without any remedy: what is compared is weakened alike."""
    adam = optax.adam(learning_rate, b1=0.5)
    return jg.systems.gan(loss=jg.losses.non_saturating, prior=jg.priors.normal(latent), optimizer=adam)


def generator(width: int) -> nn.Module:
    """A generator of points, of two hidden layers."""
    return mlp.Generator((2,), (width, width), activation=nn.tanh)


def discriminator(width: int) -> nn.Module:
    """A discriminator of points, of two hidden layers."""
    return mlp.Discriminator((width, width), activation=nn.tanh)


def judged(points: np.ndarray) -> dict[str, float]:
    """Measures samples [SAMPLES, 2]: modes, share of high quality and reverse KL."""
    modes = jg.data.grid().modes
    if modes is None:
        raise ValueError("the grid has lost its modes")
    coverage = jg.metrics.mode_coverage(np.where(np.isfinite(points), points, 1e9), modes.centres, modes.std)
    return {"modes": float(coverage.modes), "high quality": coverage.high_quality, "reverse KL": coverage.reverse_kl}


def draw(path: Path, pictures: dict[str, list[np.ndarray]]) -> None:
    """Draws sets of points, each in its colour, in one panel for each name."""
    from matplotlib.figure import Figure

    across = min(4, len(pictures))
    down = -(-len(pictures) // across)
    figure = Figure(figsize=(2.0 * across, 2.2 * down), layout="constrained")
    for axes, (name, sets) in zip(figure.subplots(down, across, squeeze=False).flat, pictures.items(), strict=False):
        for points in sets:
            axes.plot(*points.T, ".", markersize=1)
        axes.set(xlim=(-5, 5), ylim=(-5, 5), aspect="equal", xticks=[], yticks=[])
        axes.set_title(name, fontsize=7)
    save(figure, path)
