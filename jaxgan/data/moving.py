"""Digits that move, bounce and change their minds: clips whose future is not to be known."""

from __future__ import annotations

import functools

import numpy as np

from jaxgan.data.embedded import digits
from jaxgan.data.source import Draw, Examples, Source, uniform
from jaxgan.data.subsets import whole
from jaxgan.types import name_index

DIGIT = 16  # pixels of a digit's side
_BEFORE = 4  # numbers that a clip begins with: its digit, place and direction


def moving_digits(
    frames: int = 5, size: int = 32, *, turn: float = 0.5, speed: float = 3.0, split: str = "train"
) -> Source:
    """Clips of one handwritten digit that moves in a straight line, bounces at the border, and turns at random.

    At every frame the digit takes a new direction with a given probability, all alike; so the next frame is one of
    many, and the mean of them is a blur. Places are whole pixels.

    Args:
      frames: of a clip, >= 2.
      size: side of the frames in pixels, >= 20.
      turn: probability of a new direction at every frame, in [0, 1]; at 0 the future is known.
      speed: pixels a frame, in (0, size - 16].
      split: of `digits`: "train", "test" or "all".
    Returns:
      Source without an end of "x" [n, frames, size, size, 1] float32 in [-1, 1] on a ground of -1, and the digits' "y"
      [n] int32.
    Raises:
      ValueError: an argument is out of range.
    References:
      Srivastava, Mansimov, Salakhutdinov. Unsupervised Learning of Video Representations using LSTMs. ICML 2015,
      section 4.1 (Moving MNIST, whose digits do not turn).
    """
    if frames < 2 or size < DIGIT + 4 or not 0 <= turn <= 1 or not 0 < speed <= size - DIGIT:
        raise ValueError(
            f"moving_digits need frames >= 2, size >= {DIGIT + 4}, turn in [0, 1] and speed in (0, size - {DIGIT}]; "
            f"got {frames}, {size}, {turn} and {speed}"
        )
    _small_digits(split)  # a wrong split is refused here
    read = functools.partial(_drawn, frames=frames, size=size, turn=turn, speed=speed, split=split)
    return Source(f"moving_digits({split}, {frames} frames)", None, read, 10)


@functools.cache
def _small_digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns digits [N, 16, 16] in [-1, 1], of means of 2x2 pixels, and their labels."""
    known = whole(digits(split, size=2 * DIGIT))
    x = known["x"].reshape(-1, DIGIT, 2, DIGIT, 2).mean(axis=(2, 4), dtype=np.float32)
    return x, known["y"]


def _drawn(draw: Draw, frames: int, size: int, turn: float, speed: float, split: str) -> Examples:
    x, y = _small_digits(split)
    count = _BEFORE + 2 * (frames - 1)
    seed = (draw.seed + name_index("moving digits")) % 2**32
    places = np.asarray(draw.position, np.uint64)[:, None] * np.uint64(count) + np.arange(count, dtype=np.uint64)
    numbers = uniform(seed, places)
    which = (numbers[:, 0] * len(x)).astype(np.int64)
    room = size - DIGIT
    place, angle = numbers[:, 1:3] * room, 2 * np.pi * numbers[:, 3]
    clips = np.full((len(which), frames, size, size), -1, np.float32)
    within = np.arange(DIGIT)
    for frame in range(frames):
        if frame:
            turns, towards = numbers[:, _BEFORE + 2 * frame - 2], numbers[:, _BEFORE + 2 * frame - 1]
            angle = np.where(turns < turn, 2 * np.pi * towards, angle)
            step = speed * np.stack([np.sin(angle), np.cos(angle)], axis=1)
            ahead = place + step
            place = room - np.abs(room - np.abs(ahead))  # mirrored at 0 and at the room's end
            step = np.where((ahead < 0) | (ahead > room), -step, step)
            angle = np.arctan2(step[:, 0], step[:, 1])
        corner = np.rint(place).astype(np.int64)
        rows, columns = (corner[:, axis, None] + within for axis in range(2))
        clips[np.arange(len(which))[:, None, None], frame, rows[:, :, None], columns[:, None, :]] = x[which]
    return {"x": clips[..., None], "y": y[which].astype(np.int32)}
