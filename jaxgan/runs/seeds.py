"""Runs an experiment for many seeds at once: figures with mean and confidence interval, and a picture with bands.

Command: python -m experiments.seeds NAME [--seeds 16] [--mode auto] [--flag value ...]
The flags are those of the experiment; seeds are counted up from its `--seed`. One judge measures all members. Nothing
is saved to go on from: a member is the run that `python -m experiments NAME --seed S` makes (bit for bit in the modes
that docs/decisions/sweep.md calls exact), which can be run alone to look into it.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

import jaxgan as jg
from jaxgan.parallel import batches, draw_band, interval, member, sweep
from jaxgan.runs import folder as folders
from jaxgan.runs.experiment import Experiment, Judge, in_words, principal, sample_inputs, shares, with_labels
from jaxgan.runs.modules import Definition
from jaxgan.types import TrainState, name_index


@dataclass(frozen=True)
class Many:
    """How many, where and how."""

    out: Path = Path("runs")  # results go to OUT/NAME-seeds/ID
    id: str | None = None  # their name; date, time and first seed if not given
    seeds: int = 16  # members, at least 2
    evaluations: int = 5  # of every member, evenly spread
    mode: Literal["auto", "map", "unrolled", "vmap"] = "auto"  # how members are computed
    spread: bool = False  # share the members out over all devices
    smoke: bool = False  # a few steps of a tiny model, to see that everything works


def run_seeds(definition: Definition, config: Any, many: Many) -> int:
    """Trains and judges all members.

    Args:
      definition: the experiment's code.
      config: its `Config`; its seed is the first.
      many: how many, where and how.
    Returns:
      The exit code, 0.
    Raises:
      ValueError: bad settings or data, no judge, or results of this name exist.
    """
    name, experiment = definition.name, definition.module
    if not hasattr(experiment, "judge"):
        raise ValueError(f"many seeds of {name} cannot be compared: the experiment has no judge")
    if many.seeds < 2 or not 1 <= many.evaluations <= config.steps:
        raise ValueError(
            f"many seeds need --seeds of 2 or more and --evaluations in 1..{config.steps}; "
            f"got {many.seeds} and {many.evaluations}"
        )
    source, seeds = experiment.source(config), range(config.seed, config.seed + many.seeds)
    size = config.batch_size * getattr(config, "n_critic", 1)
    example = next(batches(source, size, seeds))
    built = with_labels(experiment.build(config, tuple(principal(example).shape[2:]), source.classes), source)
    runs = sweep(built.game, seeds, mode=many.mode, devices=jax.devices() if many.spread else None)
    choice, states = runs.choose(example), runs.init(example)
    folder = folders.new_folder(many.out, f"{name}-seeds", many.id, config.seed)
    print(f"{many.seeds} seeds at once, {choice.mode}: {choice.reason}\nresults go to {folder}", flush=True)
    judge, stream, began = experiment.judge(config, folder), batches(source, size, seeds), time.monotonic()
    protocol = judge.protocol + in_words(shares(built))
    steps = [config.steps * (k + 1) // many.evaluations for k in range(many.evaluations)]
    judged: list[list[dict[str, float]]] = []  # by evaluation and member
    for start, end in itertools.pairwise([0, *steps]):
        for batch in itertools.islice(stream, end - start):
            states, _ = runs.train_step(states, batch)
        judged.append([_judged(built, judge, member(states, m)) for m in range(many.seeds)])
        print(f"step {end}: {_line(judged[-1])}", flush=True)
    page = {
        "experiment": name,
        "config": asdict(config),
        "seeds": list(seeds),
        "mode": choice.mode,
        "reason": choice.reason,
        "protocol": protocol,
        "seconds": round(time.monotonic() - began, 1),
        "steps": steps,
        "figures": judged,
        "versions": folders.versions(),
    }
    folders.write_json(folder / "seeds.json", page)
    for figure in judged[-1][0]:
        curve = np.stack([_column(row, figure) for row in judged], axis=1)
        draw_band(folder / f"{figure}.png", np.array(steps), {name: curve}, figure.replace("_", " "))
    print(f"{protocol}\n{config.steps} steps of {many.seeds} seeds in {page['seconds']} s\n{folder}", flush=True)
    return 0


def _judged(built: Experiment, judge: Judge, state: TrainState) -> dict[str, float]:
    """Measures one member by the latents that its own run would be measured by."""
    key = jax.random.fold_in(state.key, name_index("judgement"))
    inputs = sample_inputs(built, judge.samples)
    return judge.judge(jg.sample(built.game, state, key, n=judge.samples, **inputs)).figures


def _line(row: list[dict[str, float]]) -> str:
    """Writes the members' figures as mean and 95 % confidence interval."""
    parts = []
    for figure in row[0]:
        mean, low, high = interval(_column(row, figure))
        parts.append(f"{figure.replace('_', ' ')} {mean:.4g} [{low:.4g}, {high:.4g}]")
    return ", ".join(parts)


def _column(row: list[dict[str, float]], figure: str) -> np.ndarray:
    """Returns one figure of all members, [members]; NaN where a member has none (no histogram without modes)."""
    return np.array([one.get(figure, np.nan) for one in row])
