"""A task in a borrowed manner: an adversarial motion prior beside the task alone, the manner alone, and cloning.

Peng et al. 2021 in small: a point is to come to rest in the middle, for which it is paid by how near it is. Somebody
else was seen to come there on spirals: positions and speeds, no actions, no rewards. The motion prior earns both the
task's reward and that of a discriminator of transitions; task alone and manner alone have one of the two. Behavioural
cloning is regression of actions by the same network, on the same demonstrations with their actions, in as many steps
and batches. A return is the sum of the task's rewards over 100 steps by the policies' mean actions, as a share of the
way from random actions (0) to the demonstrator (1); the distance of manner is the Fréchet distance of turns and speeds
(x, v and what v changes by in a step) to the demonstrator's from the same starts, over that of random actions.

Command: python -m experiments motion_prior --seeds 3
Takes: about a minute for each of 12 games on a CPU core. Expected result: experiments/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import jaxgan as jg
from experiments.control.actors import JUDGED, adam, by_means, cloning, policy, returns
from experiments.control.film import disc, save_film
from jaxgan import metrics
from jaxgan.data import Task
from jaxgan.data.control import Act
from jaxgan.networks import joint, mlp, observed, policies
from jaxgan.networks.remedies import Replay
from jaxgan.runs.members import Training, train_member
from jaxgan.runs.tables import Cell, Table, at_least, save
from jaxgan.types import Game

SHOWN = 6  # roll-outs of the picture, of each policy


@dataclass(frozen=True)
class Config:
    """A task in a manner."""

    seed: int = 0  # the first; of parameters, roll-outs and demonstrations
    seeds: int = 1  # runs of each method
    trajectories: int = 2  # of the demonstrator
    every: int = 5  # every so many of their steps are kept
    steps: int = 1200  # train steps, of every method
    rollouts: int = 16  # of the policy in each turn; times 100 steps it is the batch
    width: int = 32  # units of each of two hidden layers, in all networks
    style: float = 0.5  # share of the style's reward
    learning_rate: float = 3e-3  # Adam's, of the policy and of cloning
    discriminator_rate: float = 2e-3  # Adam's
    gamma: float = 0.05  # weight of R1 on the demonstrations
    pool: int = 4  # batches of earlier transitions that are replayed; 0: none
    discount: float = 0.95  # of rewards


SMOKE = {"steps": 2, "rollouts": 1, "width": 4, "pool": 2}


def check(config: Config) -> None:
    """Refuses settings that no table can be made of.

    Raises:
      ValueError: says which.
    """
    at_least(config, seeds=1, trajectories=1, every=1, steps=1, rollouts=1, width=1, pool=0)


def tabulate(config: Config, folder: Path) -> Iterator[Table]:
    """Yields one table, and draws the paths of each policy of the first seed."""
    task = spiral()
    demonstrator, random = jg.data.expert(task), jg.data.uniform_actions(task, jax.random.key(1))
    bounds = returns(task, demonstrator), returns(task, random)
    apart = _manner(task, random)
    games = {
        "motion prior": _prior(config, task, config.style),
        "task alone": _prior(config, task, 0.0),
        "manner alone": _prior(config, task, 1.0),
        "cloning": cloning(policy(config.width, task), adam(config.learning_rate, config.steps)),
    }
    rows: list[dict[str, Cell]] = []
    acts: dict[str, Act] = {"demonstrator": demonstrator}
    for name, game in games.items():
        shares, manners = list[float](), list[float]()
        for seed in range(config.seed, config.seed + config.seeds):
            source = jg.data.demonstrations(task, config.trajectories, config.every, seed)
            training = Training(game, source, seed, config.steps, config.rollouts * task.horizon)
            state = train_member(folder / f"{name.replace(' ', '-')}-seed{seed}", training).state
            act = by_means(policy(config.width, task), state)
            shares.append(metrics.normalized_return(returns(task, act), bounds[1], bounds[0]))
            manners.append(_manner(task, act) / apart)
            print(f"{name}, seed {seed}: return {shares[-1]:.3f}, manner {manners[-1]:.4f}", flush=True)
            acts.setdefault(name, act)
        rows.append({"policy": name, "return": shares, "distance of manner": manners})
    _draw(folder, task, acts)
    note = (
        f"means of {JUDGED} roll-outs after {config.steps} steps of {config.rollouts} roll-outs (cloning: of as many "
        f"demonstrated steps), from every {config.every}th step of {config.trajectories} roll-outs; return as a share "
        f"of the demonstrator's ({bounds[0].mean():.1f}) over random actions' ({bounds[1].mean():.1f}), distance of "
        f"manner as one of random actions'; {config.seeds} seeds from {config.seed}"
    )
    yield Table("A task in a manner", note, rows)


def spiral() -> Task:
    """A point that is paid for being near the middle, and a demonstrator that comes there on spirals.

    The reward is exp(-2 |x|^2). The demonstrator pulls inwards and to the left of that, and brakes.
    """
    pull = jnp.asarray([[1.0, 0.8], [-0.8, 1.0]], jnp.float32)

    def reward(state: Array, action: Array) -> Array:
        return jnp.exp(-2 * jnp.sum(jnp.square(state[:2])))

    def demonstrator(state: Array) -> Array:
        return jnp.clip(-pull @ state[:2] - 1.6 * state[2:], -1, 1)

    return jg.data.point_mass()._replace(name="spiral", reward=reward, expert=demonstrator)


def _prior(config: Config, task: Task, style: float) -> Game:
    hidden, size = (config.width, config.width), config.rollouts * task.horizon
    networks: dict[str, Any] = {
        "policy": policy(config.width, task),
        "value": policies.Value(hidden, scale=10.0),
        "discriminator": observed.Standardized(joint.Joint(mlp.Discriminator(hidden, activation=jnp.tanh))),
    }
    if config.pool:
        networks["pool"] = Replay(config.pool * size)
    rates = {"policy": config.learning_rate, "discriminator": config.discriminator_rate}
    system = jg.systems.motion_prior(
        task=task,
        loss=jg.losses.least_squares_targets(-1, 1, 1),
        optimizer={player: adam(rate, config.steps) for player, rate in rates.items()},
        style=style,
        learning=(config.discount, 0.95, 0.0),
        penalty=jg.penalties.r1(config.gamma),
        replay="pool" if config.pool else None,
    )
    return jg.game(networks, system)


def _motions(task: Task, act: Act) -> np.ndarray:
    """Returns what is seen of steps, [n, 6]: place, speed and what the speed changes by, in a step, times ten."""
    made = jax.jit(lambda key: jg.data.rollout(task, act, key, JUDGED))(jax.random.key(7))
    state, following = (np.asarray(made[name]).reshape(-1, task.states) for name in ("state", "next"))
    return np.concatenate([state, 10 * (following - state)[:, 2:]], axis=1)


def _manner(task: Task, act: Act) -> float:
    return metrics.fid(_motions(task, jg.data.expert(task)), _motions(task, act))


def _draw(folder: Path, task: Task, acts: dict[str, Act]) -> None:
    """Draws the paths of some roll-outs of each policy, and films one of each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    made = {
        name: np.asarray(
            jax.jit(lambda key, act=act: jg.data.rollout(task, act, key, SHOWN)["state"])(jax.random.key(7))
        )
        for name, act in acts.items()
    }
    figure, axes = pyplot.subplots(1, len(made), figsize=(2 * len(made), 2.2), sharex=True, sharey=True, squeeze=False)
    for axis, (name, states) in zip(axes[0], made.items(), strict=True):
        axis.plot(*np.moveaxis(states[..., :2], (2, 1, 0), (0, 1, 2)), linewidth=0.8)
        axis.set_title(name, fontsize=7)
        axis.set_aspect("equal")
        axis.tick_params(labelsize=6)
    figure.tight_layout()
    save(figure, folder / "samples.png")
    pyplot.close(figure)
    save_film(folder / "rollouts.gif", [disc(states[0][:, :2], 0.1) for states in made.values()])
