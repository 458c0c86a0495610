"""An experiment whose data are damaged while it runs: points in files, one .npy each, read at every step.

Started by tests as `jaxgan run tests/reliability/files.py --path FOLDER [--flag value ...]`. Its data may be poisoned,
deleted or be too few.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optax

import jaxgan as jg
from experiments.toys.scatter import draw_points
from jaxgan.runs.experiment import Experiment, Judge, Judgement

FILE = Path(__file__)


@dataclass(frozen=True)
class Config:
    """A small GAN of points in files."""

    path: str = ""  # folder of <number>.npy, [2] float32 each
    threads: int = 0  # batches that Grain reads ahead in the background; 0: read in place
    fewer: int = 0  # the source gives so many examples less than were asked for, from step 20 on
    seed: int = 0
    steps: int = 100
    batch_size: int = 8


SMOKE: dict[str, Any] = {}
MAY_DIFFER = ("path", "threads")


def source(config: Config) -> jg.data.Source:
    """The points as they are on disk now."""
    files = sorted(Path(config.path).glob("*.npy"))

    def read(draw: jg.data.Draw) -> jg.data.source.Examples:
        fewer = config.fewer if draw.position[0] >= 20 * config.batch_size else 0
        return {"x": np.stack([np.load(files[i]) for i in draw.index[: len(draw.index) - fewer]])}

    return jg.data.Source("files", len(files), read, threads=config.threads)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """The smallest game."""
    prior = jg.priors.normal(3)
    networks = {
        "generator": jg.networks.mlp.Generator(shape, (8,)),
        "discriminator": jg.networks.mlp.Discriminator((8,)),
    }
    system = jg.systems.gan(loss=jg.losses.hinge, prior=prior, optimizer=optax.adam(1e-3))
    return Experiment(jg.game(networks, system, ema={"generator": 0.9}), prior, 0, draw_points)


def judge(config: Config, folder: Path) -> Judge:
    """The mean distance from the origin: something to keep the best by."""
    return Judge(lambda x: Judgement({"distance": float(np.mean(np.abs(x)))}), 16, "distance", "mean distance")


def write(folder: Path, count: int = 64, poisoned: tuple[int, ...] = ()) -> Path:
    """Writes points on a circle, some of them NaN; each file is replaced at once, as a reader may be at it."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        angle = 2 * np.pi * number / count
        point = np.array([np.cos(angle), np.sin(angle)], np.float32)
        partial = folder / "partial"
        with partial.open("wb") as file:
            np.save(file, point * (np.nan if number in poisoned else 1))
        os.replace(partial, folder / f"{number:04d}.npy")
    return folder
