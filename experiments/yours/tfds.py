"""A convolutional GAN of any image set of TensorFlow Datasets, by name, read without TensorFlow.

The networks and the game are those of `digits`. The set must have been prepared in the array_record format
(docs/guide/data.md): preparing most catalogue sets takes TensorFlow and a network, reading them takes neither.

Command: python -m experiments tfds --dataset tfds:mnist --channels 1
Takes: on 2 CPU cores about 0.1 s a step at size 32 with the default widths; a GPU is the place for more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jaxgan as jg
from experiments.yours.folder import SMOKE, build
from jaxgan.data import Source
from jaxgan.runs.experiment import Judge
from jaxgan.runs.judging import JudgedBy, image_judge

__all__ = ["MAY_DIFFER", "SMOKE", "Config", "build", "judge", "source"]


@dataclass(frozen=True)
class Config:
    """DCGAN with R1 on an image set of TensorFlow Datasets."""

    dataset: str = "tfds:cifar10"  # name in the catalogue, with or without "tfds:"; "name/config:version" too
    split: str = "train"  # such as "train", "train[:50%]"
    data_dir: str | None = None  # where sets are prepared; None: the default of TensorFlow Datasets
    labels: bool = False  # condition on the set's labels
    flip: bool = False  # mirror half of the images
    channels: int = 3  # 1: grey, 3: colour
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


MAY_DIFFER = ("steps",)


def source(config: Config) -> Source:
    """The set's images, with their labels if the game is conditioned on them."""
    images = jg.data.tfds(
        config.dataset.removeprefix("tfds:"),
        split=config.split,
        data_dir=config.data_dir,
        size=config.size,
        channels=config.channels,
        flip=config.flip,
    )
    return images if config.labels else jg.data.unlabelled(images)


def judge(config: Config, folder: Path) -> Judge:
    """Small versions of samples against those of the images."""
    return image_judge(source(config), config.judged, config.judged_by)
