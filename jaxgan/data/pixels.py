"""Pictures to pixels with Pillow: one centre crop, one antialiased resize, one colour conversion, for every source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jaxgan.data.source import Draw

if TYPE_CHECKING:
    from PIL.Image import Image


def check_form(size: int | None, channels: int | None) -> None:
    """Checks what images are asked to look like.

    Raises:
      ValueError: size is not in 1..4096, or channels is neither 1 nor 3.
    """
    if size is not None and not 1 <= size <= 4096:
        raise ValueError(f"size is {size}; use 1..4096 pixels")
    if channels not in (None, 1, 3):
        raise ValueError(f"channels is {channels}; use 1 (grey) or 3 (RGB)")


def fit(image: Image, size: int | None, channels: int) -> np.ndarray:
    """Brings a picture to the asked form: colours, then the largest centred square, then Lanczos to size.

    Args:
      image: any mode; 16-bit grey keeps its high byte, transparency becomes white.
      size: side of the result; None: neither crop nor resize.
      channels: 1 (grey) or 3 (RGB).
    Returns:
      [size, size, channels] uint8 (or the picture's own height and width).
    """
    from PIL.Image import Resampling

    image = _colours(image, "L" if channels == 1 else "RGB")
    if size is not None:
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        image = image.resize((size, size), Resampling.LANCZOS, box=(left, top, left + side, top + side))
    pixels = np.array(image, np.uint8)
    return pixels.reshape(*pixels.shape[:2], channels)


def _colours(image: Image, mode: str) -> Image:
    from PIL import Image as pillow

    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion would clip at 255
        image = pillow.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = pillow.alpha_composite(pillow.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def flip_some(x: np.ndarray, draw: Draw) -> np.ndarray:
    """Mirrors about half of the images left to right; which ones is a pure function of (seed, position).

    Args:
      x: [n, H, W, C].
      draw: whose seed and position decide.
    Returns:
      [n, H, W, C].
    """
    return np.where(_coins(draw.seed, draw.position)[:, None, None, None], x[:, :, ::-1], x)


def _coins(seed: int, position: np.ndarray) -> np.ndarray:
    """Draws one fair bit for each position [n].

    References:
      Steele, Lea, Flood. Fast Splittable Pseudorandom Number Generators. OOPSLA 2014, figure 16 (SplitMix64's mixer).
    """
    words = np.random.SeedSequence(seed).generate_state(1, np.uint64) + position.astype(np.uint64) * np.uint64(
        0x9E3779B97F4A7C15
    )
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (words ^ (words >> np.uint64(31))) >> np.uint64(63) == 1
