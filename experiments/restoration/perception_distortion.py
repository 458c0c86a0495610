"""How much sharpness for how many decibels: six adversarial weights of SRGAN, trained in one sweep.

Blau, Michaeli 2018: no restoration is both as near to the truth as can be and as lifelike as pictures are, and what is
gained on one side is paid on the other. Grey crops of nine photographs of scikit-image are reduced to a quarter of
their sides; an SRResNet learns from the squared error first, and from there goes on as long by the error alone, or by
the error and an adversarial loss of six weights, all of them in one `parallel.sweep`, in which the weight is an
argument of the compiled step. On tiles of parts of the photographs that were not trained on: PSNR, how far the law of
patches is from the truth's (Fréchet distance, in units of its first variance), the energy of gradients relative to the
truth's, and the PSNR of the result, made small again, to what it was made from.

Command: python -m experiments perception_distortion --seeds 3
Takes: about three minutes a seed on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

import itertools
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
from experiments.restoration.photographs import tiles
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.networks import patch, superres
from jaxgan.parallel import batches, stack, sweep
from jaxgan.penalties.weights import Weight
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least, numbers, save
from jaxgan.types import Game, TrainState

FACTOR, TILE, CROP = 4, 64, 32
SHOWN = 5  # tiles in the picture, of each row


@dataclass(frozen=True)
class Config:
    """The curve of perception and distortion."""

    seed: int = 0  # the first; of parameters, crops and data order
    seeds: int = 1  # runs of each method
    weights: str = "0.001,0.003,0.01,0.03,0.1,0.3"  # of the adversarial loss, each a member of the sweep
    steps: int = 600  # train steps of the first phase, and of either second one
    batch_size: int = 8  # crops a step
    features: int = 16  # channels of the generator
    blocks: int = 3  # of the generator
    judging: int = 24  # channels of the discriminator
    learning_rate: float = 5e-4  # Adam's, of both players
    ema: float = 0.99  # decay of the averaged generator, per step


SMOKE = {"steps": 2, "batch_size": 4, "features": 2, "blocks": 1, "judging": 2, "weights": "0.01,0.1"}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, features=1, blocks=0, judging=1)
    _weights(config)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws the curve and tiles as each weight enlarges them."""
    truth, _ = tiles("test", TILE, TILE // 2)
    low = _small(truth)
    made: dict[str, list[np.ndarray]] = {}
    made["bicubic"] = [np.asarray(jax.image.resize(jnp.asarray(low), truth.shape, "cubic"))]
    source = jg.data.degraded(
        jg.data.arrays(tiles("train", TILE, 16)[0], name="photographs"),
        x=jg.data.crop(CROP),
        low=jg.data.downsample(FACTOR),
    )
    alone, seconds = game_of(config, 0.0), list[float]()
    for seed in range(config.seed, config.seed + config.seeds):
        training = Training(alone, source, seed, config.steps, config.batch_size)
        first = train_member(folder / f"first-seed{seed}", training).state
        batch = jax.tree.map(jnp.asarray, jg.data.batch_at(source, config.batch_size, seed)(0))
        begun = jg.carried.carry(first, alone, jax.random.key(seed), batch).state
        member = folder / f"squared-error-alone-seed{seed}"
        state = train_member(member, training._replace(first=begun)).state
        made.setdefault("squared error alone", []).append(
            np.asarray(jg.sample(alone, state, jax.random.key(seed), low=low))
        )
        begun = jg.carried.carry(first, game_of(config, 1.0), jax.random.key(seed), batch).state
        began = time.monotonic()
        for weight, x in _swept(config, folder / f"sweep-seed{seed}.npz", source, begun, seed, low).items():
            made.setdefault(f"weight {weight:g}", []).append(x)
        seconds.append(time.monotonic() - began)
    figures = {name: [_judged(np.clip(x, -1, 1), truth, low) for x in several] for name, several in made.items()}
    rows: list[dict[str, Cell]] = [
        {"enlarged by": name, **{column: [each[column] for each in several] for column in several[0]}}
        for name, several in figures.items()
    ]
    shown = np.linspace(0, len(truth) - 1, SHOWN).astype(int)
    draw_images(folder / "samples.png", np.concatenate([_row(several[0][shown]) for several in made.values()]))
    _draw(folder / "curve.png", figures)
    note = (
        f"{len(truth)} tiles of {TILE}x{TILE} pixels from {TILE // FACTOR}x{TILE // FACTOR}, after {config.steps} "
        f"steps of {config.batch_size} crops by the squared error and as many of each row; PSNR in dB; patch distance "
        f"and gradients relative to the truth's; {config.seeds} seeds from {config.seed}; all weights of a seed in one "
        f"sweep, {', '.join(f'{s:.0f}' for s in seconds)} s"
    )
    yield Table("Perception and distortion", note, rows)


def _weights(config: Config) -> list[float]:
    return numbers(config, "weights", "different numbers > 0", lambda w: min(w) > 0 and len(set(w)) == len(w))


def _swept(
    config: Config, kept: Path, source: Source, begun: TrainState, seed: int, low: np.ndarray
) -> dict[float, np.ndarray]:
    """Trains all weights at once from one state, and returns what each makes of the small tiles; kept in a file."""
    weights = _weights(config)
    if not kept.exists():
        runs = sweep(lambda weight: game_of(config, weight), [seed] * len(weights), {"weight": weights})
        states, stream = stack([begun] * len(weights)), batches(source, config.batch_size, [seed] * len(weights))
        for batch in itertools.islice(stream, config.steps):
            states, _ = runs.train_step(states, batch)
        np.savez(kept, made=np.asarray(runs.generate(states, jax.random.key(seed), _asked(low))))
    with np.load(kept) as file:
        return dict(zip(weights, file["made"], strict=True))


def _asked(low: np.ndarray) -> dict[str, Any]:
    return {"low": jnp.asarray(low), "index": jnp.arange(len(low), dtype=jnp.int32)}


def game_of(config: Config, weight: Weight) -> Game:
    """The game of a weight, which may be an array that is traced; of the number 0, without a discriminator."""
    generator = superres.SRResNet(config.features, config.blocks, FACTOR, normalization="none", outer=5, residual=True)
    adam, networks = optax.adam(config.learning_rate), dict[str, Any](generator=generator)
    if not (isinstance(weight, float) and weight == 0):
        networks["discriminator"] = patch.Discriminator(features=config.judging, layers=1, normalization="batch")
    system = jg.systems.srgan(loss=jg.losses.non_saturating, optimizer=adam, weight=weight, content=0.0)
    return jg.game(networks, system, ema={"generator": config.ema})


def _judged(x: np.ndarray, truth: np.ndarray, low: np.ndarray) -> dict[str, float]:
    return {
        "PSNR": metrics.psnr(x, truth),
        "patch distance": metrics.patch_distance(x, truth),
        "gradients": metrics.gradient_energy_ratio(x, truth),
        "PSNR made small": metrics.psnr(_small(x), low),
    }


def _small(x: np.ndarray) -> np.ndarray:
    n, height, width, channels = x.shape
    return x.reshape(n, height // FACTOR, FACTOR, width // FACTOR, FACTOR, channels).mean(axis=(2, 4))


def _row(images: np.ndarray) -> np.ndarray:
    return np.clip(images, -1, 1)


def _draw(path: Path, figures: dict[str, list[dict[str, float]]]) -> None:
    """Draws PSNR against the distance of patches, a point for each seed, and a line through the weights' means."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(4.4, 3.2))
    means: list[tuple[float, float]] = []
    for name, several in figures.items():
        points = np.array([[each["patch distance"], each["PSNR"]] for each in several])
        axis.plot(*points.T, "o", markersize=4)
        axis.annotate(
            name.removeprefix("weight "), points.mean(axis=0), textcoords="offset points", xytext=(5, 3), fontsize=7
        )
        if name != "bicubic":
            means.append(tuple(points.mean(axis=0)))
    axis.plot(*np.array(means).T, linewidth=0.7, color="grey")
    axis.set_xscale("log")
    axis.set_xlabel("Fréchet distance of patches (lower: more lifelike)", fontsize=7)
    axis.set_ylabel("PSNR, dB (higher: nearer to the truth)", fontsize=7)
    figure.tight_layout()
    save(figure, path)
    pyplot.close(figure)
