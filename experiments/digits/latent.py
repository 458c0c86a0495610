"""Arithmetic with latents: a class changed by a vector, thickness by a direction, a digit found and walked from.

The fully connected GAN of `digits_mlp`, without labels. A classifier reads 5,000 samples. Twice the mean latent of
class b minus that of class a is added to samples of a (Radford et al. 2016): how many are then read as b? The direction
along which ink grows is fitted by least squares and followed. Held-out digits are inverted by optimisation and compared
with what random latents make.

Command: python -m experiments digits_latent
Takes: about three minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxgan as jg
from experiments.digits import mlp as digits_mlp
from experiments.digits.data import digits
from jaxgan import metrics
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.samplers import project, semantic_directions, squared_error

READ = 5000  # samples that the directions are found from
MOVED = 100  # samples of each class that are moved
INVERTED = 50  # held-out digits whose latents are sought


@dataclass(frozen=True)
class Config:
    """A fully connected GAN whose latents are reckoned with."""

    seed: int = 0  # of parameters, latents and data order
    steps: int = 8000  # train steps
    width: int = 256  # units of each hidden layer of both networks
    projection_steps: int = 300  # of the search for latents
    judge_steps: int = 1000  # training steps of the classifier that reads samples


SMOKE = {"steps": 3, "width": 8, "projection_steps": 3, "judge_steps": 4}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, steps=1, width=1, projection_steps=1, judge_steps=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws samples moved by every class's vector, and walks."""
    setting = digits_mlp.Config(
        seed=config.seed, steps=config.steps, generator_width=config.width, discriminator_width=config.width
    )
    train = digits("train")
    built = digits_mlp.build(setting, train["x"].shape[1:], 0)
    training = Training(built.game, digits_mlp.source(setting), config.seed, config.steps, setting.batch_size)
    state: Any = train_member(folder / "game", training).state
    generate = jax.jit(lambda z: built.game.generate(state, jax.random.key(0), {"z": z}))
    classifier = metrics.train_classifier(train["x"], train["y"], jax.random.key(0), steps=config.judge_steps)

    def classes(x: Any) -> np.ndarray:
        return np.argmax(metrics.probabilities(classifier, x), axis=1)

    z = np.asarray(jg.priors.normal(setting.latent)(jax.random.key(config.seed), READ))
    x = np.asarray(generate(jnp.asarray(z)))
    y, ink = classes(x), x.mean(axis=(1, 2, 3))
    rows = [_class_vectors(z, y, generate, classes, folder), _ink(z, ink, generate)]
    rows.append(_inverted(config, generate, z))
    kernel = state.ema["generator"]["Dense_0"]["kernel"]
    walk = semantic_directions(kernel, count=5).vectors
    along = z[:1, None] + np.linspace(-4, 4, 10)[None, :, None] * np.asarray(walk)[:, None]
    draw_images(folder / "directions.png", np.asarray(generate(jnp.asarray(along.reshape(-1, z.shape[1])))))
    paths = jg.interpolate(built.game, state, jax.random.key(0), jnp.asarray(z[:10]), jnp.asarray(z[10:20]), steps=10)
    draw_images(folder / "interpolation.png", np.asarray(paths).reshape(-1, *x.shape[1:]))
    note = (
        f"A fully connected GAN after {config.steps} steps; directions from {READ} samples. Class vectors, twice the "
        "difference of means: share of samples read as the class that is asked for, over all pairs, "
        f"{MOVED} samples at most each. Ink: mean pixel, two units either way along its direction. Inversion: mean "
        f"squared error of {INVERTED} held-out digits"
    )
    yield Table("Arithmetic with latents", note, rows)


def _class_vectors(z: np.ndarray, y: np.ndarray, generate: Any, classes: Any, folder: Path) -> dict[str, Cell]:
    """Adds the difference of two classes' mean latents to samples of the one; draws one sample of each class moved."""
    present = [c for c in range(10) if np.sum(y == c) >= 10]
    means = {c: z[y == c].mean(axis=0) for c in present}
    hits, shown = [], []
    for a in present:
        own = z[y == a][:MOVED]
        for b in present:
            moved = generate(jnp.asarray(own + 2 * (means[b] - means[a]) * (a != b)))
            shown.append(np.asarray(moved[0]))
            if a != b:
                hits.append(float(np.mean(classes(moved) == b)))
    if shown:
        draw_images(folder / "classes.png", np.stack(shown))
    return {"what": "class by vector", "before": 0.0, "after": float(np.mean(hits)) if hits else 0.0}


def _ink(z: np.ndarray, ink: np.ndarray, generate: Any) -> dict[str, Cell]:
    """Follows the direction along which ink grows."""
    slope = np.linalg.lstsq(z - z.mean(axis=0), ink - ink.mean(), rcond=None)[0]
    unit = slope / np.linalg.norm(slope)
    thin, thick = (float(np.mean(generate(jnp.asarray(z[:500] + s * unit)))) for s in (-2, 2))
    return {"what": "ink, -2 and +2 along its direction", "before": thin, "after": thick}


def _inverted(config: Config, generate: Any, z: np.ndarray) -> dict[str, Cell]:
    """Seeks the latents of held-out digits, from the best of ten random ones each."""
    target = jnp.asarray(digits("test")["x"][:: 1000 // INVERTED][:INVERTED])
    random = jnp.asarray(z[: 10 * len(target)])
    error = squared_error(generate(random), jnp.repeat(target, 10, axis=0)).reshape(-1, 10)
    start = random.reshape(len(target), 10, -1)[jnp.arange(len(target)), jnp.argmin(error, axis=1)]
    projected = project(generate, target, start, steps=config.projection_steps, prior_weight=1e-3)
    before, after = float(jnp.mean(jnp.min(error, axis=1))), float(jnp.mean(projected.error))
    return {"what": "error of inversion", "before": before, "after": after}
