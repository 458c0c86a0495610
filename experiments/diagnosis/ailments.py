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

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
import optax

import jaxgan as jg
from jaxgan.commands.doctor import Examination, Subject, examination
from jaxgan.data import Source
from jaxgan.diagnose import watch
from jaxgan.guard import SKIPPED, guarded
from jaxgan.log import combined
from jaxgan.loop import Hook, NonFiniteError, train
from jaxgan.runs.flags import parse, reported
from jaxgan.types import Batch, Loss, Network, System

HEALTHY = "none"
EVERY = 5  # steps between rows of a history


@dataclass(frozen=True)
class Config:
    """Which runs are made, and how often."""

    seed: int = 0  # the first
    seeds: int = 1  # runs of each
    only: str = ""  # the name of one run; all if not given


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


def examined(patient: Patient, seed: int, warn: Callable[[str], None] | None = None) -> Examination:
    """Trains a patient, and has the doctor look at it.

    Args:
      patient: whom.
      seed: of parameters, latents and data.
      warn: gets the lines that `diagnose.watch` says on the way; None: nobody.
    Returns:
      Examination; of a run that ended because nothing was finite any more, by its history and last finite state.
    """
    game = guarded(jg.game(patient.networks, patient.system, ema={"generator": 0.99}))
    size = patient.batch_size * game.updates
    batches = jg.data.batches(patient.source, size, seed)
    example: Batch = jg.data.batch_at(patient.source, size, seed)(0)
    state = game.init(jax.random.key(seed), example)
    history: dict[str, tuple[list[int], list[float]]] = {}

    def record(step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items() if step % EVERY == 0 or SKIPPED in values else ():
            steps, series = history.setdefault(name, ([], []))
            steps.append(step)
            series.append(value)

    log = combined(record, watch(interval=EVERY, warn=warn or (lambda line: None)))
    last = {"state": state}
    keep = Hook(100, lambda step, state: last.update(state=state))
    with contextlib.suppress(NonFiniteError):  # what was recorded says so
        train(jax.jit(game.train_step), state, batches, patient.steps, log=log, hooks=[keep])
    subject = Subject(
        patient.networks, patient.system, last["state"], patient.source, size, seed, history, patient.held_out
    )
    return examination(subject, samples=1000)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line; prints one row for each run.

    Returns:
      0 if every first finding is the failure that was provoked, and there is none in health; else 1.
    """
    words = list(sys.argv[1:] if words is None else words)

    def work() -> int:
        config = parse(Config, words, "python -m experiments.diagnosis.ailments", __doc__ or "")
        known = patients()
        if config.only and config.only not in known:
            raise ValueError(f"--only {config.only!r} is no run; choose one of {', '.join(known)}")
        print("| run | seed | named first | also named | warned at step | evidence | seconds |")
        print("|---|---|---|---|---|---|---|")
        rows = [
            _row(name, seed, known[name]())
            for seed in _seeds(config)
            for name in ([config.only] if config.only else known)
        ]
        print(f"right: {sum(rows)} of {len(rows)}")
        return 0 if all(rows) else 1

    return reported(work)


def _seeds(config: Config) -> range:
    if config.seeds < 1:
        raise ValueError(f"--seeds must be at least 1; got {config.seeds}")
    return range(config.seed, config.seed + config.seeds)


def _row(name: str, seed: int, patient: Patient) -> bool:
    """Prints one row; tells whether the doctor was right."""
    began, warned = time.monotonic(), list[str]()
    findings = examined(patient, seed, warned.append).findings
    named = [finding.name for finding in findings] or [HEALTHY]
    warnings = ", ".join(": ".join(line.split(": ")[1:3]).removeprefix("step ") for line in warned) or "never"
    evidence = findings[0].evidence if findings else ""
    print(
        f"| {name} | {seed} | {named[0]} | {', '.join(named[1:])} | {warnings} | {evidence} | "
        f"{time.monotonic() - began:.0f} |",
        flush=True,
    )
    return named[0] == patient.ailment


if __name__ == "__main__":
    sys.exit(main())
