"""Context encoders: a picture with a hole is encoded as a whole, and decoded to what may have been there.

References:
  Pathak, Krähenbühl, Donahue, Darrell, Efros. Context Encoders: Feature Learning by Inpainting. CVPR 2016, section 3.1.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_strides
from jaxgan.networks.layers import BatchNorm, ConvTranspose, StridedConv

_init = nn.initializers.normal(0.02)


class Generator(nn.Module):
    """Pictures and further planes [B, H, W, C] -> pictures [B, H, W, channels] in [-1, 1].

    Convolutions of stride 2 halve the picture `stages` times; a dense bottleneck lets every place know of every other;
    as many transposed convolutions double it again. H and W are multiples of 2^stages.
    """

    channels: int = 1
    features: int = 64  # of the first map; doubled at every further halving
    stages: int = 3  # halvings
    bottleneck: int = 512  # width of the code; the paper's code has 4000 for 128 pixels
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics over all devices of this axis
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Makes one whole picture for each; batch statistics come from the batch if `train`, else from the average."""
        if self.stages < 1:
            raise ValueError(f"a context encoder needs stages >= 1; got {self.stages}")
        step = 2**self.stages
        check_strides(f"a context encoder with stages={self.stages}", x, step, least=step)
        for stage in range(self.stages):
            x = StridedConv(self.features * 2**stage, kernel_init=_init, dtype=self.dtype)(x)
            x = nn.leaky_relu(self._norm(x, train) if stage else x, 0.2)
        shape = x.shape[1:]
        x = nn.Dense(self.bottleneck, kernel_init=_init, dtype=self.dtype)(x.reshape(x.shape[0], -1))
        x = nn.leaky_relu(self._norm(x, train), 0.2)
        x = nn.Dense(shape[0] * shape[1] * shape[2], kernel_init=_init, dtype=self.dtype)(x).reshape(-1, *shape)
        x = nn.relu(self._norm(x, train))
        for stage in reversed(range(self.stages - 1)):
            x = ConvTranspose(self.features * 2**stage, kernel_init=_init, dtype=self.dtype)(x)
            x = nn.relu(self._norm(x, train))
        x = ConvTranspose(self.channels, kernel_init=_init, dtype=self.dtype)(x)
        return jnp.tanh(x.astype(jnp.float32))

    def _norm(self, x: Array, train: bool) -> Array:
        return BatchNorm(not train, momentum=self.momentum, axis_name=self.axis_name, dtype=self.dtype)(x)
