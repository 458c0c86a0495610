"""Blanks in English words: MaskGAN beside maximum likelihood of equal steps, stopped early, at every temperature.

Fedus et al. 2018 in small: words of seven letters, two of which are blank, at places of their own. Both methods go on
from the same generator, trained by maximum likelihood. Of held-out words: how many fillings are words of the list, how
many distinct ones; their log-likelihood a letter under 4-grams of the training words; and -log p of the true letters in
nats a blank, which is what variety costs. A model of maximum likelihood makes more words at a lower temperature, so
both are also compared where their -log p is the same.

Command: python -m experiments maskgan --seeds 3
Takes: about twelve minutes on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from experiments.text.curves import TEMPERATURES, at_equal_diversity, draw_curves, nats, samples
from jaxgan.data import Source, Text
from jaxgan.data.text import decoded
from jaxgan.metrics import NGrams, Point, fit_ngrams, validity
from jaxgan.networks import readers, sequences
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.types import Batch, Game, TrainState

LETTERS = 7  # of a word
JUDGED = 2000  # held-out words
SHOWN = 20  # of them, in samples.txt


@dataclass(frozen=True)
class Config:
    """Fillings of words."""

    seed: int = 0  # the first; of parameters, draws and data order
    seeds: int = 1  # runs of each method
    first_steps: int = 3000  # train steps of maximum likelihood from which both go on
    steps: int = 400  # train steps of MaskGAN, and of maximum likelihood, after that
    batch_size: int = 64  # words of an update
    share: float = 0.3  # of letters that are blank
    features: int = 32  # width of embeddings
    hidden: int = 64  # units of each cell
    n_critic: int = 3  # discriminator updates per generator update
    likelihood_rate: float = 5e-3  # Adam's, of maximum likelihood at first; falls to a tenth along a half cosine
    learning_rate: float = 2e-4  # Adam's, after that: of the generator as a policy, and of more likelihood, to zero
    discriminator_rate: float = 2e-3  # Adam's, of the discriminator
    critic_rate: float = 1e-3  # Adam's, of the critic
    discount: float = 0.89  # of later letters
    alone: int = 150  # steps before the generator moves


SMOKE = {"first_steps": 2, "steps": 2, "batch_size": 4, "features": 4, "hidden": 4, "n_critic": 1, "alone": 1}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, first_steps=1, steps=1, batch_size=1, features=1, hidden=1, n_critic=1, alone=0)
    if not 0 < config.share <= 1:
        raise ValueError(f"--share must be in (0, 1]; got {config.share}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table, draws the curves, and writes fillings of each method."""
    train, games = jg.data.words(LETTERS, LETTERS), _games(config)
    methods = [name for name in games if name != "first"]
    source, test = jg.data.blanks(train.source, config.share), _held_out(config)
    listed = frozenset(decoded(jg.data.whole(jg.data.words(LETTERS, LETTERS, "all").source)["tokens"], train.alphabet))
    counted = fit_ngrams(jg.data.whole(train.source)["tokens"], 4, train.vocabulary)
    judge = lambda tokens: _judged(tokens, listed, counted, train)  # noqa: E731
    judged: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
    for seed in range(config.seed, config.seed + config.seeds):
        states = _trained(config, games, source, test, seed, folder)
        curves = {name: _curve(games[name], state, test, judge) for name, state in states.items()}
        alike, made = at_equal_diversity(curves), {"truth": test["tokens"]}
        for name, state in states.items():
            made[name] = samples(games[name], state, len(test["mask"]), **test)
            (here,) = [p for p in curves[name] if p.temperature == 1.0]
            judged[name].append(
                judge(made[name]) | {"-log p": here.diversity, "words at equal -log p": 1 - alike[name]}
            )
            print(f"{name}, seed {seed}: { ({k: round(v, 3) for k, v in judged[name][-1].items()}) }", flush=True)
            print("T: no word, -log p", *(f"{t}: {q:.4f}, {d:.3f}" for t, q, d in curves[name]), sep="\n  ")
        if seed == config.seed:
            draw_curves(
                folder / "curve.png", curves, ("-log p of the true letters, nats a blank", "share that is no word")
            )
            _write(folder / "samples.txt", made, np.asarray(test["mask"]), train.alphabet)
    rows: list[dict[str, Cell]] = [
        {"filled by": "truth", **judge(test["tokens"]), "-log p": "", "words at equal -log p": ""}
    ]
    rows += [
        {"filled by": name, **{figure: [each[figure] for each in runs] for figure in runs[0]}}
        for name, runs in judged.items()
    ]
    note = (
        f"{JUDGED} held-out words of {LETTERS} letters, {int(test['mask'][0].sum())} of them blank; "
        f"{config.first_steps} steps of {config.batch_size} of maximum likelihood, then {config.steps} of either. "
        f"Shares that are words of the list, and distinct words; log-likelihood a letter under 4-grams of "
        f"{train.source.size} training words, and -log p of the true letters in nats a blank; words at the "
        f"temperatures at which both have the -log p of the worse; {config.seeds} seeds"
    )
    yield Table("Blanks in words", note, rows)


def _held_out(config: Config) -> Batch:
    held_out = jg.data.words(LETTERS, LETTERS, "test").source
    return jg.data.evenly(jg.data.blanks(held_out, config.share), JUDGED)


def _trained(
    config: Config, games: dict[str, Game], source: Source, test: Batch, seed: int, folder: Path
) -> dict[str, TrainState]:
    """Trains both methods from one beginning; of maximum likelihood keeps what is likelier on other held-out blanks."""
    first_game = games["first"]
    first = train_member(
        folder / f"first-seed{seed}", Training(first_game, source, seed, config.first_steps, config.batch_size)
    ).state
    batch = jax.tree.map(jnp.asarray, jg.data.batch_at(source, config.batch_size * config.n_critic, seed)(0))
    states = {}
    for name, game in list(games.items())[1:]:
        begun = jg.carried.carry(first, game, jax.random.key(seed), batch).state
        training = Training(game, source, seed, config.steps, config.batch_size * game.updates, first=begun)
        states[name] = train_member(folder / f"{name.replace(' ', '-')}-seed{seed}", training).state
    mask = np.roll(np.asarray(test["mask"]), 1, axis=0)
    ends = (first, states["maximum likelihood"])
    states["maximum likelihood"] = min(ends, key=lambda s: nats(first_game, s, test["tokens"], [1.0], mask))
    return states


def _judged(tokens: np.ndarray, listed: frozenset[str], counted: NGrams, text: Text) -> dict[str, float]:
    shares = validity(decoded(tokens, text.alphabet), listed.__contains__)
    likelihood = float(np.mean(counted.log_likelihood(tokens)))
    return {"words": shares.valid, "distinct": shares.distinct, "4-grams": likelihood}


def _curve(game: Game, state: TrainState, test: Batch, judge: Any) -> list[Point]:
    diversity = nats(game, state, test["tokens"], TEMPERATURES, np.asarray(test["mask"]))
    made = [samples(game, state, len(test["mask"]), t, **test) for t in TEMPERATURES]
    return [Point(t, 1 - judge(x)["words"], d) for t, x, d in zip(TEMPERATURES, made, diversity, strict=True)]


def _write(path: Path, made: dict[str, np.ndarray], mask: np.ndarray, alphabet: str) -> None:
    words = {name: decoded(tokens[:SHOWN], alphabet) for name, tokens in made.items()}
    holes = [
        "".join("_" if hidden else letter for letter, hidden in zip(word, row, strict=True))
        for word, row in zip(words["truth"], mask, strict=False)
    ]
    columns = {"blanks": holes, **words}
    widths = {name: max(len(name), LETTERS) + 2 for name in columns}
    rows = zip(*columns.values(), strict=True)
    lines = ["".join(name.ljust(width) for name, width in widths.items())]
    lines += ["".join(word.ljust(width) for word, width in zip(row, widths.values(), strict=True)) for row in rows]
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n")


def _games(config: Config) -> dict[str, Game]:
    vocabulary = jg.data.words(LETTERS, LETTERS).vocabulary
    prior, size = jg.priors.gumbel(LETTERS, vocabulary), (config.features, config.hidden)
    generator, clip = sequences.Infill(vocabulary, *size), optax.clip_by_global_norm(5.0)
    falling = optax.cosine_decay_schedule(config.likelihood_rate, config.first_steps, alpha=0.1)
    fading = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    systems = (
        jg.systems.maximum_likelihood(prior=prior, optimizer=optax.chain(clip, optax.adam(rate)))
        for rate in (falling, fading)
    )
    first, likely = (jg.game({"generator": generator}, system) for system in systems)
    later = optax.join_schedules([lambda _: 0.0, lambda _: config.learning_rate], [config.alone])
    system = jg.systems.maskgan(
        loss=jg.losses.non_saturating,
        prior=prior,
        optimizer={
            "discriminator": optax.adam(config.discriminator_rate),
            "critic": optax.adam(config.critic_rate),
            "generator": optax.chain(clip, optax.adam(later)),
        },
        discount=config.discount,
        n_critic=config.n_critic,
    )
    networks: dict[str, Any] = {"generator": generator, "critic": readers.Values(vocabulary, *size)}
    networks["discriminator"] = readers.TokenJudge(*size)
    return {"first": first, "maximum likelihood": likely, "MaskGAN": jg.game(networks, system)}
