"""Penalties on the critic: functions (critic, real, fake, turn) -> scalar that are added to a discriminator's loss.

The critic is a pure view x [B, ...] -> logits, already conditioned on labels (`jaxgan.frozen` makes one). A gradient's
norm runs over all axes but the batch. Where the critic returns a map `[B, h, w]`, D(x) is the mean over the map.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.types import Critic, Penalty, Turn, example_keys


def gradient_penalty(weight: float, target: float = 1.0) -> Penalty:
    """Two-sided gradient penalty on interpolates: weight * E (||grad_x D(x)|| - target)^2.

    x = epsilon * real + (1 - epsilon) * fake, with one epsilon ~ U[0, 1) per example.

    Args:
      weight: lambda of the paper, >= 0 (10 there).
      target: the norm that is asked for, >= 0.
    Returns:
      Penalty, (critic, real [B, ...], fake [B, ...], turn) -> scalar, mean over B.
    Raises:
      ValueError: weight or target is negative; at trace time, real and fake differ in shape.
    References:
      Gulrajani et al. Improved Training of Wasserstein GANs. NeurIPS 2017, eq. 3.
    """
    _check_weight("gradient_penalty", weight)
    if not isinstance(target, jax.core.Tracer) and not target >= 0:
        raise ValueError(f"gradient_penalty needs target >= 0; got {target}")

    def penalty(critic: Critic, real: Array, fake: Array, turn: Turn) -> Array:
        if real.shape != fake.shape:
            raise ValueError(
                f"gradient_penalty interpolates real {real.shape} and fake {fake.shape}; shapes must agree"
            )
        keys = example_keys(turn.named("interpolation"), real.shape[0], turn.examples)
        epsilon = jax.vmap(lambda key: jax.random.uniform(key, (1,) * (real.ndim - 1), real.dtype))(keys)
        norm = _safe_sqrt(_squared_norm(critic, epsilon * real + (1 - epsilon) * fake))
        return weight * jnp.mean(jnp.square(norm - target))

    return penalty


def r1(gamma: float) -> Penalty:
    """Zero-centred gradient penalty on real data: gamma/2 * E ||grad_x D(x)||^2.

    Args:
      gamma: weight, >= 0.
    Returns:
      Penalty, (critic, real [B, ...], fake, turn) -> scalar, mean over B; fake and turn unused.
    Raises:
      ValueError: gamma is negative.
    References:
      Mescheder, Geiger, Nowozin. Which Training Methods for GANs do actually Converge? ICML 2018, eq. 9.
    """
    _check_weight("r1", gamma)
    return lambda critic, real, fake, turn: gamma / 2 * jnp.mean(_squared_norm(critic, real))


def r2(gamma: float) -> Penalty:
    """Zero-centred gradient penalty on samples: gamma/2 * E ||grad_x D(G(z))||^2.

    Args:
      gamma: weight, >= 0.
    Returns:
      Penalty, (critic, real, fake [B, ...], turn) -> scalar, mean over B; real and turn unused.
    Raises:
      ValueError: gamma is negative.
    References:
      Mescheder, Geiger, Nowozin. Which Training Methods for GANs do actually Converge? ICML 2018, eq. 10.
    """
    _check_weight("r2", gamma)
    return lambda critic, real, fake, turn: gamma / 2 * jnp.mean(_squared_norm(critic, fake))


def total(*penalties: Penalty) -> Penalty:
    """The sum of several penalties, such as `total(r1(10.0), r2(10.0))`; zero when there are none."""
    return lambda critic, real, fake, turn: sum((p(critic, real, fake, turn) for p in penalties), start=jnp.zeros(()))


def _squared_norm(critic: Critic, x: Array) -> Array:
    """Returns ||grad_x D(x)||^2 for each example, [B]; the critic must treat examples independently."""

    def output(x: Array) -> Array:
        logits = critic(x)
        return jnp.sum(jnp.mean(logits.reshape(logits.shape[0], -1), axis=1))

    gradient = jax.grad(output)(x)
    gradient = gradient.astype(jnp.promote_types(gradient.dtype, jnp.float32))  # a sum of many squares
    return jnp.sum(jnp.square(gradient), axis=tuple(range(1, x.ndim)))


def _safe_sqrt(squares: Array) -> Array:
    """Square root whose gradient at zero is zero, not NaN: a critic may be flat at some x."""
    positive = squares > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1.0)), 0.0)


def _check_weight(name: str, weight: float) -> None:
    if not isinstance(weight, jax.core.Tracer) and not weight >= 0:  # a sweep over weights traces them
        raise ValueError(f"{name} needs a weight >= 0; got {weight}")
