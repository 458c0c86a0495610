"""Convolutions of volumes [B, D, H, W, C] with kernels of 4^3 and stride 2, as one matrix product each.

Space is cut into blocks of 2^3 voxels first, so that such a convolution sees 2^3 whole blocks. Its gradients of every
order are matrix products too; on a CPU that of a `lax` convolution w.r.t. its volumes took twenty times as long. The
price is memory: 64 numbers for every input of an output voxel.
"""

from __future__ import annotations

import itertools

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers.calling import Initializer

_SHIFTS = tuple(itertools.product((0, 1), repeat=3))  # of a block from the first that an output sees


def halved(x: Array, kernel: Array) -> Array:
    """Convolution with stride 2: output o sees the voxels 2o - 1 to 2o + 2 of each axis, zeros beyond the border.

    Args:
      x: [B, D, H, W, I], even sides.
      kernel: [4, 4, 4, I, O].
    Returns:
      [B, D / 2, H / 2, W / 2, O].
    """
    blocks = _blocks(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0))))
    depth, height, width = (side - 1 for side in blocks.shape[1:4])
    parts = [blocks[:, i : i + depth, j : j + height, k : k + width] for i, j, k in _SHIFTS]
    return jnp.concatenate(parts, axis=-1) @ _by_shift(kernel).reshape(-1, kernel.shape[4])


def doubled(x: Array, kernel: Array) -> Array:
    """Transposed convolution with stride 2: the adjoint of `halved` with this kernel.

    Args:
      x: [B, D, H, W, I].
      kernel: [4, 4, 4, O, I].
    Returns:
      [B, 2D, 2H, 2W, O].
    """
    parts = jnp.split(x @ _by_shift(kernel).reshape(-1, x.shape[-1]).T, len(_SHIFTS), axis=-1)
    moved = [
        jnp.pad(part, ((0, 0), *((s, 1 - s) for s in shift), (0, 0)))
        for part, shift in zip(parts, _SHIFTS, strict=True)
    ]
    total = sum(moved[1:], moved[0])
    n, depth, height, width, _ = total.shape
    cells = total.reshape(n, depth, height, width, 2, 2, 2, -1).transpose(0, 1, 4, 2, 5, 3, 6, 7)
    return cells.reshape(n, 2 * depth, 2 * height, 2 * width, -1)[:, 1:-1, 1:-1, 1:-1]


def _blocks(x: Array) -> Array:
    """Lays out 2^3 voxels as one, with eight times the channels."""
    n, depth, height, width, channels = x.shape
    cells = x.reshape(n, depth // 2, 2, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 5, 2, 4, 6, 7)
    return cells.reshape(n, depth // 2, height // 2, width // 2, 8 * channels)


def _by_shift(kernel: Array) -> Array:
    """Returns [8, 8 I, O] of a kernel [4, 4, 4, I, O]: the weights of each of the blocks that an output sees."""
    parts = kernel.reshape(2, 2, 2, 2, 2, 2, *kernel.shape[3:]).transpose(0, 2, 4, 1, 3, 5, 6, 7)
    return parts.reshape(8, 8 * kernel.shape[3], kernel.shape[4])


class HalvingConv(nn.Module):
    """Convolution layer with kernels of 4^3 and stride 2, [B, D, H, W, I] -> [B, D / 2, H / 2, W / 2, features]."""

    features: int
    use_bias: bool = True
    kernel_init: Initializer = nn.initializers.lecun_normal()
    dtype: DTypeLike | None = None  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Downsamples volumes; sides must be even."""
        if x.ndim != 5 or any(side % 2 for side in x.shape[1:4]):
            raise ValueError(f"HalvingConv takes volumes [B, D, H, W, C] of even sides; got shape {x.shape}")
        kernel = self.param("kernel", self.kernel_init, (4, 4, 4, x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32) if self.use_bias else None
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = halved(x, kernel)
        return y if bias is None else y + bias.reshape(1, 1, 1, 1, -1)


class DoublingConv(nn.Module):
    """Transposed convolution layer with kernels of 4^3, [B, D, H, W, I] -> [B, 2D, 2H, 2W, features]."""

    features: int
    use_bias: bool = True
    kernel_init: Initializer = nn.initializers.lecun_normal(in_axis=-1, out_axis=-2)
    dtype: DTypeLike | None = None  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Upsamples volumes [B, D, H, W, I]."""
        if x.ndim != 5:
            raise ValueError(f"DoublingConv takes volumes [B, D, H, W, C]; got shape {x.shape}")
        kernel = self.param("kernel", self.kernel_init, (4, 4, 4, self.features, x.shape[-1]), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32) if self.use_bias else None
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = doubled(x, kernel)
        return y if bias is None else y + bias.reshape(1, 1, 1, 1, -1)
