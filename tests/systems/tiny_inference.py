"""The systems with encoders, with tiny networks and a batch: (name, options) -> (networks, system, batch)."""

import flax.linen as nn
import jax.numpy as jnp

import jaxgan as jg
from jaxgan.networks import encoders, heads, mlp
from tests.systems.tiny_core import COMMON, PRIOR, R1, X, Y, headed


class Pair(nn.Module):
    """(x, z) -> logits [B]."""

    @nn.compact
    def __call__(self, x, z):
        return mlp.Discriminator((4,))(jnp.concatenate([x, z], axis=1))


def pairs(**options):
    """ALI: the encoder is a stochastic one."""
    networks = {
        "encoder": encoders.Gaussian(heads.FullyConnected((4,))),
        "generator": mlp.Generator((2,), (4,)),
        "discriminator": Pair(),
    }
    return networks, jg.systems.bigan(**COMMON | R1 | {"noise": PRIOR} | options), {"x": X}


def shaped(**options):
    networks = {
        "encoder": mlp.Generator((3,), (4,)),
        "decoder": mlp.Generator((2,), (4,)),
        "discriminator": mlp.Discriminator((4,)),
    }
    return networks, jg.systems.adversarial_autoencoder(**COMMON | R1 | options), {"x": X}


def class_and_style(**options):
    networks = {
        "encoder": headed(classes=heads.Classes(3), latent=nn.Dense(3)),
        "decoder": mlp.Generator((2,), (4,), 3),
        "discriminator_y": mlp.Discriminator((4,)),
        "discriminator_z": mlp.Discriminator((4,)),
    }
    system = jg.systems.semi_supervised_autoencoder(**COMMON | R1 | {"classes": 3} | options)
    return networks, system, {"x": X, "labelled": X[::-1], "y": Y}


TINY = {
    "bigan": pairs,
    "adversarial_autoencoder": shaped,
    "semi_supervised_autoencoder": class_and_style,
}
