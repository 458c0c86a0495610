"""Trains a toy and saves every step, to be killed at any time. Started by test_checkpoints.py.

Usage: saver.py FOLDER STEPS [KEEP]

Prints "save <step>" just before each save, and at the end "digest <sha256>" of the whole state as it was restored.
A run whose folder has checkpoints goes on with the newest good one.
"""

import hashlib
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jaxgan as jg
from jaxgan import checkpoint

SHAPE = (512, 512)  # 1 MB an array, 12 of them


def first():
    """The state before any step."""

    def arrays(start):
        keys = jax.random.split(jax.random.key(start), 4)
        return {f"w{k}": jax.random.normal(key, SHAPE) for k, key in enumerate(keys)}

    key = jax.random.key(7)
    return jg.TrainState(jnp.zeros((), jnp.int32), key, {"g": arrays(1)}, {}, {"g": arrays(2)}, {"g": arrays(3)})


@jax.jit
def train_step(state):
    """A step that depends on all that is restored: parameters, optimizer state, key and step."""
    noise = jax.random.normal(jax.random.fold_in(state.key, state.step), SHAPE)
    momentum = jax.tree.map(lambda m, w: 0.9 * m - 0.1 * w + 0.01 * noise, state.opt_state["g"], state.params["g"])
    params = jax.tree.map(jnp.add, state.params["g"], momentum)
    ema = jax.tree.map(lambda e, w: 0.99 * e + 0.01 * w, state.ema["g"], params)
    return state._replace(step=state.step + 1, params={"g": params}, opt_state={"g": momentum}, ema={"g": ema})


def digest(state):
    """SHA-256 over every leaf."""
    leaves = jax.tree.leaves(state._replace(key=jax.random.key_data(state.key)))
    return hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in leaves)).hexdigest()


def main():
    """Trains up to a step."""
    folder, steps, keep = Path(sys.argv[1]), int(sys.argv[2]), int([*sys.argv, 2][3])
    manager = checkpoint.open_checkpoints(folder, keep=keep)
    target = jax.eval_shape(first)
    state = checkpoint.restore(manager, target) if manager.all_steps() else first()
    print("start", int(state.step), flush=True)
    while int(state.step) < steps:
        state = train_step(state)
        print("save", int(state.step), flush=True)
        checkpoint.save(manager, state, {"seed": 7})
    checkpoint.wait(manager)
    print("digest", digest(checkpoint.restore(manager, target)), flush=True)
    manager.close()


if __name__ == "__main__":
    main()
