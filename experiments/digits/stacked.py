"""Stacked digits: 1000 modes, three digits as the channels of one image, and which methods cover them.

The collapse test of Metz et al. 2017 and PacGAN (Lin et al. 2018) on the digits that come with the library: plain,
packed, and in R3GAN's ablation of pairing and penalties (Huang et al. 2024, table 1), by the games of `stacked_games`.
A mode is the three digits that a classifier reads; KL is that of their histogram to uniform; "sure" is the share of
digits read beyond doubt. Budgets are a hundredth of the published ones: orders compare, figures do not.

Command: python -m experiments stacked_digits [--data quarter | half | ablation | r3gan] [--methods dcgan,packing 2]
Takes: minutes for each row and seed on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import numpy as np

import jaxgan as jg
from experiments.digits.stacked_games import SETTINGS, SIZE, Method, build, methods
from experiments.digits.stacks import SURE, Reading, read_stacks, stacked, trained_reader
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least, chosen, formatted
from jaxgan.runs.training import Finished
from jaxgan.sample import save_grid
from jaxgan.types import Game, name_index


@dataclass(frozen=True)
class Config:
    """Which games are played, and for how long."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 3  # runs of each method
    data: Literal["all", "quarter", "half", "ablation", "r3gan"] = "all"
    methods: str = "all"  # or their names, with commas between
    steps: int = 0  # train steps; 0: as many as the table has
    batch_size: int = 64  # real stacks a step
    width: int = 256  # of the two hidden layers of either fully connected network
    features: int = 8  # of the largest maps of R3GAN's networks; doubled at every halving of the side
    samples: int = 25_600  # that a generator is judged by, as in the papers
    judge_steps: int = 1000  # training steps of the classifier that reads digits


SMOKE = {
    "seeds": 2,
    "data": "quarter",
    "methods": "packing 2,rpgan + r1 + r2",
    "steps": 4,
    "batch_size": 8,
    "samples": 250,
    "judge_steps": 4,
}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which, and what is known.
    """
    at_least(config, seeds=2, steps=0, width=1, batch_size=4, features=1, samples=1, judge_steps=1)
    if config.batch_size % 4:
        raise ValueError(f"--batch-size must be a multiple of 4, the largest pack; got {config.batch_size}")
    for data in _tables(config):
        _chosen(config, data)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table for each setting, and draws samples of each method's first run."""
    digits = jg.data.digits("train", size=SIZE)
    source, classifier = stacked(digits), trained_reader(digits, config.judge_steps, folder / "judge.npz")
    real = read_stacks(classifier, jg.data.batch_at(source, config.samples, config.seed)(0)["x"])
    for data in _tables(config):
        setting = SETTINGS[data]
        rows = [_row("real stacks", [real], "", "")]
        for name, method in _chosen(config, data).items():
            began, readings = time.monotonic(), list[Reading]()
            game = build(data, method, config.width, config.features)
            short = f"{data}-{name.replace(' ', '')}"
            for seed in range(config.seed, config.seed + config.seeds):
                steps, size = _steps(config, data), config.batch_size
                training = Training(game, jg.data.unlabelled(source), seed, steps, size, may_diverge=True)
                samples = drawn(game, train_member(folder / f"{short}-seed{seed}", training), config.samples)
                if seed == config.seed:
                    save_grid(folder / f"{short}.png", samples[:100], columns=20)
                readings.append(read_stacks(classifier, samples))
            rows.append(_row(name, readings, setting.papers.get(name, ""), str(round(time.monotonic() - began))))
            print(f"{data}: {', '.join(f'{key} {formatted(value)}' for key, value in rows[-1].items())}", flush=True)
        yield Table(setting.title, _note(config, data, digits.name), rows)


def drawn(game: Game, trained: Finished, n: int) -> np.ndarray:
    """Returns the stacks that a run is judged by; those of a run that diverged are black."""
    key = jax.random.fold_in(trained.state.key, name_index("judgement"))
    samples = np.asarray(jg.sample(game, trained.state, key, n=n))
    return np.full_like(samples, -1.0) if trained.code else np.nan_to_num(samples, nan=-1.0, posinf=1.0, neginf=-1.0)


def _row(name: str, readings: Sequence[Reading], papers: str, seconds: str) -> dict[str, Cell]:
    row: dict[str, Cell] = {"method": name}
    for column, figure in {"modes": "modes", "KL": "reverse_kl", "sure": "sure"}.items():
        values = [getattr(one, figure) for one in readings]
        row[column] = values if len(values) > 1 else values[0]  # real stacks are read once, whatever the seeds
    return row | {"papers": papers, "seconds": seconds}


def _tables(config: Config) -> tuple[str, ...]:
    return tuple(SETTINGS) if config.data == "all" else (config.data,)


def _steps(config: Config, data: str) -> int:
    return config.steps or SETTINGS[data].steps


def _chosen(config: Config, data: str) -> dict[str, Method]:
    return chosen(config.methods, methods(data))


def _note(config: Config, data: str, digits: str) -> str:
    setting = SETTINGS[data]
    return (
        f"{_steps(config, data)} steps of batch {config.batch_size}; Adam at {setting.rates[0]:g} (discriminator) and "
        f"{setting.rates[1]:g} (generator); R1 and R2 with gamma {setting.gamma:g}; stacks of {digits}; "
        f"{config.samples} samples of the averaged generator, read by a classifier trained for {config.judge_steps} "
        f"steps, sure of a digit from a probability of {SURE} on; mean and 95 % interval over seeds {config.seed}.."
        f"{config.seed + config.seeds - 1}. Papers: modes / KL, at 50 to 100 times the steps, on MNIST."
    )
