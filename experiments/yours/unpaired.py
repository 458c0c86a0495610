"""Translation of your own pictures without pairs: CycleGAN on two folders of pictures.

Zhu et al. 2017: two translators, each against a patch discriminator, which undo each other. A part of both folders is
held out; the pictures of the run and `jaxgan sample` show their translations beside the inputs, and figures compare
them with held-out pictures of the other folder, which is all that is known without pairs.

Command: python -m experiments unpaired --path FOLDER --size 64
Takes: with the default widths 0.4 s a step on one CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optax

import jaxgan as jg
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.networks import patch, remedies, translators
from jaxgan.runs.experiment import Experiment, Judge, Judgement, as_pictures, draw_images


@dataclass(frozen=True)
class Config:
    """CycleGAN on two folders of pictures."""

    path: str = ""  # folder that holds the two folders; required
    a: str = "A"  # folder of one kind
    b: str = "B"  # folder of the other
    held_out: float = 0.1  # share of both folders that is not trained on
    flip: bool = True  # mirror half of the pictures
    channels_a: int = 3  # 1: grey, 3: colour
    channels_b: int = 3  # likewise
    judged: int = 200  # translations in an evaluation, at most
    seed: int = 0  # of parameters, pools and data order
    steps: int = 5000  # train steps
    batch_size: int = 2  # pictures of either kind a step
    size: int | str = 64  # side of the pictures, or HEIGHTxWIDTH: multiples of 2^discriminator_layers from 16 on
    blocks: int = 4  # residual blocks of the translators: 6 in the paper at 128 pixels, 9 at 256
    generator_features: int = 16  # channels of their first maps; four times as many in the blocks
    discriminator_features: int = 32  # channels of the discriminators' first maps
    discriminator_layers: int = 2  # of stride 2: 2 see patches of 34 pixels, 3 of 70
    cycle: float = 5.0  # weight of the way there and back: the paper's 10, whose adversarial loss is twice this one
    identity: float = (
        0.5  # weight, as a share of `cycle`, of leaving pictures of the other kind alone, where channels agree
    )
    pool: int = 50  # translations of the past that a discriminator is shown among those of now
    learning_rate: float = 2e-4  # Adam's, of all players
    b1: float = 0.5  # Adam's momentum
    b2: float = 0.999  # Adam's decay of squared gradients
    ema: float = 0.99  # decay of the averaged translators, per step


SMOKE = {
    "steps": 4,
    "batch_size": 8,
    "generator_features": 2,
    "discriminator_features": 2,
    "blocks": 1,
    "judged": 4,
}
MAY_DIFFER = ("steps", "path")  # pictures may have moved: that they are the same, their digest says


def source(config: Config) -> Source:
    """Pictures of both kinds, each in an order of its own."""
    return jg.data.unpaired(**{kind: _parts(config, kind, config.flip)[0] for kind in ("a", "b")})


def held_out(config: Config) -> Source:
    """Pictures of the second kind that are not trained on."""
    return _parts(config, "b", False)[1]


def _parts(config: Config, kind: Literal["a", "b"], flip: bool) -> tuple[Source, Source]:
    """Returns what is trained on of one kind, and what is held out."""
    if not config.path:
        raise ValueError("the unpaired experiment needs --path, a folder that holds two folders of pictures")
    place, channels = {"a": (config.a, config.channels_a), "b": (config.b, config.channels_b)}[kind]
    pictures = jg.data.folder(Path(config.path) / place, size=config.size, channels=channels, flip=flip)
    return jg.data.split(pictures, config.held_out)


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """Two ResNet translators and two patch discriminators with pools."""
    networks: dict[str, Any] = {}
    for here, there, channels in (("a", "b", config.channels_b), ("b", "a", config.channels_a)):
        networks[f"{here}_to_{there}"] = translators.ResNet(
            channels, features=config.generator_features, blocks=config.blocks
        )
        networks[f"discriminator_{here}"] = patch.Discriminator(
            config.discriminator_features, config.discriminator_layers, normalization="instance"
        )
        networks[f"pool_{here}"] = remedies.Replay(config.pool)
    system = jg.systems.cyclegan(
        loss=jg.losses.least_squares,
        optimizer=optax.adam(config.learning_rate, b1=config.b1, b2=config.b2),
        cycle=config.cycle,
        identity=config.identity if config.channels_a == config.channels_b else 0.0,
        replay="pool",
    )
    game = jg.game(networks, system, ema={"a_to_b": config.ema, "b_to_a": config.ema})
    others = functools.cache(lambda: _parts(config, "a", False)[1])  # decoded once, and only where it is asked for
    return Experiment(game, draw=draw_images, inputs=lambda n: {"a": np.asarray(jg.data.evenly(others(), n)["x"])})


def judge(config: Config, folder: Path) -> Judge:
    """Translations of held-out pictures beside held-out pictures of the other kind."""
    others = held_out(config)
    n = min(config.judged, others.size or 0)
    real = np.asarray(jg.data.evenly(others, n)["x"])

    def figures(samples: Any) -> Judgement:
        made = as_pictures(samples)
        return Judgement(
            {
                "patch_distance": metrics.patch_distance(made, real),
                "gradient_energy_ratio": metrics.gradient_energy_ratio(made, real),
            },
            variation=metrics.variation(made, real),
        )

    protocol = (
        f"translations of {n} held-out pictures of {config.a} by the averaged translator beside as many held-out ones "
        f"of {config.b} ({others.name}): Fréchet distance of the pixels of 8x8 patches, and the ratio of mean gradients"
    )
    return Judge(figures, n, "patch_distance", protocol, lower_is_better=True)
