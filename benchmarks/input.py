"""How many images a second each source gives, and how long a training step waits for them.

Command: python -m benchmarks.input [--json FILE] [--only NAME-PART]    (three minutes on 2 CPU cores)
For arrays, a folder of 2,000 PNGs of 64 pixels, once kept in memory and once decoded at each use, and a set read record
by record as TensorFlow Datasets' files are (2,000 such PNGs in memory, decoded at each use), it prints
- images a second of `data.batches`, batches of 64, with nothing else to do; beside it torch's DataLoader with 2 workers
  over the same pictures, where torch is there;
- of a DCGAN of digits size (28 pixels, width 32, batch 64) trained from that source: the share of the time in which the
  loop fetches its next batch, and of that what the device waits for at most: where the step before had ended when the
  batch came (else the fetching cost nothing: the loop is a step ahead of the device).
At the end, what it takes to order a batch of sets of a million (from a list, made once an epoch) and of a billion.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image

import jaxgan as jg
from jaxgan.data import Source

BATCH, PICTURES, SIDE = 64, 2000, 64
DIGITS = 28  # pixels of the images that the game is trained on
ROUNDS, BATCHES, STEPS = 5, 100, 40


def main() -> None:
    """Runs the command line."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--json", type=Path)
    flags.add_argument("--only", default="")
    asked = flags.parse_args()
    torch = importlib.util.find_spec("torch") is not None
    print(f"{os.cpu_count()} cores, batches of {BATCH}; torch is {'there' if torch else 'not there to compare with'}")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = draw_pictures(Path(scratch))
        for name, make in sources(folder).items():
            if asked.only not in name:
                continue
            source = make(SIDE)
            rates = [rate(jg.data.batches(source, BATCH, seed)) for seed in range(ROUNDS)]
            row = {"source": name, "images_per_second": quartiles(rates), **waiting(make(DIGITS))}
            if torch and name != "arrays":
                row["torch"] = quartiles([rate(torch_batches(folder)) for _ in range(ROUNDS)])
            rows.append(row)
            print(in_words(row), flush=True)
    ordering = {size: order(size) for size in (2**20, 10**9)}
    for size, (first, others) in ordering.items():
        print(f"order of {size} examples: {1e3 * first:.1f} ms for the first batch, {1e6 * others:.0f} us for others")
    if asked.json:
        asked.json.write_text(
            json.dumps({"cores": os.cpu_count(), "batch": BATCH, "rows": rows, "order": ordering}, indent=1) + "\n"
        )


def draw_pictures(folder: Path) -> Path:
    """Writes the PNGs, as hard to decode as photographs: smooth, with some noise."""
    rng = np.random.default_rng(0)
    for k in range(PICTURES):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC
        )
        noisy = np.asarray(small).astype(int) + rng.integers(-8, 9, (SIDE, SIDE, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{k:04}.png")
    return folder


def sources(folder: Path) -> dict[str, Callable[[int], Source]]:
    """The sources by name: side -> images of side x side pixels."""

    def arrays(side: int) -> Source:
        return jg.data.arrays(np.random.default_rng(0).uniform(-1, 1, (PICTURES, side, side, 3)).astype(np.float32))

    return {
        "arrays": arrays,
        "folder in memory": lambda side: jg.data.folder(folder, size=side),
        "folder": lambda side: jg.data.folder(folder, size=side, memory=0),
        "records": lambda side: records(folder, side),
    }


def records(folder: Path, side: int) -> Source:
    """A random-access source as `data.tfds` is one: bytes by index, decoded and resized when they are read."""
    import io

    from jaxgan.data.catalogue import THREADS
    from jaxgan.data.pixels import fit

    files = [file.read_bytes() for file in sorted(folder.iterdir())]

    def read(draw: jg.data.Draw) -> dict[str, np.ndarray]:
        images = [fit(Image.open(io.BytesIO(files[k])), (side, side), 3) for k in np.asarray(draw.index).tolist()]
        return {"x": jg.data.from_uint8(np.stack(images))}

    return Source("records", len(files), read, threads=THREADS)


def torch_batches(folder: Path) -> Iterator[Any]:
    """The same pictures through torch's DataLoader with 2 workers, decoded at each use."""
    import torch

    files = sorted(folder.iterdir())

    class Pictures(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, k: int) -> Any:
            with Image.open(files[k]) as image:
                return torch.from_numpy(
                    np.asarray(image.convert("RGB")).transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
                )

    loader = torch.utils.data.DataLoader(
        Pictures(), BATCH, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True
    )
    while True:
        yield from loader


def rate(batches: Iterator[Any]) -> float:
    """Images a second; the first batches start threads and workers and do not count."""
    for batch in itertools.islice(batches, 5):
        jax.block_until_ready(batch)
    began = time.perf_counter()
    for batch in itertools.islice(batches, BATCHES):
        jax.block_until_ready(batch)
    return BATCH * BATCHES / (time.perf_counter() - began)


def waiting(source: Source) -> dict[str, float]:
    """Trains a DCGAN by the library's loop; the time of a step, and the shares of fetching and waiting for batches."""
    dcgan = jg.networks.dcgan
    networks = {
        "generator": dcgan.Generator(channels=3, size=DIGITS, features=32),
        "discriminator": dcgan.Discriminator(size=DIGITS, features=32),
    }
    adam = optax.adam(2e-4, b1=0.5)
    system = jg.systems.gan(loss=jg.losses.non_saturating, prior=jg.priors.normal(64), optimizer=adam)
    game = jg.game(networks, system)
    fetched, waited, last = [], [], [jnp.zeros(())]

    def timed(batches: Iterator[Any]) -> Iterator[Any]:
        while True:
            began = time.perf_counter()
            batch = next(batches)
            fetched.append(time.perf_counter() - began)
            waited.append(fetched[-1] if last[0].is_ready() else 0.0)
            yield batch

    def noted(state: Any, batch: Any) -> Any:
        state, metrics = step(state, batch)
        last[0] = metrics["generator/loss"]
        return state, metrics

    batches = jg.data.batches(source, BATCH, 0)
    state = game.init(jax.random.key(0), next(batches))
    step = jax.jit(game.train_step, donate_argnums=0)
    state = jg.loop.train(step, state, batches, 5).state
    began = time.perf_counter()
    jg.loop.train(noted, state, timed(batches), 5 + STEPS)
    seconds = time.perf_counter() - began
    return {"step_ms": 1e3 * seconds / STEPS, "fetching": sum(fetched) / seconds, "waiting": sum(waited[1:]) / seconds}


def order(size: int) -> tuple[float, float]:
    """Seconds that the order of an epoch's first batch takes, and that of the others on average."""
    clock = [time.perf_counter()]
    for k in range(2001):
        jg.data.indices(0, size, np.arange(BATCH * k, BATCH * (k + 1)))
        clock.append(time.perf_counter())
    return clock[1] - clock[0], (clock[-1] - clock[1]) / 2000


def quartiles(values: list[float]) -> list[float]:
    """Returns the lower quartile, the median and the upper quartile."""
    return statistics.quantiles(values, n=4, method="inclusive")


def in_words(row: dict[str, Any]) -> str:
    """Returns a line of the table."""
    low, middle, high = row["images_per_second"]
    line = f"{row['source']:18} {middle:9.0f} images/s [{low:.0f}, {high:.0f}]; "
    line += f"of a step of {row['step_ms']:.0f} ms {100 * row['fetching']:.2f} % is "
    line += f"fetching, {100 * row['waiting']:.2f} % or less waiting"
    if "torch" in row:
        low, middle, high = row["torch"]
        line += f"; torch, 2 workers: {middle:.0f} images/s [{low:.0f}, {high:.0f}]"
    return line


if __name__ == "__main__":
    main()
