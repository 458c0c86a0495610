"""Networks of a Laplacian pyramid's levels: details for a blurred image, and their judge.

References:
  Denton, Chintala, Szlam, Fergus. Deep Generative Image Models using a Laplacian Pyramid of Adversarial Networks.
  NeurIPS 2015, section 2 and appendix.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_strides
from jaxgan.networks.layers import Conv, StridedConv


class DetailGenerator(nn.Module):
    """z [B, Z] and a blurred image low [B, H, W, C] -> its detail [B, H, W, C]: the latent is a further plane of it."""

    features: int = 32
    layers: int = 2  # hidden convolutions
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array, low: Array) -> Array:
        """Makes one detail per latent and image, almost none at the start."""
        check_strides("DetailGenerator", low, step=4, least=4)
        height, width = low.shape[1:3]
        plane = nn.Dense(height * width, dtype=self.dtype)(z).reshape(-1, height, width, 1)
        h = jnp.concatenate([low.astype(plane.dtype), plane], axis=-1)
        for _ in range(self.layers):
            h = nn.leaky_relu(Conv(self.features, (5, 5), dtype=self.dtype)(h), 0.2)
        last = Conv(low.shape[-1], (5, 5), kernel_init=nn.initializers.normal(1e-3), dtype=self.dtype)
        return last(h).astype(jnp.float32)


class DetailDiscriminator(nn.Module):
    """Detail [B, H, W, C] and the blurred image low [B, H, W, C] that it belongs to -> logits [B].

    The first layer sees the whole image low + detail, and the blurred one beside it.
    """

    features: int = 32  # of the first map; doubled at the second
    hidden: int = 128
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, detail: Array, low: Array) -> Array:
        """Scores every detail."""
        check_strides("DetailDiscriminator", low, step=4, least=4)
        h = jnp.concatenate([low + detail, low], axis=-1)
        for stage in range(2):
            h = nn.leaky_relu(StridedConv(self.features * 2**stage, dtype=self.dtype)(h), 0.2)
        h = nn.leaky_relu(nn.Dense(self.hidden, dtype=self.dtype)(h.reshape(h.shape[0], -1)), 0.2)
        return nn.Dense(1, dtype=self.dtype)(h)[:, 0].astype(jnp.float32)
