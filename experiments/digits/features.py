"""What a discriminator knows: linear classifiers on its features, on an untrained one's, and on raw pixels.

Radford et al. 2016, section 5.1: a DCGAN is trained without labels, its discriminator's maps of all layers are pooled
to 4x4 and concatenated, and a linear classifier (here ridge regression to one-hot labels, its weight chosen on a fifth
of the labels) is fitted to few or many labels. Accuracy on 1,000 held-out digits.

Command: python -m experiments digits_features
Takes: about three minutes on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
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
from jaxgan.networks.layers import StridedConv
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least, numbers
from jaxgan.types import Game, PyTree

SIDE = 32
WEIGHTS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)  # of the ridge, of which one is chosen


@dataclass(frozen=True)
class Config:
    """A DCGAN whose discriminator is looked into."""

    seed: int = 0  # the first; of parameters, latents, data order and the choice of labels
    seeds: int = 1  # runs
    labels: str = "100,500,4000"  # numbers of labelled digits, with commas between
    steps: int = 2000  # train steps
    batch_size: int = 32  # real images a step
    latent: int = 64  # width of z
    features: int = 32  # channels of both networks' widest maps
    learning_rate: float = 1e-3  # Adam's, of both players
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 1.0  # weight of R1


SMOKE = {"steps": 3, "batch_size": 8, "features": 2, "labels": "50,60"}


class Discriminator(nn.Module):
    """DCGAN's discriminator without normalisation, whose maps can be read."""

    features: int

    def setup(self) -> None:
        """Names the layers."""
        self.layers = [StridedConv(self.features * 2**stage) for stage in range(3)]
        self.logits = nn.Dense(1)

    def maps(self, x: Array) -> list[Array]:
        """Returns the activations of every layer, [B, h, w, C] each."""
        maps = []
        for layer in self.layers:
            x = nn.leaky_relu(layer(x), 0.2)
            maps.append(x)
        return maps

    def __call__(self, x: Array) -> Array:
        """Scores every image, [B]."""
        return self.logits(self.maps(x)[-1].reshape(x.shape[0], -1))[:, 0]


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=1, features=1)
    _counts(config)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table of accuracies."""
    train, test = _digits("train"), _digits("test")
    counts, game = _counts(config), _game(config)
    accuracies: dict[str, dict[int, list[float]]] = {}
    for seed in range(config.seed, config.seed + config.seeds):
        order = np.random.default_rng(seed).permutation(len(train["y"]))
        before, after = _discriminators(config, game, seed, folder)
        extractors: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "raw pixels": lambda x: x.reshape(len(x), -1),
            "untrained discriminator": functools.partial(_features, config, before),
            "trained discriminator": functools.partial(_features, config, after),
        }
        for name, view in extractors.items():
            inside, outside = view(train["x"]), view(test["x"])
            for count in counts:
                few = order[:count]
                read = _ridge(inside[few], train["y"][few], outside)
                accuracy = 100 * float(np.mean(read == test["y"]))
                accuracies.setdefault(name, {}).setdefault(count, []).append(accuracy)
    rows: list[dict[str, Cell]] = [
        {"features": name, **{f"{count} labels": values[count] for count in counts}}
        for name, values in accuracies.items()
    ]
    note = (
        f"Accuracy in % of a linear classifier on {len(test['y'])} held-out digits; the discriminator's maps pooled to "
        f"4x4, after {config.steps} steps of {config.batch_size} digits without labels; {config.seeds} seeds"
    )
    yield Table("Linear classifiers on what a discriminator sees", note, rows)


def _counts(config: Config) -> list[int]:
    """Reads the numbers of labels."""
    return numbers(config, "labels", "numbers in 10..4000", lambda counts: all(10 <= n <= 4000 for n in counts), int)


def _game(config: Config) -> Game:
    networks = {
        "generator": jg.networks.dcgan.Generator(1, SIDE, config.features),
        "discriminator": Discriminator(config.features),
    }
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        prior=jg.priors.normal(config.latent),
        optimizer=optax.adam(config.learning_rate, b1=config.b1, b2=config.b2),
        penalty=jg.penalties.r1(config.gamma),
    )
    return jg.game(networks, system)


def _discriminators(config: Config, game: Game, seed: int, folder: Path) -> tuple[PyTree, PyTree]:
    """Returns the discriminator's parameters before and after training."""
    source = jg.data.unlabelled(jg.data.digits("train", size=SIDE))
    first = game.init(jax.random.key(seed), jg.data.batch_at(source, config.batch_size, seed)(0))
    training = Training(game, source, seed, config.steps, config.batch_size, first)
    after = train_member(folder / f"seed{seed}", training).state
    return first.params["discriminator"], after.params["discriminator"]


def _features(config: Config, params: PyTree, x: np.ndarray) -> np.ndarray:
    """Returns the maps of all layers, pooled to 4x4 by their largest values, [N, 16 * channels]."""

    @jax.jit
    def pooled(x: Array) -> Array:
        maps: Any = Discriminator(config.features).apply({"params": params}, x, method="maps")
        sides = [m.shape[1] // 4 for m in maps]
        small = [nn.max_pool(m, (k, k), (k, k)) for m, k in zip(maps, sides, strict=True)]
        return jnp.concatenate([m.reshape(m.shape[0], -1) for m in small], axis=1)

    return np.concatenate([np.asarray(pooled(x[i : i + 250])) for i in range(0, len(x), 250)])


def _ridge(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Fits one-hot labels by ridge regression, its weight chosen on the last fifth; returns the classes of `new`."""
    mean, scale = x.mean(axis=0), x.std() + 1e-6
    kernel = (x - mean) @ (x - mean).T / scale**2 / x.shape[1]
    across = (new - mean) @ (x - mean).T / scale**2 / x.shape[1]
    target = np.eye(10)[y]

    def read(weight: float, rows: np.ndarray, asked: np.ndarray) -> np.ndarray:
        inside = kernel[np.ix_(rows, rows)] + weight * np.eye(len(rows))
        centre = target[rows].mean(axis=0)
        return np.argmax(asked[:, rows] @ np.linalg.solve(inside, target[rows] - centre) + centre, axis=1)

    cut = len(y) - max(1, len(y) // 5)
    first, last = np.arange(cut), np.arange(cut, len(y))
    best = max(WEIGHTS, key=lambda weight: np.mean(read(weight, first, kernel[last]) == y[last]))
    return read(best, np.arange(len(y)), across)


@functools.cache
def _digits(split: str) -> dict[str, Any]:
    source = jg.data.digits(split, size=SIDE)
    return {name: np.asarray(value) for name, value in jg.data.whole(source).items()}
