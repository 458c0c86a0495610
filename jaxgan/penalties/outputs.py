"""Penalties on what the critic says: drift, and consistency under augmentation or noise."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.diffusion import noised
from jaxgan.penalties.weights import Weight, total, weighted
from jaxgan.types import Augment, Critic, Penalty, Turn, explains


@explains
def drift(weight: Weight = 1e-3) -> Penalty:
    """Keeps the logits of real data from drifting: weight * E D(x)^2.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> critic, real = lambda x: x[:, 0], jnp.array([[3.0], [-3.0]])
      >>> round(float(jg.penalties.drift(1e-3)(critic, real, None, None)), 4)
      0.009

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

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> critic, brighter = lambda x: x @ jnp.array([3.0, 4.0]), lambda x, turn, use: x + 1.0
      >>> float(jg.penalties.consistency(10.0, brighter)(critic, jnp.zeros((2, 2)), None, None))  # 10 (3 + 4)^2
      490.0

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

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> critic, x, brighter = lambda x: x @ jnp.array([3.0, 4.0]), jnp.zeros((2, 2)), lambda x, turn, use: x + 1.0
      >>> float(jg.penalties.balanced_consistency(10.0, 1.0, brighter)(critic, x, x, None))  # (10 + 1) (3 + 4)^2
      539.0

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


@explains
def approximate_r1(weight: Weight, sigma: float = 0.01) -> Penalty:
    """R1 without a second derivative: the critic says the same of noised data, weight * E (D(x) - D(x + sigma e))^2.

    To first order, and of a linear critic exactly, it is weight sigma^2 E ||grad_x D(x)||^2 in the mean over the noise
    e ~ N(0, I): `r1(2 weight sigma^2)`. It costs one more call of the critic and no double backward pass.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> critic, real = lambda x: x @ jnp.array([3.0, 4.0]), jnp.zeros((4096, 2))
      >>> turn = jg.Turn(jax.random.key(0), jnp.array(0))
      >>> penalty = jg.penalties.approximate_r1(1e4, sigma=0.01)
      >>> 20 < float(penalty(critic, real, None, turn)) < 30  # r1(2.0): 25, in the mean
      True

    Args:
      weight: lambda of the paper, >= 0 (100 there), or a schedule of the step.
      sigma: standard deviation of the noise, > 0 (0.01 for pictures in the paper).
    Returns:
      Penalty, (critic, real [B, ...], fake, turn) -> scalar, mean over all logits; fake unused.
    Raises:
      ValueError: weight is negative, or sigma is not positive.
    References:
      Lin et al. Diffusion Adversarial Post-Training for One-Step Video Generation. ICML 2025, eq. 5.
    """
    return weighted("approximate_r1", weight, _noise_consistency("approximate_r1", sigma, lambda real, fake: real))


@explains
def approximate_r2(weight: Weight, sigma: float = 0.01) -> Penalty:
    """R2 without a second derivative: weight * E (D(G(z)) - D(G(z) + sigma e))^2; otherwise as `approximate_r1`.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> critic, fake = lambda x: x @ jnp.array([3.0, 4.0]), jnp.zeros((4096, 2))
      >>> turn = jg.Turn(jax.random.key(0), jnp.array(0))
      >>> penalty = jg.penalties.approximate_r2(1e4, sigma=0.01)
      >>> 20 < float(penalty(critic, None, fake, turn)) < 30  # r2(2.0): 25, in the mean
      True

    Args:
      weight: >= 0, or a schedule of the step.
      sigma: standard deviation of the noise, > 0.
    Returns:
      Penalty, (critic, real, fake [B, ...], turn) -> scalar, mean over all logits; real unused.
    Raises:
      ValueError: weight is negative, or sigma is not positive.
    References:
      Lin et al. Diffusion Adversarial Post-Training for One-Step Video Generation. ICML 2025, eq. 5, for samples.
    """
    return weighted("approximate_r2", weight, _noise_consistency("approximate_r2", sigma, lambda real, fake: fake))


def latent_consistency(fake_logits: ArrayLike, moved_logits: ArrayLike) -> Array:
    """zCR, for D: E (D(G(z)) - D(G(z + noise)))^2, to be added to its loss with a weight (20 in StudioGAN).

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.penalties.latent_consistency(jnp.zeros(3), jnp.full(3, 2.0)))
      4.0

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

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.penalties.latent_diversity(jnp.zeros((1, 3)), jnp.full((1, 3), 2.0)))  # farther apart costs less
      -4.0

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


def _noise_consistency(name: str, sigma: float, side: Any) -> Penalty:
    """Returns the penalty on one side, every array of which has noise of its own."""
    if not sigma > 0:
        raise ValueError(f"{name} needs sigma > 0, the noise that replaces a derivative; got {sigma}")

    def penalty(critic: Critic, real: Any, fake: Any, turn: Turn) -> Array:
        def moved(path: Any, x: Array) -> Array:
            level = jnp.full(x.shape[:1], sigma, jnp.float32)
            return noised(x, level, turn, f"{name}{jax.tree_util.keystr(path)}")

        x = side(real, fake)
        return jnp.mean(jnp.square(_subtract(name, critic(x), critic(jax.tree_util.tree_map_with_path(moved, x)))))

    return penalty


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
