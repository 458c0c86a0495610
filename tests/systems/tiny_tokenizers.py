"""Systems of codes, with tiny networks and a batch: (options) -> (networks, system, batch)."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import coders, mlp, quantizers
from jaxgan.systems.tokenizer import tokenizer

B = 6
ADAM = optax.adam(1e-3)
PICTURES = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, size=(B, 4, 4, 1)), jnp.float32)
EYE = jg.networks.pretrained(
    nn.Dense(3), {"params": {"kernel": np.ones((1, 3), np.float32), "bias": np.zeros(3, np.float32)}}
)


def coded(bottleneck=None, width=2, **options):
    networks = {
        "encoder": coders.Encoder(width, features=2, layers=1),
        "bottleneck": bottleneck or quantizers.VQ(4),
        "decoder": coders.Decoder(1, features=2, layers=1),
        "discriminator": mlp.Discriminator((4,)),
        "features": EYE,
    }
    settings = {"loss": jg.losses.hinge, "optimizer": ADAM, "perceptual": 0.5}
    return networks, tokenizer(**settings | options), {"x": PICTURES}


TINY = {"tokenizer": coded}
REFUSED: dict[tuple[str, str], str] = {}
