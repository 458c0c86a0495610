"""CutMix: a box of one image in another, and the mask that says which pixels are whose."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.augment.draws import draw, integer, uniform


def cutmix_masks(keys: Array, height: int, width: int) -> Array:
    """Draws a box for each example: the mask is 0 in the box and 1 outside, or, half of the time, the reverse.

    The box's area is uniform between nothing and the whole image, its centre uniform over the image, over whose border
    it may stick out.

    Args:
      keys: [B] typed keys, one for each example (`types.example_keys`).
      height: of the images.
      width: of the images.
    Returns:
      [B, height, width] float32 of 0 and 1.
    References:
      Yun et al. CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features. ICCV 2019,
      section 3.1.
      Schönfeld, Schiele, Khoreva. A U-Net Based Discriminator for Generative Adversarial Networks. CVPR 2020, section
      3.2.
    """
    side = jnp.sqrt(uniform(keys, "area", 0.0, 1.0))  # sqrt(1 - lambda), lambda ~ Beta(1, 1)
    inside = []
    for axis, length in (("row", height), ("column", width)):
        size = jnp.floor(side * length)[:, None]
        centre = integer(keys, axis, 0, length)[:, None]
        place = jnp.arange(length)[None]
        start = centre - size // 2
        inside.append((place >= start) & (place < start + size))
    box = inside[0][:, :, None] & inside[1][:, None, :]
    reverse = draw(keys, "reverse", jax.random.bernoulli)
    return (box == reverse[:, None, None]).astype(jnp.float32)


def mix(mask: Array, x: Array, other: Array) -> Array:
    """Takes x where the mask is 1 and `other` where it is 0.

    Args:
      mask: [B, H, W].
      x: images [B, H, W, C], or maps [B, H, W].
      other: like x.
    Returns:
      Like x.
    Raises:
      ValueError: shapes do not fit.
    """
    if x.shape != other.shape or x.shape[:3] != mask.shape or x.ndim > 4:
        raise ValueError(
            f"mix takes masks [B, H, W] and two of [B, H, W] or [B, H, W, C]; got shapes {mask.shape}, {x.shape} "
            f"and {other.shape}"
        )
    mask = mask.astype(x.dtype).reshape(*mask.shape, *(1,) * (x.ndim - 3))
    return mask * x + (1 - mask) * other
