"""Digits in three domains: handwritten, blended with photographs, and set in type."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

import jaxgan as jg

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Oblique",
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralItalic",
    "cmr10",
    "cmss10",
    "cmtt10",
)


def handwritten(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Real digits [n, 28, 28, 1] in [-1, 1] and their labels [n], of "train" or "test"."""
    source = jg.data.digits(split, size=28)
    examples = jg.data.whole(source)
    return np.asarray(examples["x"]), np.asarray(examples["y"])


@functools.cache
def photographs() -> tuple[np.ndarray, ...]:
    """Colour photographs that scikit-image carries, [H, W, 3] in [0, 1] each."""
    import skimage
    from PIL import Image

    folder = Path(skimage.__file__).parent / "data"
    opened = (Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS)
    return tuple(np.asarray(picture, np.float32) / 255 for picture in opened)


def blended(x: np.ndarray, seed: int) -> np.ndarray:
    """Blends digits with patches of photographs by MNIST-M's recipe, |patch - digit| in each colour.

    Args:
      x: [n, H, W, 1] in [-1, 1].
      seed: of where the patches are cut.
    Returns:
      [n, H, W, 3] float32 in [-1, 1].
    References:
      Ganin et al. Domain-Adversarial Training of Neural Networks. JMLR 2016, section 5.2.4.
    """
    few, (n, height, width, _) = np.random.default_rng(seed), x.shape
    patches = np.empty((n, height, width, 3), np.float32)
    for patch in patches:
        photograph = photographs()[few.integers(len(PHOTOGRAPHS))]
        top, left = (few.integers(photograph.shape[axis] - (height, width)[axis] + 1) for axis in (0, 1))
        patch[:] = photograph[top : top + height, left : left + width]
    return np.abs(patches - (x + 1) / 2) * 2 - 1


@functools.cache
def _font(name: str, size: int):  # type: ignore[no-untyped-def]  # of a package that has no types
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size)


def typeset(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits in the fonts that matplotlib carries, as high as handwritten ones, a pixel off the middle at most.

    Args:
      n: how many.
      seed: of fonts, heights and places.
    Returns:
      [n, 28, 28, 1] float32 in [-1, 1] and labels [n] int32, all ten as often but for a remainder.
    """
    from PIL import Image, ImageDraw

    few, x = np.random.default_rng(seed), np.zeros((n, 28, 28, 1), np.float32)
    y = few.permutation(np.arange(n) % 10).astype(np.int32)
    for picture, label in zip(x, y, strict=True):
        page = Image.new("L", (128, 128))
        ImageDraw.Draw(page).text((32, 16), str(label), fill=255, font=_font(FONTS[few.integers(len(FONTS))], 72))
        ink = page.crop(page.getbbox())
        height = int(few.integers(18, 22))
        width = min(22, max(2, round(ink.width * height / ink.height)))
        small = np.asarray(ink.resize((width, height), Image.Resampling.BOX), np.float32) / 255
        top, left = (few.integers(-1, 2) + (28 - side) // 2 for side in (height, width))
        picture[top : top + height, left : left + width, 0] = small
    return x * 2 - 1, y


def bent(x: np.ndarray, seed: int) -> np.ndarray:
    """Augments digits by hand: sheared, turned, narrowed, moved, half of them made thicker, and blurred.

    Args:
      x: [n, H, W, 1] in [-1, 1].
      seed: of all draws.
    Returns:
      [n, H, W, 1] float32 in [-1, 1].
    """
    from PIL import Image, ImageFilter

    few, made = np.random.default_rng(seed), np.empty_like(x)
    for picture, out in zip(x, made, strict=True):
        height, width = picture.shape[:2]
        page = Image.fromarray(((picture[..., 0] + 1) * 127.5).astype(np.uint8))
        angle, shear, wide, high = few.uniform([-0.25, -0.4, 0.8, 0.9], [0.25, 0.4, 1.5, 1.3])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        back = turn @ np.array([[wide, shear], [0.0, high]])  # from places in the new picture to those in the old
        middle = np.array([width - 1, height - 1]) / 2
        offset = middle - back @ (middle + few.uniform(-2, 2, 2))
        row = [*back[0], offset[0], *back[1], offset[1]]
        page = page.transform(page.size, Image.Transform.AFFINE, row, Image.Resampling.BILINEAR)
        page = page.filter(ImageFilter.MaxFilter(3)) if few.random() < 0.5 else page
        page = page.filter(ImageFilter.GaussianBlur(few.uniform(0, 1)))
        out[..., 0] = np.asarray(page, np.float32) / 127.5 - 1
    return np.clip(made, -1, 1)
