"""Control tasks as pure functions, with an expert in closed form; roll-outs, and demonstrations as a source.

Times and speeds are in natural units: a pendulum of length and gravity 1, a point of mass 1. Actions lie in [-1, 1],
and what a policy asks for beyond that is cut off before anything is done with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.data.memory import arrays
from jaxgan.data.source import Source, weighted
from jaxgan.types import example_keys

Act = Callable[[Array, Array], Array]  # (states [n, S], step []) -> actions [n, A]; pure


class Task(NamedTuple):
    """A control task of a fixed horizon: nothing ends early, so that the length of a roll-out gives nothing away."""

    name: str
    states: int  # S, entries of a state
    actions: int  # A, entries of an action
    horizon: int  # T, steps of a roll-out
    reset: Callable[[Array], Array]  # key [] -> the first state [S] float32
    step: Callable[[Array, Array], Array]  # (state [S], action [A] in [-1, 1]) -> the next state [S]
    reward: Callable[[Array, Array], Array]  # (state [S], action [A]) -> [], higher is better
    expert: Callable[[Array], Array]  # state [S] -> action [A] in [-1, 1]


TORQUE, SWING = 0.5, 0.15  # of the pendulum: the largest torque over that of its weight; seconds of a step
FORCE, PUSH = 1.0, 0.1  # of the point: the largest force along an axis; seconds of a step
WALL = 1.5  # along either axis: beyond what an expert shows a discriminator knows nothing, and a policy would go there


def pendulum(horizon: int = 100) -> Task:
    """A pendulum that hangs, and shall stand: its motor holds half its weight, so that it must swing first.

    theta'' = sin(theta) + 0.5 u, theta = 0 upright, by semi-implicit Euler steps of 0.15. A state is (cos theta, sin
    theta, theta'), a start within 0.5 of hanging at speeds below 0.1; the reward is -(theta^2 + 0.1 theta'^2 + 0.01
    u^2). The expert pumps energy until that of standing is reached, and there is a linear-quadratic regulator.

    Example:
      >>> import jax, jaxgan as jg
      >>> task = jg.data.pendulum()
      >>> made = jg.data.rollout(task, jg.data.expert(task), jax.random.key(0), 2)
      >>> made["state"].shape, bool(made["state"][:, -1, 0].min() > 0.99)
      ((2, 100, 3), True)

    Args:
      horizon: steps, >= 1.
    Returns:
      Task with S = 3 and A = 1.
    Raises:
      ValueError: the horizon is shorter.
    References:
      Åström, Furuta. Swinging up a pendulum by energy control. Automatica 2000, eq. 8.
    """
    _check_horizon("pendulum", horizon)

    def reset(key: Array) -> Array:
        away, speed = jax.random.uniform(key, (2,), jnp.float32, -1.0, 1.0)
        angle = jnp.float32(np.pi) + 0.5 * away
        return jnp.stack([jnp.cos(angle), jnp.sin(angle), 0.1 * speed])

    def step(state: Array, action: Array) -> Array:
        angle = jnp.arctan2(state[1], state[0])
        speed = state[2] + SWING * (state[1] + TORQUE * action[0])
        angle = angle + SWING * speed
        return jnp.stack([jnp.cos(angle), jnp.sin(angle), speed])

    def reward(state: Array, action: Array) -> Array:
        angle = jnp.arctan2(state[1], state[0])
        return -(jnp.square(angle) + 0.1 * jnp.square(state[2]) + 0.01 * jnp.square(action[0]))

    # theta'' = theta + v at cost theta^2 + theta'^2 + v^2: the Riccati equation in closed form.
    near = 1 + 2**0.5
    damping = (2 * near + 1) ** 0.5

    def regulator(state: Array) -> Array:
        angle, speed = jnp.arctan2(state[1], state[0]), state[2]
        energy = 0.5 * jnp.square(speed) + state[0] - 1  # 0 where it stands
        onward = jnp.where(jnp.abs(speed) < 1e-3, 1.0, jnp.sign(speed))
        swing = -4 * energy * onward
        hold = -(near * angle + damping * speed) / TORQUE
        close = (jnp.abs(angle) < 0.5) & (jnp.abs(angle + speed) < 0.3)
        return jnp.clip(jnp.where(close, hold, swing), -1, 1)[None]

    return Task("pendulum", 3, 1, horizon, reset, step, reward, regulator)


def point_mass(horizon: int = 100) -> Task:
    """A point in the plane that forces shall bring to rest at the origin: two double integrators between walls.

    x'' = u by semi-implicit Euler steps of 0.1, and at |x_i| = 1.5 a wall that stops it. A state is (x, x') of four
    entries, a start uniform in the square of side 2 at speeds below 0.5; the reward is -(|x|^2 + 0.1 |x'|^2 + 0.01
    |u|^2). The expert is a linear-quadratic
    regulator for continuous time, cut off at forces of 1.

    Args:
      horizon: steps, >= 1.
    Returns:
      Task with S = 4 and A = 2.
    Raises:
      ValueError: the horizon is shorter.
    References:
      Anderson, Moore. Optimal Control: Linear Quadratic Methods. 1990, section 2.3.
    """
    _check_horizon("point_mass", horizon)
    cost = 0.01  # of u^2
    near = (1 / cost) ** 0.5
    damping = (0.1 / cost + 2 * near) ** 0.5

    def reset(key: Array) -> Array:
        return jax.random.uniform(key, (4,), jnp.float32, -1.0, 1.0) * jnp.asarray([1, 1, 0.5, 0.5], jnp.float32)

    def step(state: Array, action: Array) -> Array:
        speed = state[2:] + PUSH * FORCE * action
        place = state[:2] + PUSH * speed
        speed = jnp.where(jnp.abs(place) > WALL, 0.0, speed)  # which a wall stops
        return jnp.concatenate([jnp.clip(place, -WALL, WALL), speed])

    def reward(state: Array, action: Array) -> Array:
        weights = jnp.asarray([1, 1, 0.1, 0.1], jnp.float32)
        return -jnp.sum(weights * jnp.square(state)) - cost * jnp.sum(jnp.square(action))

    def regulator(state: Array) -> Array:
        return jnp.clip(-(near * state[:2] + damping * state[2:]) / FORCE, -1, 1)

    return Task("point_mass", 4, 2, horizon, reset, step, reward, regulator)


def expert(task: Task) -> Act:
    """Returns the expert of a task as a policy of many states."""
    return lambda states, step: jax.vmap(task.expert)(states)


def uniform_actions(task: Task, key: Array) -> Act:
    """Returns the policy that draws every action from U(-1, 1): what a normalised return of 0 is.

    Args:
      task: any.
      key: [] typed key.
    Returns:
      Act, whose draws depend on the key and the step.
    """

    def act(states: Array, step: Array) -> Array:
        here = jax.random.fold_in(key, step)
        return jax.random.uniform(here, (states.shape[0], task.actions), jnp.float32, -1.0, 1.0)

    return act


def rollout(task: Task, act: Act, key: Array, n: int, index: Array | None = None) -> dict[str, Array]:
    """Lets a policy act in n roll-outs of a task, by `lax.scan`.

    Args:
      task: any.
      act: (states [n, S], step []) -> actions [n, A].
      key: [] typed key of the first states.
      n: how many roll-outs.
      index: [n] int32, their numbers among all of them: the first state of each depends on its own; None: 0..n-1.
    Returns:
      "state" [n, T, S] before each step, "chosen" [n, T, A] by the policy, "action" [n, T, A] in [-1, 1] that was done,
      "next" [n, T, S] after it and "reward" [n, T].
    """
    first = jax.vmap(task.reset)(example_keys(key, n, index))

    def advance(states: Array, step: Array) -> tuple[Array, dict[str, Array]]:
        chosen = act(states, step)
        action = jnp.clip(chosen, -1, 1)
        following = jax.vmap(task.step)(states, action)
        reward = jax.vmap(task.reward)(states, action)
        return following, {
            "state": states,
            "chosen": chosen,
            "action": action,
            "next": following,
            "reward": reward,
        }

    _, made = jax.lax.scan(advance, first, jnp.arange(task.horizon, dtype=jnp.int32))
    return {name: jnp.swapaxes(value, 0, 1) for name, value in made.items()}


def demonstrations(task: Task, trajectories: int = 10, every: int = 1, seed: int = 0) -> Source:
    """What the expert of a task did: single steps, drawn from a number of its roll-outs with replacement.

    Of each roll-out every so many steps are kept, from a start of its own, as in the paper: a policy that repeats what
    was done where it was done then knows little of the states between.

    Args:
      task: whose expert.
      trajectories: roll-outs, >= 1.
      every: 1: all steps are kept; k: every k-th, in 1..horizon.
      seed: of the first states and of the first kept steps.
    Returns:
      Source without an end of "state" [n, S], "action" [n, A] and "next" [n, S].
    Raises:
      ValueError: there is no roll-out, or `every` is out of range.
    References:
      Ho, Ermon. Generative Adversarial Imitation Learning. NeurIPS 2016, section 6.
    """
    if trajectories < 1 or not 1 <= every <= task.horizon:
        raise ValueError(
            f"demonstrations need trajectories >= 1 and every in 1..{task.horizon}; got {trajectories} and {every}"
        )
    key = jax.random.key(seed)
    made = jax.jit(lambda k: rollout(task, expert(task), k, trajectories))(key)
    first = np.asarray(jax.random.randint(jax.random.fold_in(key, 1), (trajectories,), 0, every, jnp.int32))
    kept = np.arange(task.horizon)[None] % every == first[:, None]
    steps = {name: np.asarray(made[name])[kept] for name in ("state", "action", "next")}
    source = arrays(steps, name=f"{trajectories} roll-outs of {task.name}, every {every}")
    return weighted(source, np.ones(int(kept.sum())))


def _check_horizon(name: str, horizon: int) -> None:
    if horizon < 1:
        raise ValueError(f"{name} needs horizon >= 1; got {horizon}")
