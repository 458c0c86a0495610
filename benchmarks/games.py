"""The games that are measured, by name: each with a batch of noise, at sizes of choice.

The defaults are what `peers` and `limit` measure; `tiny` is what the tests count.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import biggan as biggan_networks
from jaxgan.networks import dcgan as dcgan_networks
from jaxgan.networks import mlp, resnet, unet
from jaxgan.networks import progressive as progressive_networks
from jaxgan.networks import r3gan as r3gan_networks
from jaxgan.networks import stylegan2 as stylegan2_networks
from jaxgan.types import Game


class Measured(NamedTuple):
    """A game and what its step eats."""

    game: Game
    batch: Any  # a batch, or the tuple of its minibatches


def pictures(batch: int, size: int = 32, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Noise [batch, size, size, channels] float32 in [-1, 1]: what images show does not change what a step costs."""
    return np.random.default_rng(seed).uniform(-1, 1, (batch, size, size, channels)).astype(np.float32)


def dcgan(
    batch: int = 64,
    features: int = 64,
    normalization: dcgan_networks.Normalization = "batch",
    r1: float = 0.0,
    *,
    size: int = 32,
    dtype: Any = None,
    shared: bool = False,
) -> Measured:
    """DCGAN, non-saturating, Adam; R1 wants normalization="none"; `shared`: one batch of samples for both turns."""
    settings = {"size": size, "features": features, "dtype": dtype}
    networks = {
        "generator": dcgan_networks.Generator(channels=3, **settings),
        "discriminator": dcgan_networks.Discriminator(normalization=normalization, **settings),
    }
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        penalty=jg.penalties.r1(r1) if r1 else None,
        prior=jg.priors.normal(64),
        optimizer=optax.adam(2e-4, b1=0.5),
    )
    dynamics = jg.dynamics.alternating(shared=shared)
    return Measured(jg.game(networks, system, dynamics=dynamics), {"x": pictures(batch, size)})


def dcgan_r1(batch: int = 64, features: int = 64, *, size: int = 32) -> Measured:
    """DCGAN with R1 instead of the discriminator's batch normalisation."""
    return dcgan(batch, features, "none", 1.0, size=size)


def sngan(batch: int = 16, features: int = 256, n_critic: int = 1, *, size: int = 32, remat: bool = False) -> Measured:
    """SNGAN, as of CIFAR-10: the discriminator has half the features."""
    networks = {
        "generator": made(resnet.Generator, remat, size=size, features=features),
        "discriminator": made(resnet.Discriminator, remat, size=size, features=max(1, features // 2)),
    }
    return _residual(networks, pictures(batch, size), n_critic, loss=jg.losses.hinge)


def wgan_gp(batch: int = 16, features: int = 64, n_critic: int = 1, *, size: int = 32) -> Measured:
    """WGAN-GP of CIFAR-10."""
    networks = {
        "generator": resnet.Generator(size=size, features=features),
        "discriminator": resnet.Discriminator(size=size, features=features, normalization="none", pool="mean"),
    }
    penalty = jg.penalties.gradient_penalty(10.0)
    return _residual(networks, pictures(batch, size), n_critic, loss=jg.losses.wasserstein, penalty=penalty)


def _residual(networks: dict[str, Any], x: np.ndarray, n_critic: int, **settings: Any) -> Measured:
    adam = optax.adam(2e-4, b1=0.0, b2=0.9)
    system = jg.systems.gan(prior=jg.priors.normal(128), optimizer=adam, n_critic=n_critic, **settings)
    return Measured(jg.game(networks, system), ({"x": x},) * n_critic)


def stylegan2(
    batch: int = 32,
    features: int = 32,
    *,
    size: int = 32,
    widest: int | None = None,
    lazy: bool = False,
    dtype: Any = None,
    remat: bool = False,
) -> Measured:
    """StyleGAN2 with R1 at every step and a mapping of two layers; `lazy`: as published.

    That is R1 at every 16th step, path length regularisation at every fourth, style mixing, eight layers of 512.
    """
    settings: dict[str, Any] = {"size": size, "features": features, "dtype": dtype}
    settings |= {"max_features": 4 * features if widest is None else widest}
    networks = {
        "generator": made(
            stylegan2_networks.Generator,
            remat,
            hidden=(512,) * 8 if lazy else (128,) * 2,
            mixing=0.9 if lazy else 0.0,
            **settings,
        ),
        "discriminator": made(stylegan2_networks.Discriminator, remat, **settings),
    }
    system = jg.systems.stylegan2(
        prior=jg.priors.normal(512 if lazy else 64),
        optimizer=optax.adam(2.5e-3, b1=0.0, b2=0.99),
        penalty=jg.penalties.every(16, jg.penalties.r1(1.0)) if lazy else jg.penalties.r1(1.0),
        path_weight=2.0 if lazy else 0.0,
    )
    return Measured(jg.game(networks, system), {"x": pictures(batch, size)})


def r3gan(
    batch: int = 32,
    features: int | tuple[int, ...] = 64,
    blocks: int = 1,
    *,
    size: int = 32,
    dtype: Any = None,
    remat: bool = False,
) -> Measured:
    """R3GAN: relativistic with R1 and R2, groups of 16 features; features may be given for each map, smallest first."""
    settings: dict[str, Any] = {"size": size, "features": features, "blocks": blocks, "dtype": dtype}
    networks = {
        "generator": made(r3gan_networks.Generator, remat, **settings),
        "discriminator": made(r3gan_networks.Discriminator, remat, **settings),
    }
    system = jg.systems.gan(
        loss=jg.losses.relativistic,
        penalty=jg.penalties.total(jg.penalties.r1(0.05), jg.penalties.r2(0.05)),
        prior=jg.priors.normal(64),
        optimizer=optax.adam(2e-4, b1=0.0, b2=0.9),
    )
    return Measured(jg.game(networks, system), {"x": pictures(batch, size)})


def biggan(
    batch: int = 16,
    features: int = 16,
    classes: int = 10,
    *,
    size: int = 32,
    dtype: Any = None,
    remat: bool = False,
) -> Measured:
    """BigGAN, asked for one of the classes; latents of 120 are cut into four chunks at 32 pixels, six at 128."""
    settings: dict[str, Any] = {"size": size, "features": features, "classes": classes, "dtype": dtype}
    networks = {
        "generator": made(biggan_networks.Generator, remat, **settings),
        "discriminator": made(biggan_networks.Discriminator, remat, **settings),
    }
    rates = {"generator": 1e-4, "discriminator": 4e-4}
    optimizer = {player: optax.adam(rate, b1=0.0, b2=0.999, eps=1e-6) for player, rate in rates.items()}
    system = jg.systems.gan(loss=jg.losses.hinge, prior=jg.priors.normal(120), optimizer=optimizer)
    labels = np.arange(batch, dtype=np.int32) % classes
    return Measured(jg.game(networks, system), {"x": pictures(batch, size), "y": labels})


def progressive(batch: int = 16, features: int = 64, *, size: int = 32) -> Measured:
    """A stage of progressive growing: WGAN-GP with equalised learning rates."""
    networks = {
        "generator": progressive_networks.Generator(size=size, features=features),
        "discriminator": progressive_networks.Discriminator(size=size, features=features),
    }
    system = jg.systems.gan(
        loss=jg.losses.wasserstein,
        penalty=jg.penalties.gradient_penalty(10.0),
        prior=jg.priors.normal(64),
        optimizer=optax.adam(1e-3, b1=0.0, b2=0.99),
    )
    return Measured(jg.game(networks, system), {"x": pictures(batch, size)})


def unet_gan(batch: int = 16, features: int = 16, *, size: int = 32, stages: int = 3) -> Measured:
    """U-Net GAN with CutMix, against BigGAN's generator without classes."""
    networks = {
        "generator": biggan_networks.Generator(size=size, features=features),
        "discriminator": unet.Discriminator(features=features, stages=stages),
    }
    system = jg.systems.unet_gan(prior=jg.priors.normal(120), optimizer=optax.adam(2e-4, b1=0.0, b2=0.999))
    return Measured(jg.game(networks, system), {"x": pictures(batch, size)})


def ring(batch: int = 256, features: int = 128) -> Measured:
    """Two hidden layers of `features` on points in the plane."""
    networks = {
        "generator": mlp.Generator((2,), (features, features)),
        "discriminator": mlp.Discriminator((features, features)),
    }
    system = jg.systems.gan(
        loss=jg.losses.non_saturating, prior=jg.priors.normal(32), optimizer=optax.adam(1e-3, b1=0.5)
    )
    points = np.random.default_rng(0).normal(size=(batch, 2)).astype(np.float32)
    return Measured(jg.game(networks, system), {"x": points})


GAMES: dict[str, Callable[..., Measured]] = {
    "dcgan": dcgan,
    "dcgan_r1": dcgan_r1,
    "sngan": sngan,
    "wgan_gp": wgan_gp,
    "stylegan2": stylegan2,
    "r3gan": r3gan,
    "biggan": biggan,
    "progressive": progressive,
    "unet_gan": unet_gan,
    "ring": ring,
}


def measured(name: str, **sizes: Any) -> Measured:
    """Makes a game by its name, at sizes that its function takes; the others keep their defaults.

    Raises:
      ValueError: there is no such game, or its function takes no such size.
    """
    if name not in GAMES:
        raise ValueError(f"no game {name!r} is measured; choose from {sorted(GAMES)}")
    takes = inspect.signature(GAMES[name]).parameters
    if unknown := sorted(set(sizes) - set(takes)):
        raise ValueError(f"the game {name!r} has no sizes {unknown}; it takes {sorted(takes)}")
    return GAMES[name](**sizes)


def tiny(name: str) -> Measured:
    """A game as small as a test wants it: four features, batches of four, images of 16 pixels."""
    more = {"ring": {}, "unet_gan": {"size": 16, "stages": 2}}.get(name, {"size": 16})
    return measured(name, batch=4, features=4, **more)


def made(network: Callable[..., Any], remat: bool, **settings: Any) -> Any:
    """Makes a network, one that recomputes its activations if `remat`.

    Raises:
      ValueError: the network has no such field.
    """
    if remat and "remat" not in inspect.signature(network).parameters:
        raise ValueError(f"{network.__module__}.{network.__qualname__} has no field `remat`; leave it out")
    return network(**settings, **({"remat": True} if remat else {}))


def step(case: Measured, compiled: Callable[..., Any] | None = None) -> Callable[[], Any]:
    """Prepares one train step a call, compiled, the state kept from call to call; each returns when all is done.

    Args:
      case: the game and its batch.
      compiled: its step, `lowered(case).compile()`; None: compiled at the first call.
    Returns:
      () -> metrics.
    """
    batch = jax.device_put(case.batch)
    state = [case.game.init(jax.random.key(0), case.batch)]
    play = jax.jit(case.game.train_step, donate_argnums=0) if compiled is None else compiled

    def run() -> Any:
        state[0], metrics = play(state[0], batch)
        return jax.block_until_ready(metrics)  # what one program returns is ready at one time

    return run


def minibatches(case: Measured) -> tuple[Any, ...]:
    """Returns the batch as the tuple of its minibatches."""
    return case.batch if isinstance(case.batch, tuple) else (case.batch,)


def lowered(case: Measured) -> jax.stages.Lowered:
    """Lowers the train step, by shapes alone."""
    state = jax.eval_shape(case.game.init, jax.random.key(0), case.batch)
    return jax.jit(case.game.train_step, donate_argnums=0).lower(state, case.batch)


def parameters(case: Measured) -> int:
    """Counts the parameters of all networks, by shapes alone."""
    state = jax.eval_shape(case.game.init, jax.random.key(0), case.batch)
    return sum(leaf.size for leaf in jax.tree.leaves(state.params))
