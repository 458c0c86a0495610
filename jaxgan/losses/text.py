"""Policy gradients, for generators of tokens through which no gradient flows; tokens are [B, T]."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.losses.pairs import check_number, wide


def token_log_probabilities(logits: ArrayLike, tokens: ArrayLike, temperature: ArrayLike = 1.0) -> Array:
    """Log p of each token: the log-softmax of its logits, at the token.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> logits = jnp.log(jnp.array([[[0.25, 0.75]]]))
      >>> round(float(jg.losses.token_log_probabilities(logits, jnp.array([[1]]))[0, 0]), 4)
      -0.2877

    Args:
      logits: [B, T, V], of each token after those before it.
      tokens: [B, T] integers in 0..V-1.
      temperature: > 0, by which logits are divided: the law of samples at that temperature.
    Returns:
      [B, T].
    Raises:
      ValueError: shapes do not fit.
    """
    x, places = wide(logits), jnp.asarray(tokens)
    if x.ndim != 3 or places.shape != x.shape[:2]:
        raise ValueError(f"token_log_probabilities takes logits [B, T, V], tokens [B, T]; got {x.shape} {places.shape}")
    log_p = jax.nn.log_softmax(x / temperature, axis=-1)
    return jnp.take_along_axis(log_p, places[..., None], axis=-1)[..., 0]


def discounted_returns(rewards: ArrayLike, discount: float = 1.0) -> Array:
    """What follows each token: R_t = sum over s >= t of discount^(s - t) r_s.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> jg.losses.discounted_returns(jnp.array([[0.0, 0.0, 1.0]]), discount=0.5).tolist()
      [[0.25, 0.5, 1.0]]

    Args:
      rewards: [B, T], such as log D of each token (MaskGAN), or zero but for the last (SeqGAN without roll-outs).
      discount: in [0, 1].
    Returns:
      [B, T].
    Raises:
      ValueError: the discount or the shape is another.
    References:
      Fedus, Goodfellow, Dai. MaskGAN: Better Text Generation via Filling in the ______. ICLR 2018.
    """
    check_number("discounted_returns", "discount", discount, low=0.0, high=1.0)
    r = wide(rewards)
    if r.ndim != 2:
        raise ValueError(f"discounted_returns takes rewards [B, T]; got {r.shape}")

    def earlier(later: Array, reward: Array) -> tuple[Array, Array]:
        total = reward + discount * later
        return total, total

    return jax.lax.scan(earlier, jnp.zeros_like(r[:, 0]), r.T, reverse=True)[1].T


def policy_gradient(
    log_probabilities: ArrayLike, returns: ArrayLike, baseline: ArrayLike = 0.0, mask: ArrayLike | None = None
) -> Array:
    """REINFORCE as a loss: its gradient is -E sum_t (R_t - b_t) grad log G(a_t | a_<t), the estimator of -grad E R.

    Its value means nothing. The advantage R - b counts as a number: no gradient flows into it, or a player that owns
    the baseline as well would be moved by another gradient.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> log_p, returns = jnp.array([[-1.0, -2.0]]), jnp.array([[3.0, 1.0]])
      >>> jax.grad(jg.losses.policy_gradient)(log_p, returns, baseline=2.0).tolist()  # more of the first
      [[-1.0, 1.0]]

    Args:
      log_probabilities: of the tokens that were drawn, [B, T].
      returns: [B, T], what followed each token; more is better.
      baseline: [B, T], or [], that does not depend on the token: it leaves the mean and lowers the variance.
      mask: [B, T], 1 where the generator chose the token; None: everywhere.
    Returns:
      [], summed over T, mean over B.
    Raises:
      ValueError: shapes differ.
    References:
      Williams. Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning. 1992.
      Yu et al. SeqGAN: Sequence Generative Adversarial Nets with Policy Gradient. AAAI 2017.
      Fedus, Goodfellow, Dai. MaskGAN: Better Text Generation via Filling in the ______. ICLR 2018.
    """
    log_p, gained, mask = _sequences("policy_gradient", log_probabilities, returns, baseline, mask)
    return -jnp.mean(jnp.sum(mask * jax.lax.stop_gradient(gained) * log_p, axis=1))


def baseline_error(baseline: ArrayLike, returns: ArrayLike, mask: ArrayLike | None = None) -> Array:
    """What a learned baseline minimises: E sum_t (R_t - b_t)^2.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.losses.baseline_error(jnp.zeros((1, 2)), jnp.array([[1.0, 2.0]])))
      5.0

    Args:
      baseline: [B, T].
      returns: [B, T].
      mask: [B, T], 1 where the generator chose the token; None: everywhere.
    Returns:
      [], summed over T, mean over B.
    Raises:
      ValueError: shapes differ.
    References:
      Fedus, Goodfellow, Dai. MaskGAN: Better Text Generation via Filling in the ______. ICLR 2018.
    """
    _, gained, mask = _sequences("baseline_error", baseline, returns, baseline, mask)
    return jnp.mean(jnp.sum(mask * jnp.square(gained), axis=1))


def _sequences(
    function: str, first: ArrayLike, returns: ArrayLike, baseline: ArrayLike, mask: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Returns the first [B, T], the advantage [B, T] and the mask [B, T]."""
    x, r = wide(first), wide(returns)
    b = jnp.asarray(baseline, r.dtype)  # a number would be float64 in the 64-bit mode
    m = jnp.ones_like(x) if mask is None else wide(mask)
    if x.ndim != 2 or r.shape != x.shape or m.shape != x.shape or b.shape not in ((), x.shape):
        raise ValueError(
            f"{function} takes arrays [B, T]; got {x.shape}, returns {r.shape}, baseline {b.shape}, mask {m.shape}"
        )
    return x, r - b, m
