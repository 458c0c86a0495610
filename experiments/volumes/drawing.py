"""Pictures of solids, as a camera far away sees them, and pictures that move."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxgan.runs.tables import film
from jaxgan.sample import grid

LIGHT = np.array([0.5, -0.6, 0.62])  # to the right, up and towards the viewer, of unit length


def rendered(volumes: np.ndarray, yaw: float, size: int = 56, pitch: float = 0.5) -> np.ndarray:
    """Draws volumes, turned about their vertical axis: the first surface that each pixel's ray meets, and its shade.

    Args:
      volumes: [N, S, S, S] in [-1, 1], 2 occupancy - 1; the first axis is the vertical one.
      yaw: of the turn, in radians.
      size: side of the pictures in pixels.
      pitch: how far above the horizon the camera stands, in radians.
    Returns:
      [N, size, size, 1] float32 in [-1, 1], on white.
    """
    from scipy import ndimage

    side = volumes.shape[1]
    across = (np.arange(size) + 0.5) / size * 2 - 1
    depth = np.linspace(0.95, -0.95, int(1.5 * side))  # from the viewer on
    v, u, w = np.meshgrid(across, across, depth, indexing="ij")  # down, right, towards the viewer
    up, away = -v * np.cos(pitch) + w * np.sin(pitch), v * np.sin(pitch) + w * np.cos(pitch)
    right, towards = u * np.cos(yaw) + away * np.sin(yaw), -u * np.sin(yaw) + away * np.cos(yaw)
    scale = side / 2 * 1.25  # a cube's corners may leave the picture; what lies inside a ball does not
    places = [side / 2 - 0.5 + scale * axis for axis in (-up, right, towards)]
    pictures = []
    for volume in volumes:
        density = ndimage.map_coordinates(volume, places, order=1, mode="constant", cval=-1.0)
        inside = density > 0
        first = np.argmax(inside, axis=2)
        hit = inside.any(axis=2)
        height = np.where(hit, depth[first], np.nan)
        # where the ray crosses 0 between two steps, so that surfaces are smooth
        before = np.maximum(first - 1, 0)
        d0, d1 = (np.take_along_axis(density, k[..., None], axis=2)[..., 0] for k in (before, first))
        height = height + (depth[0] - depth[1]) * np.clip(d1 / np.maximum(d1 - d0, 1e-6), 0, 1)
        pictures.append(np.where(hit, _shade(height, across[1] - across[0]), 1.0))
    return np.stack(pictures)[..., None].astype(np.float32)


def _shade(height: np.ndarray, pixel: float) -> np.ndarray:
    """Returns Lambert's shade of a surface by its height towards the viewer, in [-1, 0.7]."""
    padded = np.pad(height, 1, constant_values=np.nan)
    slopes = []
    for axis in (0, 1):
        steps = np.diff(padded, axis=axis) / pixel
        both = np.stack([steps[:-1, 1:-1], steps[1:, 1:-1]] if axis == 0 else [steps[1:-1, :-1], steps[1:-1, 1:]])
        count = np.isfinite(both).sum(axis=0)
        slopes.append(np.clip(np.nansum(both, axis=0) / np.maximum(count, 1), -4, 4))
    normal = np.stack([-slopes[1], -slopes[0], np.ones_like(height)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return -0.9 + 1.5 * np.maximum(0, normal @ LIGHT)


def moving_picture(path: Path, frames: Sequence[np.ndarray], columns: int, milliseconds: int, scale: int = 1) -> None:
    """Writes an animated GIF that goes on for ever: of each frame's pictures [n, H, W, 1] in [-1, 1], a grid."""
    pictures = []
    for frame in frames:
        pixels = np.asarray(grid(frame, columns)).repeat(scale, axis=0).repeat(scale, axis=1)
        pictures.append(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    film(path, pictures, milliseconds)
