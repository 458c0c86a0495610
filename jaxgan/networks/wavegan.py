"""WaveGAN's networks: DCGAN for signals [B, L, C], with kernels of 25 samples and strides of 4.

Lengths are multiples of 4 from 64 on: 16 * 4^k, as in the paper, or whatever else ends at 16 to 63 places when it is
quartered. With 64 features and 16,384 samples the generator has 19,065,345 parameters, the discriminator 17,427,969.

References:
  Donahue, McAuley, Puckette. Adversarial Audio Synthesis. ICLR 2019, section 3 and tables 3 and 4.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.inputs import check_condition, check_latents
from jaxgan.networks.layers import (
    Embedding,
    SignalConv,
    SignalConvTranspose,
    conv,
    global_draw,
    phase_shuffle,
    same,
)
from jaxgan.networks.mlp import project

STRIDE, LEAST = 4, 16  # of every layer; and places of the shortest map


class WaveGenerator(nn.Module):
    """z [B, Z] (and labels or vectors y) -> signals [B, length, channels] in [-1, 1].

    y enters as an embedding beside z. No batch normalisation, as in the paper. A post-filter is one learned linear
    filter of all that is generated, which may remove the pitch that transposed convolutions add to everything; what
    leaves it is not bounded.
    """

    length: int = 16_384  # samples
    channels: int = 1
    features: int = 64  # of the longest map; doubled at every quartering of the length
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    post_filter: int = 0  # samples of the filter, 512 in the paper; 0: none
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None) -> Array:
        """Generates one signal per latent."""
        stages = quarterings(self.length, "WaveGenerator")
        check_condition(self, y)
        check_latents(self, z)
        if y is not None:
            z = jnp.concatenate([z, Embedding(self.classes, z.shape[-1], name="labels")(y)], axis=-1)
        shortest, widest = self.length // STRIDE**stages, self.features * 2 ** (stages - 1)
        x = nn.Dense(shortest * widest, kernel_init=nn.initializers.glorot_uniform(), dtype=self.dtype)(z)
        x = nn.relu(x.reshape(-1, shortest, widest))
        for stage in range(1, stages):
            x = nn.relu(SignalConvTranspose(widest // 2**stage, stride=STRIDE, dtype=self.dtype)(x))
        x = jnp.tanh(SignalConvTranspose(self.channels, stride=STRIDE, dtype=self.dtype)(x).astype(jnp.float32))
        return self._filtered(x) if self.post_filter else x

    def _filtered(self, x: Array) -> Array:
        shape = (self.post_filter, 1, self.channels, self.channels)
        kernel = self.param("post_filter", nn.initializers.glorot_uniform(), shape, jnp.float32)
        return conv(x[:, :, None], kernel, same(shape))[:, :, 0]


class WaveDiscriminator(nn.Module):
    """Signals x [B, length, C] (and labels or vectors y) -> logits [B]; y enters by projection.

    After every layer but the last each example's map is moved by a number of places of its own, in -shuffle..shuffle,
    so that the pitch of transposed convolutions, whose phase is always the same, does not give samples away. The draws
    belong to the examples of the global batch; without `train` nothing moves. That each example draws its own is the
    paper's; the authors' code draws one number for the whole batch, anew for real, generated and interpolated signals.
    """

    length: int = 16_384  # samples
    features: int = 64  # of the first map; doubled at every quartering of the length
    shuffle: int = 2  # n of the paper; 0: no shuffle
    classes: int = 0  # number of labels, or entries of a vector y; 0: unconditional
    axis_name: str | None = None  # the mapped axis that the batch is split over
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None, train: bool = True) -> Array:
        """Scores every signal, before any sigmoid."""
        stages = quarterings(self.length, "WaveDiscriminator")
        check_condition(self, y)
        if x.ndim != 3 or x.shape[1] != self.length:
            raise ValueError(f"WaveDiscriminator takes signals [B, {self.length}, C]; got shape {x.shape}")
        if not 0 <= self.shuffle < LEAST:
            raise ValueError(f"WaveDiscriminator needs shuffle in 0..{LEAST - 1}; got {self.shuffle}")
        for stage in range(stages):
            x = nn.leaky_relu(SignalConv(self.features * 2**stage, stride=STRIDE, dtype=self.dtype)(x), 0.2)
            if train and self.shuffle and stage < stages - 1:
                x = phase_shuffle(x, self._shifts(x.shape[0]))
        return project(x.reshape(x.shape[0], -1), y, self.classes, self.dtype)

    def _shifts(self, n: int) -> Array:
        key, axis_name = self.make_rng("global"), None if self.is_initializing() else self.axis_name

        def draw(shape: tuple[int, ...]) -> Array:
            return jax.random.randint(key, shape, -self.shuffle, self.shuffle + 1, jnp.int32)

        return global_draw(draw, (n,), axis_name)


def quarterings(length: int, network: str) -> int:
    """How often a network quarters its signals: until 16 to 63 places are left.

    Args:
      length: of the signals, in samples.
      network: its name, for the error.
    Returns:
      How often, >= 1.
    Raises:
      ValueError: the length is no multiple of 4 from 64 on; the nearest that are, are named.
    """
    if length < LEAST * STRIDE or length % STRIDE:
        near = sorted({max(LEAST * STRIDE, length // STRIDE * STRIDE), max(LEAST * STRIDE, -(-length // STRIDE) * 4)})
        raise ValueError(
            f"{network} takes lengths that are multiples of {STRIDE}, {LEAST * STRIDE} or more; got {length}, and the "
            f"nearest are {' and '.join(map(str, near))}: cut or pad the signals"
        )
    stages = 1
    while length % STRIDE ** (stages + 1) == 0 and length // STRIDE ** (stages + 1) >= LEAST:
        stages += 1
    return stages
