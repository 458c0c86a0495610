"""Pictures to pixels with Pillow: one centre crop, one antialiased resize, one colour conversion, for every source."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxgan.data.source import Draw

if TYPE_CHECKING:
    from PIL.Image import Image


SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
Size = int | str | Sequence[int]  # a side in pixels, (height, width), or these in words: "64", "32x64"
GREY = ("1", "L", "LA", "La")  # modes of Pillow without colours, beside those of 16 and 32 bits: "I", "I;16", ...
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of Pillow, by channels


def form(size: Size | None, channels: int | None) -> tuple[int, int] | None:
    """Reads what images are asked to look like.

    Args:
      size: side of a square, (height, width), or "HEIGHTxWIDTH"; None: as they are.
      channels: 1 (grey), 3 (RGB) or 4 (RGBA); None: as they are.
    Returns:
      (height, width), or None.
    Raises:
      ValueError: a side is not in 1..4096, or channels is another number.
    """
    if channels not in (None, *MODES):
        raise ValueError(f"channels is {channels}; use 1 (grey) or 3 (RGB), or 4 (RGB with transparency)")
    if size is None:
        return None
    sides: list[int] = []
    with contextlib.suppress(TypeError, ValueError):  # no whole numbers: no sides
        if isinstance(size, str):
            sides = [int(side) for side in size.lower().split("x")]
        else:
            sides = [operator.index(side) for side in ([size] if isinstance(size, int) else size)]
    sides = sides * 2 if len(sides) == 1 else sides
    if len(sides) != 2 or not all(1 <= side <= 4096 for side in sides):
        raise ValueError(f"size is {size}; use 1..4096 pixels: a side, (height, width), or in words HEIGHTxWIDTH")
    return sides[0], sides[1]


def fit(image: Image, size: tuple[int, int] | None, channels: int) -> np.ndarray:
    """Brings a picture to the asked form: colours, then the largest centred rectangle of its shape, then Lanczos.

    Args:
      image: any mode of 8 bits, and grey of 16, which keeps its high byte; transparency becomes white, unless it is
        asked for as the fourth channel.
      size: (height, width) of the result; None: neither crop nor resize.
      channels: 1 (grey), 3 (RGB) or 4 (RGBA; colours are not multiplied by their opacity).
    Returns:
      [height, width, channels] uint8 (or the picture's own height and width).
    Raises:
      ValueError: pixels are floating numbers, whose range no file says.
    """
    from PIL.Image import Resampling

    image = _colours(image, MODES[channels])
    if size is not None:
        height, width = size
        wide = image.width * height >= image.height * width
        across = image.height * width / height if wide else image.width
        down = image.height if wide else image.width * height / width
        left, top = (image.width - across) / 2, (image.height - down) / 2
        image = image.resize((width, height), Resampling.LANCZOS, box=(left, top, left + across, top + down))
    pixels = np.array(image, np.uint8)
    return pixels.reshape(*pixels.shape[:2], channels)


def _colours(image: Image, mode: str) -> Image:
    from PIL import Image as pillow

    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion would clip at 255
        image = pillow.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("pixels are floating numbers of an unknown range; save them as 8 or 16 bits")
    if image.has_transparency_data and mode != "RGBA":
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
