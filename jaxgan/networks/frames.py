"""Networks of the frame to come, at several scales: each corrects what the coarser one has predicted.

References:
  Mathieu, Couprie, LeCun. Deep Multi-Scale Video Prediction beyond Mean Square Error. ICLR 2016, section 3.1, table 1;
  the authors' code, coupriec/VideoPredictionICLR2016, `get_model.lua` (means as scales, nearest neighbours back, a tanh
  after every scale's sum).
"""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_sides
from jaxgan.networks.layers import Conv, StridedConv


def pyramid(x: Array, scales: int) -> tuple[Array, ...]:
    """Returns images at several scales, the coarsest first and the last as they are: means of 2^k x 2^k pixels.

    Args:
      x: [..., H, W, C].
      scales: how many, >= 1.
    Returns:
      [..., H / 2^(scales - 1), W / 2^(scales - 1), C], ..., [..., H, W, C].
    Raises:
      ValueError: there is no scale, or a side is no multiple of 2^(scales - 1).
    """
    if scales < 1:
        raise ValueError(f"a pyramid needs scales >= 1; got {scales}")
    check_sides(f"pyramid(scales={scales})", x.shape[-3:-1], 2 ** (scales - 1), 2 ** (scales - 1))
    levels = [x]
    for _ in range(scales - 1):
        *front, height, width, channels = levels[0].shape
        cells = levels[0].reshape(*front, height // 2, 2, width // 2, 2, channels)
        levels.insert(0, jnp.mean(cells, axis=(-4, -2)))
    return tuple(levels)


class Generator(nn.Module):
    """Frames [B, T, H, W, C] in [-1, 1] -> the next one at every scale, the coarsest first, the last [B, H, W, C].

    At scale k it is tanh(u + G_k(frames, u)), u the coarser prediction enlarged by copies; the coarsest has none. Of
    more frames than `past` the last are taken.
    """

    scales: int = 4
    past: int = 4  # frames that it looks at
    widths: Sequence[int] = (16, 32, 64, 32, 16)  # of the hidden convolutions of every scale
    kernel: int = 5  # side of the kernels of the two finest scales; others have 3
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, ...]:
        """Predicts the frame after the last."""
        if x.ndim != 5 or x.shape[1] < self.past:
            raise ValueError(
                f"frames.Generator(past={self.past}) takes frames [B, T, H, W, C], T >= {self.past}; got shape "
                f"{x.shape}: give it more frames, or a smaller past"
            )
        made: list[Array] = []
        for scale, frames in enumerate(pyramid(x[:, -self.past :], self.scales)):
            h = _joined(frames)
            if made:
                coarser = made[-1].repeat(2, axis=1).repeat(2, axis=2)
                h = jnp.concatenate([h, coarser], axis=-1)
            side = self.kernel if scale >= self.scales - 2 else 3
            for width in self.widths:
                h = nn.relu(Conv(width, (side, side), dtype=self.dtype)(h))
            step = Conv(x.shape[-1], (side, side), dtype=self.dtype)(h).astype(jnp.float32)
            made.append(jnp.tanh(coarser + step if made else step))
        return tuple(made)


class Discriminator(nn.Module):
    """A frame x [B, H, W, C] and those before it [B, T, H, W, C], of one scale -> logits [B]."""

    features: int = 32  # of the first map; doubled at every halving of the side
    hidden: int = 128  # units of the layer before the logit
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, past: Array) -> Array:
        """Scores every frame as what follows, before any sigmoid."""
        if x.ndim != 4 or past.ndim != 5 or (past.shape[0], *past.shape[2:]) != x.shape:
            raise ValueError(
                f"frames.Discriminator takes a frame [B, H, W, C] and those before it [B, T, H, W, C]; got shapes "
                f"{x.shape} and {past.shape}"
            )
        h = nn.leaky_relu(Conv(self.features, dtype=self.dtype)(jnp.concatenate([x, _joined(past)], axis=-1)), 0.2)
        features = self.features
        while min(h.shape[1:3]) > 4 and not (h.shape[1] % 2 or h.shape[2] % 2):
            features *= 2
            h = nn.leaky_relu(StridedConv(features, dtype=self.dtype)(h), 0.2)
        h = nn.leaky_relu(nn.Dense(self.hidden, dtype=self.dtype)(h.reshape(h.shape[0], -1)), 0.2)
        return nn.Dense(1, dtype=self.dtype)(h)[:, 0].astype(jnp.float32)


def _joined(frames: Array) -> Array:
    """Lays out frames [B, T, H, W, C] as channels [B, H, W, T C]."""
    n, count, height, width, channels = frames.shape
    return frames.transpose(0, 2, 3, 1, 4).reshape(n, height, width, count * channels)
