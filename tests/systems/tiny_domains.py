"""The systems of several domains, with tiny networks and a batch: (name, options) -> (networks, system, batch)."""

import flax.linen as nn
import jax.numpy as jnp

import jaxgan as jg
from jaxgan.networks import heads, mlp
from jaxgan.networks.coupled import CoupledDiscriminator, CoupledGenerator
from jaxgan.networks.refiner import Refiner
from jaxgan.networks.remedies import History
from tests.systems.tiny_core import ADAM, COMMON, PIXELS, B, X, Y

SMALL = PIXELS[:, :8, :8]


def adapted(**options):
    networks = {
        "features": heads.FullyConnected((4,)),
        "classifier": heads.Classes(3),
        "discriminator": mlp.Discriminator((4,)),
    }
    system = jg.systems.domain_adversarial(**{"loss": jg.losses.non_saturating, "optimizer": ADAM} | options)
    return networks, system, {"source": X, "source_y": Y, "target": X[::-1] + 0.5}


def coupled(**options):
    networks = {
        "generator": CoupledGenerator(
            {"a": mlp.Generator((2,), ()), "b": mlp.Generator((3,), ())}, mlp.Generator((4,), ())
        ),
        "discriminator": CoupledDiscriminator(
            {"a": heads.FullyConnected((4,)), "b": heads.FullyConnected((4,))}, mlp.Discriminator((4,))
        ),
    }
    other = jnp.concatenate([X, X[:, :1]], axis=1)[::-1]
    return networks, jg.systems.cogan(**COMMON | options), {"a": X, "b": other}


class Patches(nn.Module):
    """Images -> a map of logits [B, h, w], and none near 0: a gradient that cancels would be rounding alone."""

    @nn.compact
    def __call__(self, x):
        return nn.Conv(1, (3, 3), strides=2, bias_init=nn.initializers.constant(0.5))(x)[..., 0]


def refined(**options):
    networks = {
        "refiner": Refiner(2, 1),
        "discriminator": Patches(),
    }
    settings = {"loss": jg.losses.non_saturating, "optimizer": ADAM, "weight": 0.1} | options
    if settings.get("replay", "history") == "history":
        networks["history"] = History(2 * B)
    return networks, jg.systems.simgan(**settings), {"synthetic": SMALL, "real": SMALL[::-1] * 0.5}


TINY = {"domain_adversarial": adapted, "cogan": coupled, "simgan": refined}
