"""Checkpoints through Orbax: nothing that was saved is lost, and nothing else is ever taken for it.

A checkpoint holds two items, written together and committed by one rename: `state`, the arrays of `TrainState`, and
`manifest`, a JSON page with the config, the data position, the versions and a digest of every leaf (manifest.py).
Batches are a function of (seed, step), so the step is the data position, and the state alone resumes a run exactly.

- `open_checkpoints`, `save`, `wait`, `best_step`, `config_of`: write and look (store.py)
- `restore`: verifies what it reads, and goes back to the newest good checkpoint (restore.py)
"""

from jaxgan.checkpoint.manifest import FORMAT
from jaxgan.checkpoint.restore import restore
from jaxgan.checkpoint.store import CheckpointError, Checkpoints, best_step, config_of, open_checkpoints, save, wait

__all__ = [
    "FORMAT",
    "CheckpointError",
    "Checkpoints",
    "best_step",
    "config_of",
    "open_checkpoints",
    "restore",
    "save",
    "wait",
]
