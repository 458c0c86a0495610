"""What a train step needs of memory, by its compiled program, and what recomputing activations saves and costs.

Command: python -m benchmarks memory [--games ...] [--big biggan stylegan2 ...] [--size 64] [--features 32] [--batch 16]
Prints for every game the bytes of its state and batch, of scratch, and the peak (arguments, results that share none
with them, scratch); then, for the games with big networks, peak and CPU time of a step without and with the networks'
field `remat`, timed in turns. A game whose networks have no such field is left out, and named. `--smoke` takes tiny
games.
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

from benchmarks import games, operations, pairs

BIG = ("biggan", "stylegan2", "r3gan", "sngan")


class Need(NamedTuple):
    """Bytes of one compiled step."""

    arguments: int  # state and batch
    scratch: int
    peak: int


class Remat(NamedTuple):
    """Without and with recomputed activations."""

    plain: Need
    remat: Need
    comparison: pairs.Comparison  # of the step with them; ratios to that without


def need(program: Any) -> Need:
    """Reads a compiled program's needs."""
    stats = program.memory_analysis()
    return Need(stats.argument_size_in_bytes, stats.temp_size_in_bytes, operations.peak_bytes(program))


def recomputed(name: str, sizes: dict[str, int], rounds: int, seconds: float) -> Remat:
    """Compares a game's step with and without `remat`.

    Raises:
      ValueError: its networks have no such field, or the game no such size.
    """
    cases = {"remat": games.measured(name, remat=True, **sizes), "plain": games.measured(name, **sizes)}
    programs = {way: games.lowered(case).compile() for way, case in cases.items()}
    ways = {way: games.step(case, programs[way]) for way, case in cases.items()}
    compared = pairs.compared(pairs.interleaved(ways, rounds, seconds=seconds), "plain")
    return Remat(need(programs["plain"]), need(programs["remat"]), compared["remat"])


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=__doc__.split("\n")[0])
    parser.add_argument("--games", nargs="*", choices=list(games.GAMES), default=list(games.GAMES))
    parser.add_argument("--big", nargs="*", choices=BIG, default=list(BIG), help="compared with and without remat")
    parser.add_argument("--size", type=int, default=64, help="pixels of the big networks")
    parser.add_argument("--features", type=int, default=32, help="of the big networks")
    parser.add_argument("--batch", type=int, default=16, help="of the big networks")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0, help="that the rounds of one game may take")
    parser.add_argument("--smoke", action="store_true", help="tiny games, two rounds")
    pairs.add_outputs(parser)
    flags = parser.parse_args()
    sizes = {"size": flags.size, "features": flags.features, "batch": flags.batch}
    if flags.smoke:
        sizes, flags.rounds = {"size": 16, "features": 4, "batch": 4}, 2
    needs: dict[str, Need] = {}
    print(f"{'game':12} {'arguments MB':>13} {'scratch MB':>11} {'peak MB':>9}")
    for name in flags.games:
        case = games.tiny(name) if flags.smoke else games.measured(name)
        needs[name] = each = need(games.lowered(case).compile())
        print(f"{name:12} {each.arguments / 1e6:13.2f} {each.scratch / 1e6:11.2f} {each.peak / 1e6:9.2f}", flush=True)
    remats: dict[str, Remat] = {}
    print(f"\nrecomputed activations at {sizes}")
    print(f"{'game':12} {'peak MB':>9} {'with remat':>11} {'share':>6} {'CPU time by that without [quartiles]':>38}")
    for name in flags.big:
        try:
            remats[name] = pair = recomputed(name, sizes, flags.rounds, flags.seconds)
        except ValueError as error:
            print(f"{name:12} left out: {error}", flush=True)
            continue
        ratio = pair.comparison.cpu_ratio
        peaks = f"{pair.plain.peak / 1e6:9.1f} {pair.remat.peak / 1e6:11.1f} {pair.remat.peak / pair.plain.peak:6.2f}"
        print(f"{name:12} {peaks} {ratio.median:22.2f} [{ratio.low:.2f} {ratio.high:.2f}]", flush=True)
    if flags.json:
        pairs.write_json(flags.json, {"needs": needs, "remat": remats})
    if flags.chart:
        bars = {name: pairs.Quartiles(*(each.peak / 1e6,) * 3) for name, each in needs.items()}
        pairs.draw_bars(flags.chart, {"": bars}, "peak MB of a step")


if __name__ == "__main__":
    main()
