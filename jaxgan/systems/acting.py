"""What systems that act share: roll-outs of a policy, its step by advantages, and how it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.data.control import Act, Task, rollout
from jaxgan.game import frozen
from jaxgan.losses import (
    baseline_error,
    generalized_advantages,
    normal_entropy,
    normal_log_density,
    policy_gradient,
)
from jaxgan.types import Inputs, Metrics, Nets, Turn, example_keys


class Learning(NamedTuple):
    """How rewards become a policy's step."""

    discount: float  # of rewards, in [0, 1]
    smoothing: float  # lambda of the advantages, in [0, 1]
    entropy: float  # weight of the policy's entropy, >= 0


def check_learning(system: str, learning: Learning) -> None:
    """Raises ValueError for a number out of range."""
    discount, smoothing, entropy = learning
    if not (0 <= discount <= 1 and 0 <= smoothing <= 1 and entropy >= 0):
        raise ValueError(
            f"{system} needs discount and smoothing in [0, 1] and entropy >= 0; "
            f"got {discount}, {smoothing} and {entropy}"
        )


def explored(system: str, nets: Nets, turn: Turn, task: Task, size: int) -> dict[str, Array]:
    """Returns roll-outs by draws from "policy", as many steps in all as the batch has; no gradient passes.

    Args:
      system: its name, for the message.
      nets: with a "policy".
      turn: whose keys are drawn from.
      task: in which it acts.
      size: examples of the batch, on this device.
    Returns:
      What `data.rollout` returns.
    Raises:
      ValueError: the batch is no multiple of the horizon.
    """
    if size % task.horizon:
        raise ValueError(
            f"{system} meets every step of the batch with one of the policy, in whole roll-outs of {task.horizon}; the "
            f"batch has {size} on a device: use a multiple of the horizon"
        )
    steps = jnp.arange(size, dtype=jnp.int32) if turn.examples is None else turn.examples
    index, n = steps[:: task.horizon] // task.horizon, size // task.horizon
    keys = example_keys(turn.named("exploration"), n, index)
    noise = jax.vmap(lambda key: jax.random.normal(key, (task.horizon, task.actions), jnp.float32))(keys)
    view = frozen(nets["policy"])

    def act(states: Array, step: Array) -> Array:
        mean, log_std = view(states)
        return mean + jnp.exp(log_std) * noise[:, step]

    drawn: Act = act
    return jax.lax.stop_gradient(rollout(task, drawn, turn.named("start"), n, index))


def improved(
    nets: Nets, turn: Turn, made: dict[str, Array], rewards: Array, learning: Learning
) -> tuple[Array, Metrics]:
    """Returns the loss of "policy" and "value" for roll-outs of the policy of now, and metrics.

    -E sum_t A_t log pi(a_t|s_t) / T - entropy H(pi), and the squared error of the value; A are generalized advantages,
    standardised over the global batch. The horizon cuts, it does not end: the value of the last state is added.

    Args:
      nets: with "policy" and "value".
      turn: whose batch it is.
      made: from `explored`.
      rewards: [n, T] of its steps; no gradient passes.
      learning: discount, smoothing and entropy.
    """
    shape, horizon = rewards.shape, rewards.shape[1]
    rewards = jax.lax.stop_gradient(rewards)
    values, last = nets["value"](flat(made["state"])).reshape(shape), nets["value"](made["next"][:, -1])
    advantages = generalized_advantages(rewards, values, last, learning.discount, learning.smoothing)
    advantages = jax.lax.stop_gradient(advantages)
    error = baseline_error(values, jax.lax.stop_gradient(advantages + values)) / horizon
    mean, log_std = nets["policy"](flat(made["state"]))
    log_pi = normal_log_density(flat(made["chosen"]), mean, log_std).reshape(shape)
    standing = jnp.zeros((), jnp.float32)  # the baseline is in the advantages
    surrogate = policy_gradient(log_pi, _standardized(advantages, turn), standing) / horizon
    spread = jnp.mean(normal_entropy(log_std))
    metrics = {"reward": jnp.mean(rewards), "entropy": spread, "value_error": error}
    metrics["task_return"] = jnp.mean(jnp.sum(made["reward"], axis=1))
    return surrogate - learning.entropy * spread + error, metrics


def by_means(task: Task) -> Callable[[Nets, Array, Inputs], dict[str, Array]]:
    """Returns (nets, key, inputs) -> roll-outs by the policy's means, of "index": what `data.rollout` returns."""

    def generate(nets: Nets, key: Array, inputs: Inputs) -> dict[str, Array]:
        means = frozen(nets["policy"])
        return rollout(task, lambda states, step: means(states)[0], key, inputs["index"].shape[0], inputs["index"])

    return generate


def flat(x: Array) -> Array:
    """Joins roll-outs [R, T, ...] to steps [R T, ...]."""
    return x.reshape(-1, *x.shape[2:])


def _standardized(advantages: Array, turn: Turn) -> Array:
    """Returns them with mean 0 and variance 1 over all devices."""
    mean = turn.average(jnp.mean(advantages))
    variance = turn.average(jnp.mean(jnp.square(advantages))) - jnp.square(mean)
    return (advantages - mean) * jax.lax.rsqrt(jnp.maximum(variance, 0) + 1e-8)
