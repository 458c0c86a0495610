"""How much of what this machine can do a train step does: operations counted, and their rate beside a matmul's.

Command: python -m benchmarks limit [--games dcgan sngan ...] [--rounds 12] [--worst 5] [--json PATH] [--chart PATH]
For every game: the operations (multiplications and additions of convolutions and matrix products) of the optimised
program; their ratio to those of the step as it is written (below 1: the compiler merged what is written twice; above 1:
it computes more, as where it has no form of its own for a grouped derivative); and the median over rounds of the step's
operations a second by those of a plain matrix product of float32, timed in turns in the same run. `--worst` prints the
most expensive operations (those of one form together), and where in the step they come from. `--onednn` takes the
environment of `peers` and times every operation of the step alone, as often as the step runs it, in XLA and in oneDNN
(by torch, channels last), and prints both sums: what the step takes beyond XLA's is not in its convolutions and
products. `--smoke` takes tiny games.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks import games, operations, pairs

SIDE = 1024  # of the matrices
ROOT = Path(__file__).parents[1]
THREADS = "2"  # of operations alone, in XLA and torch


class Limit(NamedTuple):
    """One game's step, counted and timed."""

    parameters: int
    operations: int  # of the optimised program
    analytic: int  # of the step as it is written
    opaque: dict[str, int]  # custom calls whose operations are not counted
    wall: pairs.Quartiles  # seconds of a step
    cpu: pairs.Quartiles  # CPU seconds of a step
    share: pairs.Quartiles  # of the matmul's operations a second, by wall time
    cpu_share: pairs.Quartiles  # the same by CPU time
    worst: tuple[operations.Operation, ...]  # all, the most expensive first
    alone: tuple[dict[str, float], ...] = ()  # CPU seconds of each of them by library, where asked for


def matmul(side: int) -> pairs.Way:
    """Prepares a product of two square matrices of float32."""
    x = jax.random.normal(jax.random.key(0), (side, side))
    product = jax.jit(jnp.matmul)
    return lambda: jax.block_until_ready(product(x, x))


def alone(done: tuple[operations.Operation, ...], environment: Path) -> tuple[dict[str, float], ...]:
    """Times operations alone, in a process of an environment that has torch.

    Raises:
      ValueError: that process fails.
    """
    quiet = {"OMP_NUM_THREADS": THREADS, "OMP_WAIT_POLICY": "PASSIVE", "NPROC": THREADS, "PYTHONPATH": str(ROOT)}
    line = [str(environment / "bin" / "python"), "-m", "benchmarks.alone", THREADS]
    given = json.dumps(pairs.named(done))
    answer = subprocess.run(line, input=given, cwd=ROOT, env=os.environ | quiet, capture_output=True, text=True)
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise ValueError(f"--onednn {environment} cannot time operations: {reason}; `peers --make` makes it")
    return tuple(json.loads(answer.stdout))


def limit(case: games.Measured, rounds: int, seconds: float, side: int = SIDE) -> Limit:
    """Counts and times one game's step.

    Args:
      case: the game and its batch.
      rounds: of step and matmul in turns.
      seconds: that the rounds may take.
      side: of the matrices.
    Returns:
      Limit.
    """
    state = jax.eval_shape(case.game.init, jax.random.key(0), case.batch)
    program = games.lowered(case).compile()
    counts = operations.compiled(program.as_text())
    total = counts.convolutions + counts.dots
    times = pairs.interleaved({"matmul": matmul(side), "step": games.step(case, program)}, rounds, seconds=seconds)
    comparison = pairs.compared(times, "step")
    product = operations.dot((side, side), (side,))

    def share(ratio: pairs.Quartiles) -> pairs.Quartiles:  # of the matmul's seconds by the step's
        return pairs.Quartiles(*(each * total / product for each in ratio))

    return Limit(
        games.parameters(case),
        total,
        operations.analytic(case.game.train_step, state, case.batch),
        counts.opaque,
        comparison["step"].wall,
        comparison["step"].cpu,
        share(comparison["matmul"].wall_ratio),
        share(comparison["matmul"].cpu_ratio),
        operations.merged(counts.largest),
    )


def row(name: str, each: Limit, worst: int = 0) -> str:
    """Writes one line of the table, and those of so many of the most expensive operations."""
    rate = f"{1e3 * each.wall.median:9.1f} {1e3 * each.cpu.median:9.1f}"
    spread = f"{each.cpu_share.median:5.0%} [{each.cpu_share.low:4.0%} {each.cpu_share.high:4.0%}]"
    lines = [
        f"{name:12} {each.parameters:11,} {each.operations / 1e9:9.3f} {each.operations / max(each.analytic, 1):9.2f} "
        f"{rate} {each.share.median:7.0%} {spread}"
    ]
    if each.opaque:
        lines.append(f"    not counted: {each.opaque}")
    if each.alone:
        both = [times for times in each.alone if len(times) == 2]
        xla, onednn = (1e3 * sum(times[library] for times in both) for library in ("xla", "onednn"))
        lines.append(f"    {len(both)} of {len(each.alone)} operations alone: XLA {xla:.1f} ms, oneDNN {onednn:.1f} ms")
    for one, times in itertools.zip_longest(each.worst[:worst], each.alone[:worst], fillvalue={}):
        clocks = "".join(f", {library} {1e3 * time:.1f} ms" for library, time in times.items())
        lines.append(f"    {one.operations / 1e9:8.3f} G x{one.runs} {one.kind} {list(one.shape)} {one.form}{clocks}")
        lines.append(f"             {one.source[-110:]}")
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks limit", description=__doc__.split("\n")[0])
    parser.add_argument("--games", nargs="+", choices=list(games.GAMES), default=list(games.GAMES))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=30.0, help="that the rounds of one game may take")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="print the N most expensive operations")
    parser.add_argument("--onednn", type=Path, metavar="PATH", help="an environment with torch, made by `peers --make`")
    parser.add_argument("--smoke", action="store_true", help="tiny games, two rounds")
    pairs.add_outputs(parser)
    flags = parser.parse_args()
    rounds, side = (2, 128) if flags.smoke else (flags.rounds, SIDE)
    print(f"{jax.devices()[0].platform}, JAX {jax.__version__}; matmul of {side} x {side} float32")
    print(
        f"{'game':12} {'parameters':>11} {'G ops':>9} {'/analytic':>9} {'wall ms':>9} {'CPU ms':>9} "
        f"{'share':>7} by CPU time [quartiles]"
    )
    results: dict[str, Any] = {}
    for name in flags.games:
        case = games.tiny(name) if flags.smoke else games.measured(name)
        each = limit(case, rounds, flags.seconds, side)
        if flags.onednn:
            each = each._replace(alone=alone(each.worst, flags.onednn))
        print(row(name, each, flags.worst), flush=True)
        results[name] = each if flags.onednn else each._replace(worst=each.worst[: flags.worst])
    write(flags.json, flags.chart, results)


def write(path: Path | None, chart: Path | None, results: dict[str, Limit]) -> None:
    """Writes what was asked for."""
    if path:
        pairs.write_json(path, results)
    if chart:
        pairs.draw_bars(
            chart, {"": {name: each.cpu_share for name, each in results.items()}}, "share of a matmul's rate"
        )


if __name__ == "__main__":
    main()
