"""A convolutional GAN of your own pictures: a folder of images, cropped and resized.

The networks and the game are those of `digits`; subfolders may serve as classes, or a file says what each picture is.

Command: python -m experiments folder --path PICTURES --size 64 --channels 3
Takes: on 2 CPU cores about 0.1 s a step at size 32 with the default widths; a GPU is the place for more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jaxgan as jg
from experiments.digits.dcgan import build as build_digits
from jaxgan.data import Source
from jaxgan.runs.experiment import Experiment, Judge
from jaxgan.runs.judging import JudgedBy, image_judge


@dataclass(frozen=True)
class Config:
    """DCGAN with R1 on a folder of images."""

    path: str = ""  # folder of images, searched with its subfolders; required
    labels: bool = False  # condition on the subfolder that an image is in
    labels_file: str = ""  # condition on what a CSV, TSV or JSON file says of each image: docs/guide/data.md
    flip: bool = False  # mirror half of the images
    on_corrupt: Literal["skip", "error"] = "skip"  # leave unreadable images out with a warning, or refuse the folder
    channels: int = 3  # 1: grey, 3: colour, 4: colour and transparency
    judged: int = 500  # samples in an evaluation
    judged_by: JudgedBy = "auto"  # feature network: auto is EfficientNet-Lite0 where installed, else 8x8 pixels
    seed: int = 0  # of parameters, latents and data order
    steps: int = 5000  # train steps
    batch_size: int = 64  # real images a step
    size: int | str = 32  # side of the images, or HEIGHTxWIDTH: multiples of 4 from 16 on
    latent: int = 128  # width of z
    generator_features: int = 32  # channels of the generator's widest map; doubled at every halving of its side
    discriminator_features: int = 32  # channels of the discriminator's first map; doubled at every halving
    learning_rate: float = 1e-3  # Adam's, of both players
    b1: float = 0.0  # Adam's momentum
    b2: float = 0.99  # Adam's decay of squared gradients
    gamma: float = 1.0  # weight of R1
    ema: float = 0.998  # decay of the averaged generator, per step


SMOKE = {
    "steps": 4,
    "batch_size": 8,
    "generator_features": 2,
    "discriminator_features": 2,
    "judged": 8,
    "judged_by": "pixels",
}
MAY_DIFFER = ("steps", "path", "labels_file")  # pictures may have moved: that they are the same, their digest says


def source(config: Config) -> Source:
    """The folder's images."""
    if not config.path:
        raise ValueError("the folder experiment needs --path, a folder of images")
    images = jg.data.folder(
        config.path,
        size=config.size,
        channels=config.channels,
        flip=config.flip,
        on_corrupt=config.on_corrupt,
        labels=config.labels,
        labels_file=config.labels_file or None,
    )
    if config.labels_file and not images.classes:
        raise ValueError(f"{config.labels_file} gives attributes; this experiment is conditioned on one class each")
    return images


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """The game of `digits`, of the images' size, channels and classes."""
    return build_digits(config, shape, classes)


def judge(config: Config, folder: Path) -> Judge:
    """Small versions of samples against those of the images."""
    return image_judge(source(config), config.judged, config.judged_by)
