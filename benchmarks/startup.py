"""Seconds from the start of a process to its first completed step, by phase, cold and with what was compiled before.

Command: python -m benchmarks.startup [digits|sngan|stylegan2 ...] [--rounds N] [--json FILE]    (three minutes for all)
Each measurement is a process of its own; "cold" begins with an empty compilation cache, "filled" with that of the one
before. Prints for each game (DCGAN with R1 at the size of `digits`, SNGAN-32, StyleGAN2-32) the median wall and CPU
seconds (of all threads) of: importing JAX, Flax and Optax; jaxgan beyond them; `init`; tracing the step; compiling it;
its first run. With --json also each measurement.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PHASES = ("libraries", "jaxgan", "init", "trace", "compile", "step")
GAMES = ("digits", "sngan", "stylegan2")


def main() -> None:
    """Runs the command line."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("games", nargs="*", help=f"of {', '.join(GAMES)}; all if none is named")
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--json", type=Path)
    flags.add_argument("--worker", choices=GAMES, help=argparse.SUPPRESS)
    asked = flags.parse_args()
    if asked.worker:
        print(json.dumps(started(asked.worker)))
        return
    if unknown := sorted(set(asked.games) - set(GAMES)):
        flags.error(f"unknown games {unknown}; have {', '.join(GAMES)}")
    rows = []
    for name in asked.games or GAMES:
        for _ in range(asked.rounds):
            with tempfile.TemporaryDirectory() as cache:
                rows += [{"game": name, "cache": state, **measured(name, cache)} for state in ("cold", "filled")]
        for state in ("cold", "filled"):
            print(
                in_words(name, state, [row for row in rows if (row["game"], row["cache"]) == (name, state)]), flush=True
            )
    if asked.json:
        asked.json.write_text(json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=1) + "\n")


def measured(name: str, cache: str) -> dict[str, list[float]]:
    """Starts a process; returns (wall, CPU) seconds of each phase and of the whole."""
    kept = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}  # as `jaxgan` does
    command = [sys.executable, "-m", "benchmarks.startup", "--worker", name]
    done = subprocess.run(command, env=os.environ | kept, check=True, stdout=subprocess.PIPE, text=True)
    seconds: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return seconds | {"whole": [sum(each) for each in zip(*(seconds[phase] for phase in PHASES), strict=True)]}


def started(name: str) -> dict[str, tuple[float, float]]:
    """Goes from the imports to the first step; returns (wall, CPU) seconds of each phase."""
    clock = [(time.perf_counter(), time.process_time())]

    def mark() -> None:
        clock.append((time.perf_counter(), time.process_time()))

    import flax.linen  # noqa: F401  (imported to be timed, like the next but one)
    import jax
    import optax  # noqa: F401

    mark()
    game, batch = made(name)
    mark()
    state = jax.block_until_ready(game.init(jax.random.key(0), batch))
    mark()
    lowered = jax.jit(game.train_step, donate_argnums=0).lower(state, batch)
    mark()
    step = lowered.compile()
    mark()
    jax.block_until_ready(step(state, batch))
    mark()
    spans = ((end[0] - start[0], end[1] - start[1]) for start, end in itertools.pairwise(clock))
    return dict(zip(PHASES, spans, strict=True))


def made(name: str) -> tuple[Any, Any]:
    """Returns a game and its first batch."""
    import numpy as np
    import optax

    import jaxgan as jg

    def images(n: int, channels: int) -> dict[str, Any]:
        return {"x": np.random.default_rng(0).uniform(-1, 1, (n, 32, 32, channels)).astype(np.float32)}

    networks = jg.networks
    if name == "digits":
        pair = {
            "generator": networks.dcgan.Generator(channels=1, size=32, features=32),
            "discriminator": networks.dcgan.Discriminator(size=32, features=32),
        }
        settings = {"loss": jg.losses.non_saturating, "penalty": jg.penalties.r1(1.0), "prior": jg.priors.normal(64)}
        return jg.game(pair, jg.systems.gan(**settings, optimizer=optax.adam(2e-4, b1=0.5))), images(32, 1)
    if name == "sngan":
        pair = {
            "generator": networks.resnet.Generator(features=64),
            "discriminator": networks.resnet.Discriminator(features=64),
        }
        settings = {"loss": jg.losses.hinge, "prior": jg.priors.normal(128)}
        return jg.game(pair, jg.systems.gan(**settings, optimizer=optax.adam(2e-4, b1=0.0, b2=0.9))), images(16, 3)
    sides = {"size": 32, "features": 32, "max_features": 128}
    pair = {
        "generator": networks.stylegan2.Generator(**sides, hidden=(128, 128)),
        "discriminator": networks.stylegan2.Discriminator(**sides),
    }
    settings = {"prior": jg.priors.normal(64), "penalty": jg.penalties.r1(1.0)}
    return jg.game(pair, jg.systems.stylegan2(**settings, optimizer=optax.adam(2.5e-3, b1=0.0, b2=0.99))), images(8, 3)


def in_words(name: str, state: str, rows: list[dict[str, Any]]) -> str:
    """Returns a line: the medians of each phase."""

    def middle(phase: str, k: int) -> float:
        return statistics.median(row[phase][k] for row in rows)

    phases = "  ".join(f"{phase} {middle(phase, 0):.1f}/{middle(phase, 1):.1f}" for phase in ("whole", *PHASES))
    return f"{name:10} {state:7} wall/CPU s: {phases}"


if __name__ == "__main__":
    main()
