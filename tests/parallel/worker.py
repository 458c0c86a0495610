"""One process of several: trains a tiny game and writes the state's bytes. Started by test_processes.py.

Usage: worker.py PORT PROCESSES PROCESS KIND MODE OUT    (MODE: pmap, sharded or split, the state split as well)
"""

import sys

import jax
import numpy as np

from jaxgan import data
from jaxgan.parallel import connect, data_parallel, end_together, local_rows
from tests.parallel.conftest import DIGITS, STEPS, game_of

port, processes, process, kind, mode, out = sys.argv[1:]
connect(f"127.0.0.1:{port}", int(processes), int(process))
with end_together():
    game = game_of(kind, "batch" if mode == "pmap" else None)
    parallel = data_parallel(game, "pmap" if mode == "pmap" else "sharded", shard_state=mode == "split")
    size = 16 * game.updates
    example = data.batch_at(data.unlabelled(DIGITS), size, seed=0)(0)
    read = data.batch_at(data.unlabelled(DIGITS), size, seed=0, rows=local_rows(size, game.updates))
    state = parallel.init(jax.random.key(0), example)
    for step in range(STEPS):
        state, metrics = parallel.train_step(state, read(step))
    state = parallel.local(state)
    leaves = jax.tree.leaves(state._replace(key=jax.random.key_data(state.key)))
    np.savez(f"{out}-{process}.npz", *[np.asarray(leaf) for leaf in leaves])
