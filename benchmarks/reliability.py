"""The long form of the reliability scorecard, and what reliability costs, on this machine.

Command: python -m benchmarks.reliability
Flags: [--flips 200] [--pairs 200] [--steps 100000] [--checkpoints 5000] [--kills 200]
Each part runs in a process of its own and prints partial figures as it goes; 0 leaves a part out.

kills: SIGKILL at random instants of saving, in chains of 20, each compared with a run that was never stopped.
flips: single flipped bits in the newest checkpoint.
checkpoints, steps: many in one process; what stays in memory, and how many files stay open.
pairs: guarded and unguarded steps in turn, beside what checking a batch and digesting a state take; then the
  milliseconds for which a save of the digits experiment holds the training loop.
"""

from __future__ import annotations

import os

# Bits depend on the number of threads: the killed processes have one, and so has what they are compared with.
os.environ |= {"JAX_PLATFORMS": "cpu", "NPROC": "1"}

import argparse
import gc
import itertools
import logging
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

import jaxgan as jg
from benchmarks.checkpoints import costs, shapes, state_at, timed
from experiments.digits import dcgan as digits
from experiments.toys import ring
from jaxgan import checkpoint
from jaxgan.checkpoint import manifest
from jaxgan.data import check_batch
from jaxgan.guard import guarded
from jaxgan.log import every, open_log
from jaxgan.loop import train
from tests.reliability.test_checkpoints import chain_of_random_kills, flip_bits, save_two

CHAIN = 20  # kills of one run


def kills(number: int, folder: Path) -> None:
    """Kills runs while they save."""
    done = 0
    while done < number:
        size = min(CHAIN, number - done)
        done += size

        def tell(fault: str, outcome: str, seconds: float, done: int = done) -> None:
            print(f"{done:6} of {number}: {outcome}, {seconds:.0f} s", flush=True)

        chain_of_random_kills(folder / f"chain-{done}", size, tell, seed=done)


def flips(number: int, folder: Path) -> None:
    """Flips bits."""
    flip_bits(save_two(folder / "checkpoints"), number, lambda fault, outcome, seconds: print(f"{outcome}", flush=True))


def memory() -> tuple[float, int]:
    """Returns megabytes of this process and the number of its open files."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6, len(os.listdir("/proc/self/fd"))


def checkpoints(number: int, folder: Path) -> None:
    """Saves again and again, a state of the digits experiment's leaves at a small width."""
    manager = checkpoint.open_checkpoints(folder, keep=2)
    abstract, (before, files), began = shapes(8), memory(), time.monotonic()
    state = state_at(0, abstract)
    warm = max(1, min(500, number // 5))
    for step in range(1, number + 1):
        checkpoint.save(manager, state._replace(step=jax.numpy.asarray(step, jax.numpy.int32)), {})
        if step == warm:
            checkpoint.wait(manager)
            before = memory()[0]
        if step >= warm and step % max(1, number // 10) == 0:
            checkpoint.wait(manager)
            now, open_files = memory()
            each = 1e3 * (now - before) / max(1, step - warm)
            grown = f"{now - before:+.1f} MB since checkpoint {warm}, {each:.1f} kB each"
            seconds = time.monotonic() - began
            print(f"{step:6} checkpoints, {seconds:.0f} s: {now:.0f} MB, {grown}; {open_files} open files", flush=True)
    found = sorted(manager.all_steps())
    manager.close()
    print(f"0 errors; kept {found}; open files at the start {files}, at the end {memory()[1]}", flush=True)


def steps(number: int, folder: Path) -> None:
    """Trains for long, guarded and logged as an experiment is, without saving."""
    config = replace(ring.Config(), width=16, batch_size=16, steps=number)
    source = ring.source(config)
    game = guarded(ring.build(config, (2,), 0).game)
    batch = jg.data.batch_at(source, config.batch_size, 0)(0)
    state, (_, files), began, warm = (
        game.init(jax.random.key(0), batch),
        memory(),
        time.monotonic(),
        max(1, number // 10),
    )
    step, seen = jax.jit(game.train_step, donate_argnums=0), {}
    with open_log(folder, 0) as log:
        thinned = every(10, log)

        def look(count: int, values: dict[str, float]) -> None:
            thinned(count, values)
            if count % warm == 0:
                now, open_files = memory()
                seen.setdefault("warm", now)
                grown, seconds = now - seen["warm"], time.monotonic() - began
                print(
                    f"{count:6} steps, {seconds:.0f} s: {now:.1f} MB, {grown:+.2f} MB since step {warm}; "
                    f"{open_files} open files",
                    flush=True,
                )

        train(step, state, jg.data.batches(source, config.batch_size, 0), number, log=look)
    compiled = step._cache_size()
    print(
        f"train step compiled {compiled} time(s); open files at the start {files}, at the end {memory()[1]}", flush=True
    )


def share(name: str, milliseconds: float, step: float) -> None:
    """Prints a cost in a step's percent."""
    print(f"  {name:62} {milliseconds:8.3f} ms  {100 * milliseconds / step:6.2f} %", flush=True)


def pairs(number: int, folder: Path) -> None:
    """Times a guarded and an unguarded step of about 100 ms, in turn."""
    config = replace(digits.Config(), batch_size=96)
    source = digits.source(config)
    game = digits.build(config, (config.size, config.size, 1), 0).game
    read = jg.data.batch_at(source, config.batch_size, 0)
    runs = {}
    for name, each in {"plain": game, "guarded": guarded(game)}.items():
        runs[name] = [jax.jit(each.train_step, donate_argnums=0), each.init(jax.random.key(0), read(0)), []]

    def go(name: str, batch: dict) -> None:
        step, state, times = runs[name]
        began = time.perf_counter()
        runs[name][1], metrics = step(state, batch)
        jax.block_until_ready((runs[name][1], metrics))
        times.append(1e3 * (time.perf_counter() - began))

    for k, batch in enumerate(itertools.islice(jg.data.batches(source, config.batch_size, 0), number + 3)):
        for name in ("plain", "guarded") if k % 2 else ("guarded", "plain"):
            go(name, batch)
        if k and k % max(1, number // 4) == 0:
            print(f"  {k} pairs", flush=True)
    plain, kept = (np.array(runs[name][2][3:]) for name in ("plain", "guarded"))
    step, difference = float(np.median(plain)), kept - plain
    low, middle, high = np.percentile(difference, [25, 50, 75])
    error = 1.2533 * statistics.stdev(difference) / math.sqrt(len(difference))
    print(
        f"a step of digits, batch {config.batch_size}: median {step:.1f} ms unguarded, {np.median(kept):.1f} ms guarded"
    )
    share("guard: median difference of pairs", float(middle), step)
    print(f"    quartiles of the difference {low:+.2f} and {high:+.2f} ms; standard error of its median {error:.2f} ms")
    batch = jg.data.batch_at(source, config.batch_size, 0)(1)
    placed = jax.device_put(batch)
    checks = statistics.median(1e3 * timed(lambda: check_batch(placed))[0] for _ in range(50))
    share("validation of one batch (the loop checks 1 in 1000)", checks, step)
    arrays = manifest.copies(
        jax.tree.map(lambda x: jax.random.key_data(x) if manifest.is_key(x) else x, runs["plain"][1])
    )
    digest = statistics.median(1e3 * timed(lambda: [manifest.digest(s.data) for s in arrays])[0] for _ in range(20))
    share("digests of one state (once a save; experiments save 1 in 500)", digest, step)
    share("all three, a step", max(0.0, float(middle)) + checks / 1000 + digest / 500, step)
    print("a save of digits (state in MB, milliseconds that `save` blocks: median, worst, Orbax alone; then seconds)")
    costs(32, 15, folder)


PARTS: dict[str, tuple[Callable[[int, Path], None], int]] = {
    "flips": (flips, 200),
    "pairs": (pairs, 200),
    "steps": (steps, 100_000),
    "checkpoints": (checkpoints, 5000),
    "kills": (kills, 200),
}


def main() -> int:
    """Runs the parts, each in a process of its own; returns 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, help="this part alone, in this process")
    for name, (_, default) in PARTS.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    flags = parser.parse_args()
    if flags.only:
        logging.getLogger("absl").setLevel(logging.CRITICAL)
        with tempfile.TemporaryDirectory() as folder:
            PARTS[flags.only][0](getattr(flags, flags.only), Path(folder))
        return 0
    failed = 0
    print(f"JAX {jax.__version__}, {os.cpu_count()} CPU cores, NPROC={os.environ['NPROC']}", flush=True)
    for name in PARTS:
        if not (number := getattr(flags, name)):
            continue
        print(f"\n{name}: {number}", flush=True)
        began = time.monotonic()
        code = subprocess.run(
            [sys.executable, "-m", __spec__.name, "--only", name, f"--{name}", str(number)]
        ).returncode
        print(f"{name} {'failed with exit code ' + str(code) if code else 'done'}, {time.monotonic() - began:.0f} s")
        failed |= code != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
