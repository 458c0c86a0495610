"""Density ratios and variational autoencoders, tiny: (name, options) -> (networks, system, batch)."""

import functools

import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import encoders, heads, joint, mlp
from jaxgan.systems import avb, density_ratio, mutual_information, vaegan

RNG = np.random.default_rng(0)
B = 6
X, Y, P = (jnp.asarray(RNG.normal(size=(B, width)), jnp.float32) for width in (3, 2, 3))
BITS = (X > 0).astype(jnp.float32)
ADAM, PRIOR = optax.adam(1e-3), jg.priors.normal(2)
R1 = {"penalty": jg.penalties.r1(1.0)}


def ratio(**options):
    batch = {"p": P, "q": X, "x": X}
    return {"discriminator": mlp.Discriminator((4,))}, density_ratio(**{"optimizer": ADAM} | R1 | options), batch


def information(**options):
    networks = {"discriminator": joint.Joint(mlp.Discriminator((4,)))}
    return networks, mutual_information(**{"optimizer": ADAM} | R1 | options), {"x": X, "y": Y}


def variational(contrast, **options):
    networks = {
        "encoder": encoders.Implicit(mlp.Generator((2,), (4,))),
        "decoder": mlp.Generator((3,), (4,)),
        "discriminator": joint.Joint(mlp.Discriminator((4,)), 0.5),
    }
    settings = {"prior": PRIOR, "noise": jg.priors.normal(3), "optimizer": ADAM, "contrast": contrast}
    return networks, avb(**settings | R1 | options), {"x": BITS}


def beyond_pixels(**options):
    networks = {
        "encoder": encoders.Gaussian(heads.FullyConnected((4,))),
        "decoder": mlp.Generator((3,), (4,)),
        "discriminator": heads.Headed(heads.FullyConnected((4,)), {"logits": heads.Logit()}),
    }
    settings = {"loss": jg.losses.non_saturating, "prior": PRIOR, "optimizer": ADAM}
    return networks, vaegan(**settings | R1 | options), {"x": X}


TINY = {
    "density_ratio": ratio,
    "mutual_information": information,
    "avb": functools.partial(variational, 0),
    "avb_contrast": functools.partial(variational, 3),
    "vaegan": beyond_pixels,
}
