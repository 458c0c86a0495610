"""Textures of any size from fields of noise, by convolutions alone; `networks.patch` has discriminators of patches.

References:
  Jetchev, Bergmann, Vollgraf. Texture Synthesis with Spatial Generative Adversarial Networks. NIPS Workshop on
  Adversarial Training 2016, section 2.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers import BatchNorm, Conv

MARGIN = 2  # cells of the field on each side, which make what borders would spoil


class Weaver(nn.Module):
    """Fields z [B, h + 4, w + 4, Z] -> textures [B, f h, f w, channels] in [-1, 1], f = 2^stages.

    A convolution, and convolutions of the map doubled by copies. What zeros at the borders may reach is cut off, which
    are 2 cells of the field on each side: where a field goes on, the texture goes on by the same pixels, so that
    textures of any size have no seams. A cell reaches `receptive_field(stages)` pixels.
    """

    channels: int = 1
    features: int = 32  # of the last hidden map; doubled for every smaller one
    stages: int = 3  # doublings
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics over all devices of this axis
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array, train: bool = True) -> Array:
        """Makes one texture per field; batch statistics come from the batch if `train`, else from the average."""
        if self.stages < 1:
            raise ValueError(f"a texture's generator needs stages >= 1; got {self.stages}")
        if z.ndim != 4 or min(z.shape[1:3]) <= 2 * MARGIN:
            raise ValueError(
                f"a texture's generator takes fields [B, h + {2 * MARGIN}, w + {2 * MARGIN}, Z]; got shape {z.shape}"
            )
        x = Conv(self.features * 2 ** (self.stages - 1), use_bias=False, dtype=self.dtype)(z)
        x = nn.relu(self._norm(x, train))
        for stage in reversed(range(self.stages - 1)):
            x = Conv(self.features * 2**stage, up=2, use_bias=False, dtype=self.dtype)(x)
            x = nn.relu(self._norm(x, train))
        x = Conv(self.channels, up=2, dtype=self.dtype)(x)
        cut = MARGIN * 2**self.stages
        return jnp.tanh(x[:, cut:-cut, cut:-cut].astype(jnp.float32))

    def _norm(self, x: Array, train: bool) -> Array:
        return BatchNorm(not train, momentum=self.momentum, axis_name=self.axis_name, dtype=self.dtype)(x)


def receptive_field(stages: int) -> int:
    """Side in pixels of what one cell of the field may change in a texture of `Weaver(stages=...)`: 8, 18, 38, 78, ...

    Args:
      stages: doublings, >= 1.
    Returns:
      Pixels.
    Raises:
      ValueError: there are none.
    """
    if stages < 1:
        raise ValueError(f"receptive_field needs stages >= 1; got {stages}")
    side = 3  # of the first convolution
    for _ in range(stages):
        side = 2 * side + 2
    return side
