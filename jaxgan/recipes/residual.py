"""Residual networks in three games: WGAN-GP, SNGAN, and SAGAN with its self-attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import jaxgan as jg
from jaxgan.networks import resnet
from jaxgan.penalties import gradient_penalty
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


def sngan(facts: Facts, small: bool, given: Mapping[str, Any]) -> Recipe:
    """SNGAN: spectral normalisation of D, hinge loss, five updates of D for each of G, Adam 2e-4 (0, 0.9).

    The authors let the rate fall to 0 over a run; here it stays, since a run may go on. `width` is that of the
    generator's widest map; the discriminator's is half of it below 64 pixels, as theirs.

    Args:
      facts: of the data; sides are multiples of 4, from 16 on.
      small: an eighth of the paper's width below 64 pixels, a sixteenth from there on, and fewer steps.
      given: settings that override; `gamma` is the weight of R1.
    Returns:
      Recipe.
    Raises:
      ValueError: a side is not reached, or a setting is out of range.
    References:
      Miyato, Kataoka, Koyama, Yoshida. Spectral Normalization for Generative Adversarial Networks. ICLR 2018, appendix.
    """
    check_halved("sngan", facts)
    own = Settings(
        steps=3000 if small else 50_000,
        batch_size=16 if small else 64,
        n_critic=1 if small else 5,
        latent=128,
        width=_width(facts, small, 256),
        learning_rate=2e-4,
        gamma=0.0,
        ema_kimg=10.0,
        augment=usual_augment(facts),
    )
    s = chosen(own, given, facts)
    return _game(facts, small, s, "sngan")


def wgan_gp(facts: Facts, small: bool, given: Mapping[str, Any]) -> Recipe:
    """WGAN-GP: Wasserstein loss, gradient penalty of weight 10, five updates of D for each of G, Adam 2e-4 (0, 0.9).

    The discriminator has no normalisation, and the mean of its last map; labels enter by projection, where the authors
    have an auxiliary classifier. The rate stays, as in `sngan`.

    Args:
      facts: of the data; sides are multiples of 4, from 16 on.
      small: a quarter of the paper's width below 64 pixels, less from there on, and fewer steps.
      given: settings that override; `gamma` is the weight of the gradient penalty.
    Returns:
      Recipe.
    Raises:
      ValueError: a side is not reached, or a setting is out of range.
    References:
      Gulrajani et al. Improved Training of Wasserstein GANs. NeurIPS 2017, section 5.
    """
    check_halved("wgan_gp", facts)
    own = Settings(
        steps=2000 if small else 100_000,
        batch_size=16 if small else 64,
        n_critic=2 if small else 5,
        latent=128,
        width=_width(facts, small, 128),
        learning_rate=2e-4,
        gamma=10.0,
        ema_kimg=10.0,
        augment=usual_augment(facts),
    )
    s = chosen(own, given, facts)
    return _game(facts, small, s, "wgan_gp")


def sagan(facts: Facts, small: bool, given: Mapping[str, Any]) -> Recipe:
    """SAGAN: self-attention, spectral normalisation of both networks, hinge loss, two time scales.

    Attention is at half the height, and at 32 pixels from 128 on, as the paper finds best. Adam (0, 0.9) at 1e-4 (G)
    and 4e-4 (D).

    Args:
      facts: of the data; sides are multiples of 4, from 16 on.
      small: as `sngan`.
      given: settings that override; `gamma` is the weight of R1, and the discriminator's rate is four times
        `learning_rate`.
    Returns:
      Recipe.
    Raises:
      ValueError: a side is not reached, or a setting is out of range.
    References:
      Zhang, Goodfellow, Metaxas, Odena. Self-Attention Generative Adversarial Networks. ICML 2019, section 4.
    """
    check_halved("sagan", facts)
    own = Settings(
        steps=3000 if small else 200_000,
        batch_size=16 if small else 64,
        n_critic=1,
        latent=128,
        width=_width(facts, small, 256),
        learning_rate=2e-4 if small else 1e-4,
        gamma=0.0,
        ema_kimg=10.0,
        augment=usual_augment(facts),
    )
    s = chosen(own, given, facts)
    return _game(facts, small, s, "sagan")


def _width(facts: Facts, small: bool, paper: int) -> int:
    """Returns the width of the generator's widest map: below 64 pixels the paper's, from there on 1024 as theirs."""
    large = check_halved("residual", facts) > 3
    if not small:
        return 1024 if large else paper
    return narrowed(128, facts) if large else 64


def _game(facts: Facts, small: bool, s: Settings, name: Literal["sngan", "wgan_gp", "sagan"]) -> Recipe:
    height, width, channels = facts.shape
    large = check_halved(name, facts) > 3
    attention, critic = 0, s.width
    if name == "sagan":
        attention = next(height >> k for k in range(1, 9) if height >> k <= 32 or height < 128)
    if name != "wgan_gp" and not large:
        critic = max(1, s.width // 2)
    augment, more = augmented(s.augment, 100.0 if small else 500.0)
    critics: dict[str, Any] = {"normalization": "none", "pool": "mean"} if name == "wgan_gp" else {}
    networks = {
        "generator": resnet.Generator(
            channels, (height, width), s.width, spectral=name == "sagan", attention=attention, classes=facts.classes
        ),
        "discriminator": resnet.Discriminator(
            (height, width), critic, attention=attention, classes=facts.classes, **critics
        ),
    }
    prior, moments = jg.priors.normal(s.latent), ((0.5, 0.999) if name == "sngan" and s.n_critic == 1 else (0.0, 0.9))
    system = jg.systems.gan(
        loss=jg.losses.wasserstein if name == "wgan_gp" else jg.losses.hinge,
        penalty=gradient_penalty(s.gamma) if name == "wgan_gp" and s.gamma else r1(s.gamma),
        prior=prior,
        optimizer=adam(s.learning_rate, *moments, ratio=4.0 if name == "sagan" else 1.0),
        n_critic=s.n_critic,
        augment=augment,
    )
    return Recipe(networks | more, system, prior, s)
