"""Policies of the control experiments: their network, behavioural cloning, and what they earn."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
from jax import Array

import jaxgan as jg
from jaxgan import metrics
from jaxgan.data import Task
from jaxgan.data.control import Act
from jaxgan.networks import policies
from jaxgan.systems.parts import players
from jaxgan.types import Batch, Game, Metrics, Nets, System, TrainState, Turn

JUDGED = 100  # roll-outs that figures are means of


def policy(width: int, task: Task) -> policies.Gaussian:
    """Two hidden layers of `width` units, and a deviation of its own."""
    return policies.Gaussian(task.actions, (width, width), log_std=-0.5)


def adam(rate: float, steps: int) -> optax.GradientTransformation:
    """Adam, whose rate falls to a twentieth along a half cosine."""
    return optax.adam(optax.cosine_decay_schedule(rate, steps, alpha=0.05))


def cloning(network: policies.Gaussian, optimizer: optax.GradientTransformation) -> Game:
    """Regression of the expert's actions on its states."""

    def loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
        return jg.losses.squared_error(nets["policy"](batch["state"])[0], batch["action"]), {}

    playing = players(optimizer, policy=("policy", loss))
    return jg.game({"policy": network}, System(playing, None, lambda nets, key, inputs: None))


def by_means(network: policies.Gaussian, state: TrainState) -> Act:
    """A trained policy without its spread."""
    variables: Any = {"params": state.params["policy"]}
    return lambda states, step: network.apply(variables, states)[0]


def returns(task: Task, act: Act) -> np.ndarray:
    """What a policy earns in each of JUDGED roll-outs, from the same starts for all."""
    return metrics.returns(task, act, jax.random.key(7), JUDGED)
