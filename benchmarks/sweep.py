"""What a sweep costs: 16 seeds at once in each mode, against the same runs one after the other, on this machine.

Command: python benchmarks/sweep.py [--steps 200] [--rounds 3]
Prints, for the ring experiment's game (two hidden layers of `width`, batch 256, Adam, R1, averaged generator), the
wall-clock time of all members' steps in each mode and in segments, its ratio to sequential solo runs that share one
compiled step, and whether every member is bit for bit its solo run; then the same for a small DCGAN and 4 seeds.
Batches are made beforehand, and compilation is not counted.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

import jaxgan as jg
from jaxgan.data import Source
from jaxgan.parallel.segments import segments, stack
from jaxgan.parallel.sweep import batches, member, sweep
from jaxgan.types import Batch, Game, TrainState

BATCHES = 20  # distinct ones for each member, repeated
SEGMENT = 20  # steps in one call


def ring_game(width: int) -> Game:
    """The game of `experiments/toys/ring.py`, at a constant learning rate."""
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        penalty=jg.penalties.r1(0.1),
        prior=jg.priors.normal(32),
        optimizer=optax.adam(1e-3, b1=0.5, b2=0.99),
    )
    networks = {
        "generator": jg.networks.mlp.Generator((2,), (width, width)),
        "discriminator": jg.networks.mlp.Discriminator((width, width)),
    }
    return jg.game(networks, system, ema={"generator": 0.999})


def images_game() -> Game:
    """A DCGAN for 28x28 images, a quarter as wide as the paper's."""
    system = jg.systems.gan(
        loss=jg.losses.non_saturating, prior=jg.priors.normal(32), optimizer=optax.adam(2e-4, b1=0.5)
    )
    networks = {
        "generator": jg.networks.dcgan.Generator(channels=1, size=28, features=16),
        "discriminator": jg.networks.dcgan.Discriminator(size=28, features=16),
    }
    return jg.game(networks, system)


def noise() -> Source:
    """Images of noise, in memory: what they show does not change what a step costs."""
    x = jax.random.uniform(jax.random.key(0), (1280, 28, 28, 1), minval=-1.0)
    return jg.data.arrays(jax.device_get(x))


def cycled(made: list[Batch], steps: int) -> Iterator[Batch]:
    """Returns `steps` batches: these, again and again."""
    return itertools.islice(itertools.cycle(made), steps)


def together(runs: Any, made: list[Batch], steps: int) -> Callable[[], TrainState]:
    """Prepares all members at once, a step a call."""

    def run() -> TrainState:
        states = runs.init(made[0])
        for batch in cycled(made, steps):
            states, _ = runs.train_step(states, batch)
        return states

    return run


def in_segments(game: Any, init: Callable[[], TrainState], made: list[Batch], steps: int) -> Callable[[], TrainState]:
    """Prepares the same in segments."""
    segment, stacked = segments(game, SEGMENT), stack(cycled(made, SEGMENT))

    def run() -> TrainState:
        state = init()
        for _ in range(steps // SEGMENT):
            state, _ = segment(state, stacked)
        return state

    return run


def alone(game: Game, seeds: range, made: list[Batch], steps: int) -> Callable[[], TrainState]:
    """Prepares the members one after the other, by one compiled step."""
    step = jax.jit(game.train_step, donate_argnums=0)
    own = [[member(batch, m) for batch in made] for m in range(len(seeds))]

    def run() -> TrainState:
        ended = []
        for m, seed in enumerate(seeds):
            state = game.init(jax.random.key(seed), own[m][0])
            for batch in cycled(own[m], steps):
                state, _ = step(state, batch)
            ended.append(jax.block_until_ready(state))
        return stack(ended)

    return run


def compare(title: str, ways: dict[str, Callable[[], TrainState]], steps: int, rounds: int) -> None:
    """Prints the table of these ways; all run in turns, so that a drifting machine hits all, the first to compare."""
    ended = {name: jax.block_until_ready(way()) for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            jax.block_until_ready(way())
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    first = next(iter(ways))
    print(f"\n{title}, {steps} steps, medians of {rounds} rounds in turns")
    print(f"{'way':26} {'seconds':>8} {'ratio':>6} {'bitwise':>8} {'largest difference':>19}")
    for name, median in medians.items():
        pairs = [
            (a, b)
            for field in ("params", "model_state", "opt_state", "ema")
            for a, b in zip(*(jax.tree.leaves(getattr(ended[n], field)) for n in (first, name)), strict=True)
        ]
        equal = all(bool(jnp.array_equal(a, b)) for a, b in pairs)
        worst = max(float(jnp.max(jnp.abs(a - b))) for a, b in pairs)
        print(f"{name:26} {median:8.2f} {median / medians[first]:6.2f} {'yes' if equal else 'no':>8} {worst:19.1e}")


def sweeps(title: str, game: Game, source: Source, seeds: range, size: int, steps: int, rounds: int) -> None:
    """Compares the modes with solo runs."""
    made = list(itertools.islice(batches(source, size, seeds), BATCHES))
    ways = {"one after the other": alone(game, seeds, made, steps)}
    for mode in ("unrolled", "map", "vmap"):
        runs = sweep(game, seeds, mode=mode)
        ways[mode] = together(runs, made, steps)
        if mode != "unrolled" and made[0]["x"].ndim == 3:
            ways[f"{mode}, {SEGMENT} steps a call"] = in_segments(runs, lambda r=runs: r.init(made[0]), made, steps)
    compare(title, ways, steps, rounds)
    choice = sweep(game, seeds).choose(made[0])
    print(f"auto: {choice.mode} ({choice.reason})")


def one_seed(title: str, game: Game, source: Source, size: int, steps: int, rounds: int) -> None:
    """Compares segments of one run with a Python loop."""
    made = list(itertools.islice(batches(source, size, [0]), BATCHES))
    own = [member(batch, 0) for batch in made]
    segmented = in_segments(game, lambda: game.init(jax.random.key(0), own[0]), own, steps)
    ways = {
        "a Python loop": alone(game, range(1), made, steps),
        f"{SEGMENT} steps a call": lambda: stack([segmented()]),
    }
    compare(title, ways, steps, rounds)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200, help=f"of the ring's runs, a multiple of {SEGMENT}")
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    print(f"{jax.devices()[0].platform}, JAX {jax.__version__}")
    for width in (128, 16):
        game, ring = ring_game(width), jg.data.ring()
        sweeps(f"ring, width {width}, 16 seeds", game, ring, range(16), 256, flags.steps, flags.rounds)
        one_seed(f"ring, width {width}, one seed", game, ring, 256, 5 * flags.steps, flags.rounds)
    sweeps("DCGAN, 4 seeds", images_game(), noise(), range(4), 64, 4, 1)


if __name__ == "__main__":
    main()
