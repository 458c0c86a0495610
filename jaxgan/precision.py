"""Mixed precision: networks compute in their `dtype`, and all that must be exact stays in float32.

Parameters, optimizer states, averages and batch statistics are float32; so is what a loss sees (`nets` casts what a
network returns). bfloat16 has the range of float32 and needs no more than `dtype=jnp.bfloat16`. float16 ends at 65504
and loses what is below 6e-8: there the loss is multiplied by a scale before it is differentiated, which is what
`scaled` keeps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxgan.types import Estimator, Objective, PyTree

_SMALLEST, _LARGEST = 2.0**-126, 2.0**127  # powers of two that float32 divides by without loss


class ScaledState(NamedTuple):
    """What `scaled` remembers."""

    loss_scale: Array  # [] float32, what the next loss is multiplied by
    finite_updates: Array  # [] int32, finite updates in a row since the scale last changed
    guarded: optax.ApplyIfFiniteState  # the optimizer's own state, and how many updates were skipped


def scaled(
    optimizer: optax.GradientTransformation,
    initial: float = 2.0**15,
    growth_interval: int = 2000,
    give_up: int = 100,
) -> optax.GradientTransformation:
    """Dynamic loss scaling for a player whose networks compute in float16.

    The game multiplies the player's loss by `loss_scale` and divides the gradient by it, so that every dynamics, the
    optimizer and the metrics see true values. A gradient that overflowed is not applied: parameters and the optimizer's
    state stay as they were, and the scale is halved. After `growth_interval` finite updates in a row it is doubled. Of
    a turn that is skipped, the batch statistics are kept: the scale does not touch the forward pass.

    Args:
      optimizer: what moves the parameters; `scaled` must be the outermost transformation.
      initial: the first scale, > 0; a power of two changes no bit of a gradient that neither over- nor underflows.
      growth_interval: finite updates in a row after which the scale is doubled, >= 1.
      give_up: skipped updates in a row after which the next is applied as it is, >= 1: then it is the game that has
        diverged, not the scale that is too large, and the training loop stops at what is not finite.
    Returns:
      Gradient transformation with state `ScaledState`.
    Raises:
      ValueError: an argument is out of range; from `init`, parameters narrower than float32.
    References:
      Micikevicius et al. Mixed Precision Training. ICLR 2018, section 3.2.
    """
    if not isinstance(initial, jax.core.Tracer) and not _SMALLEST <= initial <= _LARGEST:  # a sweep traces it
        raise ValueError(f"scaled needs an initial loss scale > 0, between 2^-126 and 2^127; got {initial}")
    if growth_interval < 1 or give_up < 1:
        raise ValueError(
            f"scaled needs growth_interval >= 1 and give_up >= 1; got growth_interval={growth_interval}, "
            f"give_up={give_up}"
        )
    guarded = optax.apply_if_finite(optimizer, give_up)

    def init(params: PyTree) -> ScaledState:
        for path, leaf in jax.tree_util.tree_leaves_with_path(params):
            if is_narrow(leaf):
                raise ValueError(
                    f"scaled moves parameters kept in float32; {jax.tree_util.keystr(path)} is {leaf.dtype}: "
                    "set the network's dtype, not its param_dtype"
                )
        return ScaledState(jnp.asarray(initial, jnp.float32), jnp.zeros((), jnp.int32), guarded.init(params))

    def update(gradient: PyTree, state: ScaledState, params: PyTree = None, **more: Any) -> tuple[PyTree, ScaledState]:
        changes, inner = guarded.update(gradient, state.guarded, params, **more)
        finite, in_a_row = inner.last_finite, state.finite_updates + 1
        grows = finite & (in_a_row >= growth_interval)
        factor = jnp.where(finite, jnp.where(grows, 2.0, 1.0), 0.5)
        scale = jnp.clip(state.loss_scale * factor, _SMALLEST, _LARGEST)
        return changes, ScaledState(scale, jnp.where(finite & ~grows, in_a_row, 0), inner)

    return optax.GradientTransformationExtraArgs(init, update)


def loss_scale(name: str, opt_state: PyTree) -> Array | None:
    """Returns a player's loss scale [] float32; None where its optimizer is not `scaled`.

    Args:
      name: of the player.
      opt_state: the state of its optimizer.
    Raises:
      ValueError: `scaled` stands inside another transformation, which would meet gradients that overflowed.
    """
    if isinstance(opt_state, ScaledState):
        loss_scale(name, opt_state.guarded)  # twice scaled is refused as well
        return opt_state.loss_scale
    inside = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, ScaledState))
    if any(isinstance(node, ScaledState) for node in inside):
        raise ValueError(
            f"the optimizer of player {name!r} has precision.scaled inside another transformation; "
            "write scaled(optax.chain(...)), with scaled outermost and once"
        )
    return None


def through_scale(estimator: Estimator, scale: Array | None) -> Estimator:
    """Returns the estimator of the same gradient, by way of the scaled loss; as it is where the scale is None.

    Args:
      estimator: (objective, owned, key) -> ((loss, auxiliary), gradient); twice the loss must give twice the gradient.
      scale: [] float32.
    Returns:
      Estimator whose gradient is divided by the scale: inf or NaN where the scaled one overflowed.
    """
    if scale is None:
        return estimator

    def estimate(objective: Objective, owned: PyTree, key: Array) -> tuple[tuple[Array, Any], PyTree]:
        def larger(owned: PyTree) -> tuple[Array, Any]:
            loss, auxiliary = objective(owned)
            return loss * scale, auxiliary

        (loss, auxiliary), gradient = estimator(larger, owned, key)
        return (loss / scale, auxiliary), jax.tree.map(lambda g: g / scale, gradient)

    return estimate


def is_narrow(x: Any) -> bool:
    """Tells whether something is a floating array of less than 32 bits."""
    dtype = getattr(x, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32


def widened(tree: PyTree) -> PyTree:
    """Returns a tree with its floating arrays of less than 32 bits in float32, and all else as it was."""
    return jax.tree.map(lambda x: x.astype(jnp.float32) if is_narrow(x) else x, tree)
