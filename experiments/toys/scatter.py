"""Pictures of points in the plane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SIDE = 512  # pixels
EXTENT = 3.0  # the picture shows [-EXTENT, EXTENT] in both coordinates


def draw_points(path: Path, points: Any) -> Path:
    """Draws points [n, 2] as dark dots on white; those outside the picture are left out."""
    from PIL import Image

    pixels = np.floor((np.asarray(points) / EXTENT + 1) / 2 * SIDE).astype(int)
    pixels = pixels[np.all((pixels >= 1) & (pixels < SIDE - 1), axis=1)]
    picture = np.full((SIDE, SIDE), 255, np.uint8)
    for right in (-1, 0, 1):
        for up in (-1, 0, 1):
            picture[SIDE - 1 - (pixels[:, 1] + up), pixels[:, 0] + right] = 40
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path
