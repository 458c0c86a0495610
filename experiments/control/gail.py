"""A point learns to come to rest from an expert's steps: GAIL beside behavioural cloning, of 1, 4 and 10 roll-outs.

Ho, Ermon 2016, section 6, on tasks written here: the expert brings a point between walls to rest by a regulator (or
swings a pendulum up and holds it, `--task pendulum`); its steps are shown as they came, or every 20th. Behavioural
cloning is regression of actions by the same network, as many steps and batches. A return is the sum of the task's own
rewards over 100 steps, by the policies' mean actions, as a share of the way from random actions (0) to the expert (1).

Command: python -m experiments gail --seeds 3
Takes: half a minute for each of 36 games on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jaxgan as jg
from experiments.control.actors import JUDGED, adam, by_means, cloning, policy, returns
from experiments.control.film import disc, rod, save_film
from jaxgan import metrics
from jaxgan.data import Task
from jaxgan.data.control import Act
from jaxgan.networks import joint, mlp, policies
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least, numbers, save
from jaxgan.types import Game

TASKS: dict[str, Callable[[], Task]] = {"pendulum": jg.data.pendulum, "point_mass": jg.data.point_mass}
REWARDS = {"logit": jg.losses.wasserstein, "minimax": jg.losses.minimax, "non_saturating": jg.losses.non_saturating}


@dataclass(frozen=True)
class Config:
    """Imitation of an expert."""

    seed: int = 0  # the first; of parameters, roll-outs and demonstrations
    seeds: int = 1  # runs of each method
    task: str = "point_mass"  # or pendulum
    trajectories: str = "1,4,10"  # of the expert, one row each
    every: int = 20  # of the rows that are subsampled: every so many steps are kept
    steps: int = 1500  # train steps, of either method
    rollouts: int = 16  # of the policy in each turn; times 100 steps it is the batch
    width: int = 32  # units of each of two hidden layers, in all networks
    learning_rate: float = 3e-3  # Adam's, of the policy and of cloning
    discriminator_rate: float = 2e-3  # Adam's
    gamma: float = 0.01  # weight of R1 on the discriminator
    discount: float = 0.9  # of imitation rewards
    entropy: float = 0.0  # weight of the policy's entropy
    reward: str = "logit"  # by which generator's loss: minimax, non_saturating, or the logit itself


SMOKE = {"steps": 2, "rollouts": 1, "width": 4, "trajectories": "1"}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, steps=1, rollouts=1, width=1, every=2)
    _counts(config)
    if config.task not in TASKS:
        raise ValueError(f"--task has {config.task!r}, which is none of {', '.join(TASKS)}")
    if config.reward not in REWARDS:
        raise ValueError(f"--reward has {config.reward!r}, which is none of {', '.join(REWARDS)}")


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws what the policies of the first seed do."""
    task = TASKS[config.task]()
    games = {
        "GAIL": _gail(config, task),
        "cloning": cloning(policy(config.width, task), adam(config.learning_rate, config.steps)),
    }
    rows: list[dict[str, Cell]] = []
    acts: dict[str, Act] = {}
    bounds = returns(task, jg.data.expert(task)), returns(task, jg.data.uniform_actions(task, jax.random.key(1)))
    for count in _counts(config):
        for every in (1, config.every):
            shares: dict[str, list[float]] = {name: [] for name in games}
            for seed in range(config.seed, config.seed + config.seeds):
                source = jg.data.demonstrations(task, count, every, seed)
                for name, game in games.items():
                    member = folder / f"{name}-{count}-every{every}-seed{seed}"
                    training = Training(game, source, seed, config.steps, config.rollouts * task.horizon)
                    act = by_means(policy(config.width, task), train_member(member, training).state)
                    shares[name].append(metrics.normalized_return(returns(task, act), bounds[1], bounds[0]))
                    print(f"{member.name}: {shares[name][-1]:.3f}", flush=True)
                    if seed == config.seed:
                        acts[f"{name}, {count} roll-outs, every {every}"] = act
            rows.append({"roll-outs": float(count), "every": float(every), **shares})
    shown = {"expert": jg.data.expert(task)} | dict(list(acts.items())[-4:])
    _draw(folder, task, shown)
    note = (
        f"share of the expert's return over random actions' in {task.name}, means of {JUDGED} roll-outs after "
        f"{config.steps} steps of {config.rollouts} roll-outs (cloning: of as many steps of the expert); the expert "
        f"has {bounds[0].mean():.1f} +- {bounds[0].std():.1f}, random actions {bounds[1].mean():.1f} +- "
        f"{bounds[1].std():.1f}; {config.seeds} seeds from {config.seed}"
    )
    yield Table("Normalised return", note, rows)


def _counts(config: Config) -> list[int]:
    return numbers(config, "trajectories", "numbers >= 1", lambda counts: min(counts) >= 1, int)


def _gail(config: Config, task: Task) -> Game:
    hidden = (config.width, config.width)
    networks = {
        "policy": policy(config.width, task),
        "value": policies.Value(hidden, scale=3.0),
        "discriminator": joint.Joint(mlp.Discriminator(hidden, activation=jnp.tanh)),
    }
    rates = {"policy": config.learning_rate, "discriminator": config.discriminator_rate}
    system = jg.systems.gail(
        task=task,
        loss=jg.losses.minimax._replace(generator=REWARDS[config.reward].generator),
        optimizer={player: adam(rate, config.steps) for player, rate in rates.items()},
        discount=config.discount,
        entropy=config.entropy,
        penalty=jg.penalties.r1(config.gamma) if config.gamma else None,
    )
    return jg.game(networks, system)


def _draw(folder: Path, task: Task, acts: dict[str, Act]) -> None:
    """Draws how far from the goal ten roll-outs of each policy are, and films one of each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    made = {
        name: np.asarray(jax.jit(lambda key, act=act: jg.data.rollout(task, act, key, 10)["state"])(jax.random.key(7)))
        for name, act in acts.items()
    }
    figure, axes = pyplot.subplots(1, len(made), figsize=(2.6 * len(made), 2.2), sharey=True, squeeze=False)
    for axis, (name, states) in zip(axes[0], made.items(), strict=True):
        away = 1 - states[..., 0] if task.name == "pendulum" else np.linalg.norm(states[..., :2], axis=-1)
        axis.plot(away.T, linewidth=0.7)
        axis.set_title(name, fontsize=7)
        axis.set_xlabel("step", fontsize=7)
    axes[0, 0].set_ylabel("1 - cos(angle)" if task.name == "pendulum" else "distance", fontsize=7)
    figure.tight_layout()
    save(figure, folder / "samples.png")
    pyplot.close(figure)
    save_film(folder / "rollouts.gif", [_scenes(task, states[0]) for states in made.values()])


def _scenes(task: Task, states: np.ndarray) -> np.ndarray:
    """Draws a pendulum's rod, or a point and its goal, at every step."""
    if task.name == "pendulum":
        return rod(states[:, 1::-1])
    return np.minimum(disc(states[:, :2], 0.1), 0.6 + 0.4 * disc(np.zeros((1, 2)), 0.05))
