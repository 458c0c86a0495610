"""What recipes are made of: what they know of the data, what flags may override, what they give, and shared choices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

import jaxgan as jg
from jaxgan.priors import Prior
from jaxgan.types import Augment, Dynamics, Game, Network, Penalty, Schedule, System

AUGMENTS = ("none", "diffaugment", "ada")
FEW = 10_000  # pictures below which recipes without augmentation of their own take DiffAugment's (its paper, section 4)


class Facts(NamedTuple):
    """What a recipe knows of the data."""

    shape: tuple[int, int, int]  # of a picture: height, width, channels
    classes: int = 0  # labels that the game is conditioned on; 0: none
    number: int | None = None  # of pictures; None: not known, and taken for many


class Settings(NamedTuple):
    """What a recipe chooses by the data, and flags may override."""

    steps: int  # of a whole run
    batch_size: int  # real pictures in an update of the discriminator
    n_critic: int  # updates of the discriminator for each of the generator
    latent: int  # width of z
    width: int  # channels, in the unit of the recipe's networks
    learning_rate: float  # the generator's
    gamma: float  # weight of the gradient penalty; 0: none
    ema_kimg: float  # half-life of the averaged generator, in thousands of pictures; 0: no average
    augment: str  # "none", "diffaugment" or "ada"


class Recipe(NamedTuple):
    """A named GAN made for data: all that a run needs besides the data."""

    networks: dict[str, Network]
    system: System
    prior: Prior
    settings: Settings
    dynamics: Dynamics | None = None  # None: alternating

    def game(self) -> Game:
        """Returns the game, with the averaged generator."""
        batch, half_life = self.settings.batch_size, 1000 * self.settings.ema_kimg
        ema = {"generator": ema_decay(batch, half_life)} if half_life else None
        return jg.game(self.networks, self.system, ema=ema, dynamics=self.dynamics or jg.dynamics.alternating())


# (facts, small, overrides by the name of a setting) -> the recipe; small: what a CPU can pay for
Cook = Callable[[Facts, bool, Mapping[str, Any]], Recipe]


def chosen(own: Settings, given: Mapping[str, Any], facts: Facts) -> Settings:
    """Returns a recipe's own settings with those that are given instead.

    Raises:
      ValueError: a setting is unknown or out of range.
    """
    if unknown := sorted(set(given) - set(Settings._fields)):
        raise ValueError(f"no recipe has the setting {unknown[0]!r}; have {', '.join(Settings._fields)}")
    few = facts.number or own.batch_size
    own = own._replace(batch_size=min(own.batch_size, max(8, 1 << int(math.log2(few)))))
    settings = own._replace(**{name: value for name, value in given.items() if value is not None})
    for name in ("steps", "batch_size", "n_critic", "latent", "width"):
        if getattr(settings, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1; got {getattr(settings, name)}")
    for name in ("learning_rate", "gamma", "ema_kimg"):
        if not 0 <= getattr(settings, name) < math.inf:
            raise ValueError(f"--{name.replace('_', '-')} must be 0 or more; got {getattr(settings, name)}")
    if settings.augment not in AUGMENTS:
        raise ValueError(f"--augment {settings.augment!r} is unknown; choose one of {', '.join(AUGMENTS)}")
    return settings


def is_few(facts: Facts) -> bool:
    """Tells whether there are so few pictures that a discriminator would learn them by heart."""
    return facts.number is not None and facts.number < FEW


def usual_augment(facts: Facts) -> str:
    """Returns the augmentation of recipes whose papers have none: DiffAugment's for few pictures."""
    return "diffaugment" if is_few(facts) else "none"


def narrowed(width: int, facts: Facts, least: int = 8) -> int:
    """Returns a width that is meant for 32 x 32 pixels, halved for each doubling of the side beyond."""
    doublings = max(0, round(math.log2(math.sqrt(facts.shape[0] * facts.shape[1]) / 32)))
    return max(least, width >> doublings)


def adam(rate: float, b1: float, b2: float, ratio: float = 1.0) -> dict[str, optax.GradientTransformation]:
    """Returns Adam for both players, the discriminator's rate `ratio` times the generator's."""
    return {
        "generator": optax.adam(rate, b1=b1, b2=b2),
        "discriminator": optax.adam(rate * ratio, b1=b1, b2=b2),
    }


def r1(gamma: float) -> Penalty | None:
    """Returns R1 of that weight; None where it is 0."""
    return jg.penalties.r1(gamma) if gamma else None


def augmented(kind: str, kimg: float = 500.0) -> tuple[Augment | str | None, dict[str, Network]]:
    """Returns what `systems.gan(augment=...)` takes, and the networks that it needs.

    Args:
      kind: "none"; "diffaugment": colour, translation and cutout; "ada": ADA's choice at its probability.
      kimg: thousands of pictures in which ADA's probability can go from 0 to 1.
    """
    if kind == "ada":
        return "augment", {"augment": jg.augment.Adaptive(kimg=kimg)}
    return (jg.augment.diffaugment("color", "translation", "cutout") if kind == "diffaugment" else None), {}


def ema_decay(batch_size: int, half_life: float, ramp: float = 0.05) -> Schedule:
    """Decay of an average whose half-life is a number of pictures, and at first no more than a share of those so far.

    Karras et al. 2020 (StyleGAN2-ADA): with 5 % of them a short run has an average too.
    """

    def decay(step: Array) -> Array:
        pictures = jnp.minimum(half_life, jnp.maximum(ramp * batch_size * step.astype(jnp.float32), 1e-8))
        return 0.5 ** (batch_size / pictures)

    return decay


def half_cosine(first: float, last: float, steps: int) -> Schedule:
    """Moves from one value to another along half a cosine, and stays there."""

    def value(step: Array) -> Array:
        share = jnp.minimum(jnp.asarray(step, jnp.float32) / steps, 1.0)
        return last + (first - last) * 0.5 * (1 + jnp.cos(math.pi * share))

    return value


def check_halved(recipe: str, facts: Facts) -> int:
    """Returns how often networks whose sides are multiples of 4, from 16 on, halve a picture.

    Raises:
      ValueError: a side is none; names the next ones that are.
    """
    sides = facts.shape[:2]
    if any(side % 4 or side < 16 for side in sides):
        raise _unreached(recipe, sides, "multiples of 4, 16 or more", [_multiples(side, 4, 16) for side in sides])
    return max(n for n in range(2, 32) if min(sides) >> n >= 4 and all(side % 2**n == 0 for side in sides))


def check_doubled(recipe: str, facts: Facts) -> int:
    """Returns how many maps networks have that double a smallest one whose smaller side is 4 to 7 pixels.

    Raises:
      ValueError: the sides are not reached; names the next ones that are.
    """
    sides = facts.shape[:2]
    small, large = min(sides), max(sides)
    reached = sorted(base << k for base in range(4, 8) for k in range(12))
    for k in range(12):
        if small % 2**k == 0 and 4 <= small >> k <= 7 and large % 2**k == 0:
            return k + 1
    below = max((side for side in reached if side <= small), default=4)
    above = min(side for side in reached if side >= small)
    near = []
    for side in sorted({below, above}):
        step = 1 << max(k for k in range(12) if side % 2**k == 0 and 4 <= side >> k <= 7)
        others = [side] if small == large else _multiples(large, step, side)
        near += [(side, other) if sides[0] <= sides[1] else (other, side) for other in others]
    words = "4, 5, 6 or 7 times a power of two along the smaller side, and the larger halves as often"
    raise _unreached(recipe, sides, words, near)


def _multiples(side: int, step: int, least: int) -> list[int]:
    return sorted({max(least, side // step * step), max(least, -(-side // step) * step)})


def _unreached(recipe: str, sides: Sequence[int], reach: str, near: Sequence[Any]) -> ValueError:
    """Makes the error; `near` are the nearest heights and the nearest widths, or pairs of both."""
    pairs = near if near and isinstance(near[0], tuple) else [(h, w) for h in near[0] for w in near[1]]
    if sides[0] == sides[1]:
        pairs = [(h, w) for h, w in pairs if h == w]
    named = dict.fromkeys(str(h) if h == w else f"{h}x{w}" for h, w in pairs)
    return ValueError(
        f"the recipe {recipe} does not reach pictures of {sides[0]}x{sides[1]} (height x width): its sides are "
        f"{reach}; the next are --size {' or --size '.join(named)}"
    )
