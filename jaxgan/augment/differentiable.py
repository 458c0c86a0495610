"""DiffAugment: a few strong, differentiable transforms of every image that the discriminator sees, in both turns."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.augment.appearance import erase
from jaxgan.augment.draws import check_images, check_names, column, integer, uniform
from jaxgan.types import Augment, Turn, example_keys, explains

TRANSLATION = 1 / 8  # of each side, at most
CUTOUT = 1 / 2  # of each side


@explains
def diffaugment(*policy: str) -> Augment:
    """DiffAugment: transforms real and generated images alike, and the generator learns through the transforms.

    - "color": brightness + U(-0.5, 0.5), saturation x U(0, 2), contrast x U(0.5, 1.5)
    - "translation": by up to 1/8 of each side, empty places 0
    - "cutout": a box of half of each side is set to 0

    All of them are always applied, with draws of each example's own. 0 is mid-grey for pixels in [-1, 1].

    Args:
      policy: names of transforms, in the order in which they are applied; the paper uses all three in this order.
    Returns:
      Augment of images [B, H, W, C] with any number of channels.
    Raises:
      ValueError: no name or an unknown one; at trace time, x that is no image.
    References:
      Zhao, Liu, Lin, Zhu, Han. Differentiable Augmentation for Data-Efficient GAN Training. NeurIPS 2020, section 3.
    """
    transforms: dict[str, Callable[[Array, Array], Array]] = {
        "color": _color,
        "translation": _translation,
        "cutout": _cutout,
    }
    check_names("diffaugment", policy, tuple(transforms))

    def augment(x: Array, turn: Turn, use: str) -> Array:
        check_images("diffaugment", x)
        keys = example_keys(turn.named(f"diffaugment {use}"), x.shape[0], turn.examples)
        for name in policy:
            x = transforms[name](x, keys)
        return x

    return augment


def adjust_color(x: Array, brightness: Array, saturation: Array, contrast: Array) -> Array:
    """Brightness, then saturation, then contrast.

    Args:
      x: images, [B, H, W, C]; a single channel has no saturation to change.
      brightness: [B], added.
      saturation: [B], factor of each pixel's distance from the mean of its channels.
      contrast: [B], factor of each value's distance from the mean of its image.
    Returns:
      [B, H, W, C].
    """
    brightness, saturation, contrast = (column(v, 4).astype(x.dtype) for v in (brightness, saturation, contrast))
    x = x + brightness
    grey = jnp.mean(x, axis=3, keepdims=True)
    x = grey + saturation * (x - grey)
    mean = jnp.mean(x, axis=(1, 2, 3), keepdims=True)
    return mean + contrast * (x - mean)


def translate(x: Array, shift: Array, most: tuple[int, int]) -> Array:
    """Moves images by whole pixels; what comes in from outside is 0.

    Args:
      x: images, [B, H, W, C].
      shift: [B, 2] int32, pixels down and to the right, within -most..most.
      most: the largest shift (down, right), >= 0.
    Returns:
      [B, H, W, C].
    """
    down, right = most
    padded = jnp.pad(x, ((0, 0), (down, down), (right, right), (0, 0)))
    start = jnp.asarray(most, shift.dtype)[None] - shift

    def cut(image: Array, corner: Array) -> Array:
        return jax.lax.dynamic_slice(image, (*corner, jnp.zeros((), corner.dtype)), x.shape[1:])

    return jax.vmap(cut)(padded, start)


def _color(x: Array, keys: Array) -> Array:
    brightness = uniform(keys, "brightness", -0.5, 0.5)
    saturation = uniform(keys, "saturation", 0.0, 2.0)
    contrast = uniform(keys, "contrast", 0.5, 1.5)
    return adjust_color(x, brightness, saturation, contrast)


def _translation(x: Array, keys: Array) -> Array:
    most = (_share(x.shape[1], TRANSLATION), _share(x.shape[2], TRANSLATION))
    down, right = (integer(keys, name, -m, m + 1) for name, m in zip(("down", "right"), most, strict=True))
    return translate(x, jnp.stack([down, right], axis=1), most)


def _cutout(x: Array, keys: Array) -> Array:
    """The box's centre is uniform over the image, so that it may stick out."""
    inside = []
    for name, side in (("row", x.shape[1]), ("column", x.shape[2])):
        size = _share(side, CUTOUT)
        last = side + 1 - size % 2  # a box of even size may be centred on either border
        centre = integer(keys, name, 0, last)
        start = centre[:, None] - size // 2
        place = jnp.arange(side)[None]
        inside.append((place >= start) & (place < start + size))
    return erase(x, *inside)


def _share(side: int, ratio: float) -> int:
    return int(side * ratio + 0.5)
