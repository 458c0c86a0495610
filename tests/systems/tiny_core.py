"""The systems of samples, with tiny networks and a batch: (name, options) -> (networks, system, batch)."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import heads, mlp, stylegan2, unet
from jaxgan.networks.conditioning import ConditioningAugmentation
from jaxgan.networks.laplacian import DetailDiscriminator, DetailGenerator
from jaxgan.networks.places import BoxDiscriminator, BoxGenerator
from jaxgan.systems.captions import gan_cls_int, gawwn
from jaxgan.systems.class_conditional import acgan, contragan, reacgan
from jaxgan.systems.infogan import infogan
from jaxgan.systems.lapgan import lapgan
from jaxgan.systems.semi_supervised import semi_supervised
from jaxgan.systems.stackgan import stackgan
from jaxgan.systems.unet_gan import unet_gan

RNG = np.random.default_rng(0)
B = 6
X = jnp.asarray(RNG.normal(size=(B, 2)), jnp.float32)
Y = jnp.arange(B, dtype=jnp.int32) % 3
PIXELS = jnp.asarray(RNG.uniform(-1, 1, size=(B, 16, 16, 1)), jnp.float32)
CAPTIONS = jnp.asarray(RNG.normal(size=(B, 5)), jnp.float32)
BOXES = jnp.asarray([[0.1, 0.2, 0.5, 0.9]] * 3 + [[0.4, 0.0, 1.0, 0.5]] * 3, jnp.float32)
ADAM = optax.adam(1e-3)
PRIOR = jg.priors.normal(3)
COMMON = {"loss": jg.losses.non_saturating, "prior": PRIOR, "optimizer": ADAM}


def headed(**named):
    return heads.Headed(heads.FullyConnected((4,)), named)


R1 = {"penalty": jg.penalties.r1(1.0)}


def plain(**options):
    networks = {"generator": mlp.Generator((2,), (4,)), "discriminator": mlp.Discriminator((4,))}
    return networks, jg.systems.gan(**COMMON | options), {"x": X}


def classified(system, head, **options):
    networks = {"generator": mlp.Generator((2,), (4,), 3), "discriminator": headed(logits=heads.Logit(), **head)}
    return networks, system(**COMMON | R1 | options), {"x": X, "y": Y}


def information(**options):
    networks = {
        "generator": mlp.Generator((2,), (4,)),
        "discriminator": headed(logits=heads.Logit(), codes=heads.Codes((4, 2), 1, 4)),
    }
    settings = {"loss": jg.losses.hinge, "noise": PRIOR, "optimizer": ADAM, "categorical": (4, 2), "continuous": 1}
    return networks, infogan(**settings | R1 | options), {"x": X}


def few_labels(**options):
    networks = {"generator": mlp.Generator((2,), (4,)), "discriminator": headed(classes=heads.Classes(3))}
    system = semi_supervised(**{"prior": PRIOR, "optimizer": ADAM} | options)
    return networks, system, {"x": X, "labelled": X[::-1], "y": Y}


def pyramid(**options):
    networks = {"generator_0": mlp.Generator((4, 4, 1), (4,)), "discriminator_0": mlp.Discriminator((4,))}
    for level in (1, 2):
        networks |= {f"generator_{level}": DetailGenerator(2, 1), f"discriminator_{level}": DetailDiscriminator(2, 4)}
    return networks, lapgan(**COMMON | R1 | options, levels=3), {"x": PIXELS}


def caption(**options):
    networks = {"generator": Given(mlp.Generator((2,), (4,))), "discriminator": Given(mlp.Discriminator((4,)))}
    return networks, gan_cls_int(**COMMON | options), {"x": X, "y": CAPTIONS}


def place(**options):
    networks = {"generator": BoxGenerator(16, features=2), "discriminator": BoxDiscriminator(features=2)}
    return networks, gawwn(**COMMON | options), {"x": PIXELS, "y": {"caption": CAPTIONS, "box": BOXES}}


def stages(**options):
    networks = {"generator_0": Stage(8), "generator_1": Stage(16)}
    networks |= {f"discriminator_{stage}": Given(mlp.Discriminator((4,))) for stage in (0, 1)}
    system = stackgan(**COMMON | R1 | options, conditioning=2)
    return networks, system, {"x": PIXELS, "y": CAPTIONS}


class Stage(nn.Module):
    """A latent or a smaller image, noise and a caption -> images of a side, and their divergences."""

    side: int

    @nn.compact
    def __call__(self, first, noise, y):
        told, divergence = ConditioningAugmentation()(y, noise)
        h = jnp.concatenate([first.reshape(first.shape[0], -1), told], axis=-1)
        return mlp.Generator((self.side, self.side, 1), (4,))(h), divergence


class Given:
    """A network of one input, given its condition beside it: any object with `init` and `apply` is a network."""

    def __init__(self, network):
        self.network = network

    def init(self, key, x, y):
        return self.network.init(key, jnp.concatenate([x.reshape(x.shape[0], -1), y], axis=-1))

    def apply(self, variables, x, y):
        return self.network.apply(variables, jnp.concatenate([x.reshape(x.shape[0], -1), y], axis=-1))


def pixels(**options):
    networks = {"generator": mlp.Generator((16, 16, 1), (4,)), "discriminator": unet.Discriminator(1, 1)}
    return networks, unet_gan(**{"prior": PRIOR, "optimizer": ADAM} | options), {"x": PIXELS}


def styled(**options):
    networks = {
        "generator": stylegan2.Generator(channels=1, size=8, features=2, max_features=4, hidden=(4,)),
        "discriminator": stylegan2.Discriminator(size=8, features=2, max_features=4),
    }
    return networks, jg.systems.stylegan2(**{"prior": PRIOR, "optimizer": ADAM} | options), {"x": PIXELS[:, :8, :8]}


TINY = {
    "acgan": functools.partial(classified, acgan, {"classes": heads.Classes(3)}),
    "contragan": functools.partial(classified, contragan, {"contrast": heads.Contrastive(3, 4)}),
    "reacgan": functools.partial(classified, reacgan, {"contrast": heads.Contrastive(3, 4)}),
    "infogan": information,
    "semi_supervised": few_labels,
    "lapgan": pyramid,
    "gan_cls_int": caption,
    "gawwn": place,
    "stackgan": stages,
    "unet_gan": pixels,
}
REFUSED = {
    ("infogan", "replay"): r"reads the codes of samples that were just made; a replay shows others: leave it out"
}
EVERY = {"gan": plain, "stylegan2": styled}  # with tests of their own elsewhere


def fixed(function, **params):
    """A network whose parameters are these numbers: `function(params, *inputs)`."""
    return _Fixed(function, {name: jnp.asarray(value, jnp.float32) for name, value in params.items()})


class _Fixed:
    def __init__(self, function, params):
        self.function, self.params = function, params

    def init(self, key, *inputs):
        return {"params": jax.tree.map(jnp.copy, self.params)}

    def apply(self, variables, *inputs):
        return self.function(variables["params"], *inputs)
