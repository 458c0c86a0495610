"""A game for one device, for `pmap` and for a sharded batch, from one description."""

import jax
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import dcgan, mlp

DIGITS = jg.data.digits("train", size=28, source="sklearn")
STEPS = 20


def game_of(kind, axis_name, local_statistics=False):
    """WGAN-GP with two critic updates, hinge with batch normalisation, or an averaged DCGAN; all under SGD.

    Adam would hide a gradient of the wrong scale, and divides rounding by rounding where gradients are small.
    """
    across = None if local_statistics else axis_name
    normalization = "batch" if kind == "hinge_bn" else "none"
    networks = {
        "generator": dcgan.Generator(size=28, features=4, axis_name=across),
        "discriminator": dcgan.Discriminator(size=28, features=4, normalization=normalization, axis_name=across),
    }
    prior, sgd = jg.priors.normal(8), optax.sgd(1e-3)
    if kind == "wgan_gp":
        networks = {"generator": mlp.Generator((28, 28, 1), (16,)), "discriminator": mlp.Discriminator((16,))}
        penalty = jg.penalties.gradient_penalty(10.0)
        system = jg.systems.gan(loss=jg.losses.wasserstein, penalty=penalty, prior=prior, optimizer=sgd, n_critic=2)
    else:
        loss = jg.losses.hinge if kind == "hinge_bn" else jg.losses.non_saturating
        system = jg.systems.gan(loss=loss, prior=prior, optimizer=sgd)
    return jg.game(networks, system, ema={"generator": 0.9} if kind == "dcgan_ema" else None, axis_name=axis_name)


def batches(game, count, size=16):
    source = jg.data.unlabelled(DIGITS)
    read = jg.data.batch_at(source, size * game.updates, seed=0)
    return [read(step) for step in range(count)]


def largest_difference(one, other):
    """Returns the largest difference of two states, relative to the largest value of its leaf."""
    one, other = (jax.device_get(state._replace(key=jax.random.key_data(state.key))) for state in (one, other))
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(np.max(np.abs(a - b)) / max(np.max(np.abs(a)), 1e-6) for a, b in pairs)
