"""Starts a run or goes on with it: reads the data, makes the game and the folder, and hands over to training."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

import jaxgan as jg
from experiments import run_folder
from experiments.experiment import HIGHER, LOWER, PICTURED, Judge, lower_is_better
from experiments.running import Run, Running
from experiments.training import train_run
from jaxgan import checkpoint
from jaxgan.guard import guarded
from jaxgan.lock import held
from jaxgan.parallel import data_parallel, end_together, is_first, local_rows, wait_for_all
from jaxgan.types import Batch


def run(name: str, experiment: ModuleType, config: Any, running: Running) -> int:
    """Runs an experiment.

    Args:
      name: of the experiment.
      experiment: its module.
      config: its `Config`.
      running: where and how.
    Returns:
      The exit code: 0 when done, 130 or 143 when Ctrl-C or SIGTERM stopped it after saving.
    Raises:
      ValueError: bad settings or data, a run that exists, or a checkpoint of another config.
      checkpoint.CheckpointError: a checkpoint could not be written or read.
      loop.NonFiniteError: training diverged; the message names the last good checkpoint.
    """
    if running.smoke:
        config, running = replace(config, **experiment.SMOKE), replace(running, evaluations=1, log_every=1)
    _check(config, running)
    source = experiment.source(config)
    size = config.batch_size * getattr(config, "n_critic", 1)
    example: Batch = jg.data.batch_at(source, size, config.seed)(0)
    jg.data.check_batch(example, source.classes)
    shape, key = tuple(example["x"].shape[1:]), jax.random.key(config.seed)
    built = experiment.build(config, shape, source.classes)
    target = jax.eval_shape(built.game.init, key, example)
    game = guarded(built.game)
    spread = data_parallel(game, "sharded") if jax.device_count() > 1 else None
    rows = local_rows(size, built.game.updates) if spread else None
    if spread:
        spread.place(jg.data.batch_at(source, size, config.seed, rows)(0))  # refuses a batch that does not divide
        target = jax.tree.map(
            lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
            target,
            spread.sharding(target),
        )
    # Nothing is written before this line, so that bad settings and bad data leave no folder behind.
    folder = _folder(name, config, running)
    with held(folder) if is_first() else nullcontext():
        if is_first() and not running.resume:
            run_folder.describe(folder, name, config, example, source.classes)
            built.draw(folder / "samples" / "real.png", _real(source, built.classes))
        print(f"{'going on with ' if running.resume else ''}run {folder}", flush=True)
        judge = _judge(experiment, config, folder)
        judge = judge._replace(best=running.best_by or judge.best)
        opened = checkpoint.open_checkpoints(
            folder / "checkpoints", keep=running.keep, best=judge.best, lower_is_better=lower_is_better(judge.best)
        )
        # Inside `closing`: where a peer has died, a failing process must not wait for it to close the checkpoints.
        with closing(opened) as manager, end_together():
            if running.resume:
                state = checkpoint.restore(manager, target, asdict(config), may_differ=experiment.MAY_DIFFER)
                if is_first():
                    run_folder.describe(folder, name, config, example, source.classes)
            else:
                state = (spread or game).init(key, example)
            step = spread.train_step if spread else jax.jit(game.train_step, donate_argnums=0)
            batches = jg.data.batches(source, size, config.seed, start=int(state.step), rows=rows)
            made = Run(folder, built, step, spread.local if spread else lambda state: state, judge, manager)
            return train_run(made, config, running, state, batches, source.classes)


def _folder(name: str, config: Any, running: Running) -> Path:
    """Makes or finds the run's folder; of several processes the first makes it."""
    if running.resume:
        return run_folder.find_folder(running.out, name, running.id)
    if jax.process_count() > 1 and running.id is None:
        raise ValueError("a run of several processes needs --id, the same for all of them")
    folder = run_folder.new_folder(running.out, name, running.id, config.seed) if is_first() else None
    wait_for_all("folder")
    return folder or run_folder.find_folder(running.out, name, running.id, started=False)


def _judge(experiment: ModuleType, config: Any, folder: Path) -> Judge:
    """Makes the judge; of several processes the first trains it, and the others read what it wrote."""
    judge = experiment.judge(config, folder) if is_first() else None
    wait_for_all("judge")
    return judge or experiment.judge(config, folder)


def _check(config: Any, running: Running) -> None:
    least_one = {"steps": config.steps, "evaluations": running.evaluations, "log_every": running.log_every}
    least_one |= {"max_skips": running.max_skips}
    least_one |= {"keep": running.keep, "until_plateau": 1 if running.until_plateau is None else running.until_plateau}
    for name, value in least_one.items():
        if value < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1; got {value}")
    if running.best_by is not None and running.best_by not in (*LOWER, *HIGHER):
        raise ValueError(f"--best-by {running.best_by!r} is no figure; choose one of {', '.join((*LOWER, *HIGHER))}")
    if running.watchdog is not None and running.watchdog < 0:
        raise ValueError(f"--watchdog must be 0 (off) or more seconds; got {running.watchdog}")


def _real(source: Any, classes: int) -> np.ndarray:
    """Real examples to look at, in order of their labels where the game has labels."""
    n = min(PICTURED, source.size or PICTURED)
    spread = np.linspace(0, (source.size or n) - 1, n).astype(np.int64)
    read = source.read(jg.data.Draw(0, np.arange(n), spread))
    x = np.asarray(read["x"])
    return x[np.argsort(read["y"], kind="stable")] if classes and "y" in read else x
