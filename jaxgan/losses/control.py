"""What policies learn from: imitation rewards by a pair of objectives, advantages, densities of normal actions."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.losses.pairs import check_number, wide
from jaxgan.types import Loss


def imitation_rewards(loss: Loss, real_logits: ArrayLike, fake_logits: ArrayLike) -> Array:
    """What each step earns: minus what a generator would minimise, were this logit its only one.

    So the pair of objectives is the choice of a reward, with D = sigmoid(logit) the probability of the expert:

        minimax         -log(1 - D), positive: it pays to go on, whatever is done
        non_saturating  log D, negative: it pays to come to an end
        wasserstein     the logit itself
        least_squares   -(logit - 1)^2 / 2, AMP's but for a constant and a floor

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> undecided = jnp.zeros(1)
      >>> signs = (jg.losses.minimax, jg.losses.non_saturating)
      >>> [round(float(jg.losses.imitation_rewards(loss, undecided, undecided)[0]), 3) for loss in signs]
      [0.693, -0.693]

    Args:
      loss: a pair from `jaxgan.losses`.
      real_logits: of the expert's steps [B, ...], for losses that compare a step with one of them.
      fake_logits: of the policy's [B, ...].
    Returns:
      [B]
    References:
      Ho, Ermon. Generative Adversarial Imitation Learning. NeurIPS 2016, eq. 15 and algorithm 1.
      Kostrikov et al. Discriminator-Actor-Critic. ICLR 2019, section 4.1 (what a reward's sign does).
      Peng et al. AMP: Adversarial Motion Priors for Stylized Physics-Based Character Control. SIGGRAPH 2021, eq. 7.
    """
    return -jax.vmap(lambda real, fake: loss.generator(real[None], fake[None]))(wide(real_logits), wide(fake_logits))


def style_rewards(logits: ArrayLike) -> Array:
    """What each step earns for its manner: max(0, 1 - (D - 1)^2 / 4), of a discriminator with targets 1 and -1.

    1 where D says 1, as of demonstrations, 0 where it says -1 or less, 3/4 where it cannot tell. It is never negative,
    so that to go on is never worse than to end.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> jg.losses.style_rewards(jnp.asarray([1.0, 0.0, -1.0, -5.0, 2.0])).tolist()
      [1.0, 0.75, 0.0, 0.0, 0.75]

    Args:
      logits: [B, ...], of `losses.least_squares_targets(-1, 1, 1)`.
    Returns:
      [B, ...] in [0, 1].
    References:
      Peng et al. AMP: Adversarial Motion Priors for Stylized Physics-Based Character Control. SIGGRAPH 2021, eq. 7.
    """
    return jnp.maximum(0.0, 1 - 0.25 * jnp.square(wide(logits) - 1))


def generalized_advantages(
    rewards: ArrayLike, values: ArrayLike, last: ArrayLike, discount: float = 0.99, smoothing: float = 0.95
) -> Array:
    """Generalized advantage estimation: A_t = sum over k of (discount smoothing)^k delta_{t+k}.

    delta_t = r_t + discount V_{t+1} - V_t. With smoothing 1 they are returns minus values, with 0 errors of one step.
    A_t + V_t is what a value learns from.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> rewards, values = jnp.array([[0.0, 0.0, 1.0]]), jnp.zeros((1, 3))
      >>> jg.losses.generalized_advantages(rewards, values, jnp.zeros(1), discount=0.5, smoothing=1.0).tolist()
      [[0.25, 0.5, 1.0]]

    Args:
      rewards: [B, T].
      values: V of the state before each step, [B, T].
      last: V of the state after the last step, [B]; zeros where the task ends there, and is not merely cut off.
      discount: in [0, 1].
      smoothing: lambda, in [0, 1].
    Returns:
      [B, T]
    Raises:
      ValueError: shapes differ, or a number is out of range.
    References:
      Schulman et al. High-Dimensional Continuous Control Using Generalized Advantage Estimation. ICLR 2016, eq. 16.
    """
    check_number("generalized_advantages", "discount", discount, low=0.0, high=1.0)
    check_number("generalized_advantages", "smoothing", smoothing, low=0.0, high=1.0)
    r, v, end = wide(rewards), wide(values), wide(last)
    if r.ndim != 2 or v.shape != r.shape or end.shape != r.shape[:1]:
        raise ValueError(
            f"generalized_advantages takes rewards and values [B, T] and last [B]; got {r.shape}, {v.shape} and "
            f"{end.shape}"
        )
    errors = r + discount * jnp.concatenate([v[:, 1:], end[:, None]], axis=1) - v

    def earlier(later: Array, error: Array) -> tuple[Array, Array]:
        total = error + discount * smoothing * later
        return total, total

    return jax.lax.scan(earlier, jnp.zeros_like(end), errors.T, reverse=True)[1].T


def normal_log_density(x: ArrayLike, mean: ArrayLike, log_std: ArrayLike) -> Array:
    """Log density of independent normals: -1/2 sum of ((x - mean) / std)^2 + 2 log std + log 2 pi.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> round(float(jg.losses.normal_log_density(jnp.ones(2), jnp.ones(2), jnp.zeros(2))), 3)  # -log 2 pi
      -1.838

    Args:
      x: [..., A].
      mean: [..., A].
      log_std: [..., A].
    Returns:
      [...], summed over A, in nats.
    """
    away = (wide(x) - wide(mean)) * jnp.exp(-wide(log_std))
    return -0.5 * jnp.sum(jnp.square(away) + 2 * wide(log_std) + math.log(2 * math.pi), axis=-1)


def normal_entropy(log_std: ArrayLike) -> Array:
    """Entropy of independent normals: sum of log std + (1 + log 2 pi) / 2.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> [round(float(v), 3) for v in jg.losses.normal_entropy(jnp.array([[0.0], [1.0]]))]  # 1 more: e times as wide
      [1.419, 2.419]

    Args:
      log_std: [..., A].
    Returns:
      [...], summed over A, in nats.
    """
    return jnp.sum(wide(log_std) + 0.5 * (1 + math.log(2 * math.pi)), axis=-1)
