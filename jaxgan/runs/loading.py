"""A run read back from its folder: the game without its data, and a checkpoint."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

import jax
from flax.errors import FlaxError

from jaxgan import checkpoint
from jaxgan.data import Source
from jaxgan.pages import read_page
from jaxgan.runs.experiment import Best, Experiment, principal
from jaxgan.runs.folder import example_of, read_config
from jaxgan.runs.modules import made_by
from jaxgan.runs.settings import check_numbers
from jaxgan.runs.showing import run_in_html, run_in_words
from jaxgan.types import Batch, TrainState

# What building a game of another's config and batch may raise: what the page says is not what this code once wrote.
UNFIT = (ArithmeticError, AttributeError, FlaxError, LookupError, TypeError, ValueError)


class Trained(NamedTuple):
    """A run read back."""

    module: ModuleType  # of the experiment: its data, its judge
    config: Any  # its `Config`
    experiment: Experiment
    state: TrainState
    size: int  # examples of a step
    example: Batch  # one, by shapes alone
    folder: Path = Path()  # of the run

    def __repr__(self) -> str:
        """Says what run it is, how far, and how good."""
        return run_in_words(self.folder, self.state)

    def _repr_html_(self) -> str:
        """Shows it in a notebook, with its samples."""
        return run_in_html(self.folder, self.state)


def load(run: Path, step: int | Literal["latest", "best"] = "latest", *, file: Path | None = None) -> Trained:
    """Rebuilds the game of a run, without its data, and restores a checkpoint.

    Only modules of the clone's own experiments are imported, whatever the folder says.

    Args:
      run: its folder.
      step: which checkpoint; "best" by the figure that the run kept its best by.
      file: the experiment, where the run was made by a file of the user's.
    Returns:
      Trained.
    Raises:
      ValueError: the folder is no run, was made by code that is not imported unasked, or has no such checkpoint.
      CheckpointError: the checkpoint cannot be read.
    """
    page = read_config(run)
    module = made_by(run, page, file).module
    if not hasattr(module, "build"):
        raise ValueError(f"{run} is one of the games of {page['experiment']!r}, which that experiment alone can make")
    try:
        config, example = module.Config(**page["config"]), example_of(page["batch"])
        check_numbers(config)
        shape = tuple(principal(example).shape[1:])
        data = page.get("data", {})
        counts, names = tuple(map(int, data.get("counts", ()))), tuple(map(str, data.get("names", ())))
        experiment = module.build(config, shape, page["classes"])._replace(counts=counts, names=names)
        target = jax.eval_shape(experiment.game.init, jax.random.key(config.seed), example)
    except UNFIT as error:
        raise ValueError(f"{run}/config.json does not fit {page['module']}: {error}") from error
    if not (run / "checkpoints").is_dir():
        raise ValueError(f"{run} has no checkpoints yet; wait for its first evaluation")
    with closing(checkpoint.open_checkpoints(run / "checkpoints", read_only=True)) as manager:
        number = step if isinstance(step, int) else None
        if step == "best":
            number = checkpoint.best_step(manager, *_best(run))
        may_differ = tuple(getattr(module, "MAY_DIFFER", ()))
        given = experiment.game.given
        state = checkpoint.restore(manager, target, page["config"], step=number, may_differ=may_differ, given=given)
    size = config.batch_size * getattr(config, "n_critic", 1)
    return Trained(module, config, experiment, state, size, example, Path(run))


def held_out(trained: Trained) -> Source | None:
    """Returns the real examples that the run did not train on; None where there are none."""
    return trained.module.held_out(trained.config) if hasattr(trained.module, "held_out") else None


def inputs_in_words(trained: Trained) -> dict[str, str]:
    """Returns what the run's system is asked with, needed and possible, by name."""
    system = trained.experiment.game.system
    return {**((system and system.asks) or {}), **((system and system.takes) or {})}


def picture_inputs(trained: Trained) -> dict[str, tuple[int, ...]]:
    """Returns which inputs of the run's system are pictures, and the shape [H, W, C] of those it was trained on."""
    shapes = {name: tuple(leaf.shape[1:]) for name, leaf in trained.example.items() if hasattr(leaf, "shape")}
    return {name: shapes[name] for name in inputs_in_words(trained) if len(shapes.get(name, ())) == 3}


def _best(run: Path) -> Best:
    try:
        page = read_page(run / "summary.json", best_by=str | None, lower_is_better=bool | None)
        figure, lower = page["best_by"], page["lower_is_better"]
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{run}/summary.json does not say which figure is best by: {error}") from error
    if figure is None or lower is None:
        raise ValueError(f"{run} has no judge, and so no best checkpoint; use --step latest or a number")
    return Best(figure, lower)
