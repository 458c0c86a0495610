"""Which recipes there are, what each is good for, and which one suits which data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxgan.recipes import biggan, dcgan, projected, r3gan, residual, stylegan2, unet
from jaxgan.recipes.parts import Cook, Facts, Recipe, is_few
from jaxgan.runs.terminal import hint


class Known(NamedTuple):
    """A recipe, and what it is good for."""

    cook: Cook
    good_for: str  # in a few words


class Choice(NamedTuple):
    """A recipe by name, and why."""

    name: str
    why: str


RECIPES = {
    "r3gan": Known(r3gan.recipe, "most data, few or many, on an accelerator: two penalties keep it from collapse"),
    "dcgan": Known(dcgan.recipe, "a CPU, and a first look: the cheapest step; small with R1"),
    "stylegan2": Known(stylegan2.recipe, "pictures of one kind from 64 pixels on; styles to explore; ADA for few"),
    "biggan": Known(biggan.recipe, "many classes and many pictures, on an accelerator"),
    "sagan": Known(residual.sagan, "classes whose shape matters as a whole: self-attention"),
    "sngan": Known(residual.sngan, "a baseline of 2018 with a spectral discriminator"),
    "wgan_gp": Known(residual.wgan_gp, "slow and steady: a loss that measures a distance"),
    "unet": Known(unet.recipe, "pictures of one scene: what is wrong is said of each pixel"),
    "projected": Known(projected.recipe, "few natural pictures, on an accelerator: sees through EfficientNet-Lite0"),
}


def choose(facts: Facts, small: bool) -> Choice:
    """Chooses a recipe by the number of pictures, the size and the scale, and says why in one line.

    On a CPU DCGAN with R1, which made faces of a hundred pictures in the minutes in which larger networks made blobs
    (experiments/README.md, "train"); DiffAugment beside it for fewer than 10,000 pictures. At the papers' scale
    StyleGAN2-ADA for fewer than 10,000 pictures from 64 pixels on, for which it was made (Karras et al. 2020), and
    R3GAN else, which surpasses it on CIFAR-10, FFHQ and ImageNet at 32 and 64 pixels (Huang et al. 2024).

    Args:
      facts: of the data.
      small: the small scale.
    Returns:
      Choice; where its first recipe does not reach the sides, another that does, or the first, which then says so.
    """
    count = "an unknown number of" if facts.number is None else f"{facts.number:,}"
    height, width, _ = facts.shape
    few = is_few(facts)
    words = f"{count} pictures of {height}x{width}"
    if small:
        name, why = "dcgan", "DCGAN small with R1, whose steps are the cheapest: more of them in a CPU's minutes"
        why += ", and DiffAugment against learning few pictures by heart" if few else ""
    elif few and min(height, width) >= 64:
        name, why = "stylegan2", "StyleGAN2, whose ADA is made for few pictures"
    else:
        name, why = (
            "r3gan",
            "R3GAN, whose two penalties keep it from collapse" + (", with ADA's transforms" if few else ""),
        )
    other = "r3gan" if small else "dcgan"
    if not _reached(name, facts) and _reached(other, facts):
        return Choice(other, f"{words}, which {name} does not reach: {other}")
    return Choice(name, f"{words}: {why}")


def cook(name: str, facts: Facts, small: bool, given: Mapping[str, Any]) -> Recipe:
    """Makes a recipe for data.

    Args:
      name: of the recipe.
      facts: of the data.
      small: the small scale instead of the paper's.
      given: settings that override; None: the recipe's own.
    Returns:
      Recipe.
    Raises:
      ValueError: there is no such recipe, or it does not fit the data.
    """
    if name not in RECIPES:
        raise ValueError(f"--recipe {name!r} is unknown; {hint(name, RECIPES)}")
    return RECIPES[name].cook(facts, small, {key: value for key, value in given.items() if value is not None})


def _reached(name: str, facts: Facts) -> bool:
    try:
        cook(name, facts, True, {})
    except ValueError:
        return False
    return True
