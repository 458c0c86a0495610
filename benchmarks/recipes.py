"""Every recipe of `jaxgan train` on a hundred faces for the same minutes, judged by one protocol.

Command: python -m benchmarks recipes [--minutes 5] [--only dcgan r3gan] [--folder FOLDER]
The faces are those of scikit-image's LFW subset, 32x32, saved as grey PNGs; each recipe trains by the command, at the
small scale and with its own settings, until SIGTERM saves and ends it. 400 samples of the averaged generator are
compared with the faces as in the experiment `projected`: Fréchet distances of pixels per principal component of 24 and
of patches, and nearness. Seconds of the processor stand beside those of the clock: other work on the machine counts.
"""

from __future__ import annotations

import argparse
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from PIL import Image

import jaxgan as jg
from experiments.faces.projected import judged
from jaxgan.recipes.choosing import RECIPES
from jaxgan.runs.experiment import as_pictures
from jaxgan.runs.loading import load

SIDE, SAMPLES = 32, 400


def main() -> None:
    """Prints a line for each recipe, and one for half of the faces against the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="of the clock, for each recipe")
    parser.add_argument("--only", nargs="+", default=list(RECIPES), choices=list(RECIPES), help="recipes")
    parser.add_argument("--folder", type=Path, help="where faces and runs go; a temporary one if not given")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    folder = flags.folder or Path(tempfile.mkdtemp(prefix="recipes-"))
    real = faces(folder / "faces")
    print(f"half of the faces, to the others: {line(judged(real[::2], real[1::2]))}", flush=True)
    for name in flags.only:
        seconds, used = trained(name, flags.seed, folder, 60 * flags.minutes)
        run = load(folder / "runs" / "train" / f"{name}-{flags.seed}")
        samples = as_pictures(jg.sample(run.experiment.game, run.state, jax.random.key(0), n=SAMPLES))
        sizes = {key: f"{sum(x.size for x in jax.tree.leaves(tree)):,}" for key, tree in run.state.params.items()}
        print(
            f"{name}: {int(run.state.step):,} steps of {run.config.batch_size}, {line(judged(samples, real))}, "
            f"{seconds / 60:.1f} minutes, {used:.0f} s of the processor, parameters {sizes}",
            flush=True,
        )


def faces(folder: Path) -> np.ndarray:
    """Writes the faces as PNGs; returns them [100, 32, 32, 1] float32 in [-1, 1]."""
    from skimage.data import lfw_subset

    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for k, face in enumerate(np.asarray(lfw_subset()[:100] * 255).astype(np.uint8)):
        picture = Image.fromarray(face).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(folder / f"{k:03}.png")
        pictures.append(np.asarray(picture, np.float32) / 127.5 - 1)
    return np.stack(pictures)[..., None]


def trained(name: str, seed: int, folder: Path, seconds: float) -> tuple[float, float]:
    """Trains a recipe for so long; returns the seconds of the clock and of the processor."""
    words = ["train", str(folder / "faces"), "--recipe", name, "--scale", "small", "--seed", str(seed)]
    words += ["--id", f"{name}-{seed}", "--out", str(folder / "runs"), "--steps", "1000000", "--judged", "100"]
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen([sys.executable, "-m", "jaxgan.commands.main", *words], stdout=subprocess.DEVNULL) as run:
        try:
            run.wait(seconds)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGTERM)
            run.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, used


def line(figures: dict[str, float]) -> str:
    """Writes figures in a row."""
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())


if __name__ == "__main__":
    main()
