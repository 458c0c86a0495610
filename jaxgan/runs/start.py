"""Starts a run or goes on with it: reads the data, makes the game and the folder, and hands over to training.

`run` is what the command lines call. `member` makes a run below another's folder, which goes on where it was stopped:
what the games of a table experiment are made by (`jaxgan.runs.members`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxgan as jg
from jaxgan import checkpoint
from jaxgan.carried import carry
from jaxgan.checkpoint.differences import of_configs
from jaxgan.data import Source
from jaxgan.guard import guarded
from jaxgan.lock import locked
from jaxgan.loop import NonFiniteError
from jaxgan.parallel import Parallel, data_parallel, end_together, is_first, local_rows, wait_for_all
from jaxgan.runs import folder as folders
from jaxgan.runs.compiled import say_where_kept
from jaxgan.runs.ending import read_summary
from jaxgan.runs.experiment import (
    HIGHER,
    LOWER,
    PICTURED,
    Experiment,
    Judge,
    best_of,
    in_words,
    principal,
    shares,
    with_labels,
)
from jaxgan.runs.folder import read_config
from jaxgan.runs.loading import load
from jaxgan.runs.modules import Definition
from jaxgan.runs.rehearsal import rehearse
from jaxgan.runs.settings import Run, Running, check_numbers
from jaxgan.runs.training import Finished, train_run
from jaxgan.types import Batch, Game, TrainState


class Plan(NamedTuple):
    """A run to be made."""

    about: dict[str, Any]  # who makes it, for config.json: "experiment", "module", "sha256" and "command"
    config: Any  # a dataclass of JSON values with `seed`, `steps` and `batch_size`
    source: Source
    build: Callable[[tuple[int, ...], int], Experiment]  # (shape of an example, classes) -> the game; needs no data
    judge: Callable[[Path], Judge] | None = None  # (the run's folder) -> how samples are measured
    may_differ: tuple[str, ...] = ()  # fields of the config that a resumed run may change
    first: TrainState | None = None  # of a member: where training begins, its step 0; None: by the config's seed
    may_diverge: bool = False  # of a member: divergence is a result and no error


class Prepared(NamedTuple):
    """A plan that fits its data. Nothing has been written yet, so that bad settings and bad data leave no folder."""

    plan: Plan
    built: Experiment
    game: Game  # guarded
    example: Batch  # the first batch
    size: int  # examples of a step
    target: TrainState  # abstract: what checkpoints hold
    spread: Parallel | None = None  # over all devices, where there are several
    rows: np.ndarray | None = None  # of a step's examples, those of this process; None: all


def run(definition: Definition, config: Any, running: Running) -> int:
    """Runs an experiment.

    Args:
      definition: its code.
      config: its `Config`.
      running: where and how.
    Returns:
      The exit code: 0 when done, 130 or 143 when Ctrl-C or SIGTERM stopped it after saving.
    Raises:
      ValueError: bad settings or data, a run that exists, or a checkpoint of another config.
      checkpoint.CheckpointError: a checkpoint could not be written or read.
      loop.NonFiniteError: training diverged; the message names the last good checkpoint.
    """
    return run_plan(definition, planned(definition, config), running)


def run_plan(definition: Definition, plan: Plan, running: Running) -> int:
    """Runs a plan as `run` does; with `running.dry_run`, says what it would be and writes nothing.

    Args:
      definition: whose.
      plan: what to train.
      running: where and how.
    Returns:
      As `run`.
    Raises:
      ValueError, checkpoint.CheckpointError, loop.NonFiniteError: as `run`.
    """
    prepared, config = prepare(plan, running), plan.config
    if running.start_from is not None:
        if running.resume:
            raise ValueError("--from begins a run and --resume goes on with one; choose")
        prepared = _begun(prepared, running.start_from, definition)
    if running.dry_run:  # on one device, however many there are
        alone = prepared._replace(spread=None)
        lines = rehearse(prepared.game.train_step, first_state(alone), prepared.example, config.steps, prepared.size)
        print("\n".join(lines), flush=True)
        return 0
    around = folders.missing(running.out / definition.name)
    folder = _folder(definition.name, config, running)
    say_where_kept()
    with folders.withdrawn(folder, around if is_first() and not running.resume else None):
        return run_in(folder, prepared, running).code


def _begun(prepared: Prepared, run: Path, definition: Definition) -> Prepared:
    """Returns the plan of a run that begins with the parameters of another, as far as their networks agree."""
    own = Path(definition.origin) if definition.sha256 and read_config(run)["module"] == definition.origin else None
    key = jax.random.key(prepared.plan.config.seed)
    begun = carry(load(run, file=own).state, prepared.built.game, key, prepared.example)
    print(f"from {run}: {begun}", flush=True)
    plan = prepared.plan
    return prepared._replace(plan=plan._replace(first=begun.state, about={**plan.about, "from": str(run)}))


def planned(definition: Definition, config: Any, source: Source | None = None) -> Plan:
    """Makes the plan of an experiment's run.

    Args:
      definition: its code.
      config: its `Config`.
      source: its data, where they are open already.
    Returns:
      Plan.
    Raises:
      ValueError: the config does not fit the data.
    """
    module = definition.module
    return Plan(
        about(definition, config),
        config,
        module.source(config) if source is None else source,
        lambda shape, classes: module.build(config, shape, classes),
        _judge_of(module, config),
        tuple(getattr(module, "MAY_DIFFER", ())),
    )


def about(definition: Definition, config: Any) -> dict[str, Any]:
    """Returns what a run's files say of who made it."""
    return {
        "experiment": definition.name,
        "module": definition.origin,
        "sha256": definition.sha256,
        "command": folders.command(definition.command, config),
    }


def prepare(plan: Plan, running: Running, spread_out: bool = True) -> Prepared:
    """Makes a plan's game, and refuses what does not fit before anything is written.

    Args:
      plan: what to train.
      running: where and how.
      spread_out: over all devices, where there are several; False: on the first.
    Returns:
      Prepared.
    Raises:
      ValueError: bad settings or data.
    """
    config, source = plan.config, plan.source
    _check(config, running, judged=plan.judge is not None)
    size = config.batch_size * getattr(config, "n_critic", 1)
    example: Batch = jg.data.batch_at(source, size, config.seed)(0)
    jg.data.check_batch(example, source.classes)
    folders.form(example)  # refuses what could not be described
    built = with_labels(plan.build(tuple(principal(example).shape[1:]), source.classes), source)
    target = jax.eval_shape(built.game.init, jax.random.key(config.seed), example)
    _check_first(plan.first, target)
    prepared = Prepared(plan, built, guarded(built.game), example, size, target)
    if jax.device_count() == 1 or not spread_out:
        return prepared
    spread, rows = data_parallel(prepared.game, "sharded"), local_rows(size, built.game.updates)
    spread.place(jg.data.batch_at(source, size, config.seed, rows)(0))  # refuses a batch that does not divide
    target = jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), target, spread.sharding(target)
    )
    return prepared._replace(target=target, spread=spread, rows=rows)


def run_in(folder: Path, prepared: Prepared, running: Running) -> Finished:
    """Trains in a folder, from the start or, with `running.resume`, from its last checkpoint.

    Args:
      folder: of the run; exists.
      prepared: what to train.
      running: how; `out` and `id` are not looked at.
    Returns:
      Finished: the exit code and the state after the last step.
    Raises:
      ValueError, checkpoint.CheckpointError, loop.NonFiniteError: as `run`.
    """
    plan, built, spread = prepared.plan, prepared.built, prepared.spread
    config, source = plan.config, plan.source
    if running.resume:
        folders.check_data(folder, source)
    with locked(folder) if is_first() else nullcontext():
        if is_first() and not running.resume:
            _describe(folder, prepared)
            if built.draw is not None:
                built.draw(folder / "samples" / "real.png", _real(source, built.classes))
        print(f"{'going on with ' if running.resume else ''}run {folder}", flush=True)
        judge = _judge(plan, folder, in_words(shares(built)))
        best = best_of(judge, running.best_by)
        opened = checkpoint.open_checkpoints(
            folder / "checkpoints",
            keep=running.keep,
            best=best.figure if best else None,
            lower_is_better=best is None or best.lower,
        )
        # Inside `closing`: where a peer has died, a failing process must not wait for it to close the checkpoints.
        with closing(opened) as manager, end_together():
            if running.resume:
                state = _restore(manager, prepared)
                if is_first():
                    _describe(folder, prepared)
            else:
                state = first_state(prepared)
            step = spread.train_step if spread else jax.jit(prepared.game.train_step, donate_argnums=0)
            batches = jg.data.batches(source, prepared.size, config.seed, start=int(state.step), rows=prepared.rows)
            local = spread.local if spread else lambda state: state
            return train_run(
                Run(folder, built, step, local, judge, best, manager), config, running, state, batches, source.classes
            )


def member(folder: Path, plan: Plan, running: Running) -> Finished:
    """Trains a game that an experiment needs, as a run in a folder of its own, on one device.

    A run that was stopped goes on, and one that has ended under the same config is read back.

    Args:
      folder: of this run, below that of the experiment; made if missing.
      plan: what to train.
      running: how; `out`, `id` and `resume` are not looked at.
    Returns:
      Finished; with code 130 or 143 a signal stopped the run after saving, and the experiment should end too.
    Raises:
      ValueError, checkpoint.CheckpointError, loop.NonFiniteError: as `run`; the last not where the plan may diverge.
    """
    prepared = prepare(plan, running, spread_out=False)
    folder.mkdir(parents=True, exist_ok=True)
    ends = {"finished": 0} | ({"diverged": 1} if plan.may_diverge else {})
    summary = read_summary(folder)
    if (folder / "config.json").is_file():
        folders.check_data(folder, plan.source)
    there = summary.get("step") == 0 or (folder / "checkpoints" / str(summary.get("step"))).is_dir()
    if summary.get("status") in ends and there and _same_config(folder, plan.config):
        with suppress(checkpoint.CheckpointError):  # what is damaged or gone is trained again
            state = _restored(folder, prepared, summary["step"])
            print(f"read back {folder}, {summary['status']} at step {summary['step']}", flush=True)
            return Finished(ends[summary["status"]], state)
    saved = any((folder / "checkpoints").glob("[0-9]*"))
    try:
        return run_in(folder, prepared, replace(running, resume=saved))
    except NonFiniteError as error:
        if not plan.may_diverge:
            raise
        print(error, flush=True)
        return Finished(1, _restored(folder, prepared, read_summary(folder)["step"]))


def first_state(prepared: Prepared) -> TrainState:
    """Makes the state that training begins with; one that was given stays whole when the first step donates it."""
    first, seed = prepared.plan.first, prepared.plan.config.seed
    if first is not None:
        own = jax.tree.map(lambda leaf: leaf.copy(), first)
        return jax.device_put(own, jax.tree.map(lambda x: x.sharding, prepared.target)) if prepared.spread else own
    return (prepared.spread or prepared.game).init(jax.random.key(seed), prepared.example)


def _check_first(first: TrainState | None, target: TrainState) -> None:
    if first is None:
        return
    if step := int(first.step):
        raise ValueError(
            f"a state to begin with is at step 0; got step {step}: jaxgan.carry makes one of another game's"
        )
    shapes = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), each) for each in (first, target)]
    if shapes[0] != shapes[1]:
        raise ValueError("a state to begin with has the networks, averages and optimizers of its game; this has others")


def _restored(folder: Path, prepared: Prepared, step: int) -> TrainState:
    """Reads the state after a step of a member that has ended, which is no longer written to."""
    if step == 0:
        return first_state(prepared)
    with closing(checkpoint.open_checkpoints(folder / "checkpoints", read_only=True)) as manager:
        return _restore(manager, prepared, step)


def _restore(manager: checkpoint.Checkpoints, prepared: Prepared, step: int | None = None) -> TrainState:
    """Reads a checkpoint of the plan's run, the newest if no step is asked for."""
    plan, given, config = prepared.plan, prepared.game.given, prepared.plan.config
    try:
        return checkpoint.restore(manager, prepared.target, config, step=step, may_differ=plan.may_differ, given=given)
    except ValueError as error:
        differ = f"only --{', --'.join(plan.may_differ)} may differ" if plan.may_differ else "nothing may differ"
        raise ValueError(
            f"{error}; of a run that goes on {differ.replace('_', '-')}, and --from {manager.folder.parent} starts a "
            "new one with its parameters"
        ) from error


def _same_config(folder: Path, config: Any) -> bool:
    return not of_configs(folders.read_config(folder)["config"], config, set())


def _describe(folder: Path, prepared: Prepared) -> None:
    plan = prepared.plan
    folders.describe(folder, plan.about, plan.config, prepared.example, plan.source)


def _folder(name: str, config: Any, running: Running) -> Path:
    """Makes or finds the run's folder; of several processes the first makes it."""
    if running.resume:
        return folders.find_folder(running.out, name, running.id)
    if jax.process_count() > 1 and running.id is None:
        raise ValueError("a run of several processes needs --id, the same for all of them")
    folder = folders.new_folder(running.out, name, running.id, config.seed) if is_first() else None
    wait_for_all("folder")
    return folder or folders.find_folder(running.out, name, running.id, started=None)


def _judge_of(module: ModuleType, config: Any) -> Callable[[Path], Judge] | None:
    return (lambda folder: module.judge(config, folder)) if hasattr(module, "judge") else None


def _judge(plan: Plan, folder: Path, of_labels: str) -> Judge | None:
    """Makes the judge; of several processes the first trains it, and the others read what it wrote."""
    if plan.judge is None:
        return None
    judge = plan.judge(folder) if is_first() else None
    wait_for_all("judge")
    judge = judge or plan.judge(folder)
    return judge._replace(protocol=judge.protocol + of_labels)


def _check(config: Any, running: Running, judged: bool) -> None:
    least_one = {"steps": config.steps, "evaluations": running.evaluations, "log_every": running.log_every}
    least_one |= {"max_skips": running.max_skips}
    least_one |= {"keep": running.keep, "until_plateau": 1 if running.until_plateau is None else running.until_plateau}
    check_numbers(config)
    for name, value in least_one.items():
        if value < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1; got {value}")
    if running.best_by is not None and running.best_by not in (*LOWER, *HIGHER):
        raise ValueError(f"--best-by {running.best_by!r} is no figure; choose one of {', '.join((*LOWER, *HIGHER))}")
    if not judged and running.best_by is None and (running.until_plateau or running.until_quality is not None):
        raise ValueError("--until-plateau and --until-quality need a figure: --best-by, or an experiment with a judge")
    if running.watchdog is not None and running.watchdog < 0:
        raise ValueError(f"--watchdog must be 0 (off) or more seconds; got {running.watchdog}")


def _real(source: Source, classes: int) -> np.ndarray:
    """Real examples to look at, in order of their labels where the game has labels."""
    read = jg.data.evenly(source, min(PICTURED, source.size or PICTURED))
    x = np.asarray(principal(read))
    return x[np.argsort(read["y"], kind="stable")] if classes and "y" in read else x
