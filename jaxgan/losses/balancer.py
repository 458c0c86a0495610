"""Several losses of one output, each with its share of the gradient whatever its scale: EnCodec's balancer."""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.losses.pairs import wide


def balanced(
    gradients: Mapping[str, Array], norms: Mapping[str, Array], weights: Mapping[str, float], norm: float = 1.0
) -> Array:
    """Adds gradients of an output, each divided by its running norm: sum_i R lambda_i / sum(lambda) * g_i / <|g_i|>.

    The norms of what is added are in the ratio of the weights exactly, where the running norms are those of now.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> gradients = {"one": jnp.array([[3.0, 4.0]]), "other": jnp.array([[0.0, 100.0]])}
      >>> norms = {"one": jnp.array(5.0), "other": jnp.array(100.0)}
      >>> moved = jg.losses.balanced(gradients, norms, {"one": 3.0, "other": 1.0})
      >>> [round(float(v), 3) for v in moved[0]]  # 3/4 (0.6, 0.8) + 1/4 (0, 1)
      [0.45, 0.85]

    Args:
      gradients: of each loss with respect to the output, [B, ...].
      norms: of each, [] the running mean of the norm of one example's own gradient, B times its part in a mean's.
      weights: lambda of each, >= 0.
      norm: R, > 0.
    Returns:
      [B, ...].
    Raises:
      ValueError: a loss has no weight, or all weights are zero.
    References:
      Défossez, Copet, Synnaeve, Adi. High Fidelity Neural Audio Compression. TMLR 2023, eq. 5.
    """
    total = sum(weights.get(name, 0.0) for name in gradients)
    if set(gradients) - set(weights) or not total > 0:
        raise ValueError(f"balanced needs weights of {sorted(gradients)}, not all zero; got {dict(weights)}")
    shares = {name: norm * weights[name] / total / (norms[name] + 1e-12) for name in gradients}
    return jnp.sum(jnp.stack([shares[name] * gradient for name, gradient in gradients.items()]), axis=0)


class Balancer(nn.Module):
    """The balancer with its running norms: a memory of the game, called with the gradients of a mean over examples.

    It has no parameters: its collection "balancer" is in the train state; declare it in `System.frozen`. Norms are of
    one example's own loss, so that neither the batch's size nor the number of devices matters, and means of all turns
    with weights decay^age: in the first turn they are those of now.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> gradients = {"l1": jnp.array([[3.0, 4.0]]), "adversarial": jnp.array([[0.0, 0.001]])}
      >>> balancer, weights = jg.losses.Balancer(), {"l1": 1.0, "adversarial": 1.0}
      >>> (moved, norms), memory = balancer.apply({}, gradients, weights, mutable=["balancer"])
      >>> [round(float(v), 3) for v in moved[0]]  # half of (0.6, 0.8), half of (0, 1)
      [0.3, 0.9]

    References:
      Défossez, Copet, Synnaeve, Adi. High Fidelity Neural Audio Compression. TMLR 2023, section 3.4.
    """

    norm: float = 1.0  # R, of what is added. The authors' code gives every example this norm, where here the batch has
    # a mean: that is an R of the batch's size
    decay: float = 0.999
    axis_name: str | None = None  # the mapped axis that the batch is split over

    @nn.compact
    def __call__(self, gradients: Mapping[str, Array], weights: Mapping[str, float]) -> tuple[Array, dict[str, Array]]:
        """Returns what the output shall be moved against, [B, ...], and the running norms []; no gradient passes."""
        gradients = {name: lax.stop_gradient(wide(gradient)) for name, gradient in gradients.items()}
        now = {name: _norm(gradient) for name, gradient in gradients.items()}
        if self.axis_name is not None and not self.is_initializing():
            now = lax.pmean(now, self.axis_name)
        sums = self.variable("balancer", "sums", lambda: {name: jnp.zeros((), jnp.float32) for name in now})
        weight = self.variable("balancer", "weight", jnp.zeros, (), jnp.float32)
        moved = {name: self.decay * sums.value[name] + now[name] for name in now}
        count = self.decay * weight.value + 1
        if not self.is_initializing():
            sums.value, weight.value = moved, count
        norms = {name: value / count for name, value in moved.items()}
        return balanced(gradients, norms, weights, self.norm), norms


def _norm(gradient: Array) -> Array:
    """Returns the mean norm of one example's gradient, of its own loss and not its part in the mean."""
    each = jnp.sqrt(jnp.sum(jnp.square(gradient), axis=tuple(range(1, gradient.ndim))))
    return jnp.sum(each)
