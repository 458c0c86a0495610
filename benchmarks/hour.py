"""A stranger's hour, from installing to judging, with no line of code: every command is run, timed and written down.

Command: python -m benchmarks hour [--folder FOLDER] [--page PAGE.md]
Makes 300 pictures in mixed formats (RGBA, palette, 16-bit grey, JPEG turned by EXIF, RGB; 40 to 80 pixels) in three
subfolders (faces, letters, textures; of scikit-image and of matplotlib's fonts), 240 to train on and 60 apart, and a
new virtual environment; then runs what a newcomer would, in a shell. --page writes the transcript. The pictures need
the extra `experiments` where this script runs.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
EACH, APART = 100, 20  # pictures of a class, and those of them that nobody trains on
FONTS = ("DejaVuSans.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono.ttf", "STIXGeneral.ttf")
ORIENTATION = 0x0112  # EXIF's tag; 6: to be turned a quarter clockwise when it is shown
PORT = 7867
LINES = 14  # of a command's output that the page keeps, from its beginning and its end


def main() -> int:
    """Runs the hour; returns 1 if a command failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where all of it happens; a temporary one if not given")
    parser.add_argument("--page", type=Path, help="where the transcript is written")
    parser.add_argument("--steps", type=int, help="of the training; the recipe's own if not given")
    flags = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # started in the background, it would be ignored below
    folder = flags.folder or Path(tempfile.mkdtemp(prefix="hour-"))
    folder.mkdir(parents=True, exist_ok=True)
    make_pictures(folder)
    steps = "" if flags.steps is None else f" --steps {flags.steps}"
    commands = [
        "python -m venv env",
        f"env/bin/pip install -qq '{ROOT}[explore,export]'",
        "env/bin/jaxgan recipes --size 32 --number 240",
        "env/bin/jaxgan train pictures --labels --size 32 --dry-run",
        f"env/bin/jaxgan train pictures --labels --size 32 --id first{steps}",
        "env/bin/jaxgan report runs/train/first",
        "env/bin/jaxgan sample runs/train/first --n 60",
        f"env/bin/jaxgan explore runs/train/first --port {PORT}",
        "env/bin/jaxgan export runs/train/first",
        "env/bin/jaxgan evaluate runs/train/first apart --features pixels",
        "env/bin/jaxgan doctor runs/train/first",
    ]
    parts, failed, whole = [], [], 0.0
    for command in commands:
        run = explored if " explore " in command else finished
        code, printed, seconds = run(command, folder)
        whole += seconds
        shown = command.replace(str(ROOT), "jaxgan").replace("env/bin/", "")
        text = "\n".join(kept(tidied(printed, folder)))
        parts.append(f"```console\n$ {shown}\n{text}\n```\n\n{seconds:.1f} s\n")
        print(parts[-1], flush=True)
        if code:
            failed.append(shown)
    parts.append(f"In all {whole / 60:.0f} minutes.\n")
    print(parts[-1], *(f"FAILED: {command}" for command in failed), sep="\n")
    if flags.page:
        flags.page.write_text("\n".join(parts), encoding="utf-8")
    return 1 if failed else 0


def make_pictures(folder: Path) -> None:
    """Writes the pictures, each in the next of five formats."""
    rng = np.random.default_rng(0)
    for name, draw in {"faces": faces(), "letters": letters(rng), "textures": textures(rng)}.items():
        for k in range(EACH):
            where = folder / ("apart" if k >= EACH - APART else "pictures") / name
            where.mkdir(parents=True, exist_ok=True)
            save(where / f"{k:03}", draw(k), k % 5)


def faces() -> Callable[[int], Image.Image]:
    """Faces of the LFW set, of which scikit-image has a hundred."""
    from skimage.data import lfw_subset

    pictures = np.asarray(lfw_subset()[:EACH] * 255).astype(np.uint8)
    return lambda k: Image.fromarray(pictures[k]).resize((50, 50), Image.Resampling.BICUBIC).convert("RGB")


def letters(rng: np.random.Generator) -> Callable[[int], Image.Image]:
    """Dark letters on light ground, of fonts that come with matplotlib."""
    import matplotlib

    fonts = [ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, 40) for name in FONTS]

    def draw(k: int) -> Image.Image:
        ground, ink = (tuple(int(c) for c in rng.integers(low, low + 80, 3)) for low in (175, 0))
        picture = Image.new("RGB", (60, 72), ground)
        letter = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[k % 26]
        ImageDraw.Draw(picture).text((30, 36), letter, ink, fonts[k % len(fonts)], anchor="mm")
        return picture

    return draw


def textures(rng: np.random.Generator) -> Callable[[int], Image.Image]:
    """Pieces of photographs of brick, grass and gravel."""
    from skimage import data

    photographs = [data.brick(), data.grass(), data.gravel()]

    def draw(k: int) -> Image.Image:
        y, x = rng.integers(0, 512 - 80, 2)
        return Image.fromarray(photographs[k % 3][y : y + 80, x : x + 64]).convert("RGB")

    return draw


def save(path: Path, picture: Image.Image, kind: int) -> None:
    """Writes a picture in one of five formats, in each of which it shows as it is."""
    if kind == 0:
        picture.save(path.with_suffix(".png"))
    elif kind == 1:
        picture.putalpha(255)
        picture.save(path.with_suffix(".png"))  # RGBA
    elif kind == 2:
        picture.quantize(64).save(path.with_suffix(".gif"))  # a palette
    elif kind == 3:
        grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        Image.fromarray(grey).save(path.with_suffix(".png"))  # 16 bits
    else:
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        picture.transpose(Image.Transpose.ROTATE_90).save(path.with_suffix(".jpg"), exif=exif, quality=95)


def finished(command: str, folder: Path) -> tuple[int, str, float]:
    """Runs a command in a shell; returns its exit code, what it printed, and its seconds."""
    began = time.monotonic()
    done = subprocess.run(
        command.replace("python", sys.executable, 1) if command.startswith("python") else command,
        shell=True,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, time.monotonic() - began


def explored(command: str, folder: Path) -> tuple[int, str, float]:
    """Starts the explorer, waits until its page answers, and stops it as Ctrl-C does."""
    began = time.monotonic()
    with subprocess.Popen(
        ["env/bin/python", "-m", "jaxgan.commands.main", *command.split()[1:]],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        while server.poll() is None and time.monotonic() - began < 120:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5) as page:
                    answered = page.status == 200
                break
            except OSError:
                answered = False
                time.sleep(0.1)
        seconds = time.monotonic() - began
        time.sleep(2)  # it says where the page is
        server.send_signal(signal.SIGINT)
        printed = server.communicate(timeout=60)[0]
    return 0 if answered else 1, printed, seconds


def tidied(printed: str, folder: Path) -> list[str]:
    """Returns what was printed as lines, without this machine's paths and without what a bar overwrote."""
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in printed.replace(str(folder), "~").splitlines()]
    return [re.sub(r"(/[\w.+-]+)+/(\.cache/[\w./-]+)", r"~/\2", line) for line in lines]


def kept(lines: list[str]) -> list[str]:
    """Returns the first and the last lines of a long output."""
    if len(lines) <= 2 * LINES:
        return lines
    return [*lines[:LINES], f"... ({len(lines) - 2 * LINES} lines)", *lines[-LINES:]]


if __name__ == "__main__":
    sys.exit(main())
