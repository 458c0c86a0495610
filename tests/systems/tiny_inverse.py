"""Systems that put back what is missing, with tiny networks and a batch: (options) -> (networks, system, batch)."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import context, mlp
from jaxgan.systems.context_encoder import context_encoder
from jaxgan.systems.markovian import markovian
from jaxgan.systems.srgan import srgan
from jaxgan.systems.structure_style import structure_style

B = 6
ADAM = optax.adam(1e-3)
RNG = np.random.default_rng(0)
PICTURES = jnp.asarray(RNG.uniform(-1, 1, size=(B, 6, 6, 1)), jnp.float32)
NORMALS = jnp.asarray(RNG.normal(size=(B, 6, 6, 3)), jnp.float32)
NORMALS = NORMALS / jnp.linalg.norm(NORMALS, axis=-1, keepdims=True)
HOLES = jnp.zeros((B, 6, 6, 1), jnp.float32).at[:3, 2:4, 2:4].set(1).at[3:, 1:4, 2:5].set(1)


class Picture(nn.Module):
    """Anything [B, ...] -> pictures of a shape, by one hidden layer."""

    shape: tuple[int, ...]

    @nn.compact
    def __call__(self, x):
        h = nn.tanh(nn.Dense(4)(x.reshape(x.shape[0], -1)))
        return nn.Dense(int(np.prod(self.shape)))(h).reshape(-1, *self.shape)


def holes(**options):
    networks = {"generator": context.Generator(1, 2, 1, 4), "discriminator": mlp.Discriminator((4,))}
    settings = {"loss": jg.losses.non_saturating, "optimizer": ADAM, "overlap": 1, "weight": 0.5}
    return networks, context_encoder(**settings | options), {"x": PICTURES, "mask": HOLES}


EYE = jg.networks.pretrained(
    nn.Dense(3), {"params": {"kernel": np.ones((1, 3), np.float32), "bias": np.zeros(3, np.float32)}}
)


def enlarged(**options):
    networks = {"generator": Picture((6, 6, 1)), "discriminator": mlp.Discriminator((4,)), "features": EYE}
    settings = {"loss": jg.losses.non_saturating, "optimizer": ADAM, "weight": 0.5, "content": 0.1}
    return networks, srgan(**settings | options), {"x": PICTURES, "low": PICTURES[:, ::3, ::3]}


def woven(**options):
    networks = {"generator": Picture((6, 6, 1)), "discriminator": Places()}
    settings = {"loss": jg.losses.margin, "optimizer": ADAM, "cells": (2, 3), "width": 2}
    return networks, markovian(**settings | options), {"x": PICTURES}


class Places(nn.Module):
    """Pictures -> a logit of every pixel."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.tanh(nn.Dense(4)(x)))[..., 0]


def shaded(**options):
    networks = {"generator_0": Picture((6, 6, 3)), "generator_1": Painter(), "estimator": Picture((6, 6, 3))}
    networks |= {"discriminator_0": mlp.Discriminator((4,)), "discriminator_1": Pair()}
    settings = {"loss": jg.losses.non_saturating, "prior": jg.priors.normal(3), "optimizer": ADAM, "joint": 0.5}
    return networks, structure_style(**settings | options), {"x": PICTURES, "normals": NORMALS}


class Painter(nn.Module):
    """A latent and normals -> a picture."""

    @nn.compact
    def __call__(self, z, normals):
        return Picture((6, 6, 1))(z) + nn.Dense(1)(normals)


class Pair(nn.Module):
    """A picture and its normals -> a logit."""

    @nn.compact
    def __call__(self, x, normals):
        return mlp.Discriminator((4,))(jnp.concatenate([x, normals], axis=-1))


TINY = {"context_encoder": holes, "srgan": enlarged, "markovian": woven, "structure_style": shaded}
REFUSED: dict[tuple[str, str], str] = {}
