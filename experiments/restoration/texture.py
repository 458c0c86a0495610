"""Textures of any size from one picture: a Markovian GAN beside noise of the same spectrum, and patches sewn together.

Brick, grass and gravel of scikit-image, halved and freed of uneven light: the left half of each is learned from, by
crops, and the right half judges. Generator and discriminator are convolutions alone (Jetchev et al. 2016), with the
margin loss and the total variation of Li and Wand 2016. On textures of twice the sides of the crops: how far the law of
features of small patches is from the right half's (of a network that tells photographs apart: by pixels' means and
covariances alone, noise of the same spectrum is as good as the texture); how near their patches come to those of the
left half, relative to the right half's (near 0: copied); and the gradient energy where cells of the field meet,
relative to elsewhere (1: no seams). Beside them: the left half with the phases of its spectrum drawn anew, and quilts
of its own patches.

Command: python -m experiments texture --seeds 2
Takes: about twelve minutes on 2 CPU cores. Expected result: experiments/README.md.
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
from experiments.restoration.photographs import Eye, eye_variables, photograph
from jaxgan import metrics
from jaxgan.networks import patch, texture
from jaxgan.runs.experiment import draw_images
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least, chosen
from jaxgan.types import Game

STAGES = 3
CROP = 48  # pixels of a side, in training
CELLS = CROP // 2**STAGES
NEAREST, OVERLAP, CANDIDATES = 16, 8, 60  # of the patches compared and sewn: pixels of a side; of a seam; choices
NAMES = {name: name for name in ("brick", "grass", "gravel")}


@dataclass(frozen=True)
class Config:
    """Textures from one picture each."""

    seed: int = 0  # the first; of parameters, latents and crops
    seeds: int = 1  # runs of each texture
    methods: str = "all"  # textures with commas between: brick, grass, gravel
    steps: int = 800  # train steps
    batch_size: int = 16  # crops a step
    features: int = 16  # channels of the generator's largest map, and of the discriminator's first
    width: int = 16  # numbers in each cell of the field
    smoothness: float = 1e-4  # weight of the total variation
    learning_rate: float = 5e-4  # Adam's, of both players
    b1: float = 0.5  # Adam's momentum
    ema: float = 0.99  # decay of the averaged generator, per step
    textures: int = 12  # that are judged, of each run
    eye_steps: int = 300  # training steps of the network that gives features


SMOKE = {"steps": 2, "batch_size": 4, "features": 2, "width": 2, "textures": 2, "eye_steps": 2, "methods": "brick"}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=2, features=1, width=1, textures=1, eye_steps=1)
    chosen(config.methods, NAMES)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table for each texture, and draws crops of it, of quilts, of noise and of what is generated."""
    pictures, game = [], _game(config)
    for name in chosen(config.methods, NAMES):
        left, right = _halves(name)
        few = np.random.default_rng(config.seed)
        made: dict[str, list[np.ndarray]] = {
            "left half": [left[None]],
            "noise of its spectrum": [_noise(left, few, config.textures)],
            "quilts": [np.stack([_quilt(left, 2 * CROP, few) for _ in range(config.textures)])],
            "generated": [],
        }
        whole = jg.data.arrays(left[None], name=name)
        source = jg.data.degraded(jg.data.weighted(whole, np.ones(1)), x=jg.data.crop(CROP))
        for seed in range(config.seed, config.seed + config.seeds):
            training = Training(game, source, seed, config.steps, config.batch_size)
            state = train_member(folder / f"{name}-seed{seed}", training).state
            sides = (2 * CELLS + 2 * texture.MARGIN,) * 2
            z = jax.random.normal(jax.random.key(seed), (config.textures, *sides, config.width))
            made["generated"].append(np.asarray(jg.sample(game, state, jax.random.key(seed), z=z)))
        rows: list[dict[str, Cell]] = []
        for kind, several in made.items():
            figures = [_judged(x, left, right, config.eye_steps) for x in several]
            rows.append({"texture": kind, **{column: [each[column] for each in figures] for column in figures[0]}})
        pictures += [several[0][0, : 2 * CROP, : 2 * CROP] for several in made.values()]
        note = (
            f"{config.textures} of {2 * CROP}x{2 * CROP} pixels, after {config.steps} steps of {config.batch_size} "
            f"crops of {CROP}x{CROP}; Fréchet distance of patches' features to the right half; distance to the nearest "
            f"of the left half's patches of {NEAREST}x{NEAREST} pixels, relative to the right half's; {config.seeds} "
            f"seeds from {config.seed}"
        )
        yield Table(f"Textures like {name}", note, rows)
    draw_images(folder / "samples.png", np.stack(pictures))


def _game(config: Config) -> Game:
    networks = {
        "generator": texture.Weaver(1, config.features, STAGES),
        "discriminator": patch.Discriminator(config.features, layers=2, normalization="spectral"),
    }
    system = jg.systems.markovian(
        loss=jg.losses.margin,
        optimizer=optax.adam(config.learning_rate, b1=config.b1),
        cells=(CELLS + 2 * texture.MARGIN,) * 2,
        width=config.width,
        smoothness=config.smoothness,
    )
    return jg.game(networks, system, ema={"generator": config.ema})


def _halves(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the halves of a texture [H, W / 2, 1] of even light: means of 2x2 pixels, at most 2.5 deviations off."""
    whole = photograph(name)
    height, width = (side // 2 for side in whole.shape)
    x = whole.reshape(height, 2, width, 2).mean(axis=(1, 3))[..., None]
    light = jg.data.degraded(jg.data.arrays(x[None]), light=jg.data.blur(16.0))
    x = x - jg.data.batch_at(light, 1, seed=0)(0)["light"][0]
    x = np.clip((x - x.mean()) / (2.5 * x.std()), -1, 1).astype(np.float32)
    return x[:, : width // 2], x[:, width // 2 :]


def _noise(x: np.ndarray, few: np.random.Generator, n: int) -> np.ndarray:
    """Draws pictures with the spectrum of one, and phases of noise: [n, H, W, 1]."""
    size, mean = np.abs(np.fft.fft2(x[..., 0] - x.mean())), x.mean()
    phases = np.fft.fft2(few.normal(size=(n, *x.shape[:2])))
    drawn = np.real(np.fft.ifft2(size * phases / np.abs(phases))) + mean
    return np.clip(drawn, -1, 1)[..., None].astype(np.float32)


def _quilt(x: np.ndarray, side: int, few: np.random.Generator) -> np.ndarray:
    """Sews patches of a picture together, each the best of some where it overlaps with what is there.

    References:
      Efros, Freeman. Image Quilting for Texture Synthesis and Transfer. SIGGRAPH 2001 (without its cut: seams are
      crossed linearly).
    """
    size, step = 2 * NEAREST, 2 * NEAREST - OVERLAP
    quilt, ramp = np.zeros((side + size, side + size, 1), np.float32), (np.arange(OVERLAP) + 1) / (OVERLAP + 1)
    for top in range(0, side, step):
        for left in range(0, side, step):
            corners = few.integers(0, [x.shape[0] - size + 1, x.shape[1] - size + 1], (CANDIDATES, 2))
            patches = np.stack([x[i : i + size, j : j + size] for i, j in corners])
            fresh = np.ones((size, size, 1), np.float32)
            fresh[:OVERLAP] *= ramp[:, None, None] if top else 1
            fresh[:, :OVERLAP] *= ramp[None, :, None] if left else 1
            there = quilt[top : top + size, left : left + size]
            apart = np.sum((fresh < 1) * np.square(patches - there), axis=(1, 2, 3))
            best = patches[np.argmin(apart)]
            quilt[top : top + size, left : left + size] = fresh * best + (1 - fresh) * there
    return quilt[:side, :side]


def _judged(x: np.ndarray, left: np.ndarray, right: np.ndarray, eye_steps: int) -> dict[str, float]:
    apart = np.abs(np.diff(x, axis=2)).mean(axis=(0, 1, 3))
    seams = np.arange(1, len(apart) + 1) % 2**STAGES == 0  # between columns of two cells
    return {
        "patch distance": metrics.fid(_features(right[None], eye_steps), _features(x, eye_steps)),
        "nearest": _nearest(x, left) / _nearest(right[None], left),
        "seams": float(apart[seams].mean() / apart[~seams].mean()),
    }


def _features(x: np.ndarray, eye_steps: int) -> np.ndarray:
    """Returns the features [places, 32] of patches of 10x10 pixels, away from the borders."""
    outputs: Any = Eye().apply(eye_variables(eye_steps), x)
    late = np.maximum(np.asarray(outputs["late"]), 0)[:, 2:-2, 2:-2]
    return late.reshape(-1, late.shape[-1])


def _nearest(x: np.ndarray, picture: np.ndarray) -> float:
    """Returns the mean distance of patches of x [n, H, W, 1] to the nearest of all patches of a picture."""
    own, every = (
        np.lib.stride_tricks.sliding_window_view(images[..., 0], (NEAREST, NEAREST), axis=(-2, -1))
        for images in (x, picture)
    )
    own = own[:, ::NEAREST, ::NEAREST].reshape(-1, NEAREST**2).astype(np.float64)[:200]
    every = every.reshape(-1, NEAREST**2).astype(np.float64)
    squares = np.sum(own**2, axis=1)[:, None] - 2 * own @ every.T + np.sum(every**2, axis=1)
    return float(np.mean(np.sqrt(np.maximum(squares.min(axis=1), 0))))
