"""What residual networks share: their blocks, the head of a discriminator, and where they attend to themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.networks.layers.calling import Initializer
from jaxgan.networks.layers.embedding import Embedding, inner

# What a block is made of. Both make their layers inside the block that calls them.
# (x [B, H, W, C], features, side of the kernel, up=1, down=1) -> [B, H up / down, W up / down, features], of x doubled
# by copies before if up is 2, halved by means over 2x2 after if down is.
Convolve = Callable[..., Array]
Normalize = Callable[[Array], Array]  # x [B, H, W, C] -> the same shape


class UpBlock(nn.Module):
    """A generator's block: x [B, H, W, C] -> [B, 2 H, 2 W, features]."""

    features: int
    normalize: Normalize
    convolve: Convolve
    bilinear: bool = False  # the map is doubled by bilinear interpolation, not by copies

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Doubles the map."""
        if self.bilinear:
            h = self.convolve(interpolated(nn.relu(self.normalize(x))), self.features, 3)
            h = self.convolve(nn.relu(self.normalize(h)), self.features, 3)
            return h + interpolated(self.convolve(x, self.features, 1))
        h = self.convolve(nn.relu(self.normalize(x)), self.features, 3, up=2)
        h = self.convolve(nn.relu(self.normalize(h)), self.features, 3)
        # A 1x1 convolution of copies is copies of the convolution, at a quarter of the cost.
        return h + upsample(self.convolve(x, self.features, 1))


class DownBlock(nn.Module):
    """A discriminator's block: x [B, H, W, C] -> [B, H / 2, W / 2, features], or of the same size."""

    features: int
    hidden: int  # features between its two convolutions
    halve: bool
    normalize: Normalize
    convolve: Convolve
    rectified: bool = False  # the shortcut sees max(x, 0) too

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Halves the map, if it does."""
        h = self.convolve(nn.relu(self.normalize(x)), self.hidden, 3)
        x = nn.relu(x) if self.rectified else x
        h = self.convolve(nn.relu(self.normalize(h)), self.features, 3, down=2 if self.halve else 1)
        if self.halve:  # on the shortcut means come first: the same value, as its convolution is 1x1
            return h + self.convolve(downsample(x), self.features, 1)
        return h + (x if x.shape[-1] == self.features else self.convolve(x, self.features, 1))


class FirstBlock(nn.Module):
    """A discriminator's first block, which sees pixels: no activation before its first convolution."""

    features: int
    convolve: Convolve

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Halves the image x [B, H, W, C]."""
        h = self.convolve(nn.relu(self.convolve(x, self.features, 3)), self.features, 3, down=2)
        return h + self.convolve(downsample(x), self.features, 1)


def upsample(x: Array) -> Array:
    """Doubles height and width of x [B, H, W, C] by copies."""
    b, h, w, c = x.shape
    return jnp.broadcast_to(x[:, :, None, :, None], (b, h, 2, w, 2, c)).reshape(b, 2 * h, 2 * w, c)


def interpolated(x: Array) -> Array:
    """Doubles height and width of x [B, H, W, C] by bilinear interpolation between pixel centres.

    Beyond the border lie copies of it, as `torch.nn.functional.interpolate(align_corners=False)` has them.
    """
    for axis in (1, 2):
        first, last = (jnp.take(x, jnp.asarray([end], jnp.int32), axis=axis) for end in (0, x.shape[axis] - 1))
        n = x.shape[axis]
        before = jnp.concatenate([first, jax.lax.slice_in_dim(x, 0, n - 1, axis=axis)], axis=axis)
        after = jnp.concatenate([jax.lax.slice_in_dim(x, 1, n, axis=axis), last], axis=axis)
        mixed = jnp.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis=axis + 1)
        x = mixed.reshape(*x.shape[:axis], 2 * n, *x.shape[axis + 1 :])
    return x


def downsample(x: Array) -> Array:
    """Halves height and width of x [B, H, W, C] by means over 2x2 pixels."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


def pooled(x: Array, pool: str) -> Array:
    """Sum or mean of x [B, H, W, C] over the map, [B, C] float32."""
    total = jnp.sum(x, axis=(1, 2), dtype=jnp.float32)
    return total if pool == "sum" else total / (x.shape[1] * x.shape[2])


def head(
    h: Array,
    y: Array | None,
    classes: int,
    *,
    normalize: Callable[[nn.Module, Array], Array] | None = None,
    kernel_init: Initializer | None = None,
) -> Array:
    """Projection head w . h + b + <embedding(y), h>, of which every layer may be normalised spectrally; in float32.

    Args:
      h: features, [B, F].
      y: labels, [B] int32 in 0..classes-1, or vectors [B, classes] float32, or None.
      classes: number of labels, or of a vector's entries.
      normalize: (layer, x) -> the layer's output by normalised weights: w, and the embeddings as one matrix
        [classes, F]; None: as they are.
      kernel_init: of both; None: Glorot's.
    Returns:
      logits, [B] float32.
    References:
      Miyato, Koyama. cGANs with Projection Discriminator. ICLR 2018, eq. 3.
    """
    h = h.astype(jnp.float32)

    def applied(layer: nn.Module, x: Array) -> Array:
        return layer(x) if normalize is None else normalize(layer, x)

    init = kernel_init or nn.initializers.xavier_uniform()
    logits = applied(nn.Dense(1, kernel_init=init, name="logits"), h)[:, 0].astype(jnp.float32)
    if y is not None:
        embedding = applied(Embedding(classes, h.shape[-1], embedding_init=init, name="projection"), y)
        logits = logits + inner(embedding, h)
    return logits


def check_attention(module: nn.Module, attention: int, heights: Sequence[int]) -> None:
    """Raises ValueError if the network has no map of the height at which it is to attend."""
    if attention and attention not in heights:
        raise ValueError(
            f"{type(module).__name__} has attention={attention}, the height of a map; its maps have {sorted(heights)}"
        )
