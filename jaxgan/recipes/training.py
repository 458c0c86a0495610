"""A GAN of your own pictures by a recipe: networks, loss, augmentation and rates as its paper has them.

DATA is a folder of pictures, a zip of them, `tfds:NAME`, `hf:FOLDER` (a Hugging Face set on disk), or a .npz or .npy
file.
`jaxgan recipes` lists the recipes; `--recipe auto` chooses one and says why. On a CPU networks are small and runs are
minutes; on an accelerator, or with `--scale paper`, they are the paper's.

Command: jaxgan train DATA --recipe auto
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import tyro

import jaxgan as jg
from jaxgan.data import Source
from jaxgan.networks.layers.resampling import height_and_width
from jaxgan.recipes.choosing import Choice, choose, cook
from jaxgan.recipes.parts import Facts, Recipe, Settings
from jaxgan.runs import imported
from jaxgan.runs.experiment import Experiment, Judge, draw_images
from jaxgan.runs.folder import command
from jaxgan.runs.judging import JudgedBy, image_judge
from jaxgan.runs.modules import Definition, own
from jaxgan.runs.start import Plan, planned
from jaxgan.types import Network

NAME = "train"  # runs go to OUT/train/ID
DEFAULT_SIDE = 64  # of pictures of several sizes, where none is asked for
LARGEST = 128  # side of pictures that the small scale takes as they are


@dataclass(frozen=True)
class Config:
    """A recipe on pictures. What is not given is the recipe's own choice, and `jaxgan train --dry-run` says it."""

    data: Annotated[str, tyro.conf.Positional] = ""  # folder, zip, tfds:NAME, hf:FOLDER, .npz or .npy
    recipe: str = "auto"  # by name, as `jaxgan recipes` lists them; auto: by number of pictures and side
    scale: Literal["auto", "small", "paper"] = "auto"  # of networks and runs; auto: small on a CPU, else the paper's
    size: int | str | None = None  # side to crop and resize to, or HEIGHTxWIDTH; as they are if all alike, else 64
    channels: int | None = None  # 1: grey, 3: colour, 4: colour and transparency; None: as the data are
    labels: bool = False  # condition on classes: of a folder, its subfolders
    labels_file: str = ""  # condition on what a CSV, TSV or JSON file says of each picture: docs/guide/data.md
    flip: bool = False  # mirror half of the pictures
    on_corrupt: Literal["skip", "error"] = "skip"  # leave unreadable pictures out with a warning, or refuse the data
    split: str = "train"  # of data that come in splits
    held_out: float = 0.0  # share of the pictures, in [0, 1), that is kept to evaluate with, and not trained on
    judged: int = 500  # samples in an evaluation during training
    judged_by: JudgedBy = "auto"  # auto: 8x8 pixels on a CPU, which cost nothing, else EfficientNet-Lite0
    seed: int = 0  # of parameters, latents and data order
    steps: int | None = None  # of the generator
    batch_size: int | None = None  # real pictures in an update of the discriminator
    n_critic: int | None = None  # updates of the discriminator for each of the generator
    latent: int | None = None  # width of z
    width: int | None = None  # channels, in the unit of the recipe's networks
    learning_rate: float | None = None  # the generator's
    gamma: float | None = None  # weight of the gradient penalty; 0: none
    ema_kimg: float | None = None  # half-life of the averaged generator, in thousands of pictures; 0: no average
    augment: Literal["none", "diffaugment", "ada"] | None = None
    number: int = 0  # pictures that the recipe was made for; 0: those that there are
    networks: Annotated[dict[str, Any], tyro.conf.Suppress] = dataclasses.field(default_factory=dict)  # `brought`


SMOKE = {"steps": 2, "batch_size": 8, "width": 8, "latent": 8, "judged": 8, "judged_by": "pixels", "scale": "small"}
MAY_DIFFER = ("steps", "data", "labels_file")  # pictures may have moved: that they are the same, their digest says


class Chosen(NamedTuple):
    """A config in which nothing is left to be chosen."""

    config: Config
    choice: Choice
    recipe: Recipe


def source(config: Config) -> Source:
    """The pictures that are trained on."""
    return parted(config, opened(config))[0]


def held_out(config: Config) -> Source | None:
    """The pictures that no training sees; None where all are trained on."""
    return parted(config, opened(config))[1] if config.held_out else None


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """The recipe's game for data of this shape, of a config in which nothing is left to be chosen.

    Raises:
      ValueError: the recipe does not fit the data, or is still to be chosen.
    """
    if config.recipe == "auto" or config.scale == "auto":
        raise ValueError("a recipe that is still to be chosen makes no game; jaxgan train chooses it")
    made = cook(config.recipe, facts(config, shape, classes), config.scale == "small", given(config))
    made = made._replace(networks=made.networks | brought(config, shape, classes))
    return Experiment(made.game(), made.prior, classes, draw_images)


def judge(config: Config, folder: Path) -> Judge:
    """Samples against the pictures that are trained on."""
    return image_judge(source(config), config.judged, config.judged_by)


def sized(config: Config) -> tuple[Config, Source]:
    """Opens the data; where no size is asked for and pictures differ, or are too large for the scale, takes one.

    Returns:
      The config, with that size if one was taken, and all pictures.
    Raises:
      ValueError: as `opened`.
    """
    if config.size is not None:
        return config, opened(config)
    try:
        pictures = opened(config)
        sides = jg.data.evenly(pictures, 1)["x"].shape[1:3]
        if config.scale == "paper" or max(sides) <= LARGEST:
            return config, pictures
        why = f"pictures of {sides[0]}x{sides[1]} are many pixels for the small scale"
    except ValueError:  # of several sizes, among others: those come again
        why = "pictures are of several sizes"
    config = dataclasses.replace(config, size=DEFAULT_SIDE)
    pictures = opened(config)
    print(f"{why}: cropped and resized to {DEFAULT_SIDE}x{DEFAULT_SIDE}; --size chooses another", flush=True)
    return config, pictures


def opened(config: Config) -> Source:
    """All pictures of the data, whether they are trained on or not.

    Raises:
      ValueError: no data are named, or they cannot be read.
    """
    if not config.data:
        raise ValueError("name the data: a folder of pictures, a zip, tfds:NAME, hf:FOLDER, .npz or .npy")
    pictures = jg.data.open_data(
        config.data,
        size=config.size,
        channels=config.channels,
        labels=config.labels,
        labels_file=config.labels_file or None,
        flip=config.flip,
        on_corrupt=config.on_corrupt,
        split=config.split,
    )
    if config.labels_file and not pictures.classes:
        raise ValueError(f"{config.labels_file} gives attributes; a recipe is conditioned on one class each")
    return pictures


def parted(config: Config, pictures: Source) -> tuple[Source, Source | None]:
    """Returns what is trained on, and what is held out; the seed of the run does not matter."""
    return jg.data.split(pictures, config.held_out) if config.held_out else (pictures, None)


def facts(config: Config, shape: tuple[int, ...], classes: int) -> Facts:
    """Returns what the recipe knows of the data.

    Raises:
      ValueError: the data are no pictures.
    """
    if len(shape) != 3:
        raise ValueError(f"recipes are for pictures [H, W, C]; the data's examples have shape {shape}")
    return Facts((shape[0], shape[1], shape[2]), classes, config.number or None)


def given(config: Config) -> dict[str, Any]:
    """Returns the settings that the config gives."""
    return {name: getattr(config, name) for name in Settings._fields}


def inherited(config: Config, begun: Mapping[str, Any], resumed: bool) -> Config:
    """Returns the config with what another run has chosen, where the flags leave it open.

    Args:
      config: by the flags.
      begun: config of the run that this one goes on with or begins with; {}: of none.
      resumed: all of it counts, since the run goes on; else what its networks are.
    """
    default, networks = Config(), ["recipe", "scale", "width", "latent"]
    if begun.get("networks") and config.recipe in (default.recipe, begun["recipe"]):  # those of imported weights
        networks += ["networks", "size", "channels", *([] if config.labels_file else ["labels"])]
    fields = [field.name for field in dataclasses.fields(Config)] if resumed else networks
    open_still = [field for field in fields if getattr(config, field) == getattr(default, field) and field in begun]
    return dataclasses.replace(config, **{field: begun[field] for field in open_still})


def imported_choice(page: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a run has in common with the imported weights that it begins with: their networks above all.

    Args:
      page: `config.json` of the imported run.
    Returns:
      Some fields of a Config.
    """
    config = page["config"]
    return {
        "recipe": config["family"],
        "latent": config["latent"],
        "size": config["generator"]["size"],
        "channels": config["generator"]["channels"],
        "labels": page["classes"] > 0,
        "networks": {name: config[name] for name in ("family", "latent", "generator", "discriminator")},
    }


def brought(config: Config, shape: tuple[int, ...], classes: int) -> dict[str, Network]:
    """Returns the networks that stand for the recipe's, where the run begins with weights that others published.

    Args:
      config: whose `networks` hold, of those, family, width of latents and settings; {}: the recipe's own are trained.
      shape: of a picture of the data.
      classes: of the data.
    Returns:
      Networks by name; a discriminator only where one was published.
    Raises:
      ValueError: they are of pictures, labels or latents of another form.
    """
    if not config.networks:
        return {}
    networks = imported.networks_of(config.networks)
    generator: Any = networks["generator"]
    theirs = (*height_and_width(generator.size), generator.channels, generator.classes, config.networks["latent"])
    if theirs != (*shape, classes, config.latent):
        words = "{}x{}x{} in {} classes by latents of {}"
        here = words.format(*shape, classes, config.latent)
        raise ValueError(
            f"the weights make pictures of {words.format(*theirs)}, the run {here}: "
            "--size, --channels, --labels and --latent say what the run makes"
        )
    return networks


def scaled(config: Config) -> Config:
    """Returns the config with the scale and the judge that suit the machine, where the flags leave them open."""
    on_cpu = jax.default_backend() == "cpu"
    scale = config.scale if config.scale != "auto" else "small" if on_cpu else "paper"
    by: JudgedBy = "pixels" if config.judged_by == "auto" and on_cpu else config.judged_by
    return dataclasses.replace(config, scale=scale, judged_by=by)


def resolved(config: Config, pictures: Source) -> Chosen:
    """Chooses all that the flags leave open, so that the run's config says what was trained.

    Args:
      config: by the flags; its scale is `scaled`.
      pictures: that are trained on.
    Returns:
      Chosen.
    Raises:
      ValueError: the recipe does not fit the data.
    """
    config = dataclasses.replace(config, number=config.number or pictures.size or 0)
    known = facts(config, jg.data.evenly(pictures, 1)["x"].shape[1:], pictures.classes)
    small = config.scale == "small"
    choice = choose(known, small) if config.recipe == "auto" else Choice(config.recipe, "asked for")
    made = cook(choice.name, known, small, given(config))
    return Chosen(dataclasses.replace(config, recipe=choice.name, **made.settings._asdict()), choice, made)


def described(chosen: Chosen, pictures: Source) -> list[str]:
    """Says in lines what will be trained on what, and why."""
    config, settings = chosen.config, chosen.recipe.settings
    height, width, channels = jg.data.evenly(pictures, 1)["x"].shape[1:]
    classes = f" in {pictures.classes} classes" if pictures.classes else ""
    words = [f"{name.replace('_', ' ')} {value}" for name, value in settings._asdict().items()]
    lines = [
        f"data: {pictures.name}, {config.number:,} pictures of {height}x{width}x{channels}{classes}",
        f"recipe: {config.recipe} ({chosen.choice.why}), {config.scale} scale",
        f"settings: {', '.join(words)}",
    ]
    if config.networks:
        lines.append(f"networks: those of the imported weights ({config.networks['family']}), whatever the width")
    if config.scale == "paper" and jax.default_backend() == "cpu":
        lines.append("warning: networks of the paper's size take days on a CPU; --dry-run measures it, --scale small")
    return lines


def plan(chosen: Chosen, pictures: Source) -> tuple[Definition, Plan]:
    """Makes the plan of a run on pictures that are open already."""
    config, definition = chosen.config, own(__name__)
    made = planned(definition, config, pictures)
    words = command(f"jaxgan train {shlex.quote(config.data)}", dataclasses.replace(config, data="", networks={}))
    return definition, made._replace(
        about={**made.about, "command": words},
        judge=lambda folder: image_judge(pictures, config.judged, config.judged_by),
    )
