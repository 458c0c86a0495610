"""Sliced Wasserstein distances: earth mover's distances along random lines, of vectors or of patches by scale."""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxgan.checks import check_key
from jaxgan.metrics.check import checked
from jaxgan.metrics.images import checked_image_sets
from jaxgan.networks.layers.pyramid import laplacian_pyramid

PATCH = 7  # side of a descriptor in pixels
SMALLEST = 16  # a level is halved again only if its sides stay at least this long
LINES = 32  # directions sorted at once: memory is LINES * (N + M) float32
CHUNK = 64  # images whose pyramid is built by one compiled call
FLAT = 1e-5  # a channel whose deviation is below this, in pixels of [-1, 1], is rounding: it is centred, not scaled


class SlicedWasserstein(NamedTuple):
    """A mean over random directions."""

    distance: float  # units of the data, >= 0; lower is better
    standard_error: float  # of that mean over directions alone, not over the data


class LaplacianSWD(NamedTuple):
    """Sliced Wasserstein distances of patches, times 1000, by scale."""

    mean: float  # over the levels; lower is better, not 0 for two halves of one data set
    levels: tuple[float, ...]  # from the finest to the coarsest
    sizes: tuple[tuple[int, int], ...]  # height and width of each level


def sliced_wasserstein(real: ArrayLike, fake: ArrayLike, key: Array, directions: int = 512) -> SlicedWasserstein:
    """Mean over random directions u of the 1-Wasserstein distance between <x, u> of real and of fake.

    Directions are uniform on the unit sphere, so the distance of a translation by t is E |<t, u>| =
    |t| Gamma(D/2) / (sqrt(pi) Gamma((D+1)/2)). Sets of different sizes are compared exactly, by
    their quantile functions.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> x = np.arange(8.0)[:, None]  # on a line there is one direction
      >>> round(jg.metrics.sliced_wasserstein(x, x + 3.0, jax.random.key(0), directions=4).distance, 3)
      3.0

    Args:
      real: [N, D].
      fake: [M, D].
      key: [] typed PRNG key of the directions.
      directions: how many, >= 1.
    Returns:
      SlicedWasserstein; 0 for equal sets.
    Raises:
      ValueError: not rank 2, different D, non-finite values (their count), or no direction.
    References:
      Rabin et al. Wasserstein Barycenter and its Application to Texture Mixing. 2011.
    """
    check_key("sliced_wasserstein", key)
    a, b = checked(real, fake)
    if directions < 1:
        raise ValueError(f"need at least one direction; got {directions}")
    centre = a.mean(0)  # float32 then rounds relative to the spread, not to the offset
    u = jax.random.normal(jax.random.fold_in(key, 0), (directions, a.shape[1]), jnp.float32)
    u = u / jnp.linalg.norm(u, axis=1, keepdims=True)
    i, j, weight = _quantiles(len(a), len(b))
    distances = np.asarray(_along((a - centre).astype(np.float32), (b - centre).astype(np.float32), u, i, j, weight))
    error = distances.std(ddof=1) / np.sqrt(directions) if directions > 1 else np.inf
    return SlicedWasserstein(float(distances.mean(dtype=np.float64)), float(error))


def laplacian_swd(
    real: ArrayLike,
    fake: ArrayLike,
    key: Array,
    *,
    patches: int = 128,
    directions: int = 512,
    standardise: Literal["each", "real"] = "each",
) -> LaplacianSWD:
    """Sliced Wasserstein distance of 7x7 patches at each level of the Laplacian pyramid, times 1000.

    Levels halve the image while both sides stay at 16 pixels or more; a smaller image has one level. Patches are drawn
    at random places of each image, standardised by channel, and compared along random directions. As published, each
    set is standardised by *its own* mean and deviation: a tint or a contrast that is wrong everywhere goes unseen.
    `standardise="real"` sees it, and is another metric.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> x = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 1))
      >>> swd = lambda fake: jg.metrics.laplacian_swd(x, fake, jax.random.key(0), patches=4, directions=8).mean
      >>> swd(0 * x) > 3 * swd(x[::-1])  # grey pictures; the same ones in another order
      True

    Args:
      real: [N, H, W, C] images in [-1, 1], H and W >= 7; the paper takes N = M = 16,384.
      fake: [M, H, W, C].
      key: [] typed PRNG key of places and directions.
      patches: by image and level, >= 1; 128 in the paper. Memory is N * patches * 49 * C float32, twice.
      directions: 512 in the paper (4 times 128).
      standardise: "each" set by its own statistics, or both by those of "real".
    Returns:
      LaplacianSWD.
    Raises:
      ValueError: not images of one shape, bytes, non-finite values, smaller than a patch, or counts below 1.
    References:
      Karras et al. Progressive Growing of GANs for Improved Quality, Stability, and Variation. 2018, section 5.
    """
    check_key("laplacian_swd", key)
    a, b = checked_image_sets(real, fake)
    if min(a.shape[1:3]) < PATCH or patches < 1 or standardise not in ("each", "real"):
        raise ValueError(
            f"need images of {PATCH}x{PATCH} pixels or more, patches >= 1 and standardise 'each' or 'real'; "
            f"got {a.shape[1:3]}, {patches} and {standardise!r}"
        )
    sizes = level_sizes(*a.shape[1:3])
    keys = [jax.random.fold_in(key, n) for n in range(2 + len(sizes))]
    ours, theirs = _descriptors(a, keys[0], len(sizes), patches), _descriptors(b, keys[1], len(sizes), patches)
    levels = []
    for one, other, line_key in zip(ours, theirs, keys[2:], strict=True):
        moments = _moments(one)
        one = _standardised(one, moments)
        other = _standardised(other, moments if standardise == "real" else _moments(other))
        levels.append(1e3 * sliced_wasserstein(one, other, line_key, directions).distance)
    return LaplacianSWD(float(np.mean(levels)), tuple(levels), sizes)


def level_sizes(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Returns the (height, width) of each level: halved, rounding up, while both sides stay at 16 or more."""
    sizes = [(height, width)]
    while min(sizes[-1]) // 2 >= SMALLEST:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return tuple(sizes)


def _quantiles(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the pieces on which both quantile functions are constant: rank in each set [Q], [Q], and length [Q]."""
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)  # in units of 1 / (n m)
    starts = np.concatenate([[0], ends[:-1]])
    return starts // m, starts // n, ((ends - starts) / (n * m)).astype(np.float32)


@jax.jit
def _along(a: Array, b: Array, u: Array, i: Array, j: Array, weight: Array) -> Array:
    """Returns the 1-Wasserstein distances [K] along the directions u [K, D]."""

    def along(line: Array) -> Array:
        return jnp.sum(weight * jnp.abs(jnp.sort(a @ line)[i] - jnp.sort(b @ line)[j]))

    return jax.lax.map(along, u, batch_size=LINES)


def _descriptors(x: np.ndarray, key: Array, levels: int, patches: int) -> list[np.ndarray]:
    """Returns [N * patches, 7, 7, C] for each level; image n's places depend on the key and n alone."""
    chunk, parts = min(CHUNK, len(x)), []
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk]
        padded = np.pad(part, ((0, chunk - len(part)), (0, 0), (0, 0), (0, 0)))
        cut = _patches(padded, key, start + np.arange(chunk), levels, patches)
        parts.append([np.asarray(level)[: len(part)] for level in cut])
    return [np.concatenate(level).reshape(-1, PATCH, PATCH, x.shape[-1]) for level in zip(*parts, strict=True)]


@functools.partial(jax.jit, static_argnums=(3, 4))
def _patches(x: Array, key: Array, index: Array, levels: int, patches: int) -> list[Array]:
    """Returns [B, patches, 7, 7, C] for each level."""

    def of_image(image: Array, key: Array) -> Array:
        limit = jnp.array([side - PATCH + 1 for side in image.shape[:2]])
        corners = jax.random.randint(key, (patches, 2), 0, limit[None], jnp.int32)
        size = (PATCH, PATCH, image.shape[2])
        return jax.vmap(lambda corner: jax.lax.dynamic_slice(image, (*corner, jnp.int32(0)), size))(corners)

    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, index)
    by_level = enumerate(laplacian_pyramid(x, levels))
    return [jax.vmap(of_image)(band, jax.vmap(jax.random.fold_in, (0, None))(keys, n)) for n, band in by_level]


def _moments(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and deviation [C] of patches [n, 7, 7, C]; flat channels have deviation 1."""
    deviation = patches.std((0, 1, 2), dtype=np.float64)
    return patches.mean((0, 1, 2), dtype=np.float64), np.where(deviation < FLAT, 1.0, deviation)


def _standardised(patches: np.ndarray, moments: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    mean, deviation = (np.broadcast_to(m.astype(np.float32), patches.shape) for m in moments)
    return ((patches - mean) / deviation).reshape(len(patches), -1)
