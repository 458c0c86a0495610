"""A hundred faces: a discriminator that sees them through EfficientNet-Lite0, and DCGAN with R1 for as many minutes.

Projected GAN (Sauer et al. 2021) in small: faces of Labeled Faces in the Wild, 25x25 pixels enlarged to 32x32, mirrored
at random, and one generator for both games, with DiffAugment in both. The frozen network sees 64x64 pixels instead of
224x224, which is what a CPU can pay for. No judge here knows that network's features: Fréchet distances are of pixels,
of whole faces in the space of their first principal components, and of patches of 8x8 pixels. Beside them, how near
samples are to the nearest training face, in units of how near that one's nearest neighbour is: copies are near 0.

Command: python -m experiments projected --seeds 3
Takes: about eight minutes for each seed on one CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
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
from jaxgan.data.pixels import flip_some
from jaxgan.metrics.extractors import efficientnet
from jaxgan.networks import dcgan, efficientnet_lite, projected
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game, System

SIDE, COMPONENTS, SAMPLES, SHOWN = 32, 24, 400, 10
TIMED = 5  # steps whose time is taken


@dataclass(frozen=True)
class Config:
    """Projected GAN and DCGAN on faces."""

    seed: int = 0  # the first; of parameters, latents and data order
    seeds: int = 1  # runs of each method
    steps: int = 300  # train steps through frozen features
    plain_steps: int = 3600  # of DCGAN, which take as long
    batch_size: int = 16  # faces a step
    size: int = 64  # pixels that the frozen network sees, 64 or 96
    scales: int = 4  # maps of it that are used, from the finest, 1 to 4
    latent: int = 32  # width of z
    features: int = 24  # channels of the generator's widest map, and of DCGAN's first
    head_features: int = 128  # channels of the last maps of the projected discriminators
    mixed_features: int = 32  # channels of the finest map after mixing
    learning_rate: float = 1e-3  # Adam's, of both players
    gamma: float = 1.0  # weight of R1
    ema: float = 0.98  # decay of the averaged generator, per step


SMOKE = {"steps": 1, "plain_steps": 1, "batch_size": 2, "scales": 1, "features": 2, "head_features": 8}
SMOKE |= {"mixed_features": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, plain_steps=1, batch_size=2, features=1, head_features=8, mixed_features=1)
    if config.size not in (64, 96) or not 1 <= config.scales <= 4:
        raise ValueError(f"--size must be 64 or 96 and --scales 1 to 4; got {config.size} and {config.scales}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws faces and each method's samples."""
    x = faces()
    source = jg.data.arrays(x, name="faces")
    read = source.read
    source = source._replace(read=lambda draw: {"x": flip_some(read(draw)["x"], draw)})
    games = {
        "frozen features": (_projected(config), config.steps),
        "DCGAN, R1, as many steps": (_plain(config, config.steps), config.steps),
        "DCGAN, R1, as many minutes": (_plain(config, config.plain_steps), config.plain_steps),
    }
    rows: list[dict[str, Cell]] = []
    pictures = [x[:: len(x) // SHOWN][:SHOWN]]
    for name, (game, steps) in games.items():
        figures: list[dict[str, float]] = []
        for seed in range(config.seed, config.seed + config.seeds):
            member = folder / f"{name.replace(',', '').replace(' ', '-')}-seed{seed}"
            state = train_member(member, Training(game, source, seed, steps, config.batch_size)).state
            made = np.asarray(jg.sample(game, state, jax.random.key(seed), n=SAMPLES))
            seconds = _seconds(game, state, x[: config.batch_size])
            figures.append(judged(made, x) | {"seconds a step": seconds, "minutes": seconds * steps / 60})
            print(f"{name}, seed {seed}: { ({k: round(v, 3) for k, v in figures[-1].items()}) }", flush=True)
            pictures += [made[:SHOWN]] if seed == config.seed else []
        cells: dict[str, Cell] = {column: [each[column] for each in figures] for column in figures[0]}
        rows.append({"discriminator": name, "steps": str(steps)} | cells)
    half: dict[str, Cell] = {"discriminator": "half of the faces, to the others", "steps": ""}
    half |= dict(judged(x[::2], x[1::2]))
    rows.append(half | {"seconds a step": "", "minutes": ""})
    draw_images(folder / "samples.png", np.concatenate(pictures))
    note = (
        f"{SAMPLES} samples against {len(x)} faces of 32x32 pixels and their mirror images; the frozen network sees "
        f"{config.size}x{config.size}; Fréchet distances of pixels, per principal component of {COMPONENTS} and of "
        f"patches; {config.seeds} seeds from {config.seed}. The picture's rows: faces, and samples of each"
    )
    yield Table("A hundred faces for as many minutes", note, rows)


@functools.cache
def faces() -> np.ndarray:
    """Returns the faces of scikit-image, [100, 32, 32, 1] float32 in [-1, 1].

    Raises:
      ValueError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise ValueError("faces are scikit-image's: pip install 'jaxgan[experiments]'") from error
    x = np.asarray(data.lfw_subset()[:100], np.float32)[..., None]
    large = jax.image.resize(jnp.asarray(2 * x - 1), (len(x), SIDE, SIDE, 1), "cubic")
    return np.clip(np.asarray(large), -1, 1)


def judged(made: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Measures samples [n, H, W, 1] beside faces and their mirror images, in spaces that no network made."""
    truth = np.concatenate([truth, truth[:, :, ::-1]])
    flat, mean = truth.reshape(len(truth), -1), truth.reshape(len(truth), -1).mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(flat, rowvar=False))
    axes = vectors[:, -COMPONENTS:] / np.sqrt(values[-COMPONENTS:])
    samples = made.reshape(len(made), -1)
    whole = metrics.fid((flat - mean) @ axes, (samples - mean) @ axes) / COMPONENTS
    near, own = _distances(samples, flat), _distances(flat, flat)
    np.fill_diagonal(own, np.inf)
    nearness = float(np.median(near.min(axis=1) / own.min(axis=1)[near.argmin(axis=1)]))
    return {"faces": whole, "patches": metrics.patch_distance(made, truth), "nearness": nearness}


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squares = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))


def _seconds(game: Game, state: Any, x: np.ndarray) -> float:
    step, batch = jax.jit(game.train_step), {"x": jnp.asarray(x)}
    state = jax.block_until_ready(step(state, batch)[0])
    began = time.monotonic()
    for _ in range(TIMED):
        state = jax.block_until_ready(step(state, batch)[0])
    return (time.monotonic() - began) / TIMED


def _settings(config: Config, steps: int) -> dict[str, Any]:
    adam = optax.adam(optax.cosine_decay_schedule(config.learning_rate, steps, 0.1), b1=0.0, b2=0.99)
    augment = jg.augment.diffaugment("color", "translation", "cutout")
    return {"prior": jg.priors.normal(config.latent), "optimizer": adam, "augment": augment}


def _generator(config: Config) -> dcgan.Generator:
    return dcgan.Generator(channels=1, size=SIDE, features=config.features)


def _projected(config: Config) -> Game:
    """Hinge loss, spectral norms in the heads, no gradient penalty; batch statistics of the heads as in the code."""
    features = projected.projector(
        efficientnet_lite.EfficientNetLite0(),
        efficientnet.variables(),
        jax.random.key(0),
        size=config.size,
        scales=config.scales,
        mixing=projected.Mixing(config.mixed_features),
    )
    networks = {
        "generator": _generator(config),
        "discriminator": projected.Discriminator(config.head_features, halvings=(3, 2, 1, 0)[: config.scales]),
        "features": features,
    }
    system = jg.systems.gan(loss=jg.losses.hinge, **_settings(config, config.steps))
    return _game(config, networks, jg.systems.on_features(system))


def _plain(config: Config, steps: int) -> Game:
    discriminator = dcgan.Discriminator(size=SIDE, features=config.features, normalization="none")
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        penalty=jg.penalties.r1(config.gamma),
        **_settings(config, steps),
    )
    return _game(config, {"generator": _generator(config), "discriminator": discriminator}, system)


def _game(config: Config, networks: dict[str, Any], system: System) -> Game:
    """Both turns show one batch of samples, which the frozen network then looks at once."""
    return jg.game(networks, system, ema={"generator": config.ema}, dynamics=jg.dynamics.alternating(shared=True))
