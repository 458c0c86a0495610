"""Sequences of a known law: SeqGAN beside maximum likelihood of equal steps, stopped early, at every temperature.

Yu et al. 2017 on an oracle whose likelihood is known in closed form: bigrams of 32 tokens with peaked rows, where the
paper has a random LSTM. Quality is -log p of samples under the oracle (NLL_oracle), diversity -log p of test sequences
under the model (NLL_test), both in nats a token; the oracle's own entropy is the least that both can be at once. A
method that lowers the first alone may have lost variety: a model of maximum likelihood does that too, when its samples
are drawn at a lower temperature (Caccia et al. 2020). So both are also compared where their NLL_test is the same.

Command: python -m experiments seqgan --seeds 3
Takes: about six minutes on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import jaxgan as jg
from experiments.text.curves import TEMPERATURES, at_equal_diversity, draw_curves, nats, samples
from jaxgan.data import Source
from jaxgan.data.text import Bigrams
from jaxgan.metrics import Point, ngram_divergence
from jaxgan.networks import readers, sequences
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Game, TrainState

SHOWN = 20  # sequences of each method in samples.txt
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEF"  # by which tokens are written there


@dataclass(frozen=True)
class Config:
    """SeqGAN on sequences of bigrams."""

    seed: int = 0  # the first; of parameters, draws and data order
    seeds: int = 1  # runs of each method
    first_steps: int = 1000  # train steps of maximum likelihood from which both go on
    steps: int = 300  # train steps of SeqGAN, and of maximum likelihood, after that
    batch_size: int = 64  # sequences of an update
    length: int = 12  # tokens of a sequence
    sequences: int = 5000  # of the training set, and of either held-out one
    hidden: int = 32  # features and units of the generator
    filters: int = 32  # of each width of the discriminator
    rollouts: int = 2  # completions of each beginning
    n_critic: int = 3  # discriminator updates per generator update
    likelihood_rate: float = 1e-2  # Adam's, of maximum likelihood at first; falls to a tenth along a half cosine
    learning_rate: float = 1e-3  # Adam's, after that: of the generator as a policy, and of more likelihood, to zero
    discriminator_rate: float = 1e-3  # Adam's, of the discriminator
    alone: int = 50  # steps before the generator moves


SMOKE = {"first_steps": 2, "steps": 2, "batch_size": 4, "sequences": 20, "hidden": 4, "filters": 2, "rollouts": 1}
SMOKE |= {"length": 4, "n_critic": 1, "alone": 1}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, first_steps=1, steps=1, batch_size=1, length=2, hidden=1, filters=1, rollouts=1)
    at_least(config, sequences=config.batch_size * config.n_critic)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table, draws the curves, and writes sequences of each method."""
    law, games = jg.data.bigrams(len(LETTERS)), _games(config)
    methods = [name for name in games if name != "first"]
    train, validation, test = (_set(config, law, k) for k in range(3))
    source = jg.data.arrays({"tokens": train}, name="bigrams")
    judged: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
    for seed in range(config.seed, config.seed + config.seeds):
        states = _trained(config, games, source, validation, seed, folder)
        curves = {name: _curve(law, games[name], state, test) for name, state in states.items()}
        alike = at_equal_diversity(curves)
        for name, state in states.items():
            (here,) = [p for p in curves[name] if p.temperature == 1.0]
            figures = {"NLL_oracle": here.quality, "NLL_test": here.diversity, "at equal NLL_test": alike[name]}
            judged[name].append(figures | {"2-grams": ngram_divergence(samples(games[name], state, len(test)), test)})
        print(f"seed {seed}: { ({name: runs[-1] for name, runs in judged.items()}) }", flush=True)
        for name, points in curves.items():
            print(f"{name}, T: NLL_oracle, NLL_test", *(f"{t}: {q:.3f}, {d:.3f}" for t, q, d in points), sep="\n  ")
        if seed == config.seed:
            axes = "NLL_test: diversity, nats a token", "NLL_oracle: quality, nats a token"
            draw_curves(folder / "curve.png", curves, axes)
            _write(folder / "samples.txt", {name: samples(games[name], s, SHOWN) for name, s in states.items()}, test)
    floor = law.entropy(config.length) / config.length
    rows: list[dict[str, Cell]] = [
        {"method": name, **{figure: [each[figure] for each in runs] for figure in runs[0]}}
        for name, runs in judged.items()
    ]
    note = (
        f"{config.sequences} training sequences of {config.length} of {len(LETTERS)} tokens, as many test sequences "
        f"and samples; {config.first_steps} steps of {config.batch_size} of maximum likelihood, then {config.steps} of "
        f"either. Nats a token, of which the oracle's own are {floor:.3f}; at equal NLL_test: NLL_oracle at the "
        f"temperatures at which both have the NLL_test of the worse; 2-grams: Jensen-Shannon divergence from the test "
        f"set's, of which another set of data is at {ngram_divergence(train, test):.4f}; {config.seeds} seeds"
    )
    yield Table("SeqGAN and maximum likelihood", note, rows)


def _set(config: Config, law: Bigrams, number: int) -> np.ndarray:
    source = jg.data.sequences(law, config.length)
    return jg.data.batch_at(source, config.sequences, number)(0)["tokens"]


def _trained(
    config: Config, games: dict[str, Game], source: Source, validation: np.ndarray, seed: int, folder: Path
) -> dict[str, TrainState]:
    """Trains both methods from one beginning; of maximum likelihood keeps what is likelier on the validation set."""
    training = Training(games["first"], source, seed, config.first_steps, config.batch_size)
    first = train_member(folder / f"first-seed{seed}", training).state
    batch = jax.tree.map(jax.numpy.asarray, jg.data.batch_at(source, config.batch_size * config.n_critic, seed)(0))
    states = {}
    for name, game in list(games.items())[1:]:
        begun = jg.carried.carry(first, game, jax.random.key(seed), batch).state
        training = Training(game, source, seed, config.steps, config.batch_size * game.updates, first=begun)
        states[name] = train_member(folder / f"{name.replace(' ', '-')}-seed{seed}", training).state
    ends = (first, states["maximum likelihood"])
    states["maximum likelihood"] = min(ends, key=lambda state: nats(games["first"], state, validation, [1.0]))
    return states


def _curve(law: Bigrams, game: Game, state: TrainState, test: np.ndarray) -> list[Point]:
    diversity = nats(game, state, test, TEMPERATURES)
    made = [samples(game, state, len(test), t) for t in TEMPERATURES]
    quality = [float(-np.mean(law.log_likelihood(tokens))) / test.shape[1] for tokens in made]
    return [Point(*each) for each in zip(TEMPERATURES, quality, diversity, strict=True)]


def _write(path: Path, made: dict[str, np.ndarray], test: np.ndarray) -> None:
    lines = [f"{name}:\n" + "\n".join(_letters(tokens)) for name, tokens in {"data": test[:SHOWN], **made}.items()]
    path.write_text("\n\n".join(lines) + "\n")


def _letters(tokens: np.ndarray) -> list[str]:
    return ["".join(LETTERS[k] for k in row) for row in tokens]


def _games(config: Config) -> dict[str, Game]:
    prior = jg.priors.gumbel(config.length, len(LETTERS))
    generator = sequences.Recurrent(len(LETTERS), config.hidden, config.hidden)
    falling = optax.cosine_decay_schedule(config.likelihood_rate, config.first_steps, alpha=0.1)
    fading = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    systems = (
        jg.systems.maximum_likelihood(prior=prior, optimizer=_clipped(optax.adam(rate))) for rate in (falling, fading)
    )
    first, likely = (jg.game({"generator": generator}, system) for system in systems)
    later = optax.join_schedules([lambda _: 0.0, lambda _: config.learning_rate], [config.alone])
    optimizers: dict[str, Any] = {
        "generator": _clipped(optax.adam(later)),
        "discriminator": optax.adam(config.discriminator_rate),
    }
    system = jg.systems.seqgan(
        loss=jg.losses.non_saturating,
        prior=prior,
        optimizer=optimizers,
        rollouts=config.rollouts,
        centred=True,
        n_critic=config.n_critic,
    )
    networks = {"generator": generator, "discriminator": readers.TextCNN(filters=config.filters)}
    return {"first": first, "maximum likelihood": likely, "SeqGAN": jg.game(networks, system)}


def _clipped(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(5.0), optimizer)
