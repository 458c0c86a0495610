"""Networks of places: a caption is written into a box of the picture, and read there.

Boxes are [B, 4]: left, top, right, bottom as shares of the width and height, in [0, 1]. A condition is a dict
{"caption": [B, T] float, "box": [B, 4] float}.

References:
  Reed et al. Learning What and Where to Draw. NeurIPS 2016, section 4.1 (boxes: a global and a local pathway).
"""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_latents, check_sides, check_strides
from jaxgan.networks.layers import Conv, ConvTranspose, StridedConv
from jaxgan.networks.layers.resampling import height_and_width


def box_mask(box: Array, height: int, width: int) -> Array:
    """Share of every pixel that lies in a box: [B, 4] -> [B, height, width, 1] in [0, 1], differentiable in the box.

    Args:
      box: left, top, right, bottom, [B, 4], shares of the width and height.
      height: rows.
      width: columns.
    Returns:
      [B, height, width, 1] float32; the sum of an image's is the box's area in pixels.
    Raises:
      ValueError: the boxes are of another shape.
    """
    if box.ndim != 2 or box.shape[1] != 4:
        raise ValueError(f"boxes are [B, 4] (left, top, right, bottom); got shape {box.shape}")

    def covered(low: Array, high: Array, size: int) -> Array:
        edges = jnp.arange(size, dtype=jnp.float32)[None]
        return jnp.clip(jnp.minimum(high * size, edges + 1) - jnp.maximum(low * size, edges), 0.0, 1.0)

    columns = covered(box[:, 0:1], box[:, 2:3], width)
    rows = covered(box[:, 1:2], box[:, 3:4], height)
    return (rows[:, :, None] * columns[:, None, :])[..., None]


class BoxGenerator(nn.Module):
    """z [B, Z] and y -> images [B, H, W, channels] in [-1, 1].

    At a quarter of the side, a local pathway sees latent and caption inside the box alone, and a global one everywhere.
    """

    size: int | tuple[int, ...] = 32  # a side, or (height, width); multiples of 4
    channels: int = 1
    features: int = 32  # of the widest map; doubled at every halving of the side
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array, y: Mapping[str, Array]) -> Array:
        """Generates one image per latent and condition."""
        check_latents(self, z)
        sides, width = height_and_width(self.size), self.features * 4
        check_sides("BoxGenerator", sides, step=4, least=4)
        rows, columns = sides[0] // 4, sides[1] // 4
        caption, mask = _condition(self, y, rows, columns)
        first = jnp.concatenate([z, caption], axis=-1)
        inside = nn.relu(nn.Dense(width, dtype=self.dtype)(first))[:, None, None] * mask
        local = nn.relu(Conv(width, (3, 3), dtype=self.dtype)(jnp.concatenate([inside, _places(mask)], -1))) * mask
        whole = nn.relu(nn.Dense(rows * columns * self.features, dtype=self.dtype)(first))
        x = jnp.concatenate([local, whole.reshape(-1, rows, columns, self.features), mask], axis=-1)
        x = nn.relu(Conv(width, (3, 3), dtype=self.dtype)(x))
        x = nn.relu(ConvTranspose(self.features * 2, dtype=self.dtype)(x))
        x = ConvTranspose(self.channels, dtype=self.dtype)(x)
        return jnp.tanh(x.astype(jnp.float32))


class BoxDiscriminator(nn.Module):
    """Images [B, H, W, C] with y -> logits [B]: the whole picture, and what is in the box beside its caption."""

    features: int = 32  # of the first map; doubled at the second
    hidden: int = 128
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Mapping[str, Array]) -> Array:
        """Scores every picture with its condition."""
        check_strides("BoxDiscriminator", x, step=4, least=4)
        _, sharp = _condition(self, y, x.shape[1], x.shape[2])
        h = jnp.concatenate([x, sharp], axis=-1)
        h = nn.leaky_relu(StridedConv(self.features, dtype=self.dtype)(h), 0.2)
        h = nn.leaky_relu(StridedConv(self.features * 2, dtype=self.dtype)(h), 0.2)
        caption, mask = _condition(self, y, *h.shape[1:3])
        written = nn.Dense(self.features, dtype=self.dtype)(caption)[:, None, None] * mask
        h = jnp.concatenate([h, written, mask], axis=-1)
        h = nn.leaky_relu(Conv(self.features * 2, (3, 3), dtype=self.dtype)(h), 0.2)
        inside = jnp.sum(h * mask, axis=(1, 2)) / (jnp.sum(mask, axis=(1, 2)) + 1e-3)
        h = jnp.concatenate([h.reshape(h.shape[0], -1), inside, caption.astype(h.dtype)], axis=-1)
        h = nn.leaky_relu(nn.Dense(self.hidden, dtype=self.dtype)(h), 0.2)
        return nn.Dense(1, dtype=self.dtype)(h)[:, 0].astype(jnp.float32)


def _condition(module: nn.Module, y: Mapping[str, Array], height: int, width: int) -> tuple[Array, Array]:
    """Returns the caption [B, T] and the box's mask [B, height, width, 1]."""
    if not isinstance(y, Mapping) or not {"caption", "box"} <= set(y):
        have = sorted(y) if isinstance(y, Mapping) else type(y).__name__
        raise ValueError(f"{type(module).__name__} takes y with 'caption' [B, T] and 'box' [B, 4]; got {have}")
    return y["caption"], box_mask(y["box"], height, width)


def _places(mask: Array) -> Array:
    """Returns coordinates in [-1, 1] of rows and columns, inside the box, [B, h, w, 2]."""
    height, width = mask.shape[1:3]
    rows = jnp.linspace(-1.0, 1.0, height, dtype=jnp.float32).reshape(1, height, 1, 1)
    columns = jnp.linspace(-1.0, 1.0, width, dtype=jnp.float32).reshape(1, 1, width, 1)
    return jnp.concatenate([rows * mask, columns * mask], axis=-1)
