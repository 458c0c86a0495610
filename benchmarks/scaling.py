"""How a train step grows: with the batch, with the networks' width, and with simulated devices, which must communicate.

Command: python -m benchmarks scaling [--game dcgan] [--batches 16 ... 256] [--widths 32 64 128] [--devices 1 2 4 8]
Prints milliseconds, operations and their rate for every batch and width (all in turns), and, for every number of
devices, each in a process of its own: the collectives of the compiled program, the bytes that they move beside those
of the gradients, operations and peak bytes of one device. Simulated devices share the cores of one machine: no time is
taken there. `--smoke` takes small sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import costs, pairs

ROOT = Path(__file__).parents[1]


class Size(NamedTuple):
    """A step at one size."""

    operations: int
    wall: pairs.Quartiles  # seconds
    cpu: pairs.Quartiles  # seconds
    rate: float  # operations a second of wall time, by the medians


class Spread(NamedTuple):
    """The program of one device of several."""

    collectives: dict[str, int]
    sent: int  # bytes of their results
    gradients: int  # bytes of all gradients of a step
    operations: int
    peak_bytes: int


def sizes(cases: dict[str, Any], rounds: int, seconds: float) -> dict[str, Size]:
    """Counts and times the same game at several sizes, in turns."""
    from benchmarks import games, operations

    programs = {name: games.lowered(case).compile() for name, case in cases.items()}
    ways = {name: games.step(case, programs[name]) for name, case in cases.items()}
    compared = pairs.compared(pairs.interleaved(ways, rounds, seconds=seconds), next(iter(ways)))
    results = {}
    for name, each in compared.items():
        counts = operations.compiled(programs[name].as_text())
        total = counts.convolutions + counts.dots
        results[name] = Size(total, each.wall, each.cpu, total / each.wall.median)
    return results


def spread(game: str, batch: int, features: int) -> Spread:
    """Counts the step of a global batch on all devices of this process."""
    import jax

    from benchmarks import games, operations
    from jaxgan.parallel import data_parallel

    case = games.measured(game, batch=batch, features=features)
    state = jax.eval_shape(case.game.init, jax.random.key(0), case.batch)
    program = data_parallel(case.game, "sharded").step.lower(state, games.minibatches(case)).compile()
    counts = operations.compiled(program.as_text())
    weights = {name: sum(4 * p.size for p in jax.tree.leaves(params)) for name, params in state.params.items()}
    players = case.game.system.players.values() if case.game.system else ()
    gradients = sum(player.updates * weights[name] for player in players for name in player.owns)
    total = counts.convolutions + counts.dots
    return Spread(counts.collectives, counts.sent, gradients, total, operations.peak_bytes(program))


def elsewhere(game: str, batch: int, features: int, devices: int) -> Spread:
    """Counts the same in a process with so many simulated devices.

    Raises:
      RuntimeError: the process failed; its last line is in the message.
    """
    line = [sys.executable, "-m", "benchmarks", "scaling", "--game", game, "--count-one", str(batch), str(features)]
    given = costs.environment(dict(os.environ), devices) | {"PYTHONPATH": str(ROOT)}
    answer = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env=given)
    if answer.returncode:
        raise RuntimeError(f"{devices} devices: {(answer.stderr.strip().splitlines() or ['no output'])[-1]}")
    return Spread(**json.loads(answer.stdout))


def size_table(title: str, results: dict[str, Size]) -> str:
    """Writes a table of sizes."""
    lines = [title, f"{'':>12} {'wall ms':>9} {'CPU ms':>9} {'G ops':>9} {'G ops/s':>9}"]
    for name, each in results.items():
        milliseconds = f"{1e3 * each.wall.median:9.1f} {1e3 * each.cpu.median:9.1f}"
        lines.append(f"{name:>12} {milliseconds} {each.operations / 1e9:9.3f} {each.rate / 1e9:9.1f}")
    return "\n".join(lines)


def spread_row(devices: int, each: Spread) -> str:
    """Writes one line of the table of devices."""
    counts = ", ".join(f"{n} {kind}" for kind, n in each.collectives.items()) or "none"
    share = f"{each.sent / max(each.gradients, 1):8.2f}"
    return f"{devices:8} {each.operations / 1e9:9.3f} {each.peak_bytes / 1e6:9.1f} {each.sent:12,} {share}  {counts}"


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    from benchmarks.games import GAMES

    parser = argparse.ArgumentParser(prog="python -m benchmarks scaling", description=__doc__.split("\n")[0])
    parser.add_argument("--game", choices=list(GAMES), default="dcgan")
    parser.add_argument("--batches", type=int, nargs="*", default=[16, 32, 64, 128, 256])
    parser.add_argument("--widths", type=int, nargs="*", default=[32, 64, 128])
    parser.add_argument("--devices", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--batch", type=int, default=64, help="of the widths and the devices")
    parser.add_argument("--width", type=int, default=64, help="of the batches and the devices")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0, help="that the rounds of one table may take")
    parser.add_argument("--smoke", action="store_true", help="small sizes, two devices")
    parser.add_argument("--count-one", type=int, nargs=2, help=argparse.SUPPRESS)  # what `elsewhere` starts
    pairs.add_outputs(parser)
    flags = parser.parse_args()
    if flags.smoke:
        flags.batches, flags.widths, flags.devices, flags.batch, flags.width = [4, 8], [4, 8], [1, 2], 4, 4
        flags.rounds = 2
    return flags


def main() -> None:
    """Prints the three tables."""
    flags = arguments()
    if flags.count_one:
        print(json.dumps(spread(flags.game, *flags.count_one)._asdict()))
        return
    from benchmarks import games

    batches = {f"batch {n}": games.measured(flags.game, batch=n, features=flags.width) for n in flags.batches}
    widths = {f"width {n}": games.measured(flags.game, batch=flags.batch, features=n) for n in flags.widths}
    results: dict[str, Any] = {}
    for name, cases, fixed in (
        ("batches", batches, f"width {flags.width}"),
        ("widths", widths, f"batch {flags.batch}"),
    ):
        if cases:
            results[name] = sizes(cases, flags.rounds, flags.seconds)
            print(size_table(f"{flags.game}, {fixed}, medians of {flags.rounds} rounds in turns", results[name]), "\n")
    print(f"{flags.game}, width {flags.width}, a global batch of {flags.batch}; of one device:")
    print(f"{'devices':>8} {'G ops':>9} {'peak MB':>9} {'bytes sent':>12} {'/gradients':>8}  collectives")
    results["devices"] = {}
    for n in flags.devices:
        results["devices"][n] = elsewhere(flags.game, flags.batch, flags.width, n)
        print(spread_row(n, results["devices"][n]), flush=True)
    if flags.json:
        pairs.write_json(flags.json, results)
    if flags.chart:
        bars = {name: {n: each.wall for n, each in results[name].items()} for name in ("batches", "widths")}
        pairs.draw_bars(flags.chart, {"": bars["batches"] | bars["widths"]}, f"seconds of a step of {flags.game}")


if __name__ == "__main__":
    main()
