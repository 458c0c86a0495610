"""Latents of given images: a generator inverted by optimisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array


class Projection(NamedTuple):
    """The best latents that were met."""

    z: Array  # [n, Z]
    error: Array  # [n] distance of their samples to the targets


def squared_error(x: Array, target: Array) -> Array:
    """Mean squared difference of every example: [n, ...] twice -> [n]."""
    return jnp.mean(jnp.square(x - target), axis=tuple(range(1, x.ndim)))


def project(
    generate: Callable[[Array], Array],
    target: Array,
    start: Array,
    *,
    steps: int = 500,
    optimizer: optax.GradientTransformation | None = None,
    distance: Callable[[Array, Array], Array] = squared_error,
    prior_weight: float = 0.0,
) -> Projection:
    """Finds latents whose samples are nearest to given images, each for itself.

    Minimises distance(G(z), target) + prior_weight * mean(z^2) from the given latents, and returns the best by distance
    alone. The way is not convex: start several times (repeat targets) and keep the best.

    Args:
      generate: z [n, Z] -> x [n, ...], differentiable, that does not mix examples.
      target: [n, ...].
      start: latents to begin with, [n, Z].
      steps: >= 1.
      optimizer: of the latents; Adam at 0.05 if None.
      distance: (x, target) -> [n], such as `squared_error` or one between features.
      prior_weight: keeps latents where a normal prior has them, >= 0.
    Returns:
      Projection.
    Raises:
      ValueError: shapes do not fit, steps < 1, or prior_weight < 0.
    References:
      Zhu, Krähenbühl, Shechtman, Efros. Generative Visual Manipulation on the Natural Image Manifold. ECCV 2016,
      section 3.1.
    """
    if start.ndim != 2 or steps < 1 or prior_weight < 0:
        raise ValueError(
            "project needs latents [n, Z], steps >= 1 and prior_weight >= 0; "
            f"got {start.shape}, {steps} and {prior_weight}"
        )
    made = jax.eval_shape(generate, start)
    if made.shape != target.shape:
        raise ValueError(f"generate makes {made.shape} of {start.shape[0]} latents, but the targets are {target.shape}")
    adam = optax.adam(0.05) if optimizer is None else optimizer

    def objective(z: Array) -> tuple[Array, Array]:
        error = distance(generate(z), target)
        return jnp.sum(error + prior_weight * jnp.mean(jnp.square(z), axis=1)), error

    @jax.jit
    def step(z: Array, opt_state: optax.OptState, best: Projection) -> tuple[Array, optax.OptState, Projection]:
        gradient, error = jax.grad(objective, has_aux=True)(z)
        better = error < best.error
        best = Projection(jnp.where(better[:, None], z, best.z), jnp.where(better, error, best.error))
        changes, opt_state = adam.update(gradient, opt_state, z)
        return optax.apply_updates(z, changes), opt_state, best

    z, opt_state = start, adam.init(start)
    best = Projection(start, jnp.full(start.shape[:1], jnp.inf))
    for _ in range(steps + 1):  # once more than it moves: the last latents are judged too
        z, opt_state, best = step(z, opt_state, best)
    return best
