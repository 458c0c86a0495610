"""Remedies that are optimizers: wrappers of `optax` transformations that see the parameters, not only the gradient.

Of a player's optimizer, they wrap the whole: `clip_weights(optax.rmsprop(5e-5), 0.01)`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxgan.types import PyTree


def clip_weights(optimizer: optax.GradientTransformation, limit: float) -> optax.GradientTransformation:
    """After every update, cuts each parameter to [-limit, limit]: the first WGAN's way to a Lipschitz critic.

    Args:
      optimizer: what moves the parameters.
      limit: c of the paper, > 0 (0.01 there).
    Returns:
      Gradient transformation.
    Raises:
      ValueError: limit is not positive.
    References:
      Arjovsky, Chintala, Bottou. Wasserstein Generative Adversarial Networks. ICML 2017, algorithm 1.
    """
    _check_positive("clip_weights", "limit", limit)

    def update(gradient: PyTree, state: Any, params: PyTree = None, **more: Any) -> tuple[PyTree, Any]:
        changes, state = optax.with_extra_args_support(optimizer).update(gradient, state, params, **more)
        return jax.tree.map(lambda w, dw: jnp.clip(w + dw, -limit, limit) - w, params, changes), state

    return optax.GradientTransformationExtraArgs(optimizer.init, update)


class AveragedState(NamedTuple):
    """What `historical_averaging` remembers."""

    updates: Array  # [] int32, so far
    mean: PyTree  # float32, their mean
    inner: Any  # the optimizer's own state


def historical_averaging(optimizer: optax.GradientTransformation, weight: float) -> optax.GradientTransformation:
    """Adds weight * ||theta - mean of all earlier theta||^2 to a player's loss, by its gradient.

    Args:
      optimizer: what moves the parameters by the sum of both gradients.
      weight: of the squared distance, >= 0.
    Returns:
      Gradient transformation; the mean counts the parameters before each update, the first included.
    Raises:
      ValueError: the weight is negative.
    References:
      Salimans et al. Improved Techniques for Training GANs. NeurIPS 2016, section 3.3.
    """
    if not isinstance(weight, jax.core.Tracer) and not weight >= 0:
        raise ValueError(f"historical_averaging needs a weight >= 0; got {weight}")

    def init(params: PyTree) -> AveragedState:
        return AveragedState(jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params), optimizer.init(params))

    def update(gradient: PyTree, state: AveragedState, params: PyTree = None, **more: Any) -> tuple[PyTree, Any]:
        count = state.updates + 1
        mean = jax.tree.map(lambda m, w: m + (w - m) / count, state.mean, params)
        pulled = jax.tree.map(lambda g, w, m: g + 2 * weight * (w - m), gradient, params, mean)
        changes, inner = optax.with_extra_args_support(optimizer).update(pulled, state.inner, params, **more)
        return changes, AveragedState(count, mean, inner)

    return optax.GradientTransformationExtraArgs(init, update)


class LookaheadState(NamedTuple):
    """What `lookahead` remembers."""

    updates: Array  # [] int32, so far
    slow: PyTree  # the parameters that are stepped back to
    inner: Any  # the optimizer's own state


def lookahead(optimizer: optax.GradientTransformation, every: int, rate: float = 0.5) -> optax.GradientTransformation:
    """After every k updates, goes back to the parameters before them and takes a part of the way.

    Give it to every player, with `every` in proportion to their updates, so that all step back at the same time: then
    the rotation of a game becomes convergence. (`optax.lookahead` needs parameters of another form.)

    Args:
      optimizer: the fast one.
      every: k, updates between two steps of the slow parameters, >= 1.
      rate: alpha, the part of the way that they take, in (0, 1].
    Returns:
      Gradient transformation.
    Raises:
      ValueError: an argument is out of range.
    References:
      Chavdarova, Pagliardini, Stich, Fleuret, Jaggi. Taming GANs with Lookahead-Minmax. ICLR 2021, algorithm 1.
    """
    if every < 1 or not 0 < rate <= 1:
        raise ValueError(f"lookahead needs every >= 1 and rate in (0, 1]; got every={every}, rate={rate}")

    def init(params: PyTree) -> LookaheadState:
        return LookaheadState(jnp.zeros((), jnp.int32), jax.tree.map(jnp.copy, params), optimizer.init(params))

    def update(gradient: PyTree, state: LookaheadState, params: PyTree = None, **more: Any) -> tuple[PyTree, Any]:
        changes, inner = optax.with_extra_args_support(optimizer).update(gradient, state.inner, params, **more)
        count = state.updates + 1
        back = count % every == 0
        ahead = jax.tree.map(
            lambda w, dw, s: jnp.where(back, s + rate * (w + dw - s), w + dw), params, changes, state.slow
        )
        slow = jax.tree.map(lambda s, w: jnp.where(back, w, s), state.slow, ahead)
        return jax.tree.map(lambda new, w: new - w, ahead, params), LookaheadState(count, slow, inner)

    return optax.GradientTransformationExtraArgs(init, update)


def _check_positive(function: str, name: str, value: float) -> None:
    if not isinstance(value, jax.core.Tracer) and not value > 0:
        raise ValueError(f"{function} needs {name} > 0; got {value}")
