"""U-Net GAN: a discriminator that judges every pixel, with CutMix; for pictures of one kind of scene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optax

import jaxgan as jg
from jaxgan.networks import biggan, unet
from jaxgan.recipes.biggan import CHUNK
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
    """BigGAN's generator against a U-Net that judges pictures and their pixels, regularised by CutMix.

    The discriminator halves pictures down to 4 to 7 pixels, as the authors' do at 128 and 256. Adam (0, 0.999) at 1e-4
    (G) and 5e-4 (D); the weight of what is learned from mixed pictures rises from 0 to 1 over 20,000 steps.

    Args:
      facts: of the data; sides are multiples of 4, from 16 on.
      small: an eighth of the paper's width, Adam's rates fivefold and twofold, fewer steps, and 300 of them until mixed
        pictures have their full weight.
      given: settings that override; `width` is of the U-Net's first map, and BigGAN's "ch"; `gamma` is the weight of
        R1 on pictures' logits.
    Returns:
      Recipe.
    Raises:
      ValueError: a side is not reached, or a setting is out of range.
    References:
      Schönfeld, Schiele, Khoreva. A U-Net Based Discriminator for Generative Adversarial Networks. CVPR 2020.
    """
    halvings = check_halved("unet", facts)
    doublings = min(7, halvings)
    own = Settings(
        steps=2500 if small else 200_000,
        batch_size=16 if small else 50,
        n_critic=1,
        latent=CHUNK * (doublings + 1),
        width=narrowed(8, facts, 4) if small else 64,
        learning_rate=5e-4 if small else 1e-4,
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
        "discriminator": unet.Discriminator(s.width, halvings, classes=facts.classes),
    }
    prior = jg.priors.normal(s.latent)
    system = jg.systems.unet_gan(
        prior=prior,
        optimizer=adam(s.learning_rate, 0.0, 0.999, ratio=2.0 if small else 5.0),
        cutmix=optax.linear_schedule(0.0, 1.0, 300 if small else 20_000),
        penalty=r1(s.gamma),
        n_critic=s.n_critic,
        augment=augment,
    )
    return Recipe(networks | more, system, prior, s)
