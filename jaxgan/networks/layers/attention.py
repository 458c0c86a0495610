"""Self-attention: every place of a map looks at all the others, which convolutions reach only layer by layer."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers.calling import Initializer
from jaxgan.networks.layers.normalization import SpectralNorm
from jaxgan.networks.layers.resampled import Conv


class SelfAttention(nn.Module):
    """x + gamma * attention(x) on a map [B, H, W, C] of any height and width; gamma starts at 0, hence the identity.

    Queries and keys have C/8 features, values C/2. Keys and values are maxima over 2x2 places (what is left over at an
    odd side is a place of its own), and the softmax over them is taken in float32.

    References:
      Zhang, Goodfellow, Metaxas, Odena. Self-Attention Generative Adversarial Networks. ICML 2019, section 3.
    """

    spectral: bool = True  # spectral normalisation of the four 1x1 convolutions
    epsilon: float = 1e-12  # of the spectral normalisation
    kernel_init: Initializer = nn.initializers.xavier_uniform()
    dtype: DTypeLike | None = None  # of the computation; parameters stay float32

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Returns a map of the same shape; spectral vectors advance only if `train`."""
        if x.ndim != 4:
            raise ValueError(f"SelfAttention takes maps [B, H, W, C]; got shape {x.shape}")
        channels = x.shape[-1]
        narrow, half = max(1, channels // 8), max(1, channels // 2)
        queries = _places(self._conv("query", narrow, x, train))
        keys = _places(_largest(self._conv("key", narrow, x, train)))
        values = _places(_largest(self._conv("value", half, x, train)))
        # Products of two maps that nothing bounds: summed in float32, where float16 would hold no more than 65,504.
        weights = jnp.einsum("bqc,bkc->bqk", queries, keys, preferred_element_type=jnp.float32)
        weights = jax.nn.softmax(weights, axis=-1).astype(values.dtype)
        attended = jnp.einsum("bqk,bkc->bqc", weights, values, preferred_element_type=jnp.float32)
        attended = attended.astype(values.dtype).reshape(*x.shape[:3], half)
        gamma = self.param("gamma", nn.initializers.zeros, (), jnp.float32)
        return x + gamma.astype(x.dtype) * self._conv("output", channels, attended, train).astype(x.dtype)

    def _conv(self, name: str, features: int, x: Array, train: bool) -> Array:
        conv = Conv(features, (1, 1), use_bias=False, kernel_init=self.kernel_init, dtype=self.dtype, name=name)
        return SpectralNorm(conv, epsilon=self.epsilon)(x, train) if self.spectral else conv(x)


def _places(x: Array) -> Array:
    return x.reshape(x.shape[0], -1, x.shape[-1])


def _largest(x: Array) -> Array:
    """Maxima over 2x2 places, by reshaping: the gradient of a pooling window's maximum is slow on CPU."""
    height, width = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), constant_values=-jnp.inf)
    return x.reshape(x.shape[0], (height + 1) // 2, 2, (width + 1) // 2, 2, x.shape[-1]).max(axis=(2, 4))
