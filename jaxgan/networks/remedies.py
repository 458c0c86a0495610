"""Modules against mode collapse: a discriminator that sees several samples at once, or samples of the past."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike

from jaxgan.networks.layers import call
from jaxgan.types import PyTree


class MinibatchDiscrimination(nn.Module):
    """Appends to each example's features how close they are to those of the others in the minibatch.

    M_i = f(x_i) T, c_b(i, j) = exp(-||M_ib - M_jb||_1), o_b(i) = sum_j c_b(i, j), as the paper has it: with j = i.

    References:
      Salimans et al. Improved Techniques for Training GANs. NeurIPS 2016, section 3.2.
    """

    kernels: int = 100  # B of the paper: statistics appended
    dimensions: int = 5  # C of the paper: of the space in which distances are taken
    axis_name: str | None = None  # compare with the examples on all devices of this axis
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns features x [B, F] with the statistics behind them, [B, F + kernels]."""
        if x.ndim != 2:
            raise ValueError(f"MinibatchDiscrimination takes features [B, F]; got shape {x.shape}: flatten them")
        mapped = nn.Dense(self.kernels * self.dimensions, use_bias=False, dtype=self.dtype)(x)
        mapped = mapped.reshape(-1, self.kernels, self.dimensions).astype(jnp.float32)
        across = None if self.is_initializing() else self.axis_name  # nothing is mapped while a state is made
        others = mapped if across is None else lax.all_gather(mapped, across, tiled=True)
        distances = jnp.sum(jnp.abs(mapped[:, None] - others[None]), axis=-1)
        return jnp.concatenate([x, jnp.sum(jnp.exp(-distances), axis=1).astype(x.dtype)], axis=-1)


class Packed(nn.Module):
    """A discriminator of packs: m successive examples side by side in their last axis, and one logit for all of them.

    The minibatch on each device must divide by m. A penalty's gradient norm is that of a single example in its pack.

    References:
      Lin, Khetan, Fanti, Oh. PacGAN: The Power of Two Samples in Generative Adversarial Networks. NeurIPS 2018, sec. 2.
    """

    network: nn.Module  # called with packs [B / m, ..., m C]
    degree: int = 2  # m

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Returns the network's logits for x [B, ..., C], one for each pack."""
        if self.degree < 1 or x.shape[0] % self.degree:
            raise ValueError(f"Packed needs degree >= 1 that divides the batch; got {self.degree} and shape {x.shape}")
        packs = x.reshape(-1, self.degree, *x.shape[1:])
        return call(self.network, jnp.concatenate([packs[:, k] for k in range(self.degree)], axis=-1), train=train)


class Replay(nn.Module):
    """A pool of earlier samples: about half of a batch is swapped for samples of the past, which stay until drawn.

    Until it is full, samples are kept and returned as they are. It has no parameters; declare it in `System.frozen`.

    References:
      Shrivastava et al. Learning from Simulated and Unsupervised Images through Adversarial Training. CVPR 2017,
      section 2.3 (a history of refined images); Zhu et al. CycleGAN. ICCV 2017, section 4 (a pool of 50).
    """

    size: int = 50  # samples in the pool; at least those of a (global) batch
    axis_name: str | None = None  # of the batch: all devices keep the same pool

    @nn.compact
    def __call__(self, x: PyTree, train: bool = True) -> PyTree:
        """Returns samples [B, ...] of now and of the past, without a gradient; x itself unless `train`.

        Samples may be pytrees, such as an image and its condition, which stay together.
        """
        first = self.is_initializing()
        pool = self.variable("replay", "samples", lambda: _empty(self.size, x))
        count = self.variable("replay", "count", jnp.zeros, (), jnp.int32)
        if first or not train:
            return x
        whole = gathered(x, self.axis_name)
        n = jax.tree.leaves(whole)[0].shape[0]
        if n > self.size:
            raise ValueError(f"Replay(size={self.size}) holds fewer samples than the batch of {n}; make it larger")
        full = count.value >= self.size
        swap, place = jax.random.split(self.make_rng("global"))
        slots = jnp.where(full, jax.random.permutation(place, self.size)[:n], (count.value + jnp.arange(n)) % self.size)
        swapped = jax.random.bernoulli(swap, 0.5, (n,)) & full

        def chosen(chooses: Array, one: Array, other: Array) -> Array:
            return jnp.where(chooses.reshape(-1, *(1,) * (one.ndim - 1)), one, other)

        old = jax.tree.map(lambda kept: kept[slots], pool.value)
        stored = jax.tree.map(lambda new, old: chosen(swapped | ~full, new, old), whole, old)
        pool.value = jax.tree.map(lambda kept, new: kept.at[slots].set(new), pool.value, stored)
        count.value = jnp.minimum(count.value + n, self.size)
        drawn = jax.tree.map(lambda old, new: chosen(swapped, old, new), old, whole)
        return own_part(drawn, x, self.axis_name)


class History(nn.Module):
    """SimGAN's buffer: every second sample of a batch is swapped for one of the past, the others go into the buffer.

    So exactly half of what comes out is old (of an odd batch one less), once the buffer has as many samples; until
    then all is new. Those that come in take free places, and when there are none, places by chance. It has no
    parameters; declare it in `System.frozen`. `Replay` is CycleGAN's rule: a coin for each sample.

    References:
      Shrivastava et al. Learning from Simulated and Unsupervised Images through Adversarial Training. CVPR 2017,
      section 2.3 and figure 4.
    """

    size: int = 25_600  # samples in the buffer; at least half of those of a (global) batch
    axis_name: str | None = None  # of the batch: all devices keep the same buffer

    @nn.compact
    def __call__(self, x: PyTree, train: bool = True) -> PyTree:
        """Returns samples [B, ...], half of the past, without a gradient; x itself unless `train`.

        Samples may be pytrees, such as an image and its condition, which stay together.
        """
        first = self.is_initializing()
        buffer = self.variable("history", "samples", lambda: _empty(self.size, x))
        count = self.variable("history", "count", jnp.zeros, (), jnp.int32)
        if first or not train:
            return x
        whole = gathered(x, self.axis_name)
        half = jax.tree.leaves(whole)[0].shape[0] // 2
        if half > self.size:
            raise ValueError(f"History(size={self.size}) is smaller than half a batch, {half}; make it larger")
        take, put = jax.random.split(self.make_rng("global"))
        there = jnp.arange(self.size) < count.value
        by_chance = jnp.where(there, jax.random.uniform(take, (self.size,), jnp.float32), -1.0)
        drawn = lax.top_k(by_chance, half)[1]  # without repetition, among those that are there
        old = jax.tree.map(
            lambda kept, new: jnp.where(count.value >= half, kept[drawn], new[1 : 2 * half : 2]), buffer.value, whole
        )
        free = (count.value + jnp.arange(half)) % self.size
        places = jnp.where(count.value >= self.size, jax.random.permutation(put, self.size)[:half], free)
        buffer.value = jax.tree.map(lambda kept, new: kept.at[places].set(new[: 2 * half : 2]), buffer.value, whole)
        count.value = jnp.minimum(count.value + half, self.size)
        mixed = jax.tree.map(lambda new, old: new.at[1 : 2 * half : 2].set(old), whole, old)
        return own_part(mixed, x, self.axis_name)


def _empty(size: int, x: PyTree) -> PyTree:
    """Returns room for this many samples."""
    return jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape[1:]), leaf.dtype), x)


def gathered(x: PyTree, axis_name: str | None) -> PyTree:
    """Returns the samples of all devices, without a gradient."""
    return lax.stop_gradient(x if axis_name is None else lax.all_gather(x, axis_name, tiled=True))


def own_part(whole: PyTree, x: PyTree, axis_name: str | None) -> PyTree:
    """Returns of all devices' samples as many as x has, those of this device."""
    if axis_name is None:
        return whole
    here = jax.tree.leaves(x)[0].shape[0]
    start = lax.axis_index(axis_name) * here
    return jax.tree.map(lambda leaf: lax.dynamic_slice_in_dim(leaf, start, here), whole)
