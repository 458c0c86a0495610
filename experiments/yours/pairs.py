"""Translation of your own pictures by pairs: pix2pix on a folder with subfolders A and B, whose names agree.

Isola et al. 2017: a U-Net G(a) with L1 to the truth b and a patch discriminator that sees (a, b). A part of the pairs
is held out; the pictures of the run, its figures and `jaxgan sample` show their translations, each between its input
and the truth. `jaxgan sample` also translates any other folder of pictures.

Command: python -m experiments pairs --path FOLDER --size 64
Takes: with 16 features and 4 pairs a step 0.2 s a step on one shared CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import optax

import jaxgan as jg
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.networks import conditioning, patch, translators
from jaxgan.runs.experiment import Experiment, Judge, Judgement, as_pictures, draw_images


@dataclass(frozen=True)
class Config:
    """pix2pix on a folder of pairs."""

    path: str = ""  # folder that holds the two folders; required
    a: str = "A"  # folder of what is translated
    b: str = "B"  # folder of what it becomes
    on_unpaired: Literal["error", "skip"] = "error"  # pictures without a partner of their name: refuse, or leave out
    held_out: float = 0.1  # share of the pairs that is not trained on
    flip: bool = True  # mirror half of the pairs
    channels_a: int = 3  # 1: grey, 3: colour
    channels_b: int = 3  # likewise
    judged: int = 200  # translations in an evaluation, at most
    seed: int = 0  # of parameters, dropout and data order
    steps: int = 5000  # train steps
    batch_size: int = 8  # pairs a step
    size: int | str = 64  # side of the pictures, or HEIGHTxWIDTH: multiples of 2^depth
    depth: int = 5  # halvings of the U-Net
    generator_features: int = 32  # channels of its first map; doubled at every halving, up to eight times
    dropout: float = 0.5  # of it, in use too, so that an input has several translations; 0: one, and an ONNX export
    discriminator_features: int = 32  # likewise
    discriminator_layers: int = 2  # of stride 2: 2 see patches of 34 pixels, 3 of 70
    weight: float = 100.0  # of L1
    learning_rate: float = 1e-3  # Adam's, of both players; the paper has 2e-4, and a hundred thousand steps
    b1: float = 0.5  # Adam's momentum
    b2: float = 0.999  # Adam's decay of squared gradients
    ema: float = 0.99  # decay of the averaged generator, per step


SMOKE = {
    "steps": 4,
    "batch_size": 8,
    "generator_features": 2,
    "discriminator_features": 2,
    "judged": 4,
}
MAY_DIFFER = ("steps", "path")  # pictures may have moved: that they are the same, their digest says


def source(config: Config) -> Source:
    """The pairs that are trained on, mirrored if asked for."""
    return jg.data.split(_pairs(config, config.flip), config.held_out)[0]


def held_out(config: Config) -> Source:
    """The pairs that are not trained on: "x" is the truth, "a" the input."""
    pairs = jg.data.split(_pairs(config, False), config.held_out)[1]

    def read(draw: jg.data.Draw) -> dict[str, Any]:
        batch = pairs.read(draw)
        return {"x": batch["b"], "a": batch["a"]}

    return pairs._replace(read=read)


def _pairs(config: Config, flip: bool) -> Source:
    if not config.path:
        raise ValueError("the pairs experiment needs --path, a folder that holds two folders of pictures")
    return jg.data.folder_pairs(
        config.path,
        {"a": config.a, "b": config.b},
        size=config.size,
        channels={"a": config.channels_a, "b": config.channels_b},
        flip=flip,
        on_unpaired=config.on_unpaired,
    )


def build(config: Config, shape: tuple[int, ...], classes: int) -> Experiment:
    """A U-Net against a patch discriminator, with L1."""
    networks = {
        "generator": translators.UNet(
            config.channels_b, features=config.generator_features, depth=config.depth, dropout=config.dropout
        ),
        "discriminator": conditioning.Concatenated(
            patch.Discriminator(config.discriminator_features, config.discriminator_layers)
        ),
    }
    system = jg.systems.pix2pix(
        loss=jg.losses.non_saturating,
        optimizer=optax.adam(config.learning_rate, b1=config.b1, b2=config.b2),
        weight=config.weight,
    )
    game = jg.game(networks, system, ema={"generator": config.ema})
    others = functools.cache(lambda: held_out(config))  # decoded once, and only where it is asked for
    few = functools.cache(lambda n: jax.tree.map(np.asarray, jg.data.evenly(others(), n)))
    return Experiment(game, draw=draw_images, inputs=lambda n: {"a": few(n)["a"]}, truth=lambda n: few(n)["x"])


def judge(config: Config, folder: Path) -> Judge:
    """Translations of held-out inputs beside the truth."""
    pairs = held_out(config)
    n = min(config.judged, pairs.size or 0)
    truth = np.asarray(jg.data.evenly(pairs, n)["x"])

    def figures(samples: Any) -> Judgement:
        made = as_pictures(samples)
        return Judgement(
            {
                "l1": float(np.mean(np.abs(made - truth))),
                "psnr": metrics.psnr(made, truth),
                "ssim": float(np.mean(metrics.ssim(made, truth))),
                "gradient_energy_ratio": metrics.gradient_energy_ratio(made, truth),
                "patch_distance": metrics.patch_distance(made, truth),
            }
        )

    protocol = (
        f"translations of {n} held-out inputs ({pairs.name}) by the averaged generator beside the truth: mean absolute "
        "error, PSNR in dB and SSIM of pixels in [-1, 1]; sharpness (ratio of mean gradients, 1 is the truth's) and "
        "Fréchet distance of the pixels of 8x8 patches, which see texture and not where things are"
    )
    return Judge(figures, n, "patch_distance", protocol, lower_is_better=True)
