"""Systems with frozen features, teachers and noise levels, with tiny networks and a batch."""

import flax.linen as nn
import jax

import jaxgan as jg
from jaxgan.networks import mlp, projected
from tests.systems.tiny_core import COMMON, PIXELS

EYE_SIZE = 32


class Eye(nn.Module):
    """A backbone of the form that a projector takes: two maps, of sides 8 and 4."""

    @nn.compact
    def __call__(self, x):
        """Convolves twice."""
        fine = nn.relu(nn.Conv(4, (4, 4), 4, name="fine")(x))
        return {"maps": [fine, nn.Conv(4, (2, 2), 2, name="coarse")(fine)]}


def eye():
    """Its features with weights and mixing by fixed keys."""
    image = jax.ShapeDtypeStruct((1, EYE_SIZE, EYE_SIZE, 3), "float32")
    variables = jax.jit(Eye().init)(jax.random.key(1), jax.numpy.zeros(image.shape, "float32"))
    return projected.projector(Eye(), variables, jax.random.key(2), size=EYE_SIZE, mixing=projected.Mixing(4))


def through_features(**options):
    networks = {
        "generator": mlp.Generator((16, 16, 1), (4,)),
        "discriminator": projected.Discriminator(4, halvings=(2, 1), normalization="none"),
        "features": eye(),
    }
    system = jg.systems.gan(**COMMON | {"loss": jg.losses.hinge} | options)
    return networks, jg.systems.on_features(system), {"x": PIXELS}


TINY = {"projected": through_features}
REFUSED: dict[tuple[str, str], str] = {}
