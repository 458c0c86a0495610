"""A run read back from its folder: the game without its data, and a checkpoint."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

import jax

from experiments import EXPERIMENTS
from experiments.experiment import Experiment, lower_is_better
from jaxgan import checkpoint
from jaxgan.types import TrainState


class Trained(NamedTuple):
    """A run read back."""

    module: ModuleType  # of the experiment: its data, its judge
    config: Any  # its `Config`
    experiment: Experiment
    state: TrainState


def load(run: Path, step: int | Literal["latest", "best"] = "latest") -> Trained:
    """Rebuilds the game of a run, without its data, and restores a checkpoint.

    Args:
      run: its folder.
      step: which checkpoint; "best" by the figure that the run kept its best by.
    Returns:
      Trained.
    Raises:
      ValueError: the folder is no run, or has no such checkpoint.
      CheckpointError: the checkpoint cannot be read.
    """
    try:
        page = json.loads((run / "config.json").read_text())
        module = EXPERIMENTS[page["experiment"]]
        config = module.Config(**page["config"])
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{run} is not the folder of a run (runs/EXPERIMENT/ID): {error}") from error
    example = {name: jax.ShapeDtypeStruct(tuple(x["shape"]), x["dtype"]) for name, x in page["batch"].items()}
    experiment = module.build(config, tuple(example["x"].shape[1:]), page["classes"])
    target = jax.eval_shape(experiment.game.init, jax.random.key(config.seed), example)
    if not (run / "checkpoints").is_dir():
        raise ValueError(f"{run} has no checkpoints yet; wait for its first evaluation")
    with closing(checkpoint.open_checkpoints(run / "checkpoints", read_only=True)) as manager:
        wanted = step if isinstance(step, int) else None
        if step == "best":
            wanted = checkpoint.best_step(manager, _best(run), lower_is_better(_best(run)))
        state = checkpoint.restore(manager, target, page["config"], step=wanted, may_differ=module.MAY_DIFFER)
    return Trained(module, config, experiment, state)


def _best(run: Path) -> str:
    try:
        return json.loads((run / "summary.json").read_text())["best_by"]
    except (OSError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{run}/summary.json does not say which figure is best by: {error}") from error
