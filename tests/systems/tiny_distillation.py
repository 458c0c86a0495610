"""The systems of distillation, and the teacher's, with tiny networks and a batch."""

import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import denoisers, mlp

B = 6
X = jnp.asarray(np.random.default_rng(0).normal(size=(B, 2)), jnp.float32)
ADAM = optax.adam(1e-3)


def taught(**options):
    networks = {"denoiser": denoisers.Denoiser(denoisers.PointBackbone(4, 1))}
    return networks, jg.systems.diffusion(**{"shape": (2,), "optimizer": ADAM, "steps": 3} | options), {"x": X}


def networks(**head):
    """A one-step generator, a score and a teacher in closed form."""
    backbone = denoisers.PointBackbone(4, 1)
    return {
        "generator": denoisers.OneStep(backbone, (2,), 5.0),
        "score": denoisers.Denoiser(backbone, **head),
        "teacher": denoisers.GaussianMixture(((-1.0, 0.0), (1.0, 0.5)), 0.3),
    }


def matched(**options):
    system = jg.systems.distribution_matching(
        **{"prior": jg.priors.normal(2), "optimizer": ADAM, "n_critic": 1} | options
    )
    return networks(head=mlp.Discriminator((4,))), system, {"x": X}


def identified(**options):
    system = jg.systems.score_identity(**{"prior": jg.priors.normal(2), "optimizer": ADAM} | options)
    return networks(), system, {"x": X}


TINY = {"diffusion": taught, "distribution_matching": matched, "score_identity": identified}
ALONE = {"diffusion", "score_identity"}  # without a discriminator, and so without its options
REFUSED: dict[tuple[str, str], str] = {}
