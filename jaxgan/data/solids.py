"""Shaded solids with their normals, by formula: what surfaces a picture shows, and the light that they stand in."""

from __future__ import annotations

import numpy as np

from jaxgan.data.source import Draw, Examples, Source, uniform
from jaxgan.types import name_index

KINDS = 3  # sphere, cone, box
_NUMBERS = 9  # that each example is drawn from


def solids(size: int = 32) -> Source:
    """Spheres, cones and boxes before a black ground, lit from one side: x = max(0, n . l) albedo on [0, 1].

    Each example is one solid of its own size and place, a sphere, a cone that points at the viewer or a turned box,
    with an albedo in 0.5..1 and a light within 60 degrees of the viewer's direction. Projection is orthographic; the
    first axis of a normal points to the right, the second down, the third at the viewer. The ground is flat and black.

    Args:
      size: side of the pictures in pixels, >= 8.
    Returns:
      Source without an end of "x" [n, size, size, 1] float32 in [-1, 1], "normals" [n, size, size, 3] of unit length,
      and what they were shaded by: "light" [n, 3] of unit length, and "albedo" [n, size, size, 1], 0 on the ground.
    Raises:
      ValueError: the size is smaller.
    References:
      Lambert. Photometria. 1760.
    """
    if size < 8:
        raise ValueError(f"solids need size >= 8; got {size}")
    return Source(f"solids({size})", None, lambda draw: _drawn(draw, size))


def _drawn(draw: Draw, size: int) -> Examples:
    seed = (draw.seed + name_index("solids")) % 2**32
    places = np.asarray(draw.position, np.uint64)[:, None] * np.uint64(_NUMBERS) + np.arange(_NUMBERS, dtype=np.uint64)
    kind, radius, right, down, yaw, pitch, albedo, tilt, turn = uniform(seed, places).T
    centre = (np.arange(size) + 0.5) / size * 2 - 1
    radius = 0.4 + 0.3 * radius
    x = centre[None, None, :] - ((2 * right - 1) * (1 - radius))[:, None, None]
    y = centre[None, :, None] - ((2 * down - 1) * (1 - radius))[:, None, None]
    x, y = np.broadcast_arrays(x, y)
    scale = radius[:, None, None]
    shapes = [_sphere(x, y, scale), _cone(x, y, scale), _box(x, y, radius, yaw, pitch)]
    which = np.minimum((kind * KINDS).astype(int), KINDS - 1)
    normals, inside = (np.stack([shape[part] for shape in shapes])[which, np.arange(len(which))] for part in range(2))
    normals = np.where(inside[..., None], normals, np.array([0.0, 0.0, 1.0]))
    angle, around = np.pi / 3 * np.sqrt(tilt), 2 * np.pi * turn
    light = np.stack([np.sin(angle) * np.cos(around), np.sin(angle) * np.sin(around), np.cos(angle)], axis=1)
    paint = (inside * (0.5 + 0.5 * albedo)[:, None, None])[..., None]
    shaded = np.maximum(0, np.einsum("nijk,nk->nij", normals, light))[..., None] * paint
    entries = {"x": 2 * shaded - 1, "normals": normals, "light": light, "albedo": paint}
    return {name: value.astype(np.float32) for name, value in entries.items()}


def _sphere(x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns normals [n, H, W, 3], which hold where the second, [n, H, W], says so."""
    height = np.sqrt(np.maximum(radius**2 - x**2 - y**2, 0))
    return np.stack([x, y, height], axis=-1) / radius[..., None], x**2 + y**2 < radius**2


def _cone(x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A cone as high as it is wide, seen from its point."""
    apart = np.maximum(np.hypot(x, y), 1e-9)
    slope = np.stack([x / apart, y / apart, np.ones_like(x)], axis=-1)
    return slope / np.sqrt(2), apart < radius


def _box(
    x: np.ndarray, y: np.ndarray, radius: np.ndarray, yaw: np.ndarray, pitch: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A cube inside a sphere of that radius, turned about the vertical and then tipped towards the viewer."""
    a, b, zero, one = yaw * np.pi / 2, 0.2 + 0.6 * pitch, np.zeros_like(yaw), np.ones_like(yaw)
    about = np.array([[np.cos(a), zero, np.sin(a)], [zero, one, zero], [-np.sin(a), zero, np.cos(a)]])
    tip = np.array([[one, zero, zero], [zero, np.cos(b), -np.sin(b)], [zero, np.sin(b), np.cos(b)]])
    axes = np.einsum("ijn,jkn->nik", tip, about)  # columns: the cube's axes, as the viewer sees them
    start = np.stack([x, y, np.zeros_like(x)], axis=-1) @ axes[:, None]  # of each ray, in the cube's frame
    ahead = axes[:, 2][:, None, None]  # the direction to the viewer there
    ahead = np.where(np.abs(ahead) < 1e-6, 1e-6, ahead)
    half = (radius / np.sqrt(3))[:, None, None, None]
    leaves = np.maximum((half - start) / ahead, (-half - start) / ahead)
    enters = np.minimum((half - start) / ahead, (-half - start) / ahead)
    face = np.argmin(leaves, axis=-1)  # the side through which the ray leaves towards the viewer
    inside = leaves.min(axis=-1) > enters.max(axis=-1)
    signs = np.sign(np.take_along_axis(np.broadcast_to(ahead, leaves.shape), face[..., None], axis=-1))
    rows = np.swapaxes(axes, 1, 2)  # [n, axis, 3]
    normals = rows[np.arange(len(rows))[:, None, None], face] * signs
    return normals, inside
