"""One process of several: trains tiny games, one after another, and writes their states. Started by test_processes.py.

Usage: worker.py PORT PROCESSES PROCESS OUT KIND-MODE ...    (MODE: pmap, sharded or split, the state split as well)
"""

import sys

import jax
import numpy as np

from jaxgan import data
from jaxgan.parallel import connect, data_parallel, end_together, local_rows
from tests.parallel.conftest import DIGITS, STEPS, game_of


def trained(kind, mode):
    """The state after STEPS steps, its own copy of it."""
    game = game_of(kind, "batch" if mode == "pmap" else None)
    parallel = data_parallel(game, "pmap" if mode == "pmap" else "sharded", shard_state=mode == "split")
    size = 16 * game.updates
    example = data.batch_at(data.unlabelled(DIGITS), size, seed=0)(0)
    read = data.batch_at(data.unlabelled(DIGITS), size, seed=0, rows=local_rows(size, game.updates))
    state = parallel.init(jax.random.key(0), example)
    for step in range(STEPS):
        state, _ = parallel.train_step(state, read(step))
    return parallel.local(state)


port, processes, process, out, *games = sys.argv[1:]
connect(f"127.0.0.1:{port}", int(processes), int(process))
with end_together():
    for game in games:
        state = trained(*game.split("-"))
        leaves = jax.tree.leaves(state._replace(key=jax.random.key_data(state.key)))
        np.savez(f"{out}/{game}-{process}.npz", *[np.asarray(leaf) for leaf in leaves])
