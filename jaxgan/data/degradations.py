"""What is taken from pictures, and given to a system that shall put it back: crops, blur, fewer pixels, noise, holes.

A `Transform` is a pure function of examples and of their draws, so that a batch stays one of (seed, step): the same
picture is degraded anew at each use, and a run that resumes meets the same noise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jaxgan.data.source import Draw, Examples, Source, digest_of, uniform
from jaxgan.types import name_index

Range = float | tuple[float, float]  # a number, or the ends between which each example draws its own


class Transform(NamedTuple):
    """One thing that is done to pictures."""

    name: str  # with its settings: equal names do the same
    apply: Callable[[np.ndarray, Draw], np.ndarray | Examples]
    # (x [n, H, W, C] float32, draws) -> x [n, H', W', C], or {"x": that, and what else it gives}; pure


def degraded(source: Source, **transforms: Transform | Sequence[Transform]) -> Source:
    """A source with degraded pictures beside its own: `degraded(photos, low=downsample(4))` has "x" and "low".

    Several transforms are applied one after the other, and draw independently of each other and of other entries.
    What `x` names comes first, in the place of "x", and all others are made of that: with `x=crop(64)`, "low" is of the
    same crop. What a transform gives besides comes as "<name>_<entry>": `hidden=hide(12)` adds "hidden" and
    "hidden_mask".

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> pictures = jg.data.arrays(np.zeros((6, 8, 8, 1), np.float32))
      >>> source = jg.data.degraded(pictures, x=jg.data.crop(4), low=(jg.data.blur(1.0), jg.data.downsample(2)))
      >>> {name: value.shape for name, value in jg.data.batch_at(source, batch_size=6, seed=0)(0).items()}
      {'x': (6, 4, 4, 1), 'low': (6, 2, 2, 1)}

    Args:
      source: of pictures "x" [n, H, W, C].
      **transforms: by the name of what they make, a transform or several in the order in which they are applied.
    Returns:
      Source of what the source has, and of these.
    Raises:
      ValueError: no transforms, or what is none; when examples are read, an entry of that name exists, or "x" is not of
        pictures.
    """
    chains = {
        name: tuple(given) if isinstance(given, list | tuple) and not isinstance(given, Transform) else (given,)
        for name, given in sorted(transforms.items(), key=lambda item: item[0] != "x")
    }
    if not chains or not all(isinstance(each, Transform) for chain in chains.values() for each in chain):
        raise ValueError(f"degraded takes transforms by name, such as low=jg.data.downsample(2); got {transforms}")
    words = ", ".join(f"{name}={' + '.join(each.name for each in chain)}" for name, chain in chains.items())

    def read(draw: Draw) -> Examples:
        examples = dict(source.read(draw))
        if np.ndim(examples.get("x", 0.0)) != 4:
            raise ValueError(f"degraded takes pictures x [n, H, W, C]; {source.name!r} has none")
        for name, chain in chains.items():
            made = _applied(chain, np.asarray(examples["x"]), draw, name)
            if twice := sorted(examples.keys() & made.keys() - ({"x"} if name == "x" else set())):
                raise ValueError(f"{source.name!r} has entries {twice} already; call {name!r} by another name")
            examples |= made
        return examples

    digest = source.digest
    return source._replace(
        name=f"degraded({source.name}, {words})",
        read=read,
        digest=None if digest is None else lambda: digest_of(digest(), words),
    )


def crop(size: int | tuple[int, int], anywhere: bool = True) -> Transform:
    """Cuts a window out of each picture.

    Args:
      size: side in pixels, or (height, width).
      anywhere: each window has a place of its own, all equally likely; False: the middle.
    Returns:
      Transform.
    Raises:
      ValueError: a side is not positive; when applied, it is larger than the picture.
    """
    height, width = _sides("crop", size)

    def apply(x: np.ndarray, draw: Draw) -> np.ndarray:
        top, left = _corners("crop", x, (height, width), draw, anywhere)
        windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(1, 2))
        cut = windows[np.arange(len(x)), top, left]  # [n, C, height, width]
        return np.ascontiguousarray(np.moveaxis(cut, 1, -1))

    return Transform(f"crop({height}x{width}{'' if anywhere else ', middle'})", apply)


def blur(deviation: Range) -> Transform:
    """Means under a normal bell, of the pixels alone: at the border the bell is cut off and made whole again.

    Args:
      deviation: of the bell, in pixels, >= 0; or its ends, between which each example draws its own.
    Returns:
      Transform.
    Raises:
      ValueError: a deviation is negative.
    """
    ends = _ends("blur", deviation)

    def apply(x: np.ndarray, draw: Draw) -> np.ndarray:
        deviations = _between(ends, draw)
        rows, columns = (np.stack([_bell(side, float(d)) for d in deviations]) for side in x.shape[1:3])
        planes = np.moveaxis(x, -1, 1)  # [n, C, H, W]
        blurred = rows[:, None] @ planes @ np.swapaxes(columns, 1, 2)[:, None]
        return np.ascontiguousarray(np.moveaxis(blurred, 1, -1))

    return Transform(f"blur({_words(ends)})", apply)


def downsample(factor: int) -> Transform:
    """Means of blocks of factor x factor pixels.

    Args:
      factor: >= 2.
    Returns:
      Transform, [n, H, W, C] -> [n, H / factor, W / factor, C].
    Raises:
      ValueError: the factor is smaller; when applied, it does not divide the sides.
    """
    if factor < 2:
        raise ValueError(f"downsample needs factor >= 2; got {factor}")

    def apply(x: np.ndarray, draw: Draw) -> np.ndarray:
        n, height, width, channels = x.shape
        if height % factor or width % factor:
            raise ValueError(f"downsample({factor}) takes sides that it divides; got {height}x{width}: crop them first")
        blocks = x.reshape(n, height // factor, factor, width // factor, factor, channels)
        return blocks.mean(axis=(2, 4), dtype=np.float32)

    return Transform(f"downsample({factor})", apply)


def noise(deviation: Range) -> Transform:
    """Adds independent normal noise to every number; what leaves [-1, 1] stays outside.

    Args:
      deviation: of the noise, >= 0; or its ends, between which each example draws its own.
    Returns:
      Transform.
    Raises:
      ValueError: a deviation is negative.
    """
    ends = _ends("noise", deviation)

    def apply(x: np.ndarray, draw: Draw) -> np.ndarray:
        deviations = _between(ends, draw).astype(np.float32).reshape(-1, *(1,) * (x.ndim - 1))
        return x + deviations * _normal(draw, x.shape[1:])

    return Transform(f"noise({_words(ends)})", apply)


def hole(size: int | tuple[int, int], anywhere: bool = False) -> Transform:
    """The mask of a hole in each picture: 1 inside, 0 outside, [n, H, W, 1] float32.

    Args:
      size: side of the hole in pixels, or (height, width).
      anywhere: each hole has a place of its own, all equally likely; False: the middle.
    Returns:
      Transform.
    Raises:
      ValueError: a side is not positive; when applied, it is larger than the picture.
    """
    height, width = _sides("hole", size)

    def apply(x: np.ndarray, draw: Draw) -> np.ndarray:
        top, left = _corners("hole", x, (height, width), draw, anywhere)
        row, column = np.arange(x.shape[1])[None, :] - top[:, None], np.arange(x.shape[2])[None, :] - left[:, None]
        inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]
        return inside[..., None].astype(np.float32)

    return Transform(f"hole({height}x{width}{', anywhere' if anywhere else ''})", apply)


def hide(size: int | tuple[int, int], anywhere: bool = False, value: float = 0.0) -> Transform:
    """Puts one value into a hole of each picture, and gives the "mask" of it, 1 inside and 0 outside.

    Args:
      size: side of the hole in pixels, or (height, width).
      anywhere: each hole has a place of its own, all equally likely; False: the middle.
      value: of all hidden pixels, in [-1, 1].
    Returns:
      Transform.
    Raises:
      ValueError: a side is not positive, or the value out of range; when applied, a side is larger than the picture.
    """
    if not -1 <= value <= 1:
        raise ValueError(f"hide needs value in [-1, 1]; got {value}")
    where = hole(size, anywhere)

    def apply(x: np.ndarray, draw: Draw) -> Examples:
        mask = np.asarray(where.apply(x, draw))
        return {"x": np.where(mask > 0, np.float32(value), x), "mask": mask}

    return Transform(f"hide({where.name}, {value:g})", apply)


def _applied(chain: Sequence[Transform], x: np.ndarray, draw: Draw, name: str) -> Examples:
    """Returns what a chain makes of pictures, by the names that a batch has it under; each link draws its own."""
    made: Examples = {}
    for place, link in enumerate(chain):
        seed = (draw.seed + name_index(f"{name} {place}")) % 2**32
        given = link.apply(x, draw._replace(seed=seed))
        entries = given if isinstance(given, dict) else {"x": given}
        x = entries["x"]
        made |= {f"{name}_{entry}": value for entry, value in entries.items() if entry != "x"}
    return {name: x} | made


def _sides(caller: str, size: int | tuple[int, int]) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or min(sides) < 1:
        raise ValueError(f"{caller} takes a side or (height, width), >= 1 pixel; got {size}")
    return sides


def _corners(
    caller: str, x: np.ndarray, sides: tuple[int, int], draw: Draw, anywhere: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Returns top and left [n] of a window in each picture."""
    free = [have - side for have, side in zip(x.shape[1:3], sides, strict=True)]
    if min(free) < 0:
        raise ValueError(f"{caller} of {sides[0]}x{sides[1]} pixels does not fit into {x.shape[1]}x{x.shape[2]}")
    if not anywhere:
        return np.full(len(x), free[0] // 2), np.full(len(x), free[1] // 2)
    drawn = _uniforms(draw, 2)
    top, left = ((drawn[:, k] * (free[k] + 1)).astype(np.int64) for k in range(2))
    return top, left


def _ends(caller: str, deviation: Range) -> tuple[float, float]:
    low, high = deviation if isinstance(deviation, tuple) else (deviation, deviation)
    if not 0 <= low <= high < np.inf:
        raise ValueError(f"{caller} needs a deviation >= 0, or (low, high) of such; got {deviation}")
    return float(low), float(high)


def _words(ends: tuple[float, float]) -> str:
    return f"{ends[0]:g}" if ends[0] == ends[1] else f"{ends[0]:g}..{ends[1]:g}"


def _between(ends: tuple[float, float], draw: Draw) -> np.ndarray:
    """Draws a number [n] between two ends for each example."""
    own = draw._replace(seed=(draw.seed + name_index("range")) % 2**32)
    return ends[0] + (ends[1] - ends[0]) * _uniforms(own, 1)[:, 0]


@functools.lru_cache(maxsize=256)
def _bell(side: int, deviation: float) -> np.ndarray:
    """Weights [side, side] float32 of a row's pixels for each of its pixels; rows sum to 1."""
    if deviation == 0:
        return np.eye(side, dtype=np.float32)
    apart = np.arange(side)[:, None] - np.arange(side)
    weights = np.exp(-0.5 * np.square(apart / deviation))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _uniforms(draw: Draw, count: int) -> np.ndarray:
    """Draws numbers [n, count] in [0, 1) for each example, from its seed and position alone."""
    with np.errstate(over="ignore"):
        places = np.asarray(draw.position, np.uint64)[:, None] * np.uint64(count) + np.arange(count, dtype=np.uint64)
    return uniform(draw.seed, places)


def _normal(draw: Draw, shape: tuple[int, ...]) -> np.ndarray:
    """Draws standard normal numbers [n, *shape] float32 for each example, two of two uniform ones.

    References:
      Box, Muller. A Note on the Generation of Random Normal Deviates. Annals of Mathematical Statistics 1958.
    """
    count = int(np.prod(shape))
    radius, angle = np.split(_uniforms(draw, 2 * -(-count // 2)), 2, axis=1)
    radius, angle = np.sqrt(-2 * np.log1p(-radius)), 2 * np.pi * angle
    normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return normal[:, :count].reshape(-1, *shape).astype(np.float32)
