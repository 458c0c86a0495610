"""Systems of signals with tiny networks and a batch: (options) -> (networks, system, batch)."""

import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import wavegan

B, LENGTH = 6, 256  # two layers, so that there is a phase to shuffle
SIGNALS = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, size=(B, LENGTH, 1)), jnp.float32)
KINDS = jnp.asarray(np.arange(B) % 2, jnp.int32)


def sounding(**options):
    networks = {
        "generator": wavegan.WaveGenerator(LENGTH, 1, 2, classes=2),
        "discriminator": wavegan.WaveDiscriminator(LENGTH, 2, classes=2),
    }
    settings = {"optimizer": optax.adam(1e-3), "prior": jg.priors.uniform(3), "n_critic": 1}
    return networks, jg.systems.wavegan(**settings | options), {"x": SIGNALS, "y": KINDS}


TINY = {"wavegan": sounding}
REFUSED: dict[tuple[str, str], str] = {}
