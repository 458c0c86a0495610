"""Translators with tiny networks and a batch: (name, options) -> (networks, system, batch)."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

import jaxgan as jg
from jaxgan.networks import heads, mlp
from jaxgan.networks.conditioning import Concatenated
from jaxgan.systems.cycles import cyclegan, discogan
from jaxgan.systems.pix2pix import pix2pix
from tests.systems.tiny_core import ADAM, B

RNG = np.random.default_rng(1)
A, OTHER = (jnp.asarray(RNG.uniform(-1, 1, size=(B, 3)), jnp.float32) for _ in range(2))
COMMON = {"loss": jg.losses.least_squares, "optimizer": ADAM}


def pairs(**options):
    networks = {"generator": nn.Dense(3), "discriminator": Concatenated(mlp.Discriminator((4,)))}
    return networks, pix2pix(**COMMON | options), {"a": A, "b": OTHER}


def translators(judge):
    networks = {"a_to_b": nn.Dense(3), "b_to_a": nn.Dense(3)}
    return networks | {f"discriminator_{domain}": judge for domain in "ab"}


def circles(**options):
    return translators(mlp.Discriminator((4,))), cyclegan(**COMMON | options), {"a": A, "b": OTHER}


def relations(**options):
    judge = heads.Headed(heads.FullyConnected((4,)), {"logits": heads.Logit()})
    return translators(judge), discogan(**COMMON | {"features": 0.9} | options), {"a": A, "b": OTHER}


TINY = {"pix2pix": pairs, "cyclegan": circles, "discogan": relations}
