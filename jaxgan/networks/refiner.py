"""SimGAN's refiner: an image becomes another of the same size, pixel by pixel, without a bottleneck."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers import Conv


class Refiner(nn.Module):
    """Images x [B, H, W, C] in [-1, 1] -> images of the same shape in (-1, 1), by residual blocks at full size.

    One 3x3 convolution, `blocks` of two 3x3 convolutions each, a 1x1 convolution and tanh: no stride and no
    normalisation, so every output pixel depends on its surroundings alone, 4 blocks + 3 pixels a side.

    References:
      Shrivastava et al. Learning from Simulated and Unsupervised Images through Adversarial Training. CVPR 2017,
      section 3.1 (4 blocks of 64 features).
    """

    features: int = 64
    blocks: int = 4
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Refines every image."""
        h = nn.relu(Conv(self.features, (3, 3), dtype=self.dtype)(x))
        for _ in range(self.blocks):
            inner = nn.relu(Conv(self.features, (3, 3), dtype=self.dtype)(h))
            h = nn.relu(h + Conv(self.features, (3, 3), dtype=self.dtype)(inner))
        return jnp.tanh(Conv(x.shape[-1], (1, 1), dtype=self.dtype)(h).astype(jnp.float32))
