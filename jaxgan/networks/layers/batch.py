"""Layers that look across the examples of a batch, or draw for all of them: the same on any number of devices."""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.types import example_keys


def minibatch_stddev(x: Array, group: int = 4, axis_name: str | None = None, channels: int = 1) -> Array:
    """Appends channels with the mean standard deviation over a group of examples: D sees how varied a batch is.

    Groups are strided: with G groups, example i belongs to group i mod G, as in the reference implementation. Of
    several channels each is of its own share of the features, in their order.

    Args:
      x: features, [B, H, W, C].
      group: examples per group; the largest divisor of the batch size not above it is used.
      axis_name: gather the batch over the devices of this axis first, so that groups do not know the device count; a
        module passes None while `self.is_initializing()`, since a state is made outside the mapped axis.
      channels: how many are appended, >= 1, a divisor of C.
    Returns:
      [B, H, W, C + channels].
    Raises:
      ValueError: group is not positive, x is not of rank 4, or channels do not divide C.
    References:
      Karras, Aila, Laine, Lehtinen. Progressive Growing of GANs. ICLR 2018, section 3.
    """
    if group < 1 or x.ndim != 4:
        raise ValueError(f"minibatch_stddev needs group >= 1 and x [B, H, W, C]; got group={group}, shape {x.shape}")
    if channels < 1 or x.shape[3] % channels:
        raise ValueError(f"minibatch_stddev needs channels >= 1 that divide C; got {channels} and shape {x.shape}")
    whole = x if axis_name is None else lax.all_gather(x, axis_name, tiled=True)
    size = max(divisor for divisor in range(1, group + 1) if len(whole) % divisor == 0)
    grouped = whole.reshape(size, -1, *whole.shape[1:])
    spread = jnp.sqrt(jnp.var(grouped.astype(jnp.float32), axis=0) + 1e-8)
    shares = spread.reshape(*spread.shape[:3], channels, -1)
    statistic = jnp.tile(jnp.mean(shares, axis=(1, 2, 4)), (size, 1))
    if axis_name is not None:
        statistic = lax.dynamic_slice_in_dim(statistic, lax.axis_index(axis_name) * len(x), len(x))
    channel = jnp.broadcast_to(statistic[:, None, None], (*x.shape[:3], channels))
    return jnp.concatenate([x, channel.astype(x.dtype)], axis=-1)


class Dropout(nn.Module):
    """Dropout whose masks belong to examples of the global batch: the same on one device, eight, or a pod.

    (`nn.Dropout` draws anew on each device of a mapped axis, so its masks depend on their number.)

    References:
      Srivastava et al. Dropout: A Simple Way to Prevent Neural Networks from Overfitting. JMLR 2014, section 4.
    """

    rate: float  # share of units that are dropped, in [0, 1)
    axis_name: str | None = None  # the mapped axis that the batch is split over

    @nn.compact
    def __call__(self, x: Array, train: bool, index: Array | None = None) -> Array:
        """Drops units of x [B, ...] and scales the others by 1 / (1 - rate); the identity unless `train`.

        With `index` [B] int32, the examples' numbers, each one's mask is that of its number, whatever the batch.
        """
        if not 0 <= self.rate < 1:
            raise ValueError(f"Dropout has rate={self.rate}; it must lie in [0, 1)")
        if not train or self.rate == 0:
            return x
        axis_name = None if self.is_initializing() else self.axis_name  # nothing is mapped while a state is made
        key = self.make_rng("global")
        if index is None:
            kept = global_draw(lambda shape: jax.random.bernoulli(key, 1 - self.rate, shape), x.shape, axis_name)
        else:
            keys = example_keys(key, x.shape[0], index)
            kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - self.rate, x.shape[1:]))(keys)
        return jnp.where(kept, x / (1 - self.rate), 0)


def global_draw(
    draw: Callable[[tuple[int, ...]], Array], shape: tuple[int, ...], axis_name: str | None = None
) -> Array:
    """Draws for the whole batch and returns this device's part, so that the draw does not know the device count.

    Args:
      draw: shape -> array of that shape, by a key that is the same on all devices (a module's "global" stream).
      shape: [B, ...] of this device's part.
      axis_name: the mapped axis that the batch is split over; None: the whole batch is here.
    Returns:
      [B, ...].
    """
    if axis_name is None:
        return draw(shape)
    whole = draw((shape[0] * lax.axis_size(axis_name), *shape[1:]))
    return lax.dynamic_slice_in_dim(whole, lax.axis_index(axis_name) * shape[0], shape[0])
