"""Structural similarity of images at one and at several scales, and the diversity of a set of samples by it."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxgan.checks import check_key
from jaxgan.metrics.images import check_images, checked_images, warn_of_zero_to_one

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales, fine to coarse
TAPS, SIGMA = 11, 1.5  # the Gaussian window
K1, K2 = 0.01, 0.03
BATCH = 64  # pairs per compiled call


class Diversity(NamedTuple):
    """How alike random pairs of samples are."""

    mean: float  # MS-SSIM in [0, 1]; lower is more diverse, 1 for copies of one image
    standard_error: float  # of the mean over pairs
    levels: int  # scales used; figures of different numbers of scales are not comparable


def ssim(a: ArrayLike, b: ArrayLike, data_range: float = 2.0) -> Array:
    """Structural similarity of image pairs: the mean over places and channels of luminance * contrast-structure.

    The window is an 11x11 Gaussian of deviation 1.5; only windows that lie within the image count.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> x = jnp.tile(jnp.array([[-1.0, 1.0], [1.0, -1.0]]), (6, 6)).reshape(1, 12, 12, 1)  # a chessboard
      >>> [round(float(jg.metrics.ssim(x, other)[0]), 2) for other in (x, -x)]
      [1.0, -1.0]

    Args:
      a: [B, H, W, C] floating, H and W >= 11.
      b: [B, H, W, C].
      data_range: largest minus smallest possible pixel: 2 for [-1, 1].
    Returns:
      [B] in [-1, 1]; 1 for equal images.
    Raises:
      ValueError: shapes differ or are not images, bytes, non-finite values, images below 11x11, data_range not > 0.
    References:
      Wang et al. Image Quality Assessment: From Error Visibility to Structural Similarity. 2004.
    """
    a, b = jnp.asarray(a), jnp.asarray(b)
    _check_pair(a, b, data_range)
    scales(a.shape[1], a.shape[2])
    return _multi_scale(a, b, data_range, 1, False)


def ms_ssim(a: Array, b: Array, *, levels: int | None = None, data_range: float = 2.0) -> Array:
    """Multi-scale structural similarity: prod over scales of contrast-structure^w_j, luminance at the coarsest alone.

    Scales are 2x2 means of each other (an odd last row or column is dropped). Negative contrast-structure counts as 0,
    for its power does not exist. Channels are compared apart and averaged. With fewer than five scales, the weights
    of those used are rescaled to sum 1. Some published code shrinks the window on small images instead: its figures
    below 176 pixels differ from these.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> x = jnp.tile(jnp.array([[-1.0, 1.0], [1.0, -1.0]]), (6, 6)).reshape(1, 12, 12, 1)  # a chessboard
      >>> [round(float(jg.metrics.ms_ssim(x, other)[0]), 2) for other in (x, -x)]
      [1.0, 0.0]

    Args:
      a: [B, H, W, C] floating.
      b: [B, H, W, C].
      levels: scales, 1..5; None for as many as the window fits into, which is 5 from 176 pixels on, 2 at 32.
      data_range: largest minus smallest possible pixel: 2 for [-1, 1].
    Returns:
      [B] in [0, 1]; 1 for equal images.
    Raises:
      ValueError: as `ssim`, or the images are too small for `levels`.
    References:
      Wang, Simoncelli, Bovik. Multiscale Structural Similarity for Image Quality Assessment. 2003.
    """
    _check_pair(a, b, data_range)
    most = scales(a.shape[1], a.shape[2])
    if levels is not None and not 1 <= levels <= most:
        raise ValueError(f"levels must lie in 1..{most} for images of {a.shape[1]}x{a.shape[2]} pixels; got {levels}")
    return _multi_scale(a, b, data_range, levels or most, True)


def scales(height: int, width: int) -> int:
    """Returns how many scales, up to five, leave at least 11 pixels along both sides.

    Raises:
      ValueError: the images themselves are smaller.
    """
    scales = [n for n in range(len(WEIGHTS)) if min(height, width) >> n >= TAPS]
    if not scales:
        raise ValueError(f"structural similarity needs {TAPS}x{TAPS} pixels or more; got {height}x{width}")
    return len(scales)


def diversity(images: ArrayLike, key: Array, pairs: int = 1000, levels: int | None = None) -> Diversity:
    """Mean MS-SSIM of random pairs of different images of one set.

    It tells collapse from variety, nothing else: noise is diverse. Compare with the same figure of real data, and for
    labelled data compute it by class, as the paper does.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> collapsed = np.repeat(np.random.default_rng(0).uniform(-1, 1, (1, 12, 12, 1)), 4, axis=0)
      >>> round(jg.metrics.diversity(collapsed, jax.random.key(0), pairs=4).mean, 3)
      1.0

    Args:
      images: [N, H, W, C] in [-1, 1], N >= 2, H and W >= 11.
      key: [] typed PRNG key of the pairs.
      pairs: how many, >= 1; drawn with replacement; the standard error tells whether they are enough.
      levels: scales, as `ms_ssim`.
    Returns:
      Diversity.
    Raises:
      ValueError: fewer than two images, bytes, values outside [-1, 1], as `ms_ssim`, or pairs < 1.
    References:
      Odena, Olah, Shlens. Conditional Image Synthesis with Auxiliary Classifier GANs. 2017, section 4.2.
    """
    check_key("diversity", key)
    x = checked_images(images, least=2)
    if pairs < 1 or np.abs(x).max() > 1.001:
        raise ValueError(f"need pairs >= 1 and pixels in [-1, 1]; got {pairs} and [{x.min():.3g}, {x.max():.3g}]")
    warn_of_zero_to_one(x)
    levels = scales(x.shape[1], x.shape[2]) if levels is None else levels
    first_key, step_key = (jax.random.fold_in(key, n) for n in range(2))
    first = np.asarray(jax.random.randint(first_key, (pairs,), 0, len(x), jnp.int32))
    second = (first + np.asarray(jax.random.randint(step_key, (pairs,), 1, len(x), jnp.int32))) % len(x)
    chunk, parts = min(BATCH, pairs), []
    for start in range(0, pairs, chunk):
        i, j = (np.resize(index[start : start + chunk], chunk) for index in (first, second))
        parts.append(np.asarray(ms_ssim(jnp.asarray(x[i]), jnp.asarray(x[j]), levels=levels)))
    values = np.concatenate(parts)[:pairs].astype(np.float64)
    error = values.std(ddof=1) / np.sqrt(pairs) if pairs > 1 else np.inf
    return Diversity(float(values.mean()), float(error), levels)


def _check_pair(a: Array, b: Array, data_range: float) -> None:
    check_images(a, "the first images")
    check_images(b, "the second images")
    if a.shape != b.shape or not data_range > 0.0:
        raise ValueError(f"need two batches of one shape and data_range > 0; got {a.shape}, {b.shape}, {data_range}")


@functools.partial(jax.jit, static_argnames=("levels", "clipped"))
def _multi_scale(a: Array, b: Array, data_range: float, levels: int, clipped: bool) -> Array:
    """Returns [B]; not clipped at 0 only for one level, where nothing is raised to a power."""
    weights = np.array(WEIGHTS[:levels])
    result = jnp.ones((a.shape[0], a.shape[3]), jnp.float32)
    for n, weight in enumerate(weights / weights.sum()):
        whole, structure = _similarity(a, b, data_range)
        factor = whole if n == levels - 1 else structure
        result *= _power(factor, float(weight)) if clipped else factor
        a, b = _halved(a), _halved(b)
    return jnp.mean(result, axis=1)


def _similarity(a: Array, b: Array, data_range: float) -> tuple[Array, Array]:
    """Returns the means over places, [B, C] each, of SSIM and of its contrast-structure factor."""
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    moments = _window(jnp.concatenate([a, b, a * a, b * b, a * b]))  # one pass: it compiles five times as fast
    mean_a, mean_b, square_a, square_b, product = jnp.split(moments, 5)
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    covariance = product - mean_a * mean_b
    structure = (2.0 * covariance + c2) / (variance_a + variance_b + c2)
    luminance = (2.0 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return jnp.mean(luminance * structure, axis=(1, 2)), jnp.mean(structure, axis=(1, 2))


def _window(x: Array) -> Array:
    """Returns the Gaussian means [B, H - 10, W - 10, C] of x [B, H, W, C]."""
    offsets = np.arange(TAPS) - TAPS // 2
    taps = np.exp(-0.5 * (offsets / SIGMA) ** 2)
    taps = taps / taps.sum()
    for axis in (1, 2):
        size = x.shape[axis] - TAPS + 1
        shifted = [float(w) * lax.slice_in_dim(x, i, i + size, axis=axis) for i, w in enumerate(taps)]
        x = sum(shifted[1:], shifted[0])
    return x


def _power(x: Array, weight: float) -> Array:
    """Returns max(x, 0)^weight with gradient 0 where x <= 0."""
    return jnp.where(x > 0.0, jnp.where(x > 0.0, x, 1.0) ** weight, 0.0)


def _halved(x: Array) -> Array:
    n, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))
