"""DCGAN: strided convolutions and batch normalisation; the oldest and cheapest step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jaxgan as jg
from jaxgan.networks import dcgan
from jaxgan.recipes.parts import (
    Facts,
    Recipe,
    Settings,
    adam,
    augmented,
    check_halved,
    chosen,
    narrowed,
    r1,
    usual_augment,
)


def recipe(facts: Facts, small: bool, given: Mapping[str, Any]) -> Recipe:
    """DCGAN with the paper's loss, or with R1 where `gamma` is above 0: then D has no normalisation, as R1 wants.

    Adam is the paper's, 2e-4 (0.5, 0.999); with R1 it is 1e-3 (0, 0.99), as in the experiments of digits. The averaged
    generator is not the paper's.

    Args:
      facts: of the data; sides are multiples of 4, from 16 on.
      small: R1 of weight 1, 32 channels at 32 pixels instead of 64, and fewer steps.
      given: settings that override.
    Returns:
      Recipe.
    Raises:
      ValueError: a side is not reached, or a setting is out of range.
    References:
      Radford, Metz, Chintala. Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
      Networks. ICLR 2016, section 4.
      Mescheder, Geiger, Nowozin. Which Training Methods for GANs do actually Converge? ICML 2018.
    """
    check_halved("dcgan", facts)
    gamma = given.get("gamma")
    penalised = small if gamma is None else gamma > 0
    own = Settings(
        steps=6000 if small else 100_000,
        batch_size=32 if small else 128,
        n_critic=1,
        latent=64 if small else 100,
        width=narrowed(32, facts) if small else 64,
        learning_rate=1e-3 if penalised else 2e-4,
        gamma=1.0 if penalised else 0.0,
        ema_kimg=10.0,
        augment=usual_augment(facts),
    )
    s = chosen(own, given, facts)
    augment, more = augmented(s.augment, 100.0 if small else 500.0)
    height, width, channels = facts.shape
    networks = {
        "generator": dcgan.Generator(channels, (height, width), s.width, facts.classes),
        "discriminator": dcgan.Discriminator(
            (height, width), s.width, "none" if s.gamma else "batch", classes=facts.classes
        ),
    }
    prior, (b1, b2) = jg.priors.normal(s.latent), ((0.0, 0.99) if s.gamma else (0.5, 0.999))
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        penalty=r1(s.gamma),
        prior=prior,
        optimizer=adam(s.learning_rate, b1, b2),
        n_critic=s.n_critic,
        augment=augment,
    )
    return Recipe(networks | more, system, prior, s)
