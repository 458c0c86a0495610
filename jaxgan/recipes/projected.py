"""Projected GAN: the discriminator sees pictures through a frozen EfficientNet-Lite0; for few natural pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

import jaxgan as jg
from jaxgan.networks import dcgan, efficientnet_lite, projected
from jaxgan.recipes.parts import Facts, Recipe, Settings, adam, augmented, check_halved, chosen, narrowed
from jaxgan.types import Network


def recipe(facts: Facts, small: bool, given: Mapping[str, Any]) -> Recipe:
    """Projected GAN: hinge loss on four scales of frozen features, spectral heads, DiffAugment, Adam 2e-4 (0, 0.99).

    The generator is DCGAN's, where the authors take FastGAN's. The frozen network's weights come with the extra
    `metrics`. Judge such a run by other features than EfficientNet's, which it has learned to please.

    Args:
      facts: of the data, grey or in colour; sides are multiples of 4, from 16 on.
      small: the frozen network sees 64 x 64 pixels instead of 224 x 224, heads of 128 channels instead of 512, Adam
        1e-3.
      given: settings that override; `width` is of the generator's largest map, `gamma` must be 0.
    Returns:
      Recipe.
    Raises:
      ValueError: a side is not reached, pictures have 2 or 4 channels, labels or a penalty are asked for, or a setting
        is out of range.
      ModuleNotFoundError: the weights are not installed.
    References:
      Sauer, Chitta, Müller, Geiger. Projected GANs Converge Faster. NeurIPS 2021, section 4.
    """
    from jaxgan.metrics.extractors import efficientnet

    check_halved("projected", facts)
    height, width, channels = facts.shape
    if channels not in (1, 3):
        raise ValueError(f"the recipe projected sees grey or colour pictures; got {channels} channels: --channels 3")
    if facts.classes:
        raise ValueError("the recipe projected is not conditional: leave out --labels, or take biggan or r3gan")
    own = Settings(
        steps=600 if small else 100_000,
        batch_size=16 if small else 64,
        n_critic=1,
        latent=64 if small else 256,
        width=narrowed(24, facts) if small else 64,
        learning_rate=1e-3 if small else 2e-4,
        gamma=0.0,
        ema_kimg=10.0,
        augment="diffaugment",
    )
    s = chosen(own, given, facts)
    if s.gamma:
        raise ValueError("the recipe projected has no gradient penalty; leave out --gamma")
    augment, more = augmented(s.augment, 100.0 if small else 500.0)
    features = projected.projector(
        efficientnet_lite.EfficientNetLite0(),
        efficientnet.variables(),
        jax.random.key(0),
        size=64 if small else 224,
        mixing=projected.Mixing(32 if small else 64),
    )
    networks: dict[str, Network] = {
        "generator": dcgan.Generator(channels, (height, width), s.width),
        "discriminator": projected.Discriminator(128 if small else 512, (3, 2, 1, 0) if small else (4, 3, 2, 1)),
        "features": features,
    }
    prior = jg.priors.normal(s.latent)
    system = jg.systems.gan(
        loss=jg.losses.hinge,
        prior=prior,
        optimizer=adam(s.learning_rate, 0.0, 0.99),
        n_critic=s.n_critic,
        augment=augment,
    )
    dynamics = jg.dynamics.alternating(shared=True) if s.n_critic == 1 else None
    return Recipe(networks | more, jg.systems.on_features(system), prior, s, dynamics)
