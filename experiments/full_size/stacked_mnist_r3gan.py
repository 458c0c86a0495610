"""R3GAN of Stacked MNIST at full size: 1000 modes, three digits as the channels of one image.

Residual networks of 768 features (20.73 and 20.68 million parameters); RpGAN with R1 and R2 in every step; Adam without
momentum at 2e-4. Over the first 2 million images gamma falls from 1 to 0.1, b2 rises from 0.9 to 0.99 and the half-life
of the averaged generator from 0 to 0.5 million images; no augmentation.

Published: 1000 modes, KL 0.029 (digits read by a classifier), after 10 million images and 7 hours on 8 L40; Huang et
al. The GAN is Dead; Long Live the GAN! A Modern GAN Baseline. NeurIPS 2024, tables 3 and 9. The cheap form of the test,
on bundled digits, is `stacked_digits`.

Command: python -m experiments stacked_mnist_r3gan --dataset tfds:mnist
Takes: 56 GPU-hours there; it has not been run here. `--smoke` runs a few steps of tiny networks on noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jaxgan as jg
from experiments.digits.stacks import stacked_mnist, stacks_judge
from experiments.full_size import cifar10_r3gan
from jaxgan.data import Source
from jaxgan.runs.experiment import Experiment, Judge

SIZE = 32


@dataclass(frozen=True)
class Config:
    """Table 9 of the paper."""

    seed: int = 0  # of parameters, latents and data order
    dataset: str = "tfds:mnist"  # or "synthetic": noise
    data_dir: str | None = None  # where sets are prepared; None: the default of TensorFlow Datasets
    steps: int = 19_532  # train steps: 10 million images
    batch_size: int = 512  # real images a step
    latent: int = 64  # width of z
    features: int = 768  # channels of all maps
    blocks: int = 2  # residual blocks at each resolution
    bfloat16: bool = False  # compute in bfloat16 inside the networks
    burn_in: float = 2.0  # millions of images over which the schedules move
    learning_rate: float = 2e-4  # Adam's
    last_learning_rate: float = 2e-4
    b2: float = 0.9  # Adam's decay of squared gradients at first
    last_b2: float = 0.99
    gamma: float = 1.0  # weight of R1 and of R2 at first
    last_gamma: float = 0.1
    ema_mimg: float = 0.5  # half-life of the averaged generator in the end, in millions of images; 0 at first
    augmentation: float = 0.0  # probability of augmentations in the end
    judged: int = 26_000  # samples in an evaluation
    judge_steps: int = 3000  # training steps of the classifier that reads digits


SMOKE = {
    "dataset": "synthetic",
    "steps": 2,
    "batch_size": 8,
    "latent": 4,
    "features": 2,
    "blocks": 1,
    "judged": 20,
    "judge_steps": 2,
}
MAY_DIFFER = ("steps",)


def source(config: Config) -> Source:
    """Stacks of three digits, without labels."""
    return jg.data.unlabelled(stacked_mnist(config.dataset, config.data_dir, SIZE))


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """The game of `cifar10_r3gan`, without labels."""
    return cifar10_r3gan.build(config, shape, classes)


def judge(config: Config, folder: Path) -> Judge:
    """Modes and KL, as a classifier reads the digits."""
    return stacks_judge(config.dataset, config.data_dir, SIZE, config.judged, config.judge_steps, folder)
