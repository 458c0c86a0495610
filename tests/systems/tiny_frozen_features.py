"""Systems with frozen features, teachers and noise levels, with tiny networks and a batch."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

import jaxgan as jg
from jaxgan.networks import denoisers, mlp, projected
from tests.systems.tiny_core import ADAM, COMMON, PIXELS, PRIOR, X

EYE_SIZE = 32


class Eye(nn.Module):
    """A backbone of the form that a projector takes: two maps, of sides 8 and 4."""

    @nn.compact
    def __call__(self, x):
        """Convolves twice."""
        fine = nn.relu(nn.Conv(4, (4, 4), 4, name="fine")(x))
        return {"maps": [fine, nn.Conv(4, (2, 2), 2, name="coarse")(fine)]}


@functools.cache  # one compilation for all tests of a process
def eye():
    """Its features with weights and mixing by fixed keys."""
    image = jax.ShapeDtypeStruct((1, EYE_SIZE, EYE_SIZE, 3), "float32")
    variables = jax.jit(Eye().init)(jax.random.key(1), jnp.zeros(image.shape, jnp.float32))
    return projected.projector(Eye(), variables, jax.random.key(2), size=EYE_SIZE, mixing=projected.Mixing(4))


def through_features(**options):
    networks = {
        "generator": mlp.Generator((16, 16, 1), (4,)),
        "discriminator": projected.Discriminator(4, halvings=(2, 1), normalization="none"),
        "features": eye(),
    }
    system = jg.systems.gan(**COMMON | {"loss": jg.losses.hinge} | options)
    return networks, jg.systems.on_features(system), {"x": PIXELS}


class Denoises(nn.Module):
    """x_t, z and a time -> x_0."""

    @nn.compact
    def __call__(self, x, z, t):
        """Reads all three."""
        h = nn.tanh(nn.Dense(4)(jnp.concatenate([x, z, t[:, None]], axis=1)))
        return nn.Dense(x.shape[1])(h)


class Pair(nn.Module):
    """Two neighbours of the chain and a time -> logits."""

    @nn.compact
    def __call__(self, x, noisy, t):
        """Reads all three."""
        h = nn.tanh(nn.Dense(4)(jnp.concatenate([x, noisy, t[:, None]], axis=1)))
        return nn.Dense(1)(h)[:, 0]


def denoising(**options):
    networks = {"generator": Denoises(), "discriminator": Pair()}
    settings = COMMON | {"chain": jg.systems.denoising_chain(3), "shape": (2,), "penalty": jg.penalties.r1(1.0)}
    return networks, jg.systems.denoising_diffusion(**settings | options), {"x": X}


class Heads(nn.Module):
    """Features, or features and a level -> logits."""

    @nn.compact
    def __call__(self, features, *conditions):
        """Reads all of them."""
        leaves = [leaf.reshape(leaf.shape[0], -1) for leaf in (*jax.tree.leaves(features), *conditions)]
        return nn.Dense(1)(jnp.tanh(nn.Dense(4)(jnp.concatenate(leaves, axis=1))))[:, 0]


class Random(nn.Module):
    """Features of points that nobody trained: two arrays."""

    @nn.compact
    def __call__(self, x):
        """Reads all coordinates."""
        return [jnp.tanh(nn.Dense(3)(x)), nn.Dense(2)(x)]


def distilled(features, **options):
    networks = {"generator": mlp.Generator((2,), (4,)), "discriminator": Heads(), "teacher": teacher()}
    networks |= {"features": Random()} if features == "network" else {}
    settings = {"prior": PRIOR, "optimizer": ADAM, "penalty": jg.penalties.r1(0.1), "features": features}
    return networks, jg.systems.adversarial_distillation(**settings | options), {"x": X}


@functools.cache
def teacher():
    """A denoiser of points with given weights."""
    network = denoisers.Denoiser(denoisers.PointBackbone(4, 1), 1.0)
    variables = jax.jit(network.init)(jax.random.key(3), X[:1], jnp.ones(1, jnp.float32))
    return jg.networks.pretrained(network, variables)


TINY = {
    "adversarial_distillation": functools.partial(distilled, "network"),
    "ladd": functools.partial(distilled, "teacher"),
    "denoising_diffusion": denoising,
    "on_features": through_features,
}
REFUSED: dict[tuple[str, str], str] = {}
