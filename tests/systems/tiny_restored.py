"""Systems that restore, invert and move, with tiny networks and a batch: (options) -> (networks, system, batch)."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import encoders, heads, joint, mlp, observed, policies
from jaxgan.systems.inversion import inversion
from jaxgan.systems.motion_prior import motion_prior

B, LAYERS, WIDTH = 6, 3, 4
ADAM = optax.adam(1e-3)
RNG = np.random.default_rng(0)
POINTS = jnp.asarray(RNG.uniform(-1, 1, size=(B, 5)), jnp.float32)


class Styled(nn.Module):
    """Latents -> a style for each layer; styles -> points [B, 5], a linear map of all of them."""

    layers: int = LAYERS

    def setup(self):
        self.map = nn.Dense(WIDTH)
        self.draw = nn.Dense(5, use_bias=False)

    def __call__(self, z, train=True):
        return self.synthesis(self.mapping(z, train), train)

    def mapping(self, z, train=True):
        return jnp.repeat(self.map(z)[:, None], self.layers, axis=1)

    def synthesis(self, w, train=True):
        return self.draw(w.reshape(w.shape[0], -1))


def styled(layers=LAYERS):
    """The generator with parameters that are given."""
    draw = RNG.normal(size=(layers * WIDTH, 5)).astype(np.float32)
    shapes = {"map": {"kernel": RNG.normal(size=(3, WIDTH)).astype(np.float32), "bias": np.zeros(WIDTH, np.float32)}}
    return jg.networks.pretrained(Styled(layers), {"params": shapes | {"draw": {"kernel": draw}}})


EYE = jg.networks.pretrained(nn.Dense(2, use_bias=False), {"params": {"kernel": np.ones((5, 2), np.float32)}})
GENERATOR = styled()


def inverted(**options):
    networks = {
        "encoder": encoders.Styles(heads.FullyConnected((4,)), LAYERS, WIDTH),
        "generator": GENERATOR,
        "discriminator": mlp.Discriminator((4,)),
        "features": EYE,
    }
    settings = {"loss": jg.losses.non_saturating, "prior": jg.priors.normal(3), "optimizer": ADAM, "stages": (0, 1)}
    return networks, inversion(**settings | options), {"x": POINTS}


HORIZON = 2
STEPS = {name: jnp.asarray(RNG.uniform(-1, 1, size=(12, 4)), jnp.float32) for name in ("state", "next")}


def moved(**options):
    networks = {
        "policy": policies.Gaussian(2, (4,)),
        "value": policies.Value((4,)),
        "discriminator": observed.Standardized(joint.Joint(mlp.Discriminator((4,)))),
    }
    settings = {"task": jg.data.point_mass(HORIZON), "loss": jg.losses.least_squares_targets(-1, 1, 1)}
    return networks, motion_prior(**settings | {"optimizer": ADAM} | options), STEPS


TINY = {"inversion": inverted, "motion_prior": moved}
REFUSED: dict[tuple[str, str], str] = {}
