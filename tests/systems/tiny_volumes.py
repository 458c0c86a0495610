"""Systems of volumes and of clips, with tiny networks and a batch: (options) -> (networks, system, batch)."""

import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import frames, voxels
from jaxgan.systems.next_frame import next_frame
from jaxgan.systems.voxel import voxel

B = 6
ADAM = optax.adam(1e-3)
RNG = np.random.default_rng(0)
VOLUMES = jnp.asarray(RNG.uniform(-1, 1, size=(B, 8, 8, 8, 1)), jnp.float32)
CLIPS = jnp.asarray(RNG.uniform(-1, 1, size=(B, 3, 8, 8, 1)), jnp.float32)


def solid(**options):
    networks = {"generator": voxels.Generator(size=8, features=4), "discriminator": voxels.Discriminator(8, 4)}
    settings = {"loss": jg.losses.non_saturating, "prior": jg.priors.normal(3), "optimizer": ADAM}
    return networks, voxel(**settings | options), {"x": VOLUMES}


def following(**options):
    networks = {"generator": frames.Generator(scales=2, past=2, widths=(4,), kernel=3)}
    networks |= {f"discriminator_{scale}": frames.Discriminator(2, hidden=4) for scale in range(2)}
    settings = {"loss": jg.losses.non_saturating, "optimizer": ADAM, "scales": 2}
    return networks, next_frame(**settings | options), {"x": CLIPS}


TINY = {"voxel": solid, "next_frame": following}
REFUSED: dict[tuple[str, str], str] = {}
