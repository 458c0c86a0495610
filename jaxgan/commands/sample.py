"""Draws samples of a run, as one picture or each as a picture of its own.

Command: jaxgan sample RUN [--flag value ...]
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import jax
import numpy as np
import tyro

import jaxgan as jg
from jaxgan.priors import Prior, truncated
from jaxgan.runs.experiment import Experiment, Shares, as_pictures, look, sample_inputs
from jaxgan.runs.flags import parse, reported
from jaxgan.runs.loading import Trained, inputs_in_words, load, picture_inputs
from jaxgan.runs.terminal import hint
from jaxgan.sample import save_each
from jaxgan.types import Game


@dataclasses.dataclass(frozen=True)
class Sample:
    """What to draw."""

    run: Annotated[Path, tyro.conf.Positional]  # folder of the run: runs/EXPERIMENT/ID
    n: int = 100  # samples, or paths with --interpolate
    seed: int = 0  # of the latents
    y: int | str | None = None  # class of all samples, for a conditional run: its number, or its name
    labels: Shares | None = None  # shares of classes without --y; a grid: equal, single pictures: the data's
    step: int | Literal["latest", "best"] = "latest"  # which checkpoint
    interpolate: bool = False  # walk between pairs of latents, a row for each
    path: Literal["spherical", "linear"] = "spherical"  # how to walk
    truncation: float | None = None  # less trades variety for quality: StyleGAN2's psi, or the bound of latents
    images: Annotated[Path | None, tyro.conf.arg(aliases=["--single-images"])] = None  # folder: a PNG for each sample
    input: Path | None = None  # of a translator: folder of pictures to translate, instead of the held-out ones
    entry: str | None = None  # which of its inputs they are, where it takes several: "a" or "b" of CycleGAN
    size: int | str | None = None  # side, or HEIGHTxWIDTH, to bring them to; that of the training data if not given
    out: Path | None = None  # the picture, or a folder for it; RUN/samples/... if not given
    module: Path | None = None  # FILE.py that made the run, where that is none of the clone's experiments


def main(words: Sequence[str]) -> int:
    """Runs the command line; returns the exit code."""
    return reported(lambda: sample(parse(Sample, words, "jaxgan sample", __doc__)))


def sample(flags: Sample) -> int:
    """Draws what the flags ask for and prints the path of the picture, or of the folder of pictures.

    Returns:
      0.
    Raises:
      ValueError: the folder is no run, or the run has not what is asked for.
    """
    _check(flags)
    trained = load(flags.run, flags.step, file=flags.module)
    experiment, state = trained.experiment, trained.state
    if experiment.draw is None and not flags.images:
        raise ValueError(f"the experiment of {flags.run} draws no pictures; give its Experiment a `draw`")
    if flags.input is not None:
        return _translate(flags, trained)
    inputs = sample_inputs(experiment, flags.n, flags.labels or ("data" if flags.images else "equal"))
    if flags.y is not None:
        inputs["y"] = np.full(flags.n, _label(flags.y, experiment), np.int32)
    key, step, prior, game = jax.random.key(flags.seed), int(state.step), experiment.prior, experiment.game
    latents = not inputs.keys() - {"y"}
    if flags.truncation is not None:
        game, prior = _truncated(experiment, flags.truncation)
    if flags.interpolate:
        if prior is None or not latents:
            raise ValueError(f"{flags.run} cannot be interpolated: its samples are not asked with latents of a prior")
        start, end = (prior(jax.random.fold_in(key, k), flags.n) for k in range(2))
        walks = jg.interpolate(game, state, key, start, end, steps=10, path=flags.path, **inputs)
        return _draw(flags, experiment, {}, walks.reshape(-1, *walks.shape[2:]), f"interpolation-{step:06d}")
    if prior is not experiment.prior and prior is not None:
        if not latents:
            raise ValueError(f"{flags.run} cannot be truncated: its samples are not asked with latents of a prior")
        inputs["z"] = prior(key, flags.n)
    drawn = jg.sample(game, state, key, n=flags.n, **inputs)
    if flags.images is None:
        truth = experiment.truth(flags.n) if experiment.truth else None
        return _draw(flags, experiment, inputs, drawn, f"drawn-{step:06d}", truth)
    names = _names(flags, experiment, inputs.get("y"))
    print(f"{len(save_each(flags.images, as_pictures(drawn), names))} pictures in {flags.images}")
    return 0


def _translate(flags: Sample, trained: Trained) -> int:
    """Translates the pictures of a folder: as one picture, each beside its input, or each as a picture of its name."""
    experiment, state = trained.experiment, trained.state
    entry, shape = _entry(flags, trained)
    source = jg.data.folder(flags.input or "", size=flags.size or shape[:2], channels=shape[2])
    n = (source.size or 0) if flags.images else min(flags.n, source.size or 0)
    given = {entry: jg.data.evenly(source, n)["x"]}
    drawn = jg.sample(experiment.game, state, jax.random.key(flags.seed), n=n, **given)
    if flags.images is None:
        return _draw(flags, experiment, given, drawn, f"translated-{int(state.step):06d}")
    names = [str(PurePosixPath(file).with_suffix("")).replace("/", "_") for file in source.files]
    if len(set(names)) < len(names):
        names = [f"{name}-{k:06d}" for k, name in enumerate(names)]
    print(f"{len(save_each(flags.images, as_pictures(drawn), names))} pictures in {flags.images}")
    return 0


def _entry(flags: Sample, trained: Trained) -> tuple[str, tuple[int, ...]]:
    """Returns which input of the run's system pictures are, and the shape [H, W, C] of those that it was trained on."""
    known = picture_inputs(trained)
    if not known:
        words = inputs_in_words(trained)
        asked = ", ".join(f"{name!r}: {what}" for name, what in words.items()) or "nothing"
        raise ValueError(f"--input: {flags.run} translates no pictures; it is asked with {asked}")
    entry = flags.entry or next(iter(known))
    if entry not in known:
        raise ValueError(f"--entry {entry} is none of the pictures that {flags.run} translates: {', '.join(known)}")
    return entry, known[entry]


def _check(flags: Sample) -> None:
    if flags.n < 1:
        raise ValueError(f"--n must be at least 1; got {flags.n}")
    if flags.input is None and (flags.entry or flags.size is not None):
        raise ValueError("--entry and --size are about the pictures of --input FOLDER; name the folder")
    if flags.input is not None and (flags.interpolate or flags.y is not None or flags.truncation is not None):
        raise ValueError("--input translates pictures; leave out --interpolate, --y and --truncation")
    if flags.truncation is not None and not 0 < flags.truncation < float("inf"):
        raise ValueError(f"--truncation must be above 0; got {flags.truncation}")
    if flags.images and (flags.interpolate or flags.out):
        raise ValueError("--images DIR writes samples one by one; leave out --interpolate and --out")
    if flags.images and flags.images.exists() and not flags.images.is_dir():
        raise ValueError(f"--images {flags.images} is a file; name a folder")
    if flags.out and flags.out.suffix and not flags.out.is_dir():
        from PIL import Image

        if flags.out.suffix.lower() not in Image.registered_extensions():
            raise ValueError(f"--out {flags.out}: no picture is written as {flags.out.suffix!r}; name it .png")


def _label(y: int | str, experiment: Experiment) -> int:
    """Returns the number of a class that was asked for by number or name."""
    if y in experiment.names:
        return experiment.names.index(str(y))
    if isinstance(y, int) and 0 <= y < experiment.classes:
        return y
    have = f"0..{experiment.classes - 1}" if experiment.classes else "no labels"
    named = f", named {', '.join(experiment.names[:20])}: {hint(str(y), experiment.names)}" if experiment.names else ""
    raise ValueError(f"--y {y} is no label of this run; it has {have}{named}")


def _truncated(experiment: Experiment, truncation: float) -> tuple[Game, Prior | None]:
    """Returns the game and the prior to sample by: styles near their mean where the network can, or else latents."""
    game, prior = experiment.game, experiment.prior
    generator: Any = (game.networks or {}).get("generator")
    if hasattr(generator, "truncation") and game.networks and game.system:
        return jg.game({**game.networks, "generator": generator.clone(truncation=truncation)}, game.system), prior
    if prior is None:
        raise ValueError("--truncation needs latents of a prior; this run has none")
    return game, truncated(prior, truncation)


def _draw(
    flags: Sample, experiment: Experiment, asked: Mapping[str, Any], samples: Any, name: str, truth: Any = None
) -> int:
    """Draws samples into the file that is asked for, or into a folder under this name."""
    out, file = flags.out or flags.run / "samples", f"{name}-seed{flags.seed}.png"
    target = out / file if out.is_dir() or not out.suffix else out
    target.parent.mkdir(parents=True, exist_ok=True)
    print(look(experiment, target, asked, samples, truth))
    return 0


def _names(flags: Sample, experiment: Experiment, y: Any) -> list[str]:
    """Returns a file name for each sample: the seed and its index, which make it again, and its class."""
    names = [f"seed{flags.seed}-{k:06d}" for k in range(flags.n)]
    if y is None or np.ndim(y) != 1:
        return names
    width = len(str(max(experiment.classes - 1, 0)))
    plain = [re.sub(r"[^\w.-]+", "_", each, flags=re.ASCII)[:40] for each in experiment.names]
    classes = [f"class{label:0{width}d}" + (f"-{plain[label]}" if plain else "") for label in np.asarray(y).tolist()]
    return [f"{name}-{each}" for name, each in zip(names, classes, strict=True)]
