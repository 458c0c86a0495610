"""The three ways in which training fails, each provoked by a small experiment, and every remedy measured against it.

Mode collapse: `modes`' ring of 8 Gaussians, modes covered. Failure to converge: Dirac-GAN (Mescheder et al. 2018) with
Goodfellow's minimax loss, distance from the equilibrium after 500 steps. Vanishing gradients: a generator that stands
still far from the data, as in Arjovsky and Bottou 2017 (figure 2), while the discriminator is trained on and on; the
norm of the gradient that it would get.

Command: python -m experiments remedies
Takes: about 5 minutes on 2 idle CPU cores. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxgan as jg
from experiments.toys import dirac, gaussians
from jaxgan.augment import instance_noise
from jaxgan.dynamics import alternating, consensus, extragradient, simultaneous, symplectic, unrolled
from jaxgan.optimizers import historical_averaging, lookahead
from jaxgan.parallel import interval, segments, sweep
from jaxgan.runs.tables import Cell, Table, formatted, save
from jaxgan.types import Batch, Dynamics, Game, Loss, Penalty, Schedule, TrainState

FAR = jg.data.ring(modes=1, radius=6.0, std=0.1)  # data that no sample of a new generator comes near
BATCH = 128
SEGMENT = 50  # discriminator updates in one call, at most
LABELS = {
    "modes": "modes of 8 (more is better)",
    "distance": "distance from equilibrium (less is better)",
    "at the end": "log10 gradient norm (more is better)",
}


@dataclass(frozen=True)
class Config:
    """Lengths of the three experiments."""

    seed: int = 0  # the first
    seeds: int = 4  # runs of each remedy (Dirac-GAN has nothing random but its noise: one)
    mode_steps: int = 3000  # generator updates on the ring
    dirac_steps: int = 500
    dirac_rate: float = 0.2  # h, of both players
    discriminator_steps: int = 2000  # against a generator that stands still
    width: int = 64  # of each of two hidden layers, where there are networks


SMOKE = {"seeds": 2, "mode_steps": 4, "dirac_steps": 20, "discriminator_steps": 4, "width": 4}


class Settled(NamedTuple):
    """A remedy for games that do not converge."""

    optimizer: optax.GradientTransformation
    dynamics: Dynamics
    penalty: Penalty | None = None
    noise: float = 0.0
    ema: Mapping[str, float | Schedule] | None = None


class Steep(NamedTuple):
    """A remedy for gradients that vanish."""

    loss: Loss
    penalty: Penalty | None = None
    noise: float = 0.0  # standard deviation of instance noise


def check(config: Config) -> None:
    """Refuses lengths that cannot be played.

    Raises:
      ValueError: says which.
    """
    least = {"seeds": 2, "mode_steps": 1, "dirac_steps": 4, "discriminator_steps": 1, "width": 1}
    for name, smallest in least.items():
        if getattr(config, name) < smallest:
            raise ValueError(f"--{name.replace('_', '-')} must be at least {smallest}; got {getattr(config, name)}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table for each failure, and draws all three."""
    tables = []
    for make in (collapse, convergence, gradients):
        tables.append(make(config))
        yield tables[-1]
    draw(folder / "remedies.png", tables)


def collapse(config: Config) -> Table:
    """Modes covered on the ring, by method."""
    setting = gaussians.settings()["ring"]._replace(steps=config.mode_steps, width=config.width)
    seeds, rows = range(config.seed, config.seed + config.seeds), []
    for name, method in gaussians.methods("ring").items():
        game, states = gaussians.trained(setting, method, seeds)
        row: dict[str, Cell] = dict(gaussians.judged(setting, game, states, seeds))
        rows.append({"remedy": "none" if name == "vanilla" else name, **row})
        _say(rows[-1])
    note = f"Ring of 8 Gaussians, {config.mode_steps} updates; networks and rates as in `modes`. {_seeds(config)}"
    return Table("Mode collapse", note, rows)


def settling(h: float) -> dict[str, Settled]:
    """What makes a game converge, by name; the first two are the game without any remedy."""
    sgd, r1, r2 = optax.sgd(h), jg.penalties.r1, jg.penalties.r2
    averaged = dict.fromkeys(("generator", "discriminator"), lambda step: (step + 1) / (step + 2))
    return {
        "none, simultaneous steps": Settled(sgd, simultaneous()),
        "none, alternating steps": Settled(sgd, alternating()),
        "r1, gamma 1": Settled(sgd, alternating(), r1(1.0)),
        "r2, gamma 1": Settled(sgd, alternating(), r2(1.0)),
        "instance noise, std 1": Settled(sgd, alternating(), noise=1.0),
        "consensus, weight 1": Settled(sgd, consensus(1.0)),
        "symplectic, weight 1": Settled(sgd, symplectic(1.0)),
        "extragradient": Settled(sgd, extragradient()),
        "optimistic": Settled(optax.optimistic_gradient_descent(h), simultaneous()),
        "unrolled 5": Settled(sgd, unrolled(5)),
        "historical averaging, weight 1": Settled(historical_averaging(sgd, 1.0), alternating()),
        "negative momentum, -0.5": Settled(optax.sgd(h, momentum=-0.5), alternating()),
        "lookahead, 5 steps": Settled(lookahead(sgd, 5), simultaneous()),
        "mean of all iterates": Settled(sgd, alternating(), ema=averaged),
    }


def convergence(config: Config) -> Table:
    """Distance from the equilibrium of Dirac-GAN, by remedy."""
    rows: list[dict[str, Cell]] = []
    for name, one in settling(config.dirac_rate).items():
        game = dirac.build(jg.losses.minimax, one.optimizer, one.dynamics, one.penalty, one.noise, one.ema)
        state, batch = dirac.at_start(game, config.seed, 1.0, 4096 if one.noise else 1)
        path = dirac.trajectory(game, state, batch, config.dirac_steps)
        rows.append({"remedy": name, "distance": float(np.linalg.norm(path[-1])), "verdict": dirac.verdict(path)})
    note = (
        f"Dirac-GAN, minimax loss, SGD with h = {config.dirac_rate}, distance of (theta, psi) from (0, 0) after "
        f"{config.dirac_steps} steps from (1, 1); noise leaves the mean of 4096 draws."
    )
    return Table("Failure to converge", note, rows)


def steep() -> dict[str, Steep]:
    """What keeps a generator's gradient alive, by name; the first is the game without any remedy."""
    loss, penalty = jg.losses, jg.penalties
    return {
        "none (minimax)": Steep(loss.minimax),
        "non-saturating": Steep(loss.non_saturating),
        "least squares": Steep(loss.least_squares),
        "hinge": Steep(loss.hinge),
        "wasserstein + gradient penalty": Steep(loss.wasserstein, penalty.gradient_penalty(10.0)),
        "minimax + r1, gamma 1": Steep(loss.minimax, penalty.r1(1.0)),
        "minimax + instance noise, std 3": Steep(loss.minimax, noise=3.0),
        "minimax + smoothed real labels": Steep(loss.smoothed(loss.minimax, 0.9)),
        "minimax + both labels smoothed": Steep(loss.smoothed(loss.minimax, 0.9, 0.1)),
    }


def gradients(config: Config) -> Table:
    """Norm of the generator's gradient while the discriminator is trained to its optimum, by loss and remedy."""
    seeds, rows = range(config.seed, config.seed + config.seeds), []
    length = min(SEGMENT, config.discriminator_steps)
    for name, one in steep().items():
        game, measure = standing(one, config.width)
        runs = sweep(game, seeds)
        reads = [jg.data.batch_at(FAR, length * BATCH, seed) for seed in seeds]

        def segment(number: int, reads: Sequence[Any] = reads) -> Batch:
            drawn = [jnp.asarray(read(number)["x"]).reshape(length, BATCH, -1) for read in reads]
            return {"x": jnp.stack(drawn, axis=1)}

        states, step = runs.init({"x": segment(0)["x"][0]}), segments(runs, length)
        row: dict[str, Cell] = {"remedy": name, "at the start": measure(states, segment(0)["x"][0])}
        for number in range(config.discriminator_steps // length):
            states, _ = step(states, segment(number))
        row["at the end"] = measure(states, segment(0)["x"][0])
        rows.append(row)
        _say(row)
    note = (
        f"log10 of the norm of the generator's gradient before and after {config.discriminator_steps} updates of the "
        f"discriminator (Adam, 1e-3) against it; data 6 away from the samples. {_seeds(config)}"
    )
    return Table("Vanishing gradients", note, rows)


def standing(one: Steep, width: int) -> tuple[Game, Any]:
    """Returns a game in which the generator stands still, and what measures the gradient that it would get.

    A train step in which only the generator moves, by SGD with rate 1, moves it by its gradient.
    """
    hidden = (width, width)
    networks = {
        "generator": jg.networks.mlp.Generator(hidden=hidden, activation=nn.tanh),
        "discriminator": jg.networks.mlp.Discriminator(hidden=hidden, activation=nn.tanh),
    }

    def game(discriminator: optax.GradientTransformation, generator: optax.GradientTransformation) -> Game:
        system = jg.systems.gan(
            loss=one.loss,
            penalty=one.penalty,
            prior=jg.priors.normal(8),
            augment=instance_noise(one.noise) if one.noise else None,
            optimizer={"discriminator": discriminator, "generator": generator},
        )
        return jg.game(networks, system)

    probe = game(optax.set_to_zero(), optax.sgd(1.0))

    @jax.jit
    @jax.vmap
    def norm(state: TrainState, x: jax.Array) -> jax.Array:
        here = probe.init(jax.random.key(0), {"x": x})._replace(params=state.params, key=state.key, step=state.step)
        after, _ = probe.train_step(here, {"x": x})
        moved = jax.tree.map(jnp.subtract, after.params["generator"], state.params["generator"])
        return optax.tree.norm(moved)

    def measure(states: TrainState, x: jax.Array) -> list[float]:
        return [float(value) for value in np.log10(np.maximum(np.asarray(norm(states, x)), 1e-38))]

    return game(optax.adam(1e-3, b1=0.5), optax.set_to_zero()), measure


def draw(path: Path, tables: Sequence[Table]) -> None:
    """Draws the three tables as bars beside each other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = zip(figure.subplots(1, 3), tables, ("modes", "distance", "at the end"), strict=True)
    for axes, table, column in panels:
        names = [str(row["remedy"]) for row in table.rows][::-1]
        values = [row[column] for row in table.rows][::-1]
        means, errors = [], []
        for value in values:
            if isinstance(value, Sequence) and not isinstance(value, str):
                mean, _, high = interval(np.asarray(value))
                means.append(float(mean))
                errors.append(float(high - mean))
            else:
                means.append(float(value))
                errors.append(0.0)
        colours = ["#d9730d" if name.startswith("none") else "#3b76c4" for name in names]
        floor = 1e-17 if column == "distance" else 0.0
        axes.barh(
            names, np.maximum(means, floor) if floor else means, color=colours, xerr=errors if any(errors) else None
        )
        if floor:
            axes.set_xscale("log")
            axes.set_xlim(left=floor)
        axes.tick_params(labelsize=7)
        axes.grid(axis="x", alpha=0.3)
        axes.set_title(table.title, fontsize=9)
        axes.set_xlabel(LABELS[column], fontsize=8)
    save(figure, path)


def _seeds(config: Config) -> str:
    return f"Mean and 95 % interval over seeds {config.seed}..{config.seed + config.seeds - 1}."


def _say(row: Mapping[str, Cell]) -> None:
    print(", ".join(f"{key} {formatted(value)}" for key, value in row.items()), flush=True)
