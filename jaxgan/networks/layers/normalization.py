"""Normalisation of weights and of activations."""

from __future__ import annotations

import flax.linen as nn
from jax import Array
from jax.typing import DTypeLike


class SpectralNorm(nn.Module):
    """Divides a layer's kernel by its largest singular value, followed by one power iteration per training call.

    A convolution kernel [k, k, I, O] is the matrix [k k I, O]. The wrapped layer must keep its weights in "kernel".

    References:
      Miyato, Kataoka, Koyama, Yoshida. Spectral Normalization for Generative Adversarial Networks. ICLR 2018, alg. 1.
    """

    layer: nn.Module  # nn.Dense, nn.Conv, ConvTranspose: any layer called with one array

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Applies the layer to x with its normalised kernel; the singular vectors advance only if `train`."""
        return nn.SpectralNorm(self.layer, collection_name="spectral")(x, update_stats=train)


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose scale and offset are looked up by class.

    References:
      Dumoulin, Shlens, Kudlur. A Learned Representation for Artistic Style. ICLR 2017, eq. 5.
    """

    classes: int
    momentum: float = 0.9
    axis_name: str | None = None  # statistics over all devices of this axis: global, as on one device
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array, train: bool) -> Array:
        """Normalises x [B, ..., C] over all axes but the last, then scales it for labels y [B] in 0..classes-1."""
        x = nn.BatchNorm(
            use_running_average=not train,
            momentum=self.momentum,
            use_bias=False,
            use_scale=False,
            axis_name=self.axis_name,
            dtype=self.dtype,
        )(x)
        shape = (x.shape[0],) + (1,) * (x.ndim - 2) + (x.shape[-1],)
        scale = nn.Embed(self.classes, x.shape[-1], embedding_init=nn.initializers.ones, name="scale")(y)
        offset = nn.Embed(self.classes, x.shape[-1], embedding_init=nn.initializers.zeros, name="offset")(y)
        return x * scale.reshape(shape).astype(x.dtype) + offset.reshape(shape).astype(x.dtype)
