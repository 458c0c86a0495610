"""Animations of what acts, drawn with numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxgan.runs.tables import film

SIDE = 64  # pixels of a picture


def save_film(path: Path, scenes: list[np.ndarray], milliseconds: int = 60) -> None:
    """Writes pictures side by side as an endless animation.

    Args:
      path: of the GIF.
      scenes: several of [T, H, W] in [0, 1], 1 white.
      milliseconds: of a picture.
    """
    film(path, list((255 * np.clip(np.concatenate(scenes, axis=2), 0, 1)).astype(np.uint8)), milliseconds)


def disc(places: np.ndarray, radius: float, side: float = 1.4) -> np.ndarray:
    """Draws a black disc at every place.

    Args:
      places: [T, 2], right and up.
      radius: of the disc.
      side: half of the picture's, in the same units.
    Returns:
      [T, SIDE, SIDE] in [0, 1], 1 white.
    """
    right, up = _plane(side)
    apart = np.hypot(right - places[:, 0, None, None], up - places[:, 1, None, None])
    return _inked(apart - radius, side)


def rod(tips: np.ndarray, side: float = 1.4) -> np.ndarray:
    """Draws a black rod of unit length from the middle to every tip [T, 2]; otherwise as `disc`."""
    right, up = _plane(side)
    along = np.clip(right * tips[:, 0, None, None] + up * tips[:, 1, None, None], 0, 1)
    apart = np.hypot(right - along * tips[:, 0, None, None], up - along * tips[:, 1, None, None])
    return _inked(apart - 0.05, side)


def _plane(side: float) -> tuple[np.ndarray, np.ndarray]:
    line = np.linspace(-side, side, SIDE)
    right, down = np.meshgrid(line, line)
    return right, -down


def _inked(outside: np.ndarray, side: float) -> np.ndarray:
    return np.clip(outside / (2 * side / SIDE), 0, 1)
