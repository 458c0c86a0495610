"""Systems that make sounds anew, with tiny networks and a batch: (options) -> (networks, system, batch)."""

import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import codecs, listeners
from jaxgan.networks.layers import mel_levels
from jaxgan.networks.quantizers import VQ
from jaxgan.networks.residual_codes import ResidualQuantizer

B, LENGTH, RATE = 6, 64, 8000
SOUNDS = jnp.asarray(np.random.default_rng(0).uniform(-0.9, 0.9, size=(B, LENGTH, 1)), jnp.float32)
MEL = mel_levels(SOUNDS[..., 0], RATE, 32, 8, 4)


def distance(x, y):
    return jg.losses.mel_distance(x, y, RATE, windows=(32,), bands=(4,))


def coded(**options):
    networks = {
        "encoder": codecs.Encoder(3, 2, (4,), ()),
        "bottleneck": ResidualQuantizer(VQ(4), 2, dropout=0.5),
        "decoder": codecs.Decoder(1, 4, (4,), (3,)),
        "discriminator": listeners.MultiResolutionDiscriminator((16,), 2, bands=()),
        "balancer": jg.losses.Balancer(),
    }
    settings = {
        "optimizer": optax.adam(1e-3),
        "distance": distance,
        "weights": {"wave": 1.0, "adversarial": 3.0, "features": 3.0},
    }
    system = jg.systems.codec(**settings | {"relative": True, "balancer": "balancer"} | options)
    return networks, system, {"x": SOUNDS}


def voiced(**options):
    judges = listeners.MultiPeriodDiscriminator((2,), (2, 2))
    networks = {
        "generator": codecs.HiFiGenerator(1, 4, (4, 2), (3,), (3,)),
        "discriminator": listeners.Listeners((judges,), levelled=True),
    }
    settings = {"optimizer": optax.adam(1e-3), "distance": distance}
    return networks, jg.systems.vocoder(**settings | options), {"x": SOUNDS, "mel": MEL}


TINY = {"codec": coded, "vocoder": voiced}
REFUSED: dict[tuple[str, str], str] = {}
