"""What `jaxgan.loop.train` costs beyond the bare compiled step: milliseconds a step, in turns.

Command: python -m benchmarks loop [--steps 1000] [--rounds 9] [--json PATH]
The game is the ring at its smallest, so that what lies between the steps is most of what is measured; the batch is
always the same, and nothing is written. A bare loop calls the step and waits at its end; `train` checks that metrics
are finite, keeps the step ahead of the device, and hands metrics to a logger.
"""

from __future__ import annotations

import argparse
import itertools

import jax

from benchmarks import games, pairs
from jaxgan.loop import train


def ways(steps: int) -> dict[str, pairs.Way]:
    """Prepares both loops of so many steps."""
    case = games.measured("ring", batch=8, features=16)
    batch = jax.device_put(case.batch)
    step = jax.jit(case.game.train_step, donate_argnums=0)

    def bare() -> None:
        state = case.game.init(jax.random.key(0), case.batch)
        for _ in range(steps):
            state, _ = step(state, batch)
        jax.block_until_ready(state.params)

    def trained() -> None:
        state = case.game.init(jax.random.key(0), case.batch)
        train(step, state, itertools.repeat(batch), steps, log=lambda step, metrics: None)

    return {"bare": bare, "train": trained}


def main() -> None:
    """Prints both, and the difference."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks loop", description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    pairs.add_outputs(parser)
    flags = parser.parse_args()
    times = pairs.interleaved(ways(flags.steps), flags.rounds)
    beyond = {}
    for clock in ("wall", "cpu"):
        rounds = zip(times["train"], times["bare"], strict=True)
        each = [1e3 * (getattr(a, clock) - getattr(b, clock)) / flags.steps for a, b in rounds]
        beyond[clock] = q = pairs.quartiles(each)
        print(f"{clock:4} beyond the bare step: {q.median:.3f} ms a step [{q.low:.3f} {q.high:.3f}]")
    if flags.json:
        pairs.write_json(flags.json, beyond)
    if flags.chart:
        pairs.draw_bars(flags.chart, {"": beyond}, "ms a step beyond the bare one")


if __name__ == "__main__":
    main()
