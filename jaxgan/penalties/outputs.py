"""Penalties on what the critic says: drift, and consistency under augmentation."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.penalties.weights import Weight, total, weighted
from jaxgan.types import Augment, Critic, Penalty, Turn, explains


@explains
def drift(weight: Weight = 1e-3) -> Penalty:
    """Keeps the logits of real data from drifting: weight * E D(x)^2.

    Args:
      weight: epsilon of the paper, >= 0, or a schedule of the step.
    Returns:
      Penalty, (critic, real [B, ...], fake, turn) -> scalar, mean over all logits; fake and turn unused.
    Raises:
      ValueError: weight is negative.
    References:
      Karras et al. Progressive Growing of GANs for Improved Quality, Stability, and Variation. ICLR 2018, appendix A.1.
    """
    return weighted("drift", weight, lambda critic, real, fake, turn: jnp.mean(jnp.square(_wide(critic(real)))))


@explains
def consistency(weight: Weight, augment: Augment) -> Penalty:
    """CR: the critic says the same of an augmented real example, weight * E (D(x) - D(T(x)))^2.

    Args:
      weight: lambda of the paper, >= 0 (10 there), or a schedule of the step.
      augment: T, from `jaxgan.augment`.
    Returns:
      Penalty, (critic, real [B, ...], fake, turn) -> scalar, mean over all logits; fake unused.
    Raises:
      ValueError: weight is negative.
    References:
      Zhang et al. Consistency Regularization for Generative Adversarial Networks. ICLR 2020.
    """

    def penalty(critic: Critic, real: Array, fake: Array, turn: Turn) -> Array:
        return _difference(critic, real, augment, "consistency of real", turn)

    return weighted("consistency", weight, penalty)


@explains
def balanced_consistency(real_weight: Weight, fake_weight: Weight, augment: Augment) -> Penalty:
    """bCR: consistency on real data and on samples, each with its weight.

    Args:
      real_weight: >= 0 (10 in the paper), or a schedule of the step.
      fake_weight: >= 0 (10 in the paper), or a schedule of the step.
      augment: T, from `jaxgan.augment`.
    Returns:
      Penalty, (critic, real [B, ...], fake [B, ...], turn) -> scalar, mean over all logits.
    Raises:
      ValueError: a weight is negative.
    References:
      Zhao et al. Improved Consistency Regularization for GANs. AAAI 2021.
    """

    def on_fake(critic: Critic, real: Array, fake: Array, turn: Turn) -> Array:
        return _difference(critic, fake, augment, "consistency of fake", turn)

    return total(consistency(real_weight, augment), weighted("balanced_consistency", fake_weight, on_fake))


def latent_consistency(fake_logits: ArrayLike, moved_logits: ArrayLike) -> Array:
    """zCR, for D: E (D(G(z)) - D(G(z + noise)))^2, to be added to its loss with a weight (20 in StudioGAN).

    Args:
      fake_logits: D(G(z)), [B, ...].
      moved_logits: of samples from latents moved a little (by N(0, 0.05^2) there), like fake_logits.
    Returns:
      [], mean over all logits.
    Raises:
      ValueError: shapes differ.
    References:
      Zhao et al. Improved Consistency Regularization for GANs. AAAI 2021.
    """
    return jnp.mean(jnp.square(_subtract("latent_consistency", fake_logits, moved_logits)))


def latent_diversity(fake: ArrayLike, moved: ArrayLike) -> Array:
    """zCR, for G: -E (G(z) - G(z + noise))^2, to be added to its loss with a weight (0.5 in StudioGAN).

    Args:
      fake: G(z), [B, ...].
      moved: samples from latents moved a little, like fake.
    Returns:
      [] <= 0, mean over examples and coordinates.
    Raises:
      ValueError: shapes differ.
    References:
      Zhao et al. Improved Consistency Regularization for GANs. AAAI 2021.
    """
    return -jnp.mean(jnp.square(_subtract("latent_diversity", fake, moved)))


def _difference(critic: Critic, x: Array, augment: Augment, use: str, turn: Turn) -> Array:
    return jnp.mean(jnp.square(_subtract("consistency", critic(x), critic(augment(x, turn, use)))))


def _subtract(function: str, first: ArrayLike, second: ArrayLike) -> Array:
    a, b = _wide(first), _wide(second)
    if a.shape != b.shape:
        raise ValueError(f"{function} compares arrays of one shape; got {a.shape} and {b.shape}")
    return a - b


def _wide(x: ArrayLike) -> Array:
    array = jnp.asarray(x)
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))
