"""Perceptual distance: how far apart two images are in the feature maps of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import Array

from jaxgan.metrics.images import check_images

FeatureMaps = Callable[[Array], Sequence[Array]]  # images [B, H, W, C] -> maps [B, h, w, F], one by layer
EPSILON = 1e-10  # below the norm of any feature that matters; a place without features stays at 0


def perceptual_distance(maps: FeatureMaps, a: Array, b: Array, weights: Sequence[Array] | None = None) -> Array:
    """Distance of image pairs in unit features: sum over layers of the mean over places of sum_c w_c (f_c - g_c)^2.

    f and g are the features of a and b, scaled to unit length along channels at every place. It is LPIPS only with the
    network *and* the learned weights of LPIPS; with any other network, name that beside the number. Pure, so it can be
    compiled, differentiated, and used as a loss.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> pixels = lambda x: [x]  # a network of one layer
      >>> red, green = jnp.eye(3)[0].reshape(1, 1, 1, 3), jnp.eye(3)[1].reshape(1, 1, 1, 3)
      >>> [float(jg.metrics.perceptual_distance(pixels, red, other)[0]) for other in (0.5 * red, green)]  # by direction
      [0.0, 2.0]

    Args:
      maps: images -> feature maps [B, h, w, F] by layer, pure; it scales pixels as its network expects.
      a: [B, H, W, C] floating.
      b: [B, H, W, C].
      weights: [F] >= 0 for each layer; None for 1 everywhere.
    Returns:
      [B], >= 0; 0 for equal images.
    Raises:
      ValueError: shapes differ or are not images, bytes, non-finite values, no layer, maps of another rank or batch,
        or weights that do not fit the maps.
    References:
      Zhang et al. The Unreasonable Effectiveness of Deep Features as a Perceptual Metric. 2018, eq. 1.
    """
    check_images(a, "the first images")
    check_images(b, "the second images")
    if a.shape != b.shape:
        raise ValueError(f"need two batches of one shape; got {a.shape} and {b.shape}")
    layers = list(zip(maps(a), maps(b), strict=True))
    if not layers or any(f.ndim != 4 or f.shape[0] != a.shape[0] for f, _ in layers):
        raise ValueError(f"maps must return [{a.shape[0]}, h, w, F] arrays; got {[f.shape for f, _ in layers]}")
    if weights is None:
        weights = [jnp.ones(f.shape[-1], f.dtype) for f, _ in layers]
    if [tuple(w.shape) for w in weights] != [f.shape[-1:] for f, _ in layers]:
        raise ValueError(f"need weights of {[f.shape[-1:] for f, _ in layers]}; got {[w.shape for w in weights]}")
    total = jnp.zeros(a.shape[0], jnp.float32)
    for (f, g), weight in zip(layers, weights, strict=True):
        total += jnp.mean(jnp.einsum("bhwf,f->bhw", (_unit(f) - _unit(g)) ** 2, weight), axis=(1, 2))
    return total


def _unit(f: Array) -> Array:
    """Returns f [B, h, w, F] of unit length along channels; the gradient is finite at 0."""
    return f / jnp.sqrt(jnp.maximum(jnp.sum(f * f, axis=-1, keepdims=True), EPSILON**2))
