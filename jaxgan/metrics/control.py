"""How well does a policy control? Returns in a task, and what share of the expert's it has; occupancies of tables."""

from __future__ import annotations

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxgan.data.control import Act, Task, rollout


def returns(task: Task, act: Act, key: Array, n: int = 100) -> np.ndarray:
    """Sums of the task's own rewards over roll-outs, undiscounted.

    Policies that are compared are given the same key: their roll-outs begin in the same states.

    Example:
      >>> import jax, jaxgan as jg
      >>> task = jg.data.point_mass(horizon=5)
      >>> gained = jg.metrics.returns(task, jg.data.expert(task), jax.random.key(0), n=3)
      >>> gained.shape, bool((gained < 0).all())
      ((3,), True)

    Args:
      task: any.
      act: (states [n, S], step []) -> actions [n, A]; a learned policy by its means.
      key: [] typed key of the first states.
      n: roll-outs, >= 1.
    Returns:
      [n] float64
    """
    made = jax.jit(lambda key: rollout(task, act, key, n)["reward"])(key)
    return np.asarray(made, np.float64).sum(axis=1)


def normalized_return(learned: ArrayLike, random: ArrayLike, expert: ArrayLike) -> float:
    """Share of the way from random actions to the expert: (mean learned - random) / (expert - random).

    Example:
      >>> import jaxgan as jg
      >>> jg.metrics.normalized_return([-20.0, -30.0], random=[-100.0], expert=[-10.0, -30.0])
      0.9375

    Args:
      learned: returns [N] of a policy.
      random: returns [M] of actions drawn from U(-1, 1).
      expert: returns [K] of the expert.
    Returns:
      0 for random actions, 1 for the expert's; beyond 1 for a policy that is better.
    Raises:
      ValueError: an array is empty, or the expert is no better than random.
    References:
      Fu et al. D4RL: Datasets for Deep Data-Driven Reinforcement Learning. 2020, section 5.
    """
    sets = [np.asarray(x, np.float64) for x in (learned, random, expert)]
    if any(x.size == 0 for x in sets):
        raise ValueError("normalized_return needs returns of the policy, of random actions and of the expert")
    mean, low, high = (float(x.mean()) for x in sets)
    if not high > low:
        raise ValueError(f"normalized_return needs an expert better than random; got {high} and {low}")
    return (mean - low) / (high - low)


def occupancy(policy: ArrayLike, transitions: ArrayLike, start: ArrayLike, discount: float) -> np.ndarray:
    """Discounted visits of a policy in a finite decision process: rho(s, a) = pi(a|s) sum_t discount^t P(s_t = s).

    By the linear equations d = start + discount P_pi' d. They sum to 1 / (1 - discount), and rho(s, a) over its sum in
    a is the policy again.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> stay = np.eye(2)[:, None]  # two states, one action, which leads back
      >>> jg.metrics.occupancy(np.ones((2, 1)), stay, start=[1.0, 0.0], discount=0.5).tolist()  # 1 + 1/2 + 1/4 + ...
      [[2.0], [0.0]]

    Args:
      policy: pi(a|s), [S, A].
      transitions: P(s'|s, a), [S, A, S].
      start: law of the first state, [S].
      discount: in [0, 1).
    Returns:
      [S, A] float64
    Raises:
      ValueError: shapes do not fit, something is no law, or the discount is out of range.
    References:
      Ho, Ermon. Generative Adversarial Imitation Learning. NeurIPS 2016, section 3, proposition 3.1.
    """
    pi, p, first = (np.asarray(x, np.float64) for x in (policy, transitions, start))
    if pi.ndim != 2 or p.shape != (*pi.shape, len(pi)) or first.shape != pi.shape[:1] or not 0 <= discount < 1:
        raise ValueError(
            f"occupancy takes a policy [S, A], transitions [S, A, S], a start [S] and a discount in [0, 1); got "
            f"{pi.shape}, {p.shape}, {first.shape} and {discount}"
        )
    for name, law in {"policy": pi, "transitions": p, "start": first}.items():
        if law.min() < 0 or not np.allclose(law.sum(axis=-1), 1, atol=1e-6):
            raise ValueError(f"occupancy: the {name} must be laws, >= 0 with sums of 1 along the last axis")
    moves = np.einsum("sa,sat->st", pi, p)
    visits = np.linalg.solve(np.eye(len(pi)) - discount * moves.T, first)
    return visits[:, None] * pi
