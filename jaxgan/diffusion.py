"""Diffusion in EDM's terms: distributions of noise levels, noised examples, and the sampler's ordinary equation.

x_sigma = x_0 + sigma epsilon. A distribution of levels is its quantile function, u in [0, 1] -> sigma, so that one
function draws from all, and a sampler's grid is one of them at equal steps.

References:
  Karras, Aittala, Aila, Laine. Elucidating the Design Space of Diffusion-Based Generative Models. NeurIPS 2022.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri

from jaxgan.networks.denoisers import denoised_of
from jaxgan.types import Turn, example_keys, explains

Levels = Callable[[Array], Array]  # u in [0, 1], [...] -> sigma > 0, [...]


@explains
def karras(sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> Levels:
    """Levels whose rho-th roots are uniform between those of sigma_min, at u = 0, and sigma_max, at u = 1.

    Args:
      sigma_min: > 0.
      sigma_max: > sigma_min.
      rho: >= 1; the larger, the more small levels.
    Returns:
      Levels.
    Raises:
      ValueError: the levels are not in this order, or rho < 1.
    References:
      Karras et al. 2022, eq. 5.
    """
    if not 0 < sigma_min < sigma_max or rho < 1:
        raise ValueError(f"karras needs 0 < sigma_min < sigma_max and rho >= 1; got {sigma_min}, {sigma_max}, {rho}")
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return lambda u: (low + u * (high - low)) ** rho


@explains
def log_normal(mean: float = -1.2, std: float = 1.2) -> Levels:
    """Levels whose logarithm is N(mean, std^2), by which EDM trains denoisers.

    Args:
      mean: of log sigma.
      std: of log sigma, >= 0.
    Returns:
      Levels.
    Raises:
      ValueError: std is negative.
    References:
      Karras et al. 2022, table 1.
    """
    if std < 0:
        raise ValueError(f"log_normal needs std >= 0; got {std}")
    return lambda u: jnp.exp(mean + std * ndtri(jnp.clip(u, 1e-6, 1 - 1e-6)))


@explains
def within(levels: Levels, low: float, high: float) -> Levels:
    """Levels between two quantiles of others: u -> levels(low + u (high - low)).

    Args:
      levels: the others.
      low: >= 0.
      high: in (low, 1].
    Returns:
      Levels.
    Raises:
      ValueError: the quantiles are not in this order.
    """
    if not 0 <= low < high <= 1:
        raise ValueError(f"within needs 0 <= low < high <= 1; got {low} and {high}")
    return lambda u: levels(low + u * (high - low))


def draw_levels(levels: Levels, n: int, turn: Turn, use: str) -> Array:
    """Draws a noise level for each example, from its own key.

    Args:
      levels: their distribution.
      n: how many examples are here.
      turn: whose batch they are of.
      use: name of the draw.
    Returns:
      sigma, [n] float32.
    """
    keys = example_keys(turn.named(f"{use} level"), n, turn.examples)
    return levels(jax.vmap(lambda key: jax.random.uniform(key, (), jnp.float32))(keys))


def noised(x: Array, sigma: Array, turn: Turn, use: str) -> Array:
    """Returns x + sigma epsilon, with epsilon ~ N(0, I) from each example's own key.

    Args:
      x: examples [B, ...].
      sigma: their levels [B].
      turn: whose batch they are of.
      use: name of the draw.
    """
    keys = example_keys(turn.named(f"{use} noise"), x.shape[0], turn.examples)
    epsilon = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:], jnp.float32))(keys)
    return x + sigma.reshape(-1, *(1,) * (x.ndim - 1)) * epsilon


def grid(levels: Levels, steps: int) -> Array:
    """Returns the levels of a sampler of this many steps, from the largest down to 0, [steps + 1].

    Args:
      levels: such as `karras()`.
      steps: >= 1.
    Raises:
      ValueError: there is no step.
    """
    if steps < 1:
        raise ValueError(f"a sampler needs steps >= 1; got {steps}")
    u = jnp.linspace(1, 0, steps, dtype=jnp.float32) if steps > 1 else jnp.ones((1,), jnp.float32)
    return jnp.append(levels(u), jnp.zeros((), jnp.float32))


def solve(denoise: Callable[[Array, Array], Any], x: Array, sigmas: Array, order: int = 1) -> Array:
    """Integrates dx/dsigma = (x - D(x; sigma)) / sigma along a grid, by Euler's method or Heun's.

    Args:
      denoise: (x [B, ...], sigma [B]) -> denoised [B, ...] or a mapping with them; called in a loop, so of a network
        of a game it is a view, `frozen(nets["denoiser"])`.
      x: where it begins, sigmas[0] z with z ~ N(0, I), [B, ...].
      sigmas: levels, decreasing, [steps + 1], of which the last may be 0.
      order: 1, Euler's: one call of the denoiser a step; 2, Heun's: two, but one for the step to 0.
    Returns:
      x where it ends, [B, ...].
    Raises:
      ValueError: the order is another.
    References:
      Karras et al. 2022, algorithm 1.
    """
    if order not in (1, 2):
        raise ValueError(f"solve is of order 1 (Euler) or 2 (Heun); got {order}")

    def slope(x: Array, sigma: Array) -> Array:
        return (x - denoised_of(denoise(x, jnp.full((x.shape[0],), sigma, jnp.float32)))) / sigma

    def step(x: Array, pair: tuple[Array, Array]) -> tuple[Array, None]:
        sigma, following = pair
        first = slope(x, sigma)
        end = x + (following - sigma) * first
        if order == 2:
            second = slope(end, jnp.maximum(following, 1e-8))
            end = jnp.where(following > 0, x + (following - sigma) * 0.5 * (first + second), end)
        return end, None

    return jax.lax.scan(step, x, (sigmas[:-1], sigmas[1:]))[0]
