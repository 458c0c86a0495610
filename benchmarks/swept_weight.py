"""What a sweep of an adversarial weight is worth: the six runs of `perception_distortion` at once, beside each alone.

Command: python -m benchmarks swept_weight [--steps 10] [--json PATH]
CPU seconds of the process, all threads: of the first step, with its compilation, and of each further step of all six
weights. Alone, every weight is a number in a program of its own, which is compiled anew; in a sweep it is an argument
of one program. No compiled program is kept or read.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

import jaxgan as jg
from experiments.restoration import perception_distortion as experiment
from experiments.restoration.photographs import tiles
from jaxgan.parallel import batches, sweep

WEIGHTS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)


def seconds(step: Callable[[Any, Any], Any], state: Any, stream: Any, steps: int) -> dict[str, float]:
    """Returns CPU seconds of the first step and of each of the others, in the mean."""
    marks = [time.process_time()]
    for batch in itertools.islice(stream, steps + 1):
        state, _ = step(state, batch)
        jax.block_until_ready(state.params)
        marks.append(time.process_time())
    return {"first step": marks[1] - marks[0], "further steps": (marks[-1] - marks[1]) / steps}


def main() -> None:
    """Prints a line for each way, and for how long the experiment's steps take by it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="further steps that are timed")
    parser.add_argument("--json", type=Path, help="where the seconds are written")
    flags = parser.parse_args()
    jax.config.update("jax_enable_compilation_cache", False)
    config = experiment.Config()
    source = jg.data.degraded(
        jg.data.arrays(tiles("train", experiment.TILE, 16)[0], name="photographs"),
        x=jg.data.crop(experiment.CROP),
        low=jg.data.downsample(experiment.FACTOR),
    )

    def game(weight: Any) -> Any:
        return experiment.game_of(config, weight)

    found: dict[str, dict[str, float]] = {}
    stream = jg.data.batches(source, config.batch_size, 0)
    state = jax.jit(game(WEIGHTS[2]).init)(jax.random.key(0), next(stream))
    one = seconds(jax.jit(game(WEIGHTS[2]).train_step), state, stream, flags.steps)
    found["six alone"] = {name: len(WEIGHTS) * value for name, value in one.items()}
    for mode in ("unrolled", "vmap"):
        runs = sweep(game, [0] * len(WEIGHTS), {"weight": WEIGHTS}, mode=mode)
        stream = batches(source, config.batch_size, [0] * len(WEIGHTS))
        found[f"sweep, {mode}"] = seconds(runs.train_step, runs.init(next(stream)), stream, flags.steps)
    for name, each in found.items():
        whole = each["first step"] + (config.steps - 1) * each["further steps"]
        parts = ", ".join(f"{part} {value:.2f} s" for part, value in each.items())
        print(f"{name}: {parts}, {config.steps} steps {whole:.0f} s", flush=True)
    if flags.json:
        flags.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
