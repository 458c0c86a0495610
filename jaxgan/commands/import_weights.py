"""Makes a run of weights that others published (StyleGAN2, R3GAN, BigGAN, SNGAN); nothing in their files is run.

Command: jaxgan import-weights FILE [--flag value ...]
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from jaxgan.published import read
from jaxgan.runs.flags import parse, reported
from jaxgan.runs.imported import from_export, write


@dataclasses.dataclass(frozen=True)
class ImportWeights:
    """Which files, and where to."""

    file: Annotated[Path, tyro.conf.Positional]  # .pkl of networks, .pth of a generator, or an export's .safetensors
    average: Path | None = None  # of a .pth: the averaged generator (G_ema.pth)
    discriminator: Path | None = None  # of a .pth: the discriminator
    like: Path | None = None  # of an export's generator.safetensors: a run with its networks
    out: Path | None = None  # folder of the run that is made; runs/imported/NAME OF THE FILE if not given


def main(words: Sequence[str]) -> int:
    """Imports weights, and prints what they are; returns the exit code."""

    def work() -> int:
        flags = parse(ImportWeights, words, "jaxgan import-weights", __doc__)
        out = flags.out or Path("runs") / "imported" / flags.file.stem
        if flags.like is not None:
            print(f"{from_export(flags.file, flags.like, out)}: a run of the networks of {flags.like}")
            return 0
        made = read(flags.file, average=flags.average, discriminator=flags.discriminator)
        folder = write(made, out, shlex.join(["jaxgan", "import-weights", *words]))
        numbers = sum(array.size for array in made.generator.variables.values())
        labels = f", {made.classes} classes" if made.classes else ""
        beside = [
            name for name, there in (("its average", made.average), ("a discriminator", made.discriminator)) if there
        ]
        print(f"{made.family}: {made.size} x {made.size} x {made.channels}{labels}, latents of {made.latent}")
        print(f"a generator of {numbers:,} numbers{''.join(f', {each}' for each in beside)}")
        print(f"{folder}: a run for jaxgan sample, evaluate, explore, export, and train DATA --from")
        return 0

    return reported(work)
