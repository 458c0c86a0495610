"""Digits in 80 bits: an autoencoder by L1 alone and with an adversary, codebooks with and without care, and PCA.

VQGAN (Esser et al. 2021) in small. Digits of 16x16 pixels become 4x4 places of five signs each (LookupFree without its
entropy), and a decoder rebuilds them by L1; or with a hinge discriminator of patches besides, whose weight adapts to
the gradient at the decoder's last layer, which sees pixels as they are shown and begins at a quarter of the steps. The
same autoencoder with a codebook of 32 vectors, 5 bits a place too: running means with revival of dead codes, or codes
by gradient alone. PCA has the 80 bits where they help its components most. Of 1,000 held-out digits: L1 and squared
error, which the adversary makes worse; the energy of differences of neighbouring pixels relative to the truth's;
Fréchet distance of the laws of 5x5 patches; and how many codes are in use (perplexity).

Command: python -m experiments digits_tokenizer --seeds 3
Takes: about five minutes a seed on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
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
from jaxgan.networks import coders, quantizers
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, last_metrics, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game, TrainState, Turn

BITS, PLACES = 5, 16  # of a place, and places of a digit
SHOWN = 10  # digits of the picture
PATCH = 5  # pixels of a patch's side


@dataclass(frozen=True)
class Config:
    """A tokenizer of digits."""

    seed: int = 0  # the first; of parameters and data order
    seeds: int = 1  # runs of each method
    steps: int = 1600  # train steps of each method
    batch_size: int = 32  # digits a step
    start: int = 400  # step at which the discriminator begins
    features: int = 24  # channels of the first maps
    weight: float = 0.3  # of the adversarial loss, as a share of the gradient of L1; at the usual 0.8 L1 is 70 % larger
    learning_rate: float = 2e-3  # Adam's, of the tokenizer
    discriminator_rate: float = 4e-3  # Adam's, of the discriminator
    b1: float = 0.5  # Adam's momentum, of both
    ema: float = 0.99  # decay of the averaged encoder and decoder, per step


SMOKE = {"steps": 3, "batch_size": 4, "start": 1, "features": 2}


class Patches(nn.Module):
    """Pictures [B, 16, 16, 1] -> logits [B, 4, 4] of patches: two convolutions of stride 2, one of stride 1."""

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Scores every patch, before any sigmoid."""
        h = nn.leaky_relu(jg.networks.layers.StridedConv(self.features)(x), 0.2)
        h = nn.leaky_relu(jg.networks.layers.StridedConv(2 * self.features)(h), 0.2)
        logits: Array = jg.networks.layers.Conv(1)(h)[..., 0]
        return logits


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, start=0, features=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws digits and what each method makes of them."""
    train, truth = small_digits("train"), small_digits("test")
    source, rows = jg.data.arrays(train, name="digits of 16x16 pixels"), dict[str, dict[str, list[float]]]()
    some = truth[:: len(truth) // SHOWN][:SHOWN]
    drawing = [some]
    for name, game in _games(config).items():
        for seed in range(config.seed, config.seed + config.seeds):
            member = folder / f"{name.replace(' ', '-')}-seed{seed}"
            state = train_member(member, Training(game, source, seed, config.steps, config.batch_size)).state
            made, used = _rebuilt(game, state, truth)
            share = last_metrics(member).get("tokenizer/weight", 0.0)
            _add(rows, name, judged(made, truth) | {"codes used": used, "weight at last": share})
            print(f"{name}, seed {seed}: { ({k: round(v[-1], 4) for k, v in rows[name].items()}) }", flush=True)
            if seed == config.seed:
                drawing.append(_rebuilt(game, state, some)[0])
    _add(rows, "PCA", judged(pca(train, truth, BITS * PLACES), truth))
    _add(rows, "other digits", judged(train[:: len(train) // len(truth)][: len(truth)], truth, pairs=False))
    draw_images(folder / "samples.png", np.concatenate(drawing))
    note = (
        f"{len(truth)} held-out digits of 16x16 pixels, {BITS * PLACES} bits each, after {config.steps} steps of "
        f"{config.batch_size}, the discriminator from step {config.start}; pixels are cut to [-1, 1]; energy of "
        f"differences between neighbouring pixels relative to the truth's; Fréchet distance of {PATCH}x{PATCH} "
        f"patches; perplexity of 32 codes; {config.seeds} seeds from {config.seed}. The last row is {len(truth)} "
        "training digits"
    )
    columns = dict.fromkeys(column for figures in rows.values() for column in figures)
    cells: list[dict[str, Cell]] = [
        {"method": name, **{column: figures.get(column, "") for column in columns}} for name, figures in rows.items()
    ]
    yield Table("Digits in 80 bits", note, cells)


@functools.cache
def small_digits(split: str) -> np.ndarray:
    """Returns digits [n, 16, 16, 1] in [-1, 1]: means of 2x2 pixels."""
    x = np.asarray(jg.data.whole(jg.data.digits(split, size=32))["x"])
    small: np.ndarray = x.reshape(len(x), 16, 2, 16, 2, 1).mean(axis=(2, 4)).astype(np.float32)
    return small


def shown(x: Array, turn: Turn | None = None, use: str = "") -> Array:
    """Returns pixels as a picture has them, cut to [-1, 1]: else the discriminator looks for those that leave it."""
    return jnp.clip(x, -1, 1)


def judged(made: np.ndarray, truth: np.ndarray, pairs: bool = True) -> dict[str, float]:
    """Returns the figures of pictures; without pairs, those of their laws alone."""
    errors = {"L1": float(np.mean(np.abs(made - truth))), "squared error": float(np.mean(np.square(made - truth)))}
    return (errors if pairs else {}) | {
        "gradient energy": metrics.gradient_energy_ratio(made, truth, exponent=2.0),
        "patch distance": metrics.patch_distance(made, truth, size=PATCH),
    }


def pca(train: np.ndarray, test: np.ndarray, bits: int) -> np.ndarray:
    """Returns what principal components with so many bits for a picture make of others, cut to [-1, 1].

    Each bit goes to the component whose error it lowers most by the rule variance / 4^bits; the levels of a component
    are those of Lloyd's algorithm on the training pictures.
    """
    flat, mean = train.reshape(len(train), -1), train.reshape(len(train), -1).mean(axis=0)
    _, singular, axes = np.linalg.svd(flat - mean, full_matrices=False)
    error, given = np.square(singular), np.zeros(len(singular), int)
    for _ in range(bits):
        given[np.argmax(error)] += 1
        error[np.argmax(error)] /= 4
    known, scores = (flat - mean) @ axes.T, (test.reshape(len(test), -1) - mean) @ axes.T
    rounded = np.zeros_like(scores)
    for k in np.flatnonzero(given):
        levels = _lloyd(known[:, k], 2 ** given[k])
        rounded[:, k] = levels[np.argmin(np.abs(scores[:, k, None] - levels), axis=1)]
    return np.clip(mean + rounded @ axes, -1, 1).reshape(test.shape).astype(np.float32)


def _lloyd(values: np.ndarray, count: int, rounds: int = 30) -> np.ndarray:
    """Returns levels [count] that are each the mean of the values nearest to it."""
    levels = np.quantile(values, (np.arange(count) + 0.5) / count)
    for _ in range(rounds):
        own = np.argmin(np.abs(values[:, None] - levels), axis=1)
        levels = np.array([values[own == k].mean() if (own == k).any() else levels[k] for k in range(count)])
    return levels


def _rebuilt(game: Game, state: TrainState, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns pictures as they are rebuilt and shown, and the perplexity of their tokens."""
    made = jax.jit(game.generate)(state, jax.random.key(0), {"x": jnp.asarray(x)})
    tokens = jg.systems.read_tokens(game, state, jnp.asarray(x))
    return np.asarray(shown(made)), float(quantizers.perplexity(tokens, 2**BITS))


def _add(rows: dict[str, dict[str, list[float]]], name: str, figures: dict[str, float]) -> None:
    for column, value in figures.items():
        rows.setdefault(name, {}).setdefault(column, []).append(value)


def _games(config: Config) -> dict[str, Game]:
    signs = quantizers.LookupFree(BITS, entropy=0.0, commitment=0.0)
    kept, naive = quantizers.EMAVQ(2**BITS), quantizers.VQ(2**BITS)
    games = {"L1 alone": _game(config, signs, 0.0), "and an adversary": _game(config, signs, config.weight)}
    games |= {"codebook revived": _game(config, kept, 0.0), "codebook by gradient": _game(config, naive, 0.0)}
    return games


def _game(config: Config, bottleneck: nn.Module, weight: float) -> Game:
    signs = isinstance(bottleneck, quantizers.LookupFree)
    adam = {"tokenizer": optax.adam(config.learning_rate, b1=config.b1)}
    networks: dict[str, Any] = {
        "encoder": coders.Encoder(BITS if signs else 8, config.features, output=jnp.tanh if signs else None),
        "bottleneck": bottleneck,
        "decoder": coders.Decoder(1, config.features),
    }
    if weight:
        adam["discriminator"] = optax.adam(config.discriminator_rate, b1=config.b1, b2=0.99)
        networks["discriminator"] = Patches(config.features)
    system = jg.systems.tokenizer(
        loss=jg.losses.hinge, optimizer=adam, weight=weight, start=config.start, augment=shown if weight else None
    )
    return jg.game(networks, system, ema={"encoder": config.ema, "decoder": config.ema})
