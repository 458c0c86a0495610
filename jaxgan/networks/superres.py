"""Networks that enlarge pictures: SRResNet, all of whose layers but the last work on the small picture.

References:
  Ledig et al. Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network. CVPR 2017,
  section 2.2 and figure 4.
"""

from __future__ import annotations

from typing import Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_choice
from jaxgan.networks.layers import BatchNorm, Conv, pixel_shuffle

Normalization = Literal["batch", "none"]


class SRResNet(nn.Module):
    """Pictures [B, H, W, C] of any size -> pictures [B, factor H, factor W, C].

    A convolution, residual blocks, and a residual connection around all of them; then convolutions whose channels are
    laid out as pixels double the sides; PReLU everywhere, with one slope for each layer. The last convolution adds to
    the input, enlarged by bicubic interpolation, where `residual` is set (not in the paper): so a new network begins.
    """

    features: int = 64
    blocks: int = 16
    factor: int = 4  # 2, 4, 8, ...
    normalization: Normalization = "batch"  # "none" as in ESRGAN
    outer: int = 9  # side of the first and the last kernel
    residual: bool = False
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics over all devices of this axis
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Enlarges every picture; values are not bounded."""
        self._check(x)
        first = nn.PReLU()(self._conv(self.features, self.outer)(x))
        h = first
        for _ in range(self.blocks):
            inner = nn.PReLU()(self._norm(self._conv(self.features)(h), train))
            h = h + self._norm(self._conv(self.features)(inner), train)
        h = first + self._norm(self._conv(self.features)(h), train)
        for _ in range(self.factor.bit_length() - 1):
            h = nn.PReLU()(pixel_shuffle(self._conv(4 * self.features)(h), 2))
        small = nn.initializers.normal(1e-3)
        last = Conv(x.shape[-1], (self.outer, self.outer), kernel_init=small, dtype=self.dtype, name="pixels")
        y = last(h).astype(jnp.float32)
        if not self.residual:
            return y
        size = (x.shape[0], self.factor * x.shape[1], self.factor * x.shape[2], x.shape[3])
        return y + jax.image.resize(x.astype(jnp.float32), size, "cubic")

    def _conv(self, features: int, side: int = 3) -> Conv:
        return Conv(features, (side, side), dtype=self.dtype)

    def _norm(self, x: Array, train: bool) -> Array:
        if self.normalization == "none":
            return x
        return BatchNorm(not train, momentum=self.momentum, axis_name=self.axis_name, dtype=self.dtype)(x)

    def _check(self, x: Array) -> None:
        check_choice(self, "normalization", get_args(Normalization))
        if self.factor < 2 or self.factor & (self.factor - 1):
            raise ValueError(f"SRResNet enlarges by a power of 2, since it doubles; got factor={self.factor}")
        if x.ndim != 4:
            raise ValueError(f"SRResNet takes pictures [B, H, W, C]; got shape {x.shape}")
        if self.outer % 2 == 0:
            raise ValueError(f"SRResNet has kernels of odd sides; got outer={self.outer}")
