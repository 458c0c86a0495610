"""R3GAN: residual networks without normalisation or tricks, a relativistic loss, R1 and R2; the sturdiest game."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import optax
from jax import Array

import jaxgan as jg
from jaxgan.networks import r3gan
from jaxgan.recipes.parts import Facts, Recipe, Settings, augmented, check_doubled, chosen, half_cosine, usual_augment
from jaxgan.types import Augment, Network, Schedule, Turn


def recipe(facts: Facts, small: bool, given: Mapping[str, Any]) -> Recipe:
    """R3GAN: RpGAN with R1 and R2, and schedules that move over the first 20 million pictures along half cosines.

    The learning rate falls to a quarter, gamma to a tenth; b2 rises from 0.9 to 0.99, the probability of ADA's
    transforms from 0 to 0.55 below 64 pixels and to 0.3 from there on. gamma at first grows with the resolution between
    the presets' 2 at 64 pixels and 150 at 256; that rule gives 0.24 at 32, where the presets have 0.05 and 0.5.

    Args:
      facts: of the data; the smaller side is 4, 5, 6 or 7 times a power of two.
      small: 48 channels, fewer in large maps, one block a map, constant rates: Adam 5e-4 (0, 0.99); DiffAugment for few
        pictures.
      given: settings that override; `width` is that of the smallest maps.
    Returns:
      Recipe.
    Raises:
      ValueError: a side is not reached, or a setting is out of range.
    References:
      Huang, Gokaslan, Kuleshov, Tompkin. The GAN is Dead; Long Live the GAN! A Modern GAN Baseline. NeurIPS 2024,
      appendix D and E.
    """
    levels = check_doubled("r3gan", facts)
    height, width, channels = facts.shape
    pixels = height * width
    own = Settings(
        steps=4000 if small else 400_000,
        batch_size=16 if small else 512 if pixels <= 1024 else 256,
        n_critic=1,
        latent=64,
        width=48 if small else 768,
        learning_rate=5e-4 if small else 2e-4,
        gamma=1.0 if small else 2.0 * (pixels / 4096) ** 1.56,
        ema_kimg=10.0 if small else 5000.0 if pixels <= 1024 else 500.0,
        augment=usual_augment(facts) if small else "ada",
    )
    s = chosen(own, given, facts)
    steps = max(1, round(20e6 / s.batch_size))
    moving = (lambda first, last: first) if small else (lambda first, last: half_cosine(first, last, steps))
    augment, more = _augment(s.augment, small, moving(0.0, 0.55 if pixels <= 1024 else 0.3))
    settings: dict[str, Any] = {
        "size": (height, width),
        "features": _widths(s.width, levels, small),
        "blocks": 1 if small else 2,
        "classes": facts.classes,
    }
    networks = {
        "generator": r3gan.Generator(channels, **settings),
        "discriminator": r3gan.Discriminator(**settings),
    }
    adam = optax.inject_hyperparams(optax.adam, static_args=("b1",))(
        learning_rate=moving(s.learning_rate, s.learning_rate / 4), b1=0.0, b2=0.99 if small else moving(0.9, 0.99)
    )
    gamma = moving(s.gamma, s.gamma / 10)
    prior = jg.priors.normal(s.latent)
    system = jg.systems.gan(
        loss=jg.losses.relativistic,
        penalty=jg.penalties.total(jg.penalties.r1(gamma), jg.penalties.r2(gamma)) if s.gamma else None,
        prior=prior,
        optimizer=adam,
        augment=augment,
        n_critic=s.n_critic,
    )
    return Recipe(networks | more, system, prior, s)


def scheduled(probability: Schedule) -> Augment:
    """ADA's pixel moves, geometry, colour (at half the probability) and cutout, at a probability by schedule."""
    moves, colours, cutout = (jg.augment.ada(*names) for names in (("blit", "geometry"), ("color",), ("cutout",)))

    def augment(x: Array, turn: Turn, use: str) -> Array:
        p = jnp.asarray(probability(turn.step))
        return cutout(colours(moves(x, p, turn, use), 0.5 * p, turn, use), p, turn, use)

    return augment


def _augment(kind: str, small: bool, probability: Any) -> tuple[Augment | str | None, dict[str, Network]]:
    if kind == "ada" and not small:
        return scheduled(probability), {}
    return augmented(kind, 100.0)


def _widths(width: int, levels: int, small: bool) -> list[int]:
    """Returns the channels of each map, from the smallest: halved beyond maps of 32 to 63 pixels, small ones of 8."""
    full = 2 if small else 4
    return [max(8, width >> max(0, level - full + 1)) for level in range(levels)]
