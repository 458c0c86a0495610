"""Letters drawn anywhere, in two weights: data made on the spot, and what reads them back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxgan import metrics
from jaxgan.data import Draw, Source

LETTERS = "ABCEHKOSTX"
SIZE = 32  # side of the pictures
READ = 16  # side to which a box is brought to be read


@functools.cache
def shapes() -> np.ndarray:
    """Every letter in both weights, cut to its ink and brought to 48x48: [letters, 2, 48, 48] in [0, 1]."""
    from PIL import Image, ImageDraw, ImageFont

    font, drawn = ImageFont.load_default(64), []
    for letter in LETTERS:
        for stroke in (0, 5):
            page = Image.new("L", (128, 128))
            ImageDraw.Draw(page).text((24, 16), letter, fill=255, font=font, stroke_width=stroke)
            drawn.append(np.asarray(page.crop(page.getbbox()).resize((48, 48), Image.Resampling.BOX), np.float32))
    return np.stack(drawn).reshape(len(LETTERS), 2, 48, 48) / 255


def draw(letter: np.ndarray, bold: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Draws a letter into the box of each picture.

    Args:
      letter: [n] integers, which of LETTERS.
      bold: [n] 0 or 1.
      box: [n, 4] left, top, right, bottom in [0, 1]; rounded to pixels.
    Returns:
      [n, SIZE, SIZE, 1] float32 in [-1, 1].
    """
    from PIL import Image

    pictures = np.zeros((len(letter), SIZE, SIZE, 1), np.float32)
    for picture, which, weight, (left, top, right, bottom) in zip(
        pictures, letter, bold, np.rint(box * SIZE).astype(int), strict=True
    ):
        glyph = Image.fromarray(shapes()[which, weight])
        picture[top:bottom, left:right, 0] = np.asarray(
            glyph.resize((right - left, bottom - top), Image.Resampling.BOX)
        )
    return np.clip(pictures, 0, 1) * 2 - 1


def endless(make: Callable[[np.random.Generator, int], dict[str, Any]]) -> Source:
    """Pictures made on the spot, all of a step by one generator of numbers.

    Args:
      make: (generator, n) -> a batch of n pictures and what they were asked with.
    Returns:
      Source without an end; it reads whole batches, whose step is told by their size.
    """

    def read(draw: Draw) -> dict[str, Any]:
        n = len(draw.position)
        return make(np.random.default_rng((draw.seed, int(draw.position[0]) // n)), n)

    return Source("letters", None, read)


def ink_box(x: np.ndarray) -> np.ndarray:
    """Bounding boxes of what is brighter than half, [n, 4] in [0, 1]; all zeros where nothing is."""
    boxes = np.zeros((len(x), 4), np.float32)
    for box, ink in zip(boxes, x[..., 0] > 0, strict=True):
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        if len(rows):
            box[:] = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / SIZE
    return boxes


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [n, 4] twice -> [n] in [0, 1]."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = [np.prod(box[:, 2:] - box[:, :2], axis=1) for box in (a, b)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1e-9)


def inside(x: np.ndarray, box: np.ndarray) -> np.ndarray:
    """What the boxes hold, brought to READ x READ: [n, READ, READ, 1] in [-1, 1]; empty boxes are background."""
    from PIL import Image

    cut = np.full((len(x), READ, READ, 1), -1.0, np.float32)
    for out, picture, (left, top, right, bottom) in zip(cut, x, np.rint(box * SIZE).astype(int), strict=True):
        if right > left and bottom > top:
            part = Image.fromarray(np.ascontiguousarray(picture[top:bottom, left:right, 0]))
            out[..., 0] = np.asarray(part.resize((READ, READ), Image.Resampling.BILINEAR))
    return np.clip(cut, -1, 1)


def reader(boxes: Any, steps: int) -> metrics.Classifier:
    """Trains a classifier of letter and weight (class 2 * letter + bold) on what boxes hold.

    Args:
      boxes: (generator, n) -> boxes [n, 4], as the data have them.
      steps: of training.
    """
    few = np.random.default_rng(1)
    letter, bold = few.integers(0, len(LETTERS), 4000), few.integers(0, 2, 4000)
    box = boxes(few, 4000)
    x = inside(draw(letter, bold, box), box)
    return metrics.train_classifier(x, 2 * letter + bold, jax.random.key(0), steps=steps)
