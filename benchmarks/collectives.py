"""What a data-parallel step sends and how long it takes: all-reduces of its program, their bytes beside the gradients'.

Command: python benchmarks/collectives.py    (8 simulated CPU devices)
Prints, for WGAN-GP with two critic updates and for hinge with batch normalisation, in both modes, how many all-reduces
the program has, how many bytes they move, how many bytes the gradients of its player updates have, and the median time
of a step with batches already placed (simulated devices share the cores: compare modes, not machines).
"""

from __future__ import annotations

import math
import os
import re
import statistics
import time

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 " + os.environ.get("XLA_FLAGS", "")

import jax
import numpy as np
import optax

import jaxgan as jg
from jaxgan.networks import dcgan, mlp
from jaxgan.parallel import Parallel, data_parallel

SIZES = {"f32": 4, "f16": 2, "bf16": 2, "s32": 4, "u32": 4, "pred": 1, "f64": 8, "s64": 8}


def collectives(program: str) -> tuple[int, int]:
    """Counts the all-reduces of an HLO text and the bytes of their results."""
    plain = re.sub(r"/\*.*?\*/", "", program)  # comments number the elements of long tuples
    found = re.findall(r"= (\(?[^=]*?\)?) all-reduce(?:-start)?\(", plain)
    moved = 0
    for shapes in found:
        for kind, dimensions in re.findall(r"(\w+)\[([\d,]*)\]", shapes):
            moved += SIZES[kind] * math.prod(int(d) for d in dimensions.split(",") if d)
    return len(found), moved


def games(axis_name: str | None) -> dict[str, jg.Game]:
    """The two games of the issue's comparison."""
    prior, sgd = jg.priors.normal(8), optax.sgd(1e-3)
    critic = jg.systems.gan(
        loss=jg.losses.wasserstein,
        penalty=jg.penalties.gradient_penalty(10.0),
        prior=prior,
        optimizer=sgd,
        n_critic=2,
    )
    plain = {"generator": mlp.Generator((28, 28, 1), (64,)), "discriminator": mlp.Discriminator((64,))}
    normed = {
        "generator": dcgan.Generator(size=28, features=8, axis_name=axis_name),
        "discriminator": dcgan.Discriminator(size=28, features=8, axis_name=axis_name),
    }
    hinge = jg.systems.gan(loss=jg.losses.hinge, prior=prior, optimizer=sgd)
    return {
        "wgan_gp": jg.game(plain, critic, axis_name=axis_name),
        "hinge_bn": jg.game(normed, hinge, axis_name=axis_name),
    }


def gradient_bytes(game: jg.Game, state: jg.TrainState) -> int:
    """Returns the bytes of all gradients of a step: the discriminator's for each of its updates, the generator's."""
    sizes = {name: sum(x.nbytes for x in jax.tree.leaves(params)) for name, params in state.params.items()}
    return game.updates * sizes["discriminator"] + sizes["generator"]


def step_time(parallel: Parallel, state: jg.TrainState, batch: jg.types.Batch) -> float:
    """Returns the median milliseconds of a step."""
    placed, times = parallel.place(batch), []
    for _ in range(40):
        began = time.perf_counter()
        state, _ = parallel.train_step(state, placed)
        jax.block_until_ready(state.params)
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times[10:])


def main() -> None:
    """Prints the table."""
    print("8 simulated CPU devices; bytes of all-reduces in one step")
    print(
        f"{'game':10} {'mode':8} {'player updates':>14} "
        f"{'all-reduces':>12} {'bytes':>10} {'gradient bytes':>15} {'ms':>7}"
    )
    for mode in ("pmap", "sharded"):
        for name, game in games("batch" if mode == "pmap" else None).items():
            parallel = data_parallel(game, mode)
            batch = {"x": np.zeros((16 * game.updates, 28, 28, 1), np.float32)}
            state = parallel.init(jax.random.key(0), batch)
            count, moved = collectives(parallel.step.lower(state, parallel.place(batch)).compile().as_text())
            gradients = gradient_bytes(game, state)
            took = step_time(parallel, state, batch)
            print(f"{name:10} {mode:8} {game.updates + 1:14} {count:12} {moved:10} {gradients:15} {took:7.1f}")


if __name__ == "__main__":
    main()
