"""MIX+GAN on the grid of 25 Gaussians: mixtures on both sides with learned weights, against as many pairs apart.

Arora et al. 2017, section 5. Both forms of the term that keeps weights from falling on one network: minus the entropy,
and the authors' code's mean of -log w, with its rule that discriminators wait where they are far ahead. One pair is
trained for as many steps, and for as many more as there are pairs; "apart" are as many pairs that know nothing of each
other. All are the plain game of `modes`, at the rate at which it loses modes. The second table starts from a generator
that has fallen out: a weight of e^-8 of the others'. All players' optimizer is Adam, which divides by a pull's size.

Command: python -m experiments mix_gan
Takes: about three minutes for each seed on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jaxgan as jg
from experiments.toys import several
from jaxgan.runs.members import Training, last_metrics, train_member
from jaxgan.runs.tables import Cell, Table, at_least
from jaxgan.systems import MixtureWeights, mixture
from jaxgan.types import Game, TrainState

FALLEN = -8.0  # logit of the weight of a generator that has fallen out; the others' are 0


@dataclass(frozen=True)
class Config:
    """Mixtures of a few pairs."""

    seed: int = 0  # the first; of parameters, latents and data
    seeds: int = 1  # runs
    count: int = 3  # generators, and discriminators
    steps: int = 2000  # train steps
    batch_size: int = 64  # points of an update
    width: int = 64  # units of each of two hidden layers, in all networks
    latent: int = 32  # width of z
    learning_rate: float = 3e-3  # Adam's, of both sides and their weights
    entropy: float = 0.1  # weight of the entropy
    evenness: float = 0.1  # weight of the mean of -log w
    payoff: float = 0.6  # of the discriminators' side, at which it waits in the authors' form; 0: never


SMOKE = {"count": 2, "steps": 2, "batch_size": 8, "width": 4}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, count=2, steps=1, batch_size=2, width=1, latent=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields a table of samples and one of weights, and draws the first seed's samples, a colour a generator."""
    forms = {"entropy": _mixed(config, config.entropy, 0.0), "evenness": _mixed(config, 0.0, config.evenness)}
    pair, rows, shown = _pair(config), dict[str, dict[str, list[float]]](), dict[str, list[np.ndarray]]()
    for seed in range(config.seed, config.seed + config.seeds):
        many = [_trained(folder, f"apart{k}-seed{seed}", pair, config, 100 * seed + k) for k in range(config.count)]
        long = _trained(folder, f"alone-seed{seed}", pair, config, seed, config.count)
        drawn = {"one pair": _apart(pair, many[:1], seed), "one, as long": _apart(pair, [long], seed)}
        drawn["apart"] = _apart(pair, many, seed)
        for form, game in forms.items():
            member = f"{form}-seed{seed}"
            state = _trained(folder, member, game, config, seed)
            drawn[f"mixture, {form}"] = [np.asarray(jg.sample(game, state, jax.random.key(seed), n=several.SAMPLES))]
            least = last_metrics(folder / member)
            for side in ("generator", "discriminator"):
                kept = rows.setdefault(f"mixture, {form}", {}).setdefault(f"smallest {side}", [])
                kept.append(least[f"{side}/smallest"])
        for method, sets in drawn.items():
            for column, value in several.judged(np.concatenate(sets)[: several.SAMPLES]).items():
                rows.setdefault(method, {}).setdefault(column, []).append(value)
        if seed == config.seed:
            shown = drawn
        print(f"seed {seed}: { ({m: round(r['modes'][-1]) for m, r in rows.items()}) }", flush=True)
    several.draw(folder / "samples.png", shown)
    yield _samples_table(config, rows, list(shown))
    yield _weights_table(config, folder, forms)


def _samples_table(config: Config, rows: dict[str, dict[str, list[float]]], methods: list[str]) -> Table:
    columns = ("modes", "high quality", "reverse KL", "smallest generator", "smallest discriminator")
    cells: list[dict[str, Cell]] = []
    for method in methods:
        own: dict[str, Cell] = {column: rows[method].get(column, "") for column in columns}
        cells.append({"method": method} | own)
    note = (
        f"{config.count} pairs, {config.steps} steps of {config.batch_size}, two layers of {config.width}; of "
        f"{several.SAMPLES} samples: modes of 25, share within three standard deviations of one, reverse KL of their "
        f"histogram; least weight of either side; {config.seeds} seeds"
    )
    return Table("Mixtures on the grid of 25", note, cells)


def _weights_table(config: Config, folder: Path, forms: dict[str, Game]) -> Table:
    rows: list[dict[str, Cell]] = []
    for form, game in forms.items():
        after = []
        for seed in range(config.seed, config.seed + config.seeds):
            first = game.init(jax.random.key(seed), {"x": jnp.zeros((config.batch_size, 2), jnp.float32)})
            logits = jnp.zeros((config.count,), jnp.float32).at[0].set(FALLEN)
            first = first._replace(params=first.params | {"generator_weights": {"logits": logits}})
            state = _trained(folder, f"fallen-{form}-seed{seed}", game, config, seed, first=first)
            weights = jax.nn.softmax(state.params["generator_weights"]["logits"])
            after.append(float(weights[0]))
        before = float(jax.nn.softmax(logits)[0])
        rows.append({"form": form, "weight before": before, "weight after": after})
    note = f"weight of a generator that has fallen out, before and after {config.steps} steps; {config.seeds} seeds"
    return Table("What brings a generator back", note, rows)


def _pair(config: Config) -> Game:
    networks = {"generator": several.generator(config.width), "discriminator": several.discriminator(config.width)}
    return jg.game(networks, several.system(config.latent, config.learning_rate))


def _mixed(config: Config, entropy: float, evenness: float) -> Game:
    networks = {f"generator_{k}": several.generator(config.width) for k in range(config.count)}
    networks |= {f"discriminator_{k}": several.discriminator(config.width) for k in range(config.count)}
    networks |= {f"{side}_weights": MixtureWeights(config.count) for side in ("generator", "discriminator")}
    waits = jg.dynamics.gated({"discriminator": lambda metrics, step: metrics["payoff"] > config.payoff})
    system = mixture(several.system(config.latent, config.learning_rate), config.count, entropy, evenness)
    return jg.game(networks, system, dynamics=waits if evenness and config.payoff else None)


def _trained(
    folder: Path,
    name: str,
    game: Game,
    config: Config,
    seed: int,
    times: int = 1,
    first: TrainState | None = None,
) -> TrainState:
    steps = config.steps * times
    return train_member(
        folder / name, Training(game, jg.data.grid(), seed, steps, config.batch_size, first=first)
    ).state


def _apart(game: Game, states: list[TrainState], seed: int) -> list[np.ndarray]:
    """Returns samples of each of several games, of equal shares."""
    n = -(-several.SAMPLES // len(states))
    return [np.asarray(jg.sample(game, s, jax.random.key(1000 * seed + k), n=n)) for k, s in enumerate(states)]
