"""Lists the recipes of `jaxgan train`: what each is good for, its parameters and, on request, seconds a step.

Command: jaxgan recipes [--size 64] [--channels 3] [--measure]
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxgan.data.pixels import form
from jaxgan.recipes.choosing import RECIPES, choose, cook
from jaxgan.recipes.parts import Facts, Recipe
from jaxgan.runs.flags import parse, reported
from jaxgan.runs.rehearsal import duration, timed
from jaxgan.types import Batch


@dataclasses.dataclass(frozen=True)
class Recipes:
    """For which data."""

    size: int | str = 32  # side of pictures, or HEIGHTxWIDTH
    channels: int = 3  # 1: grey, 3: colour, 4: colour and transparency
    classes: int = 0  # labels that games are conditioned on; 0: none
    number: int | None = None  # of pictures; many if not given
    scale: Literal["auto", "small", "paper"] = "auto"  # of networks; auto: small on a CPU, else the papers'
    measure: bool = False  # compile a step of each and time it: the first time, up to a minute or two each on a CPU
    only: tuple[str, ...] = ()  # these recipes alone


def main(words: Sequence[str]) -> int:
    """Runs the command line; returns the exit code."""
    return reported(lambda: recipes(parse(Recipes, words, "jaxgan recipes", __doc__)))


def recipes(flags: Recipes) -> int:
    """Prints the recipes, one after the other, as they would be for such data.

    Args:
      flags: for which data, and whether to measure.
    Returns:
      0.
    Raises:
      ValueError: data that no recipe takes, or an unknown recipe.
    """
    facts = _facts(flags)
    small = flags.scale == "small" or (flags.scale == "auto" and jax.default_backend() == "cpu")
    height, width, channels = facts.shape
    classes = f" in {facts.classes} classes" if facts.classes else ""
    print(f"pictures of {height}x{width}x{channels}{classes}; {'small' if small else 'paper'} scale")
    for name in flags.only or RECIPES:
        try:
            made = cook(name, facts, small, {})
        except (ValueError, ModuleNotFoundError) as error:
            if name not in RECIPES:
                raise
            print(f"{name:10} {RECIPES[name].good_for}\n{'':11}not here: {error}", flush=True)
            continue
        batch = _batch(made, facts)
        counts = ", ".join(f"{player} {count:,}" for player, count in _parameters(made, batch).items())
        print(f"{name:10} {RECIPES[name].good_for}\n{'':11}parameters: {counts}", flush=True)
        if flags.measure:
            print(f"{'':11}{_measured(made, batch)}", flush=True)
    name, why = choose(facts, small)
    print(f"--recipe auto takes {name}: {why}")
    return 0


def _facts(flags: Recipes) -> Facts:
    sides = form(flags.size, flags.channels)
    if sides is None or flags.classes < 0 or (flags.number is not None and flags.number < 1):
        raise ValueError(
            f"--size is a side or HEIGHTxWIDTH, --classes 0 or more and --number 1 or more; got {flags.size}, "
            f"{flags.classes} and {flags.number}"
        )
    return Facts((*sides, flags.channels), flags.classes, flags.number)


def _batch(made: Recipe, facts: Facts) -> Batch:
    """Returns a batch of zeros, of one train step."""
    size = made.settings.batch_size * made.settings.n_critic
    x: dict[str, Any] = {"x": jnp.zeros((size, *facts.shape), jnp.float32)}
    return x | ({"y": jnp.zeros(size, jnp.int32)} if facts.classes else {})


def _parameters(made: Recipe, batch: Batch) -> Mapping[str, int]:
    """Returns how many parameters networks have that learn, by shapes alone."""
    learns = {name for player in made.system.players.values() for name in player.owns}
    params = jax.eval_shape(made.game().init, jax.random.key(0), batch).params
    return {name: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params[name])) for name in sorted(learns)}


def _measured(made: Recipe, batch: Batch) -> str:
    game, steps = made.game(), made.settings.steps
    state = jax.jit(game.init)(jax.random.key(0), batch)
    seconds = timed(jax.jit(game.train_step, donate_argnums=0), state, batch)
    return f"{seconds:.3g} s a step of {batch['x'].shape[0]} pictures; {steps:,} steps: {duration(steps * seconds)}"
