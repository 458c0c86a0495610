"""Discriminator-driven latent sampling: Langevin steps in the latent space towards what the discriminator likes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.checks import check_key
from jaxgan.samplers.rejection import LogRatio


class Walk(NamedTuple):
    """Where the latents arrived."""

    z: Array  # [n, Z]
    energy: Array  # [n] of these latents
    acceptance: Array  # [] share of the steps that were taken; 1 for an unadjusted walk


def langevin(
    generate: Callable[[Array], Array],
    log_ratio: LogRatio,
    key: Array,
    start: Array,
    *,
    steps: int = 1000,
    step_size: float = 0.01,
    noise: float = 1.0,
    adjusted: bool = False,
) -> Walk:
    """Moves normal latents to the density p(z) r(G(z)): the generator's samples of it are nearer to the data's.

    With the energy E(z) = ||z||^2 / 2 - log_ratio(G(z)), a step goes to z - step_size / 2 * grad E(z) + noise *
    sqrt(step_size) * N(0, I). Walks do not see each other if networks do not mix examples.

    Args:
      generate: z [n, Z] -> x.
      log_ratio: x -> [n], such as calibrated logits.
      key: [] typed key.
      start: latents [n, Z] drawn from N(0, I).
      steps: >= 0.
      step_size: > 0.
      noise: standard deviation relative to Langevin's; below 1 it trades variety for quality (the paper uses 0.1 on
        images).
      adjusted: with Metropolis' correction, so that the density is exact for any step size; needs noise = 1.
    Returns:
      Walk.
    Raises:
      ValueError: an argument is out of range, or the latents are not [n, Z].
    References:
      Che et al. Your GAN is Secretly an Energy-based Model and You Should Use Discriminator Driven Latent Sampling.
      NeurIPS 2020, algorithm 1.
      Roberts, Tweedie. Exponential Convergence of Langevin Distributions and Their Discrete Approximations. Bernoulli
      1996 (the correction).
    """
    check_key("langevin", key)
    if start.ndim != 2 or steps < 0 or not step_size > 0 or noise < 0 or (adjusted and noise != 1):
        raise ValueError(
            "langevin needs latents [n, Z], steps >= 0, step_size > 0, noise >= 0, and noise = 1 if adjusted; "
            f"got {start.shape}, {steps}, {step_size}, {noise} and adjusted={adjusted}"
        )

    def energies(z: Array) -> Array:
        return 0.5 * jnp.sum(jnp.square(z), axis=1) - log_ratio(generate(z))

    def energy(z: Array) -> tuple[Array, Array]:
        """Returns the energies [n] and their gradients [n, Z]."""
        values, pull = jax.vjp(energies, z)
        return values, pull(jnp.ones_like(values))[0]

    def log_move(there: Array, here: Array, slope: Array) -> Array:
        """Returns the log density, up to a constant, of a step from here to there."""
        return -jnp.sum(jnp.square(there - here + 0.5 * step_size * slope), axis=1) / (2 * step_size)

    @jax.jit
    def step(key: Array, z: Array, value: Array, slope: Array, taken: Array) -> tuple[Array, Array, Array, Array]:
        drawn, choice = jax.random.split(key)
        other = z - 0.5 * step_size * slope + noise * step_size**0.5 * jax.random.normal(drawn, z.shape, z.dtype)
        other_value, other_slope = energy(other)
        if not adjusted:
            return other, other_value, other_slope, taken + 1
        odds = value - other_value + log_move(z, other, other_slope) - log_move(other, z, slope)
        take = jnp.log(jax.random.uniform(choice, odds.shape, odds.dtype)) < odds
        z, slope = (jnp.where(take[:, None], a, b) for a, b in ((other, z), (other_slope, slope)))
        return z, jnp.where(take, other_value, value), slope, taken + jnp.mean(take)

    z, (value, slope), taken = start, jax.jit(energy)(start), jnp.zeros((), jnp.float32)
    for number in range(steps):  # a loop of calls: convolutions' gradients are slow inside a compiled loop on CPU
        z, value, slope, taken = step(jax.random.fold_in(key, number), z, value, slope, taken)
    return Walk(z, value, taken / steps if steps else jnp.ones((), jnp.float32))
