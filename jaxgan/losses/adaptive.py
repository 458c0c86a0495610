"""The weight of an adversarial term by gradients: as strong as the reconstruction, where both reach the last layer."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.types import PyTree

SMALL = 1e-4  # beside the norm of the adversarial gradient


def adaptive_weight(
    reconstruction: Callable[[PyTree], Array],
    adversarial: Callable[[PyTree], Array],
    last: PyTree,
    *,
    largest: float = 1e4,
    average: Callable[[PyTree], PyTree] = lambda gradient: gradient,
) -> Array:
    """VQGAN's weight of an adversarial term: ||d rec / d last|| / (||d adv / d last|| + 1e-4), at most `largest`.

    With it, the term is as strong as the reconstruction where both reach the decoder's last layer, whatever the units
    of either. It counts as a constant. Multiply it by the share that the term is to have (0.8 in VQGAN).

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> rec, adv = lambda w: 3.0 * w[0] + 4.0 * w[1], lambda w: 0.5 * w[0]
      >>> round(float(jg.losses.adaptive_weight(rec, adv, jnp.ones(2))), 2)
      10.0

    Args:
      reconstruction: last -> [], with its perceptual part and without the quantizer's.
      adversarial: last -> [].
      last: the parameters of the decoder's last layer; of VQGAN the kernel alone.
      largest: bound of the weight.
      average: makes a gradient on a device's examples that on all of them: `Turn.average`, where a batch is split.
    Returns:
      [] >= 0, without a gradient.
    References:
      Esser, Rombach, Ommer. Taming Transformers for High-Resolution Image Synthesis. CVPR 2021, eq. 7 (with 1e-4 and
      the bound 1e4 of the public code, where the paper has 1e-6 and none).
    """
    one, other = (_norm(average(jax.grad(term)(last))) for term in (reconstruction, adversarial))
    return jax.lax.stop_gradient(jnp.clip(one / (other + SMALL), 0.0, largest))


def _norm(gradient: PyTree) -> Array:
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(gradient)))
