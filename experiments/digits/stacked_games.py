"""Games on stacked digits: the networks of four tables, and the methods that are their rows.

The tiny generator of Metz et al. 2017 and PacGAN (Lin et al. 2018) against a discriminator of a quarter or a half of
its width (tables 3 of both), without normalisation where gradients are penalised; fully connected networks, which two
cores train until digits can be read; and R3GAN's own networks, small (Huang et al. 2024).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import optax
from jax import Array

import jaxgan as jg
from jaxgan.networks import mlp, r3gan
from jaxgan.networks.layers import ConvTranspose
from jaxgan.networks.remedies import Packed
from jaxgan.types import Game, Loss, Penalty

SIZE = 28


class Setting(NamedTuple):
    """A table: networks that are trained alike."""

    title: str
    papers: dict[str, str]  # modes / KL, by method
    rates: tuple[float, float]  # Adam's, of the discriminator and the generator
    b1: float
    latent: int
    gamma: float  # weight of R1, and of R2
    steps: int


SMALL: dict[str, Any] = {"rates": (2e-3, 1e-3), "b1": 0.5, "latent": 256, "gamma": 1.0, "steps": 5000}
SETTINGS = {
    "quarter": Setting(
        "1000 modes, discriminator of a quarter of the generator's width",
        {
            "dcgan": "30.6 / 5.99 (Unrolled); 78.5 / 5.21 (PacGAN)",
            "unrolled": "327 / 4.66 (10 steps)",
            "packing 2": "484.5 / 2.61",
            "packing 4": "667.4 / 1.81",
        },
        **SMALL,  # rates ten times those of the papers, for a hundredth of their steps
    ),
    "half": Setting(
        "1000 modes, discriminator of half the generator's width",
        {
            "dcgan": "628 / 2.58 (Unrolled); 487.7 / 2.24 (PacGAN)",
            "unrolled": "817 / 1.43 (10 steps)",
            "packing 2": "840.7 / 1.00",
            "packing 4": "820.2 / 1.15",
        },
        **SMALL,
    ),
    "ablation": Setting(
        "1000 modes, fully connected networks: pairing and penalties of R3GAN",
        {
            "gan + r1": "diverges",
            "gan + r1 + r2": "693 / .927",
            "rpgan + r1": "diverges",
            "rpgan + r1 + r2": "1000 / .078",
        },
        rates=(2e-4, 2e-4),
        b1=0.0,
        latent=64,
        gamma=0.01,
        steps=12_000,
    ),
    "r3gan": Setting(
        "1000 modes, the networks of R3GAN",
        {"rpgan + r1 + r2": "1000 / .029"},
        rates=(5e-4, 5e-4),
        b1=0.0,
        latent=64,
        gamma=1.0,
        steps=5000,
    ),
}


class Method(NamedTuple):
    """A row."""

    loss: Loss = jg.losses.non_saturating
    penalty: Penalty | None = None
    pack: int = 1  # stacks that the discriminator sees at once


class Generator(nn.Module):
    """z [B, Z] -> stacks [B, 28, 28, 3]: the small generator of Metz et al. 2017 and of PacGAN."""

    @nn.compact
    def __call__(self, z: Array, train: bool = True) -> Array:
        """Draws stacks; batch statistics come from the batch if `train`."""

        def normed(x: Array) -> Array:
            return nn.relu(nn.BatchNorm(not train, momentum=0.9)(x))

        x = normed(nn.Dense(4 * 4 * 64)(z)).reshape(-1, 4, 4, 64)
        x = normed(ConvTranspose(32, (3, 3))(x)[:, :7, :7])
        x = normed(ConvTranspose(16, (3, 3))(x))
        x = normed(ConvTranspose(8, (3, 3))(x))
        return jnp.tanh(nn.Conv(3, (3, 3))(x))


class Discriminator(nn.Module):
    """Stacks (or packs of them) [B, 28, 28, C] -> logits [B]; three layers, of `features`, 2 and 4 times as many."""

    features: int  # 2: a quarter of the generator's, 4: half
    normalised: bool = True  # by batch; penalties of gradients want examples apart

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Scores every stack, or pack, before any sigmoid."""
        for k in range(3):
            x = nn.Conv(self.features * 2**k, (3, 3), strides=2)(x)
            x = nn.BatchNorm(not train, momentum=0.9)(x) if self.normalised else x
            x = nn.leaky_relu(x, 0.3)
        return nn.Dense(1)(x.reshape(x.shape[0], -1))[:, 0]


def methods(data: str) -> dict[str, Method]:
    """The rows of a table, by name."""
    r1, r2 = (penalty(SETTINGS[data].gamma) for penalty in (jg.penalties.r1, jg.penalties.r2))
    r1_r2, rp = jg.penalties.total(r1, r2), jg.losses.relativistic
    ablation = {
        "gan + r1": Method(penalty=r1),
        "gan + r1 + r2": Method(penalty=r1_r2),
        "rpgan + r1": Method(rp, r1),
        "rpgan + r1 + r2": Method(rp, r1_r2),
    }
    if data == "r3gan":
        return {"rpgan + r1 + r2": ablation["rpgan + r1 + r2"]}
    if data == "ablation":
        return {"gan": Method(), "rpgan": Method(rp), **ablation}
    return {"dcgan": Method(), **{f"packing {pack}": Method(pack=pack) for pack in (2, 4)}, **ablation}


def networks(data: str, normalised: bool, width: int, features: int) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of a table; normalised by batch where it may be and the table's are.

    Args:
      data: name of the table.
      normalised: whether batch normalisation suits the discriminator.
      width: of the two hidden layers of either fully connected network.
      features: of the largest maps of R3GAN's networks; doubled at every halving of the side.
    Returns:
      Both networks.
    """
    if data == "ablation":
        hidden = (width,) * 2
        return mlp.Generator((SIZE, SIZE, 3), hidden, output=jnp.tanh), mlp.Discriminator(hidden)
    if data == "r3gan":
        maps = tuple(features * 2**k for k in (2, 1, 0))
        form: dict[str, Any] = {"size": SIZE, "features": maps, "blocks": 1}  # in the paper's groups of 16
        return r3gan.Generator(channels=3, **form), r3gan.Discriminator(**form)
    return Generator(), Discriminator({"quarter": 2, "half": 4}[data], normalised=normalised)


def build(data: str, method: Method, width: int = 256, features: int = 8) -> Game:
    """The game of one row; width and features as in `networks`."""
    setting = SETTINGS[data]
    generator, critic = networks(data, method.penalty is None, width, features)
    system = jg.systems.gan(
        loss=method.loss,
        penalty=method.penalty,
        prior=jg.priors.normal(setting.latent),
        optimizer={
            name: optax.adam(rate, b1=setting.b1, b2=0.99)
            for name, rate in zip(("discriminator", "generator"), setting.rates, strict=True)
        },
    )
    players = {"generator": generator, "discriminator": Packed(critic, method.pack) if method.pack > 1 else critic}
    return jg.game(players, system, ema={"generator": 0.995})
