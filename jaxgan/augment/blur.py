"""Blur that fades: at first the discriminator sees no details, and so cannot win by them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.augment.draws import check_images
from jaxgan.types import Augment, Turn, explains


@explains
def fading_blur(deviation: float, steps: int) -> Augment:
    """Blurs every image by 2^-(i / s)^2, i pixels from the centre, with s that falls from `deviation` to 0 in a line.

    The kernel is cut off beyond floor(3 s) pixels, its sum is 1, and images are 0 outside; so below s = 1/3 nothing
    happens any more.

    Args:
      deviation: s of the first step in pixels, >= 0; 2 in StyleGAN-T's code. Projected GAN's has the option, off.
      steps: train steps until there is none, >= 1; StyleGAN-T's last 300 thousand images.
    Returns:
      Augment of images [B, H, W, C], the same for all.
    Raises:
      ValueError: a number is out of range; at trace time, x that is no image.
    References:
      Sauer, Karras, Laine, Geiger, Aila. StyleGAN-T: Unlocking the Power of GANs for Fast Large-Scale Text-to-Image
      Synthesis. ICML 2023.
    """
    if not deviation >= 0 or steps < 1:
        raise ValueError(f"fading_blur needs a deviation >= 0 and steps >= 1; got {deviation} and {steps}")

    def augment(x: Array, turn: Turn, use: str) -> Array:
        check_images("fading_blur", x)
        now = deviation * jnp.maximum(1 - turn.step.astype(jnp.float32) / steps, 0.0)
        rows, columns = (_bells(side, now) for side in x.shape[1:3])
        return jnp.einsum("bhwc,ih,jw->bijc", x, rows, columns, precision="highest")

    return augment


def _bells(side: int, deviation: Array) -> Array:
    """Returns the matrix [side, side] of a blur along an axis, the identity where the kernel is a single pixel."""
    distance = np.abs(np.arange(side)[:, None] - np.arange(side))
    reach = jnp.floor(3 * deviation)
    offsets = jnp.arange(-side, side + 1, dtype=jnp.float32)

    def bell(distance: Array) -> Array:
        return jnp.where(
            jnp.abs(distance) <= reach, jnp.exp2(-jnp.square(distance / jnp.maximum(deviation, 1e-3))), 0.0
        )

    return bell(jnp.asarray(distance, jnp.float32)) / jnp.sum(bell(offsets))
