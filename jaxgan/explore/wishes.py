"""What can be asked of a generator, and a request: numbers that come from a browser, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxgan.explore.latents import UNBOUNDED

SEEDS = 2**31  # seeds are 0..SEEDS - 1
NUMBERS = (1, 4, 9, 16)  # of samples side by side: a program is compiled for each that is used
DIRECTIONS = 5  # SeFa's, at most


class Controls(NamedTuple):
    """What can be turned."""

    classes: int = 0  # labels that can be asked for; 0: none
    names: tuple[str, ...] = ()  # of the classes, where they have names
    latents: bool = False  # there is a plane of latents, and a way from one seed's to another's
    truncation: tuple[float, float] | None = None  # its lowest and highest value
    truncated: float = UNBOUNDED  # where it stands at first
    layers: int = 0  # whose styles can be mixed; 0: the generator has none
    directions: int = 0  # SeFa's
    pictures: Mapping[str, tuple[int, ...]] = {}  # of a translator: its inputs, and the shape [H, W, C] of each


class Wish(NamedTuple):
    """A request: where the controls of a page stand."""

    seed: int = 0  # of the latents, in 0..SEEDS - 1
    n: int = 4  # samples
    y: int | None = None  # class of all samples; None: one class after the other
    truncation: float = UNBOUNDED  # the bound of latents, or StyleGAN2's psi
    plane: tuple[float, float] = (0.0, 0.0)  # where on the plane, each in [-1, 1]; (0, 0) are the seed's own latents
    other: int = 1  # another seed
    blend: float = 0.0  # how far on the way to its samples, in [0, 1]
    mixed: int = 0  # layers, the last ones, that follow the other seed's styles
    along: tuple[float, ...] = ()  # how far along each of SeFa's directions; 1 is as far as the latent is long


def wish_of(values: Mapping[str, Any], controls: Controls) -> Wish:
    """Reads what a browser sends.

    Args:
      values: by field of Wish, those that the page has: numbers, the class by its place (0: one after the other), the
        plane as a list; "along0", "along1", ... each by itself.
      controls: what the generator has.
    Returns:
      Wish.
    Raises:
      ValueError: a value is no number, or out of its range.
    """
    low, high = controls.truncation or (-math.inf, math.inf)
    rest = START._replace(truncation=controls.truncated)
    n = _whole("samples", values.get("n", rest.n), min(NUMBERS), max(NUMBERS))
    if n not in NUMBERS:
        raise ValueError(f"samples are {', '.join(map(str, NUMBERS))}; got {n}")
    place = values.get("plane", rest.plane)
    if not isinstance(place, list | tuple) or len(place) != 2:
        raise ValueError("a place on the plane has two numbers")
    y = _whole("class", values.get("y", 0), 0, controls.classes) - 1
    return Wish(
        seed=_whole("seed", values.get("seed", rest.seed), 0, SEEDS - 1),
        n=n,
        y=None if y < 0 else y,
        truncation=_number("truncation", values.get("truncation", rest.truncation), low, high),
        plane=(_number("plane", place[0], -1, 1), _number("plane", place[1], -1, 1)),
        other=_whole("other seed", values.get("other", rest.other), 0, SEEDS - 1),
        blend=_number("way", values.get("blend", rest.blend), 0, 1),
        mixed=_whole("mixed layers", values.get("mixed", rest.mixed), 0, controls.layers),
        along=tuple(_number("direction", values.get(f"along{k}", 0.0), -1, 1) for k in range(controls.directions)),
    )


START = Wish()


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name}: give a number in {low:g}..{high:g}")
    return float(value)


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or not low <= value <= high:
        raise ValueError(f"{name}: give a whole number in {low}..{high}")
    if value != int(value):
        raise ValueError(f"{name}: give a whole number in {low}..{high}")
    return int(value)
