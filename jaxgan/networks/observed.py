"""Observations in units of their own deviations, as they have been met so far."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.networks.layers import call


class Standardized(nn.Module):
    """Arrays [B, ...] -> what the body makes of them, each entry less its mean and over its deviation of all before.

    Means and deviations are those of every example that was met in training before this call, each counted once, and
    not those of the batch: so examples do not mix, and a gradient penalty is of each one's own. Before the first call
    they are 0 and 1. Called by a discriminator's owner for data and samples, they are of both, half and half.

    References:
      Peng et al. AMP: Adversarial Motion Priors for Stylized Physics-Based Character Control. SIGGRAPH 2021; their
      later code standardises what the discriminator sees so, and cuts it off.
    """

    body: nn.Module  # of as many arrays: logits [B], such as a `joint.Joint`
    limit: float = 10.0  # deviations beyond which an entry is cut off
    axis_name: str | None = None  # the mapped axis that the batch is split over

    @nn.compact
    def __call__(self, *arrays: Array, train: bool = True) -> Array:
        """Standardises each array, and counts it in if `train`."""
        near = []
        for number, x in enumerate(arrays):
            shape = x.shape[1:]
            count = self.variable("observed", f"count_{number}", jnp.zeros, (), jnp.float32)
            mean = self.variable("observed", f"mean_{number}", jnp.zeros, shape, jnp.float32)
            variance = self.variable("observed", f"variance_{number}", jnp.ones, shape, jnp.float32)
            y = (x - mean.value[None]) * lax.rsqrt(variance.value + 1e-5)[None]
            near.append(jnp.clip(y, -self.limit, self.limit))
            if train and not self.is_initializing():
                self._count_in(lax.stop_gradient(x), count, mean, variance)
        outputs: Array = call(self.body, *near, train=train)
        return outputs

    def _count_in(self, x: Array, count: nn.Variable, mean: nn.Variable, variance: nn.Variable) -> None:
        """Joins the batch's mean and variance to those of all before it (Chan, Golub, LeVeque 1979)."""
        first, second, n = jnp.mean(x, axis=0), jnp.mean(jnp.square(x), axis=0), jnp.float32(len(x))
        if self.axis_name is not None:
            first, second = lax.pmean((first, second), self.axis_name)
            n = n * lax.axis_size(self.axis_name)
        share = n / (count.value + n)
        apart = first - mean.value
        own = jnp.maximum(0.0, second - jnp.square(first))
        before = jnp.where(count.value > 0, variance.value, 0.0)
        variance.value = (1 - share) * before + share * own + share * (1 - share) * jnp.square(apart)
        mean.value = mean.value + share * apart
        count.value = count.value + n
