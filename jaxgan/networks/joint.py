"""A network of several arrays: what tells pairs apart, joint from shuffled or posterior from prior."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from jaxgan.networks.layers import call


class Joint(nn.Module):
    """Arrays [B, ...] -> what the body makes of them side by side, flattened: logits [B] by an `mlp.Discriminator`.

    With `square`, that much of the last array's squared norm is added: where that is z with the prior N(0, I), 1/2 adds
    -log p(z) but for a constant, which a log ratio log q(z)/p(z) holds and a network of kinks learns badly.
    """

    body: nn.Module  # [B, F] -> logits [B]
    square: float = 0.0

    @nn.compact
    def __call__(self, *arrays: Array, train: bool = True) -> Array:
        """Scores every tuple."""
        flat = [array.reshape(array.shape[0], -1) for array in arrays]
        logits: Array = call(self.body, jnp.concatenate(flat, axis=1), train=train)
        return logits + self.square * jnp.sum(jnp.square(flat[-1]), axis=1) if self.square else logits
