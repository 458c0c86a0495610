"""Solids by formula, as volumes of voxels: what each is, how large, how it is turned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jaxgan.data.source import Draw, Examples, Source, uniform
from jaxgan.types import name_index

KINDS = ("sphere", "box", "cylinder", "torus", "cone")
_NUMBERS = 10  # that each example is drawn from
_FINE = 2  # points along each axis of a voxel, at which it is asked whether it lies inside

Inside = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # x, y, z of points -> whether they are in it


def voxel_solids(size: int = 16) -> Source:
    """Spheres, boxes, cylinders, tori and cones of random size and proportions, turned and placed at random.

    Each lies inside a ball with a radius of 0.32 to 0.46 sides, which lies inside the cube; all turns are equally
    likely. A voxel is the share of 2^3 points in it that are inside the solid.

    Args:
      size: side of the volumes in voxels, >= 8.
    Returns:
      Source without an end of "x" [n, size, size, size, 1] float32, 2 occupancy - 1 in [-1, 1], labels "y" [n] int32
      of its five names, and "volume" [n, 1] float32, that of the formula, in voxels.
    Raises:
      ValueError: the size is smaller.
    References:
      Wu, Song, Khosla, Yu, Zhang, Tang, Xiao. 3D ShapeNets: A Deep Representation for Volumetric Shapes. CVPR 2015,
      section 3 (volumes of voxels).
    """
    if size < 8:
        raise ValueError(f"voxel_solids need size >= 8; got {size}")
    return Source(f"voxel_solids({size})", None, lambda draw: _drawn(draw, size), len(KINDS), names=KINDS)


def _drawn(draw: Draw, size: int) -> Examples:
    seed = (draw.seed + name_index("voxel solids")) % 2**32
    places = np.asarray(draw.position, np.uint64)[:, None] * np.uint64(_NUMBERS) + np.arange(_NUMBERS, dtype=np.uint64)
    made = [_solid(numbers, size) for numbers in uniform(seed, places)]
    x, y, volume = (np.stack(part) for part in zip(*made, strict=True))
    return {"x": x[..., None], "y": y.astype(np.int32), "volume": volume[:, None].astype(np.float32)}


def _solid(numbers: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the volume [size, size, size], its label and its formula's volume, of ten numbers in [0, 1)."""
    kind = int(numbers[0] * len(KINDS))
    reach = (0.32 + 0.14 * numbers[1]) * size
    inside, volume = _SHAPES[kind](reach, numbers[2], numbers[3])
    centre = size / 2 + (2 * numbers[7:10] - 1) * (size / 2 - reach)
    along = (np.arange(_FINE * size) + 0.5) / _FINE
    axes = [along - c for c in centre]
    turn = _turn(numbers[4:7])
    # a point's coordinates in the solid's frame, as sums of what each axis gives
    x, y, z = (
        row[0] * axes[0][:, None, None] + row[1] * axes[1][None, :, None] + row[2] * axes[2][None, None, :]
        for row in turn
    )
    points = inside(x, y, z).reshape(size, _FINE, size, _FINE, size, _FINE)
    return 2 * points.mean(axis=(1, 3, 5), dtype=np.float32) - 1, np.asarray(kind), np.asarray(volume)


def _turn(u: np.ndarray) -> np.ndarray:
    """Returns a rotation [3, 3], uniform over all of them for u uniform in [0, 1)^3.

    References:
      Shoemake. Uniform Random Rotations. Graphics Gems III, 1992.
    """
    a, b = np.sqrt(1 - u[0]), np.sqrt(u[0])
    x, y = a * np.sin(2 * np.pi * u[1]), a * np.cos(2 * np.pi * u[1])
    z, w = b * np.sin(2 * np.pi * u[2]), b * np.cos(2 * np.pi * u[2])
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


# Each: the radius of the ball that it fills, and two numbers in [0, 1) for its proportions.


def _sphere(reach: float, first: float, second: float) -> tuple[Inside, float]:
    radius = reach * (0.75 + 0.25 * first)
    return lambda x, y, z: x**2 + y**2 + z**2 <= radius**2, 4 / 3 * np.pi * radius**3


def _box(reach: float, first: float, second: float) -> tuple[Inside, float]:
    sides = np.array([1, 0.6 + 0.4 * first, 0.6 + 0.4 * second])
    a, b, c = reach * sides / np.linalg.norm(sides)  # half sides
    return lambda x, y, z: (np.abs(x) <= a) & (np.abs(y) <= b) & (np.abs(z) <= c), 8 * a * b * c


def _cylinder(reach: float, first: float, second: float) -> tuple[Inside, float]:
    angle = np.pi * (0.15 + 0.2 * first)  # of its diagonal from its axis: long ones and flat ones
    radius, half = reach * np.sin(angle), reach * np.cos(angle)
    return lambda x, y, z: (x**2 + y**2 <= radius**2) & (np.abs(z) <= half), 2 * np.pi * radius**2 * half


def _torus(reach: float, first: float, second: float) -> tuple[Inside, float]:
    thin = reach * (0.25 + 0.08 * first)
    ring = reach - thin
    return lambda x, y, z: (np.sqrt(x**2 + y**2) - ring) ** 2 + z**2 <= thin**2, 2 * np.pi**2 * ring * thin**2


def _cone(reach: float, first: float, second: float) -> tuple[Inside, float]:
    rim = np.pi * (0.15 + 0.2 * first)  # of the base's rim below the centre of the ball through tip and rim
    radius, low = reach * np.cos(rim), reach * np.sin(rim)
    height = reach + low
    slope = radius / height
    volume = np.pi / 3 * radius**2 * height
    return lambda x, y, z: (z >= -low) & (np.sqrt(x**2 + y**2) <= slope * (reach - z)), volume


_SHAPES = (_sphere, _box, _cylinder, _torus, _cone)
