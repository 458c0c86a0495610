"""What a checkpoint costs, and what is found of flipped bits, on this machine.

Command: python benchmarks/checkpoints.py [--rounds 7] [--flips 60]
Prints, for states of the digits experiment's shapes at several widths, the milliseconds for which `save` holds the
training loop, the seconds until the checkpoint is committed, the same for Orbax alone, and the seconds of reading back
with and without verification; then the time of SHA-256 and CRC-32 over the same bytes; then what becomes of single
flipped bits at random places of the newest checkpoint's files: with Orbax alone, and with `jaxgan.checkpoint`.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import statistics
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from experiments.digits import dcgan as digits
from jaxgan import checkpoint
from jaxgan.checkpoint import manifest
from jaxgan.types import TrainState


def shapes(features: int) -> TrainState:
    """The train state of the digits experiment, abstract."""
    config = digits.Config(generator_features=features, discriminator_features=features)
    game = digits.build(config, (config.size, config.size, 1), 0).game
    batch = {"x": jax.ShapeDtypeStruct((config.batch_size, config.size, config.size, 1), np.float32)}
    return jax.eval_shape(game.init, jax.random.key(0), batch)


def state_at(step: int, abstract: TrainState) -> TrainState:
    """A state of these shapes, of noise, which does not compress."""
    random = np.random.default_rng(step)

    def fill(leaf: Any) -> jax.Array:
        if manifest.is_key(leaf):
            return jax.random.key(step)
        if leaf.dtype == np.float32:
            return jax.device_put(random.standard_normal(leaf.shape, np.float32))
        return jax.device_put(np.full(leaf.shape, step, leaf.dtype))

    return jax.block_until_ready(jax.tree.map(fill, abstract))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Returns seconds and result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def on_first(abstract: TrainState) -> TrainState:
    """The same with the first device named, which Orbax wants."""
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), abstract)


def copies_of(state: TrainState) -> list[manifest.Shard]:
    """Returns all leaves on the host."""
    return manifest.copies(jax.tree.map(lambda x: jax.random.key_data(x) if manifest.is_key(x) else x, state))


def costs(features: int, rounds: int, folder: Path) -> None:
    """Prints the line of one width: medians."""
    abstract = shapes(features)
    ours, alone = checkpoint.open_checkpoints(folder / "ours", keep=2), ocp.CheckpointManager(folder / "alone")
    target = on_first(abstract)
    found: dict[str, list[float]] = {}
    for step in range(1, rounds + 2):
        state = state_at(step, abstract)
        began = time.perf_counter()
        times = {"save": timed(lambda s=state: checkpoint.save(ours, s, {}))[0]}
        checkpoint.wait(ours)
        times["total"] = time.perf_counter() - began
        began = time.perf_counter()
        times["save alone"] = timed(lambda s=state, n=step: alone.save(n, args=ocp.args.StandardSave(s)))[0]
        alone.wait_until_finished()
        times["total alone"] = time.perf_counter() - began
        times["restore"] = timed(lambda: jax.block_until_ready(checkpoint.restore(ours, target)))[0]
        times["restore alone"] = timed(
            lambda n=step: jax.block_until_ready(alone.restore(n, args=ocp.args.StandardRestore(target)))
        )[0]
        if step > 1:  # the first warms up
            for name, seconds in times.items():
                found.setdefault(name, []).append(seconds)
    shards = copies_of(state)
    size = sum(shard.data.nbytes for shard in shards)
    sha256 = timed(lambda: [manifest.digest(shard.data) for shard in shards])[0]
    crc32 = timed(lambda: [zlib.crc32(shard.data.reshape(-1).view(np.uint8).data) for shard in shards])[0]
    middle = {name: statistics.median(values) for name, values in found.items()}
    parameters = sum(leaf.size for leaf in jax.tree.leaves(abstract.params))
    print(
        f"{parameters:>10,} {size / 1e6:>6.0f} {1e3 * middle['save']:>9.1f} {1e3 * max(found['save']):>8.1f} "
        f"{1e3 * middle['save alone']:>6.1f} {middle['total']:>7.2f} {middle['total alone']:>7.2f} "
        f"{middle['restore']:>7.2f} {middle['restore alone']:>7.2f} {sha256:>8.3f} {crc32:>7.3f}"
    )
    ours.close()
    alone.close()


def flips(number: int, folder: Path) -> None:
    """Prints what becomes of flipped bits; each is made in the newest of two checkpoints, and undone."""
    abstract = shapes(2)
    states = {step: state_at(step, abstract) for step in (1, 2)}
    expected = {step: [manifest.digest(s.data) for s in copies_of(state)] for step, state in states.items()}
    target = on_first(abstract)
    ours, alone = checkpoint.open_checkpoints(folder / "ours"), ocp.CheckpointManager(folder / "alone")
    for step, state in states.items():
        checkpoint.save(ours, state, {})
        alone.save(step, args=ocp.args.StandardSave(state))
    for manager in (ours, alone):
        manager.wait_until_finished()
        manager.close()

    def read_ours(root: Path) -> TrainState:
        manager = checkpoint.open_checkpoints(root, read_only=True)
        try:
            return checkpoint.restore(manager, target)
        finally:
            manager.close()

    def read_alone(root: Path) -> TrainState:
        with ocp.CheckpointManager(root) as manager:
            return manager.restore(manager.latest_step(), args=ocp.args.StandardRestore(target))

    for name, read in (("alone", read_alone), ("ours", read_ours)):
        random, outcomes = np.random.default_rng(0), Counter[str]()
        files = sorted(path for path in (folder / name / "2").rglob("*") if path.is_file())
        ends = np.cumsum([path.stat().st_size for path in files])
        for _ in range(number):
            place = int(random.integers(ends[-1]))
            path = files[int(np.searchsorted(ends, place, side="right"))]
            before = path.read_bytes()
            damaged = bytearray(before)
            damaged[place % len(damaged)] ^= 1 << int(random.integers(8))
            path.write_bytes(damaged)
            try:
                got = [manifest.digest(shard.data) for shard in copies_of(read(folder / name))]
                outcomes[next((f"step {s}" for s, e in expected.items() if got == e), "wrong values, no error")] += 1
            except Exception as error:
                outcomes[f"error: {type(error).__name__}"] += 1
            path.write_bytes(before)
        said = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
        print(f"{'Orbax alone' if name == 'alone' else 'jaxgan.checkpoint':18} {said}")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--flips", type=int, default=60)
    flags = parser.parse_args()
    logging.disable(logging.WARNING)  # a line for every flip
    folder = Path(tempfile.mkdtemp())
    try:
        print(f"{jax.devices()[0].platform}, JAX {jax.__version__}, Orbax {ocp.__version__}; medians of {flags.rounds}")
        print("            MB of   ms that save blocks    s until saved    s to restore  s over all bytes")
        print("parameters  state    median    worst  Orbax    ours   Orbax    ours   Orbax  SHA-256  CRC-32")
        for features in (32, 72, 100):
            costs(features, flags.rounds, folder / f"costs-{features}")
        print(f"\n{flags.flips} single bits flipped in the newest of two checkpoints; 'step 2' is the newest, unharmed")
        flips(flags.flips, folder / "flips")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
