"""Edges to digits: pairs whose edge maps hide a part, translated by a game and L1 beside L1 alone.

pix2pix (Isola et al. 2017, eq. 4 and table 1's comparison) on handwritten digits: a is the map of strong edges, coarse
by a factor of four and with a third of its places erased, b the digit. What is hidden has several answers: L1 alone
paints their median, faint and smooth, the game decides for one. Figures are of 1,000 held-out pairs: sharpness beside
the truth's (1 is right), the Fréchet distance of patches, how often a classifier of real digits reads the right one,
L1, PSNR and SSIM, and how far two translations of the same map are apart, since dropout stays.

Command: python -m experiments edges_to_glyphs --seeds 3
Takes: about six minutes a seed on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
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
from jaxgan.networks import patch, translators
from jaxgan.networks.conditioning import Concatenated
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.systems import between, pix2pix, players
from jaxgan.systems.parts import translation
from jaxgan.types import Game

SIZE = 32  # side of the pictures
COARSE = 4  # pixels of an edge map's cell
HIDDEN = 1 / 3  # share of the cells that are erased
EDGE = 0.5  # mean gradient of a cell from which it is an edge


@dataclass(frozen=True)
class Config:
    """Coarse edges to digits."""

    seed: int = 0  # the first; of parameters, dropout and data order
    seeds: int = 1  # runs of each method
    steps: int = 1500  # train steps
    batch_size: int = 32  # pairs a step
    features: int = 16  # channels of both networks' first maps
    layers: int = 1  # of stride 2 in the discriminator: it judges patches of 16 pixels a side
    weight: float = 100.0  # of L1
    learning_rate: float = 5e-4  # Adam's, of both players
    b1: float = 0.5  # Adam's momentum
    ema: float = 0.998  # decay of the averaged generator, per step
    judge_steps: int = 800  # training steps of the classifier that reads


SMOKE = {"steps": 3, "batch_size": 8, "features": 2, "judge_steps": 4}
METHODS = ("L1 alone", "L1 and game")


@functools.cache
def pairs(split: str) -> dict[str, np.ndarray]:
    """Edge maps "a", digits "b" [N, SIZE, SIZE, 1] in [-1, 1], and labels "y" [N]."""
    source = jg.data.digits(split, size=SIZE)
    read = jg.data.whole(source)
    b = np.asarray(read["x"])
    slopes = np.gradient(b[..., 0], axis=(1, 2))
    cells = np.hypot(*slopes).reshape(len(b), SIZE // COARSE, COARSE, SIZE // COARSE, COARSE).max(axis=(2, 4))
    kept = np.random.default_rng(len(b)).uniform(size=cells.shape) > HIDDEN
    a = np.where((cells > EDGE) & kept, 1.0, -1.0).astype(np.float32).repeat(COARSE, 1).repeat(COARSE, 2)
    return {"a": a[..., None], "b": b, "y": np.asarray(read["y"])}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, features=1, layers=1, judge_steps=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws edge maps, translations and the truth below each other."""
    train, test = pairs("train"), pairs("test")
    reader = metrics.train_classifier(train["b"], train["y"], jax.random.key(0), steps=config.judge_steps)
    source = jg.data.arrays({"a": train["a"], "b": train["b"]}, name="edges of digits")
    rows, shown = list[dict[str, Cell]](), [test["a"][::100]]
    for method in METHODS:
        game, figures = _game(config, method), list[dict[str, float]]()
        for seed in range(config.seed, config.seed + config.seeds):
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(folder / f"{method.replace(' ', '-')}-seed{seed}", training).state
            one, other = (np.asarray(jg.sample(game, state, jax.random.key(k), a=test["a"])) for k in (seed, -1 - seed))
            figures.append(judged(reader, one, test) | {"two draws": float(np.mean(np.abs(one - other)))})
            shown += [one[::100]] if seed == config.seed else []
        rows.append({"method": method, **{name: [f[name] for f in figures] for name in figures[0]}})
    draw_images(folder / "samples.png", np.concatenate([*shown, test["b"][::100]]))
    floor, right = metrics.patch_distance(train["b"][::4], test["b"]), metrics.accuracy(reader, test["b"], test["y"])
    note = (
        f"{len(test['b'])} held-out pairs after {config.steps} steps of {config.batch_size}; edges in cells of "
        f"{COARSE} pixels, {HIDDEN:.0%} of them erased; the classifier reads {right:.1%} of the true digits; patch "
        f"distance of as many training digits from the held-out ones: {floor:.2g}; {config.seeds} seeds"
    )
    yield Table("Digits from coarse edges", note, rows)


def judged(reader: metrics.Classifier, made: np.ndarray, test: dict[str, np.ndarray]) -> dict[str, float]:
    """Figures of translations beside the truth."""
    truth = test["b"]
    return {
        "sharpness": metrics.gradient_energy_ratio(made, truth),
        "patch distance": metrics.patch_distance(made, truth),
        "read": metrics.accuracy(reader, made, test["y"]),
        "L1": float(np.mean(np.abs(made - truth))),
        "PSNR, dB": metrics.psnr(made, truth),
        "SSIM": float(jnp.mean(metrics.ssim(jnp.asarray(made), jnp.asarray(truth)))),
    }


def _game(config: Config, method: str) -> Game:
    generator = translators.UNet(1, config.features, depth=4)
    optimizer = optax.adam(config.learning_rate, b1=config.b1)
    if method == "L1 alone":
        return jg.game({"generator": generator}, _alone(optimizer), ema={"generator": config.ema})
    judge = Concatenated(patch.Discriminator(config.features, config.layers))
    system = pix2pix(
        loss=jg.losses.non_saturating,
        optimizer=optimizer,
        weight=config.weight,
    )
    return jg.game({"generator": generator, "discriminator": judge}, system, ema={"generator": config.ema})


def _alone(optimizer: optax.GradientTransformation) -> jg.System:
    """The same generator without a game."""

    def loss(nets: Any, batch: Any, turn: jg.Turn) -> Any:
        return jg.losses.absolute_error(nets["generator"](batch["a"]), batch["b"]), {}

    def generate(nets: Any, key: Any, inputs: Any) -> Any:
        return translation(nets["generator"], inputs["a"], inputs)

    return between([], players(optimizer, generator=("generator", loss)), generate, asks={"a": "edge maps"})
