"""Sums of x: a GAN through the Gumbel-softmax, soft or straight through, beside maximum likelihood of equal steps.

Kusner and Hernández-Lobato 2016: strings of at most 12 characters of the grammar S -> x | S+S | S-S | S*S | S/S, whose
temperature falls while training. Soft samples beside one-hot data are found out by that alone, so that there are two
remedies: noise on all that the discriminator sees, and one-hot samples with soft gradients. A parser says what is
valid. Since the generator is a language model, -log p of test strings under it says what variety it has, in nats a
string, of which the grammar's own entropy is the least. Maximum likelihood stands beside, also at the temperature at
which its -log p is the same.

Command: python -m experiments gumbel --seeds 3
Takes: about six minutes on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optax

import jaxgan as jg
from experiments.text.curves import TEMPERATURES, at_equal_diversity, draw_curves, nats, samples
from jaxgan.data.text import END, decoded, grammar_log_likelihood, parses
from jaxgan.metrics import Point, validity
from jaxgan.networks import readers, sequences
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game, TrainState

JUDGED = 2000  # samples and test strings
SHOWN = 20  # strings of each method in samples.txt


@dataclass(frozen=True)
class Config:
    """Strings of a grammar."""

    seed: int = 0  # the first; of parameters, draws and data order
    seeds: int = 1  # runs of each method
    steps: int = 2000  # train steps of each method
    batch_size: int = 64  # strings of an update
    length: int = 12  # characters of a string, at most
    hidden: int = 32  # features and units of the generator
    filters: int = 32  # of each width of the discriminator
    warm: float = 5.0  # temperature of the relaxation at the first step
    cold: float = 1.0  # and at the last; it falls in equal ratios
    noise: float = 0.3  # deviation of that on all that is shown, for one of the methods
    learning_rate: float = 1e-3  # Adam's, of both players
    likelihood_rate: float = 1e-2  # Adam's, of maximum likelihood; falls to zero along a half cosine
    b1: float = 0.5  # Adam's momentum, of both players
    gamma: float = 10.0  # weight of R1, of one-hot rows; 0: none


SMOKE = {"steps": 2, "batch_size": 4, "hidden": 4, "filters": 2, "length": 4}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, batch_size=1, length=1, hidden=1, filters=1)
    if not config.warm > 0 or not config.cold > 0:
        raise ValueError(f"--warm and --cold must be positive; got {config.warm} and {config.cold}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table, draws the curves, and writes strings of each method."""
    text, games = jg.data.grammar(config.length), _games(config)
    test = jg.data.batch_at(text.source, JUDGED, 2**31)(0)["tokens"]
    judged: dict[str, list[dict[str, float]]] = {name: [] for name in games}
    for seed in range(config.seed, config.seed + config.seeds):
        curves, made = {}, {"data": test}
        for name, game in games.items():
            member = folder / f"{name.replace(' ', '-')}-seed{seed}"
            state = train_member(member, Training(game, text.source, seed, config.steps, config.batch_size)).state
            curves[name], made[name] = _curve(game, state, test, text.alphabet), samples(game, state, JUDGED)
            (here,) = [p for p in curves[name] if p.temperature == 1.0]
            judged[name].append(_judged(made[name], test, text.alphabet) | {"-log p": here.diversity})
            print(f"{name}, seed {seed}: { ({k: round(v, 3) for k, v in judged[name][-1].items()}) }", flush=True)
            print("T: not valid, -log p", *(f"{t}: {q:.4f}, {d:.3f}" for t, q, d in curves[name]), sep="\n  ")
        for name, points in curves.items():
            alike = at_equal_diversity({"likelihood": curves["maximum likelihood"], "method": points})
            judged[name][-1] |= {
                "valid at equal -log p": 1 - alike["method"],
                "likelihood there": 1 - alike["likelihood"],
            }
        if seed == config.seed:
            draw_curves(folder / "curve.png", curves, ("-log p of test strings, nats", "share that is not valid"))
            lines = [f"{k}:\n" + "\n".join(decoded(v[:SHOWN], text.alphabet)) for k, v in made.items()]
            (folder / "samples.txt").write_text("\n\n".join(lines) + "\n")
    least = float(-np.mean(grammar_log_likelihood(decoded(test, text.alphabet), config.length)))
    rows: list[dict[str, Cell]] = [
        {"method": name, **{figure: [each[figure] for each in runs] for figure in runs[0]}}
        for name, runs in judged.items()
    ]
    note = (
        f"{JUDGED} samples after {config.steps} steps of {config.batch_size}: shares that parse, and that parse and "
        f"are distinct (data: {validity(decoded(test, text.alphabet), parses).distinct:.3f}); distance in total "
        f"variation of the numbers of signs among valid strings; -log p of {JUDGED} test strings in nats (the "
        f"grammar itself: {least:.3f}); {config.seeds} seeds"
    )
    yield Table("Strings of a grammar", note, rows)


def _judged(tokens: np.ndarray, test: np.ndarray, alphabet: str) -> dict[str, float]:
    strings = decoded(tokens, alphabet)
    shares = validity(strings, parses)
    signs = [len(s) // 2 for s in strings if parses(s)]
    laws = [
        np.bincount(each, minlength=test.shape[1]) / max(len(each), 1) for each in (signs, (test != END).sum(1) // 2)
    ]
    apart = 0.5 * float(np.abs(laws[0] - laws[1]).sum())
    return {"valid": shares.valid, "distinct": shares.distinct, "signs": apart}


def _curve(game: Game, state: TrainState, test: np.ndarray, alphabet: str) -> list[Point]:
    diversity = [each * test.shape[1] for each in nats(game, state, test, TEMPERATURES)]
    made = [decoded(samples(game, state, JUDGED, t), alphabet) for t in TEMPERATURES]
    quality = [1 - validity(strings, parses).valid for strings in made]
    return [Point(*each) for each in zip(TEMPERATURES, quality, diversity, strict=True)]


def _games(config: Config) -> dict[str, Game]:
    vocabulary = jg.data.grammar(config.length).vocabulary
    prior = jg.priors.gumbel(config.length, vocabulary)
    generator = sequences.Recurrent(vocabulary, config.hidden, config.hidden, end=END)
    adam = optax.chain(
        optax.clip_by_global_norm(5.0), optax.adam(optax.cosine_decay_schedule(config.likelihood_rate, config.steps))
    )
    games = {
        "maximum likelihood": jg.game(
            {"generator": generator}, jg.systems.maximum_likelihood(prior=prior, optimizer=adam)
        )
    }
    networks = {"generator": generator, "discriminator": readers.TextCNN(filters=config.filters)}
    cooling = optax.exponential_decay(config.warm, config.steps, config.cold / config.warm)
    settings: dict[str, Any] = {
        "loss": jg.losses.non_saturating,
        "prior": prior,
        "optimizer": optax.chain(optax.clip_by_global_norm(5.0), optax.adam(config.learning_rate, b1=config.b1)),
        "temperature": cooling,
        "penalty": jg.penalties.r1(config.gamma) if config.gamma else None,
    }
    kinds: dict[str, dict[str, Any]] = {
        "soft": {},
        "soft with noise": {"augment": jg.augment.instance_noise(config.noise)},
    }
    kinds["straight through"] = {"straight_through": True}
    for name, kind in kinds.items():
        games[name] = jg.game(networks, jg.systems.gumbel(**settings, **kind))
    return games
