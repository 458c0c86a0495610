"""The systems of distillation, and the teacher's, with tiny networks and a batch."""

import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import denoisers

B = 6
X = jnp.asarray(np.random.default_rng(0).normal(size=(B, 2)), jnp.float32)
ADAM = optax.adam(1e-3)


def taught(**options):
    networks = {"denoiser": denoisers.Denoiser(denoisers.PointBackbone(4, 1))}
    return networks, jg.systems.diffusion(**{"shape": (2,), "optimizer": ADAM, "steps": 3} | options), {"x": X}


TINY = {"diffusion": taught}
ALONE = {"diffusion"}  # without a discriminator, and so without its options
REFUSED: dict[tuple[str, str], str] = {}
