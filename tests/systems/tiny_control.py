"""Systems that act, with tiny networks and a batch: (options) -> (networks, system, batch)."""

import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan import estimators
from jaxgan.networks import joint, mlp, policies, populations
from jaxgan.systems.gail import gail
from jaxgan.systems.turing_learning import turing_learning

B, HORIZON = 12, 2  # steps of the expert, and of a roll-out
ADAM = optax.adam(1e-3)
RNG = np.random.default_rng(0)
STEPS = {"state": (B, 4), "action": (B, 2), "next": (B, 4)}
EXPERT = {name: jnp.asarray(RNG.uniform(-1, 1, size=shape), jnp.float32) for name, shape in STEPS.items()}
POINTS = jnp.asarray(RNG.uniform(-1, 1, size=(6, 2)), jnp.float32)


def imitated(**options):
    networks = {
        "policy": policies.Gaussian(2, (4,)),
        "value": policies.Value((4,)),
        "discriminator": joint.Joint(mlp.Discriminator((4,))),
    }
    settings = {"task": jg.data.point_mass(HORIZON), "loss": jg.losses.minimax, "optimizer": ADAM, "entropy": 0.1}
    return networks, gail(**settings | options), EXPERT


def evolved(**options):
    """Three classifiers of points and three models of them; one of each stays."""
    networks = {
        "generator": populations.Crowd(mlp.Generator((2,), (4,)), 3),
        "discriminator": populations.Jury(mlp.Discriminator((4,)), 3),
    }
    settings = {"prior": jg.priors.normal(3), "optimizer": optax.sgd(1.0), "gradient": estimators.selection(1)}
    return networks, turing_learning(**settings | options), {"x": POINTS}


TINY = {"gail": imitated, "turing_learning": evolved}
REFUSED: dict[tuple[str, str], str] = {}
