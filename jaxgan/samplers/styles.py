"""Style mixing: images whose coarse layers follow one latent and whose fine layers follow another."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array


def cross_styles(first: Array, second: Array, crossing: int) -> Array:
    """Styles of `first` in the layers before `crossing`, and of `second` from there on.

    `trained(networks, state, "generator")` of a `networks.stylegan2.Generator` makes styles of latents by
    `method="mapping"`, and images of styles by `method="synthesis"`.

    Args:
      first: styles of every layer, [..., layers, W].
      second: likewise; leading axes broadcast, so that rows [n, 1, layers, W] and columns [1, m, layers, W] make a
        table [n, m, layers, W].
      crossing: layers that follow `first`, in 0..layers.
    Returns:
      [..., layers, W].
    Raises:
      ValueError: the layers or widths differ, or crossing is out of range.
    References:
      Karras, Laine, Aila. A Style-Based Generator Architecture for Generative Adversarial Networks. CVPR 2019, section
      3.1.
    """
    if min(first.ndim, second.ndim) < 2 or first.shape[-2:] != second.shape[-2:]:
        raise ValueError(f"cross_styles takes styles [..., layers, W]; got shapes {first.shape} and {second.shape}")
    layers = first.shape[-2]
    if not 0 <= crossing <= layers:
        raise ValueError(f"styles of {layers} layers cross at 0..{layers}; got crossing={crossing}")
    rank = max(first.ndim, second.ndim)
    ruled = (jnp.arange(layers) < crossing).reshape(*(1,) * (rank - 2), layers, 1)
    return jnp.where(ruled, first, second)
