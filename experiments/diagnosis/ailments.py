"""Six runs of the ring and of the digits with one failure provoked in each, two in health, and what the doctor says.

Every run is that of `ring` or `digits` made small, changed in one thing:

- mode collapse (ring): no penalty, and a generator that learns three times as fast, until both come to rest
- oscillation (ring): no penalty, and a generator that learns ten times as fast, for ever
- divergence (ring): Wasserstein's loss without anything that bounds the critic
- overpowering discriminator (ring): minimax loss, no penalty, five fast updates of D for one slow update of G
- memorisation (ring): eight training points of a ring with wide modes
- dead normalisation (digits): batch statistics with momentum 1, which never move

Command: python -m experiments.diagnosis.ailments [--seeds 3] [--only divergence]
Takes: about three minutes for each seed on 2 CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optax

import jaxgan as jg
from jaxgan.commands.doctor import Subject, examination
from jaxgan.data import Source
from jaxgan.diagnose import Finding, watch
from jaxgan.report import read_metrics
from jaxgan.runs.flags import parse_two, reported
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.modules import Definition
from jaxgan.runs.settings import compiled_quickly
from jaxgan.runs.tables import Cell, Table, Where, at_least, run_tables
from jaxgan.types import Loss, Network, System

HEALTHY = "none"
COMMAND = "python -m experiments.diagnosis.ailments"
EVERY = 5  # steps between rows of a history


@dataclass(frozen=True)
class Config:
    """Which runs are made, and how often."""

    seed: int = 0  # the first
    seeds: int = 1  # runs of each
    only: str = ""  # the name of one run; all if not given


SMOKE = {"only": "dead normalisation"}


class Patient(NamedTuple):
    """A run to be made, and what ails it."""

    ailment: str  # as `diagnose` should name it; HEALTHY: nothing
    networks: Mapping[str, Network]
    system: System
    source: Source
    batch_size: int
    steps: int
    held_out: Source | None = None


def patients() -> dict[str, Callable[[], Patient]]:
    """The runs by name: six failures and two in health."""
    loss = jg.losses
    return {
        "healthy ring": lambda: ring(HEALTHY, rates=(3e-3, 3e-3), gamma=0.1, steps=4000),
        "healthy digits": lambda: digits(HEALTHY),
        "mode collapse": lambda: ring("mode collapse", rates=(1e-3, 3e-3)),
        "oscillation": lambda: ring("oscillation", rates=(1e-4, 1e-3), decay=False),
        "divergence": lambda: ring("divergence", rates=(3e-3, 1e-3), decay=False, loss=loss.wasserstein, n_critic=5),
        "overpowering discriminator": lambda: ring(
            "overpowering discriminator",
            rates=(3e-3, 1e-4),
            decay=False,
            loss=loss.minimax,
            n_critic=5,
            steps=1500,
        ),
        "memorisation": lambda: ring("memorisation", rates=(3e-3, 3e-3), gamma=0.1, steps=4000, points=8),
        "dead normalisation": lambda: digits("dead normalisation", momentum=1.0, steps=300),
    }


def ring(
    ailment: str,
    *,
    rates: tuple[float, float],
    gamma: float = 0.0,
    decay: bool = True,
    loss: Loss = jg.losses.non_saturating,
    n_critic: int = 1,
    steps: int = 3000,
    points: int = 0,
) -> Patient:
    """The game of `ring`, with networks of half the width: Adam at rates (discriminator's, generator's).

    With `points` it is trained on so many of a ring with wide modes, again and again, and others are held out.
    """

    def adam(rate: float, updates: int) -> optax.GradientTransformation:
        return optax.adam(optax.cosine_decay_schedule(rate, updates) if decay else rate, b1=0.5, b2=0.99)

    networks = {
        "generator": jg.networks.mlp.Generator(hidden=(64, 64)),
        "discriminator": jg.networks.mlp.Discriminator(hidden=(64, 64)),
    }
    system = jg.systems.gan(
        loss=loss,
        penalty=jg.penalties.r1(gamma) if gamma else None,
        prior=jg.priors.normal(16),
        n_critic=n_critic,
        optimizer={"discriminator": adam(rates[0], steps * n_critic), "generator": adam(rates[1], steps)},
    )
    source = jg.data.ring(std=0.3 if points else 0.02)
    if not points:
        return Patient(ailment, networks, system, source, 128, steps)
    drawn = np.asarray(jg.data.batch_at(source, points + 1000, seed=0)(0)["x"])
    few, held_out = jg.data.arrays(np.resize(drawn[:points], (128, 2))), jg.data.arrays(drawn[points:])
    return Patient(ailment, networks, system, few, 128, steps, held_out)


def digits(ailment: str, *, momentum: float = 0.9, steps: int = 1200) -> Patient:
    """The game of `digits` at 28 pixels, with networks of a quarter of the width."""
    networks = {
        "generator": jg.networks.dcgan.Generator(size=28, features=8, momentum=momentum),
        "discriminator": jg.networks.dcgan.Discriminator(size=28, features=8, normalization="none"),
    }
    system = jg.systems.gan(
        loss=jg.losses.non_saturating,
        penalty=jg.penalties.r1(1.0),
        prior=jg.priors.normal(32),
        optimizer=optax.adam(1e-3, b1=0.0, b2=0.99),
    )
    source, held_out = (jg.data.unlabelled(jg.data.digits(split, size=28)) for split in ("train", "test"))
    return Patient(ailment, networks, system, source, 32, steps, held_out)


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which, and what is known.
    """
    at_least(config, seeds=1)
    if config.only and config.only not in patients():
        raise ValueError(f"--only {config.only!r} is no run; choose one of {', '.join(patients())}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, with a row for each run."""
    rows: list[dict[str, Cell]] = []
    for seed in range(config.seed, config.seed + config.seeds):
        for name, patient in patients().items():
            if config.only in ("", name):
                began, member = time.monotonic(), folder / f"{name.replace(' ', '-')}-seed{seed}"
                rows.append(_row(name, seed, examined(patient(), seed, member), warnings(member)))
                rows[-1]["seconds"] = str(round(time.monotonic() - began))
                print(", ".join(f"{column} {cell}" for column, cell in rows[-1].items()), flush=True)
    note = (
        "Which failure the doctor names first, which others, and when `diagnose.watch` warned of one on the way; "
        f"{HEALTHY}: nothing ails the run"
    )
    yield Table("Failures provoked, and what the doctor says", note, rows)


def examined(patient: Patient, seed: int, folder: Path) -> list[Finding]:
    """Trains a patient, and has the doctor look at it.

    Args:
      patient: whom.
      seed: of parameters, latents and data.
      folder: of its run, below that of the table.
    Returns:
      What ails it; of a run that ended because nothing was finite any more, by its history and last finite state.
    """
    game = jg.game(patient.networks, patient.system, ema={"generator": 0.99})
    training = Training(
        game,
        patient.source,
        seed,
        patient.steps,
        patient.batch_size,
        log_every=EVERY,
        checkpoints=max(1, patient.steps // 100),
        may_diverge=True,
    )
    state, size = train_member(folder, training).state, patient.batch_size * game.updates
    history = read_metrics(folder)
    subject = Subject(patient.networks, patient.system, state, patient.source, size, seed, history, patient.held_out)
    return examination(subject, samples=1000).findings


def warnings(folder: Path) -> list[str]:
    """Returns the lines that `diagnose.watch` says of a run on its way, by the rows that it wrote."""
    rows: dict[int, dict[str, float]] = {}
    for name, (steps, values) in read_metrics(folder).items():
        for step, value in zip(steps, values, strict=True):
            rows.setdefault(step, {})[name] = value
    lines: list[str] = []
    log = watch(interval=EVERY, warn=lines.append)
    for step in sorted(rows):
        log(step, rows[step])
    return lines


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; prints one row for each run, and the table.

    Returns:
      0 if every first finding is the failure that was provoked, and there is none in health; 130 or 143 when a signal
      stopped it after saving; else 1.
    """
    words = list(sys.argv[1:] if words is None else words)

    def work() -> int:
        config, where = parse_two(Config, Where, words, COMMAND, __doc__, smoke=(SMOKE, {}))
        definition = Definition("ailments", sys.modules[__name__], "experiments.diagnosis.ailments", None, COMMAND)
        with compiled_quickly(where.smoke):
            code, tables = run_tables(definition, config, where)
        known = patients()
        right = [row["named first"] == known[str(row["run"])]().ailment for table in tables for row in table.rows]
        print(f"right: {sum(right)} of {len(right)}")
        return code or int(not all(right))

    return reported(work)


def _row(name: str, seed: int, findings: list[Finding], warned: list[str]) -> dict[str, Cell]:
    named = [finding.name for finding in findings] or [HEALTHY]
    steps = [": ".join(line.split(": ")[1:3]).removeprefix("step ") for line in warned]
    return {
        "run": name,
        "seed": str(seed),
        "named first": named[0],
        "also named": ", ".join(named[1:]),
        "warned at step": ", ".join(steps) or "never",
        "evidence": findings[0].evidence if findings else "",
    }


if __name__ == "__main__":
    sys.exit(main())
