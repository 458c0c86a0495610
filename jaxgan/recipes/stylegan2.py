"""StyleGAN2-ADA: styles, path length, adaptive augmentation; latents that are pleasant to explore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optax

import jaxgan as jg
from jaxgan.networks import stylegan2
from jaxgan.recipes.parts import Facts, Recipe, Settings, augmented, check_doubled, chosen

R1_EVERY, PATH_EVERY = 16, 4  # train steps


def recipe(facts: Facts, small: bool, given: Mapping[str, Any]) -> Recipe:
    """StyleGAN2 with ADA, by the authors' configuration "auto", which depends on the resolution.

    Batches of 32 up to 128 pixels, of 16 up to 256 and of 8 beyond; R1 of weight 2e-4 H W / batch at every 16th step;
    the average's half-life is 10/32 thousand pictures for each of a batch; a mapping of two layers; 16384 channels
    over the side, 512 at most; path length regularisation of weight 2; Adam 2.5e-3 (0, 0.99), a fifth less for G.

    Args:
      facts: of the data; the smaller side is 4, 5, 6 or 7 times a power of two.
      small: an eighth of the channels, no path length regularisation, and ADA that adapts five times as fast.
      given: settings that override; `width` is the most channels of a map.
    Returns:
      Recipe.
    Raises:
      ValueError: a side is not reached, or a setting is out of range.
    References:
      Karras et al. Analyzing and Improving the Image Quality of StyleGAN. CVPR 2020.
      Karras et al. Training Generative Adversarial Networks with Limited Data. NeurIPS 2020, appendix D.
    """
    check_doubled("stylegan2", facts)
    height, width, channels = facts.shape
    side = (height * width) ** 0.5
    batch = given.get("batch_size") or (16 if small else 32 if side <= 128 else 16 if side <= 256 else 8)
    own = Settings(
        steps=4000 if small else round(25e6 / batch),
        batch_size=batch,
        n_critic=1,
        latent=64 if small else 512,
        width=64 if small else 512,
        learning_rate=0.0025,
        gamma=2e-4 * height * width / batch,
        ema_kimg=batch * 10 / 32,
        augment="ada",
    )
    s = chosen(own, given, facts)
    augment, more = augmented(s.augment, 100.0 if small else 500.0)
    sizes: dict[str, Any] = {"size": (height, width), "features": _largest(s.width, side), "max_features": s.width}
    networks = {
        "generator": stylegan2.Generator(channels, hidden=(s.width,) * 2, classes=facts.classes, **sizes),
        "discriminator": stylegan2.Discriminator(classes=facts.classes, **sizes),
    }
    rates = {"generator": PATH_EVERY / (PATH_EVERY + 1), "discriminator": R1_EVERY / (R1_EVERY + 1)}
    prior = jg.priors.normal(s.latent)
    system = jg.systems.stylegan2(
        prior=prior,
        optimizer={
            player: optax.adam(s.learning_rate * share, b1=0.0, b2=0.99**share) for player, share in rates.items()
        },
        path_weight=0.0 if small else 2.0,
        penalty=jg.penalties.every(R1_EVERY, jg.penalties.r1(s.gamma)) if s.gamma else None,
        augment=augment,
        n_critic=s.n_critic,
    )
    return Recipe(networks | more, system, prior, s)


def _largest(width: int, side: float) -> int:
    """Returns the channels of the largest map: 16384 over the side where the most are 512, and in proportion."""
    return max(1, min(width, round(32 * width / side)))
