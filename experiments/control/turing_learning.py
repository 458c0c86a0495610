"""What are the parameters of what we see? Turing Learning on a random process and a robot, beside least squares.

Li, Gauci, Gross 2016 with behaviours of one actor, written here: x_t = a x_{t-1} + b x_{t-2} + noise, and a robot whose
only sense is whether a beacon is straight ahead, of which speed and turning alone are seen. Thirty models and thirty
classifiers, Elman networks of five units, evolve against each other by (15+15) selection, three generations of
classifiers to one of models. The metric-based rival
evolves as many models by the squared distance of their runs from observed ones. An error is the mean distance of the
parameters, those of the selected models averaged over late generations, from the system's, all in [-1, 1].

Command: python -m experiments turing_learning --seeds 3
Takes: minutes on a CPU core. Expected result: experiments/README.md.
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
from jax import Array

import jaxgan as jg
from experiments.control.film import disc, save_film
from jaxgan import estimators
from jaxgan.data import Behaviour
from jaxgan.networks import elman, populations
from jaxgan.report import read_metrics
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least, save
from jaxgan.systems.parts import drawn, players
from jaxgan.types import Batch, Game, LossFn, Metrics, Nets, System, TrainState, Turn

TRUTH = {"autoregression": (0.6, -0.7), "line_of_sight": (-0.2, 0.4, 0.9, 0.6)}
METHODS = ("Turing Learning", "least squares")


@dataclass(frozen=True)
class Config:
    """Coevolution of models and classifiers."""

    seed: int = 0  # the first; of both populations and of the data's order
    seeds: int = 1  # runs of each method
    generations: int = 150  # train steps
    population: int = 30  # models, and classifiers; half of them are selected
    batch_size: int = 120  # observed runs, and runs of a model, in each generation
    n_critic: int = 3  # generations of classifiers to one of models
    hidden: int = 5  # units of a classifier
    strength: float = 0.5  # of mutation at the start
    ema: float = 0.98  # decay of the averaged models, per generation


SMOKE = {"generations": 2, "population": 4, "batch_size": 4, "n_critic": 1, "hidden": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, generations=1, population=2, batch_size=1, n_critic=1, hidden=1)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws the parameters over generations and what the robots do."""
    rows: list[dict[str, Cell]] = []
    paths: dict[tuple[str, str], np.ndarray] = {}
    inferred: dict[tuple[str, str], np.ndarray] = {}
    for behaviour in (jg.data.autoregression(), jg.data.line_of_sight()):
        truth = np.asarray(TRUTH[behaviour.name])
        source = jg.data.recorded(behaviour, TRUTH[behaviour.name])
        for method, game in zip(METHODS, (_coevolution(config, behaviour), _fit(config, behaviour)), strict=True):
            estimates = []
            for seed in range(config.seed, config.seed + config.seeds):
                member = folder / f"{behaviour.name}-{method.replace(' ', '-')}-seed{seed}"
                training = Training(game, source, seed, config.generations, config.batch_size)
                estimates.append(_estimate(config, train_member(member, training).state))
                print(f"{member.name}: {np.round(estimates[-1], 3).tolist()}", flush=True)
                if seed == config.seed:
                    inferred[behaviour.name, method] = estimates[-1]
                    paths[behaviour.name, method] = _path(member, len(truth))
            errors = [float(np.abs(estimate - truth).mean()) for estimate in estimates]
            words = ", ".join(f"{value:.2f}" for value in np.mean(estimates, axis=0))
            asked = ", ".join(f"{value:.2f}" for value in truth)
            row: dict[str, Cell] = {"behaviour": behaviour.name, "method": method, "mean error": errors}
            rows.append({**row, "mean estimate": words, "truth": asked})
    _draw(folder / "samples.png", paths)
    robots = {name: inferred["line_of_sight", name] for name in METHODS}
    save_film(folder / "robots.gif", _film(robots | {"truth": np.asarray(TRUTH["line_of_sight"])}))
    note = (
        f"mean distance of the parameters from the truth, each in [-1, 1], after {config.generations} generations of "
        f"{config.population} models and as many classifiers, {config.batch_size} runs each; {config.seeds} seeds from "
        f"{config.seed}. The picture shows the means of the models, the animation the system, the models by Turing "
        "Learning and those by least squares"
    )
    yield Table("Inferred parameters", note, rows)


def _crowd(config: Config, behaviour: Behaviour) -> populations.Crowd:
    program = populations.Simulated(behaviour.act, len(behaviour.parameters))
    return populations.Crowd(program, config.population, config.strength)


def _coevolution(config: Config, behaviour: Behaviour) -> Game:
    networks: dict[str, Any] = {
        "generator": _crowd(config, behaviour),
        "discriminator": populations.Jury(elman.Elman(config.hidden), config.population, config.strength),
    }
    system = jg.systems.turing_learning(
        prior=jg.priors.normal(behaviour.noise),
        optimizer=optax.sgd(1.0),
        gradient=estimators.selection(config.population // 2),
        n_critic=config.n_critic,
    )
    models = system.players["generator"]
    observed = models._replace(loss=_observed(models.loss))
    return jg.game(
        networks, system._replace(players=dict(system.players) | {"generator": observed}), ema={"generator": config.ema}
    )


def _fit(config: Config, behaviour: Behaviour) -> Game:
    """The metric-based rival: squared distance of runs from observed ones, by the same selection."""
    prior = jg.priors.normal(behaviour.noise)

    def loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        return jg.losses.squared_error(nets["generator"](drawn(prior, batch, turn)), batch["x"]), {}

    playing = players(optax.sgd(1.0), generator=("generator", _observed(loss)))
    playing["generator"] = playing["generator"]._replace(gradient=estimators.selection(config.population // 2))
    return jg.game(
        {"generator": _crowd(config, behaviour)},
        System(playing, None, lambda nets, key, inputs: None),
        ema={"generator": config.ema},
    )


def _observed(loss: LossFn) -> LossFn:
    """Returns a loss whose metrics tell the models' mean parameters."""

    def value(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        cost, metrics = loss(nets, batch, turn)
        means = jnp.mean(nets["generator"].params[populations.MEMBERS]["parameters"], axis=0)
        return cost, metrics | {f"parameter_{k}": mean for k, mean in enumerate(means)}

    return value


def _estimate(config: Config, state: TrainState) -> np.ndarray:
    """Returns the median of the selected models, which come first, averaged over late generations."""
    own = np.asarray(state.ema["generator"][populations.MEMBERS]["parameters"])
    return np.clip(np.median(own[: config.population // 2], axis=0), -1, 1)


def _path(member: Path, count: int) -> np.ndarray:
    rows = read_metrics(member)
    return np.stack([rows[f"generator/parameter_{k}"][1] for k in range(count)], axis=1)


def _film(inferred: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Draws a robot by each of these parameters, from one start, and the beacon."""
    behaviour, scenes = jg.data.line_of_sight(100), []
    noise = jax.random.normal(jax.random.key(3), (behaviour.noise,), jnp.float32)
    poses: Any = behaviour.poses
    for own in inferred.values():
        places = np.asarray(jax.jit(poses)(jnp.asarray(own, jnp.float32), noise))
        ahead = places[:, :2] + 0.12 * np.stack([np.cos(places[:, 2]), np.sin(places[:, 2])], axis=1)
        beacon = 0.6 + 0.4 * disc(np.zeros((1, 2)), 0.3, side=2.5)
        scenes.append(np.minimum(beacon, np.minimum(disc(places[:, :2], 0.15, side=2.5), disc(ahead, 0.06, side=2.5))))
    return scenes


def _draw(path: Path, paths: dict[tuple[str, str], np.ndarray]) -> None:
    """Draws the mean parameters of the models over generations, and the truth."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(paths), figsize=(2.8 * len(paths), 2.4), sharey=True)
    for axis, ((name, method), values) in zip(axes, paths.items(), strict=True):
        for k, truth in enumerate(TRUTH[name]):
            axis.plot(values[:, k], color=f"C{k}", linewidth=0.8)
            axis.axhline(truth, color=f"C{k}", linewidth=0.8, linestyle=":")
        axis.set_title(f"{name}: {method}", fontsize=7)
        axis.set_ylim(-1.2, 1.2)
        axis.set_xlabel("rows of ten generations", fontsize=7)
    figure.tight_layout()
    save(figure, path)
    pyplot.close(figure)
