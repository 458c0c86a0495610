"""Perceptual path length: how fast images change along a path between two latents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.checks import check_key
from jaxgan.metrics.images import check_floating


class PathLength(NamedTuple):
    """Squared speed along random paths, by the distance that was given."""

    mean: float  # of distance / epsilon^2 over the paths kept; lower is smoother
    standard_error: float  # of that mean
    kept: int  # paths that were not rejected as outliers
    lengths: np.ndarray  # [N] float64, of every path


class LatentPath(NamedTuple):
    """The paths that are walked, and how far at a time; figures of different ones are not compared.

    Example:
      >>> import jaxgan as jg
      >>> jg.metrics.LatentPath(space="w", ends="end")
      LatentPath(space='w', ends='end', epsilon=0.0001)
    """

    space: Literal["z", "w"] = "z"  # "z": spherical paths; "w": straight ones
    ends: Literal["full", "end"] = "full"  # "full": t uniform in [0, 1); "end": t = 0. Papers report both; they differ
    epsilon: float = 1e-4  # step along the path, > 0; 1e-4 in the paper. Float32 images need it at 1e-4 or more


PATH = LatentPath()


def path_length(
    generate: Callable[[Array], Array],
    distance: Callable[[Array, Array], Array],
    start: Array,
    end: Array,
    key: Array,
    *,
    path: LatentPath = PATH,
    keep: tuple[float, float] = (1.0, 99.0),
    batch_size: int = 64,
) -> PathLength:
    """Mean of distance(G(path(t)), G(path(t + epsilon))) / epsilon^2 over random paths and places t.

    The distance must be squared in nature, as LPIPS and `perceptual_distance` are, or the limit epsilon -> 0 does not
    exist. Paths in z run along the great circle, with the norms interpolated linearly (the published code scales them
    to 1, which is the same for a generator that does so itself); paths in w are straight. `generate` must be
    deterministic: a network that draws noise must draw the same noise for both ends.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> speed_2, squared = lambda w: 2.0 * w, lambda a, b: jnp.sum((a - b) ** 2, axis=1)
      >>> start, straight = jnp.zeros((4, 3)), jg.metrics.LatentPath(space="w", epsilon=0.25)
      >>> round(jg.metrics.path_length(speed_2, squared, start, start + 1.0, jax.random.key(0), path=straight).mean, 3)
      12.0

    Args:
      generate: latents [B, ...] -> images [B, ...], pure, compiled here; from z, or from w if the path's space is "w".
      distance: (images, images) -> [B].
      start: latents where the paths begin, [N, ...] floating, of the space that is named.
      end: latents where they end, of the same shape.
      key: [] typed PRNG key of the places t.
      path: its space ("z"), its ends ("full") and epsilon (1e-4), by default the paper's.
      keep: percentiles between which lengths are averaged, both included; (1, 99) in the published code, (0, 100) for
        all.
      batch_size: paths by call, >= 1; bounds the memory.
    Returns:
      PathLength.
    Raises:
      ValueError: latents of different shapes or non-finite, an unknown space or end, epsilon or batch_size not
        positive, percentiles out of order, or lengths that are not [B] or not finite.
    References:
      Karras, Laine, Aila. A Style-Based Generator Architecture for Generative Adversarial Networks. 2019, section 4.1.
    """
    check_key("path_length", key)
    _check(start, end, path, keep, batch_size)
    space, ends, epsilon = path

    @jax.jit
    def squared(start: Array, end: Array, t: Array) -> Array:
        point = _spherical if space == "z" else _linear
        moved = jnp.concatenate([point(start, end, t), point(start, end, t + epsilon)])
        here, there = jnp.split(generate(moved), 2)
        return distance(here, there)

    n = len(start)
    t = (
        jax.random.uniform(jax.random.fold_in(key, 0), (n,), jnp.float32)
        if ends == "full"
        else jnp.zeros(n, jnp.float32)
    )
    batch_size, parts = min(batch_size, n), []
    for i in range(0, n, batch_size):
        index = np.resize(np.arange(i, min(i + batch_size, n)), batch_size)  # one shape, one compilation
        values = np.asarray(squared(start[index], end[index], t[index]), np.float64)
        if values.shape != (batch_size,):
            raise ValueError(f"distance must return [B] = ({batch_size},) values; got shape {values.shape}")
        parts.append(values)
    lengths = np.concatenate(parts)[:n] / epsilon**2
    bad = n - np.count_nonzero(np.isfinite(lengths))
    if bad:
        raise ValueError(f"{bad} of {n} path lengths are not finite")
    low = np.percentile(lengths, keep[0], method="lower")
    high = np.percentile(lengths, keep[1], method="higher")
    kept = lengths[(lengths >= low) & (lengths <= high)]
    error = kept.std(ddof=1) / np.sqrt(len(kept)) if len(kept) > 1 else np.inf
    return PathLength(float(kept.mean()), float(error), len(kept), lengths)


def _check(start: Array, end: Array, path: LatentPath, keep: tuple[float, float], batch_size: int) -> None:
    space, ends, epsilon = path
    if start.shape != end.shape or start.ndim < 2 or not start.size:
        raise ValueError(f"need latents [N, ...] of one shape; got {start.shape} and {end.shape}")
    check_floating(start, "start latents")
    check_floating(end, "end latents")
    if space not in ("z", "w") or ends not in ("full", "end"):
        raise ValueError(f"need space 'z' or 'w' and ends 'full' or 'end'; got {space!r} and {ends!r}")
    if not (epsilon > 0.0 and batch_size >= 1 and 0.0 <= keep[0] < keep[1] <= 100.0):
        raise ValueError(f"need epsilon > 0, batch_size >= 1, 0 <= low < high <= 100; got {epsilon, batch_size, keep}")


def _by_row(x: Array, like: Array) -> Array:
    return x.reshape(-1, *[1] * (like.ndim - 1))


def _linear(start: Array, end: Array, t: Array) -> Array:
    return start + _by_row(t, start) * (end - start)


def _spherical(start: Array, end: Array, t: Array) -> Array:
    """Returns the points on the great circles; every row is one vector, whatever its shape.

    The angle is taken from the sine *and* the cosine: the arc cosine alone loses half the digits of small angles.
    """
    one, other = start.reshape(len(start), -1), end.reshape(len(end), -1)
    t = t[:, None]
    norm_one, norm_other = (jnp.linalg.norm(z, axis=1, keepdims=True) for z in (one, other))
    one, other = one / jnp.maximum(norm_one, 1e-12), other / jnp.maximum(norm_other, 1e-12)
    cosine = jnp.sum(one * other, axis=1, keepdims=True)
    across = other - cosine * one
    sine = jnp.linalg.norm(across, axis=1, keepdims=True)
    angle = t * jnp.arctan2(sine, cosine)
    point = jnp.cos(angle) * one + jnp.sin(angle) * across / jnp.maximum(sine, 1e-12)
    return (point * (norm_one + t * (norm_other - norm_one))).reshape(start.shape)
