"""BigGAN: classes and latents reach every block; made for many classes and large batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optax

import jaxgan as jg
from jaxgan.networks import biggan
from jaxgan.recipes.parts import Facts, Recipe, Settings, augmented, check_halved, chosen, narrowed, r1, usual_augment

CHUNK = 20  # of the latent, for the smallest map and for each block


def recipe(facts: Facts, small: bool, given: Mapping[str, Any]) -> Recipe:
    """BigGAN in the hinge game: below 64 pixels with CIFAR-10's settings, from there on with ImageNet's.

    CIFAR-10 (StudioGAN): Adam 2e-4 (0.5, 0.999) for both, five updates of D for each of G, batches of 64. ImageNet (the
    author's public recipe): Adam (0, 0.999) at 1e-4 (G) and 4e-4 (D), one update each; its batch of 2048 is for eight
    GPUs, here 256.

    Args:
      facts: of the data, in classes or not; sides are multiples of 4, from 16 on.
      small: an eighth of the paper's width, one update of D for each of G, and fewer steps.
      given: settings that override; `width` is the paper's "ch", `latent` is rounded up to as many chunks as blocks
        take, and `gamma` is the weight of R1.
    Returns:
      Recipe.
    Raises:
      ValueError: a side is not reached, or a setting is out of range.
    References:
      Brock, Donahue, Simonyan. Large Scale GAN Training for High Fidelity Natural Image Synthesis. ICLR 2019.
    """
    doublings = min(7, check_halved("biggan", facts))
    large = doublings > 3
    own = Settings(
        steps=3000 if small else 100_000,
        batch_size=16 if small else 256 if large else 64,
        n_critic=1 if small or large else 5,
        latent=CHUNK * (doublings + 1),
        width=(narrowed(16, facts, 4) if small else 96),
        learning_rate=2e-4 if not large else 1e-4,
        gamma=0.0,
        ema_kimg=10.0 if small else 500.0,
        augment=usual_augment(facts),
    )
    s = chosen(own, given, facts)
    s = s._replace(latent=-(-s.latent // (doublings + 1)) * (doublings + 1))
    augment, more = augmented(s.augment, 100.0 if small else 500.0)
    height, width, channels = facts.shape
    networks = {
        "generator": biggan.Generator(channels, (height, width), s.width, classes=facts.classes),
        "discriminator": biggan.Discriminator((height, width), s.width, classes=facts.classes),
    }
    b1, ratio = (0.0, 4.0) if large else (0.5, 1.0)
    rates = {"generator": s.learning_rate, "discriminator": s.learning_rate * ratio}
    prior = jg.priors.normal(s.latent)
    system = jg.systems.gan(
        loss=jg.losses.hinge,
        penalty=r1(s.gamma),
        prior=prior,
        optimizer={player: optax.adam(rate, b1=b1, b2=0.999, eps=1e-6) for player, rate in rates.items()},
        n_critic=s.n_critic,
        augment=augment,
    )
    return Recipe(networks | more, system, prior, s)
