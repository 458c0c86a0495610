"""PacGAN of Stacked MNIST at full size: 1000 modes, three digits as the channels of one image.

DCGAN of 5 x 5 convolutions against a discriminator that sees `pack` stacks at once (1: the baseline without packing);
non-saturating loss, Adam at 2e-4 (0.5, 0.999), 64 packs a batch, 50 epochs of 128,000 stacks, and two generator updates
for one of the discriminator (Lin et al. 2018, the experiment after VEEGAN).

Published, mean and standard error of 10 runs: 78.9 +- 6.5 modes and KL 4.50 +- 0.13 without packing, 1000 modes and KL
0.06 with packs of 2 (table 2 there; 992 modes and KL 0.28 as R3GAN's table 3 has it), of 26,000 samples read by a
classifier. Data are in [-1, 1] here, the range of tanh; the authors' code has them in [0, 1]. The cheap form of the
test, on bundled digits, is `stacked_digits`.

Command: python -m experiments stacked_mnist_pacgan --dataset tfds:mnist [--pack 1]
Takes: hours on a GPU; it has not been run here. `--smoke` runs a few steps of tiny networks on noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import flax.linen as nn
import jax.numpy as jnp
import optax
from jax import Array

import jaxgan as jg
from experiments.digits.stacks import stacked_mnist, stacks_judge
from jaxgan.data import Source
from jaxgan.networks.layers import ConvTranspose
from jaxgan.networks.remedies import Packed
from jaxgan.runs.experiment import Experiment, Judge, draw_images

SIZE = 28
_init = nn.initializers.normal(0.02)


@dataclass(frozen=True)
class Config:
    """DCGAN with packing on stacked MNIST."""

    seed: int = 0  # of parameters, latents and data order
    dataset: str = "tfds:mnist"  # or "synthetic": noise
    data_dir: str | None = None  # where sets are prepared; None: the default of TensorFlow Datasets
    steps: int = 100_000  # train steps: 50 epochs of 128,000 stacks
    batch_size: int = 128  # stacks of a minibatch: 64 packs of two (64 stacks for --pack 1, 256 for --pack 4)
    pack: int = 2  # stacks that the discriminator sees at once
    n_critic: int = 2  # minibatches of a step: the generator moves at each, the discriminator at the last alone
    latent: int = 100  # width of z, uniform
    features: int = 64  # channels of the largest maps
    learning_rate: float = 2e-4  # Adam's, of both players; b1 = 0.5
    judged: int = 26_000  # samples in an evaluation
    judge_steps: int = 3000  # training steps of the classifier that reads digits


SMOKE = {
    "dataset": "synthetic",
    "steps": 2,
    "batch_size": 8,
    "latent": 4,
    "features": 2,
    "judged": 20,
    "judge_steps": 2,
}
MAY_DIFFER = ("steps",)


class Generator(nn.Module):
    """z [B, Z] -> stacks [B, 28, 28, 3]: sides 2, 4, 7, 14, 28, by 5 x 5 transposed convolutions."""

    features: int

    @nn.compact
    def __call__(self, z: Array, train: bool = True) -> Array:
        """Draws stacks; batch statistics come from the batch if `train`."""

        def normed(x: Array) -> Array:
            return nn.relu(nn.BatchNorm(not train, momentum=0.9)(x))

        x = nn.Dense(2 * 2 * 8 * self.features, kernel_init=_init)(z).reshape(-1, 2, 2, 8 * self.features)
        x = normed(x)
        for width, side in ((4, 4), (2, 7), (1, 14)):
            x = normed(ConvTranspose(width * self.features, (5, 5), kernel_init=_init)(x)[:, :side, :side])
        return jnp.tanh(ConvTranspose(3, (5, 5), kernel_init=_init)(x))


class Discriminator(nn.Module):
    """Packs of stacks [B, 28, 28, C] -> logits [B]: 5 x 5 convolutions, sides 14, 7, 4, 2."""

    features: int

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Scores every pack, before any sigmoid."""
        for k in range(4):
            x = nn.Conv(self.features * 2**k, (5, 5), strides=2, kernel_init=_init)(x)
            x = nn.BatchNorm(not train, momentum=0.9)(x) if k else x
            x = nn.leaky_relu(x, 0.2)
        return nn.Dense(1, kernel_init=_init)(x.reshape(x.shape[0], -1))[:, 0]


def source(config: Config) -> Source:
    """Stacks of three digits, without labels."""
    return jg.data.unlabelled(stacked_mnist(config.dataset, config.data_dir, SIZE))


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """DCGAN networks in the non-saturating game, the discriminator packed."""
    if config.pack < 1 or config.batch_size % config.pack:
        raise ValueError(f"--pack must divide --batch-size {config.batch_size}; got {config.pack}")
    prior = jg.priors.uniform(config.latent)
    networks = {
        "generator": Generator(config.features),
        "discriminator": Packed(Discriminator(config.features), config.pack),
    }
    adam = optax.adam(config.learning_rate, b1=0.5, b2=0.999)
    system = jg.systems.gan(loss=jg.losses.non_saturating, prior=prior, optimizer=adam)
    generator = system.players["generator"]._replace(updates=config.n_critic)
    system = system._replace(players=dict(system.players) | {"generator": generator})
    return Experiment(jg.game(networks, system), prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Modes and KL, as a classifier reads the digits."""
    return stacks_judge(config.dataset, config.data_dir, SIZE, config.judged, config.judge_steps, folder)
