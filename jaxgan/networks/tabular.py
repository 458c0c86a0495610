"""Networks of encoded tables: a generator whose layers keep what went before, and a discriminator of packs of rows.

References:
  Xu, Skoularidou, Cuesta-Infante, Veeramachaneni. Modeling Tabular Data using Conditional GAN. NeurIPS 2019, section
  4.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.data.encodings import Span
from jaxgan.networks.inputs import check_latents
from jaxgan.networks.layers import BatchNorm, Dropout


class RowGenerator(nn.Module):
    """z [B, Z] (and conditions y [B, C]) -> rows [B, width] before their activation, which is `activated`.

    Every hidden layer's normalised ReLU units are put beside its input, not instead of it.
    """

    width: int  # of an encoded row: the sum of its spans' widths
    hidden: Sequence[int] = (256, 256)
    momentum: float = 0.9  # of the batch statistics' running averages
    axis_name: str | None = None  # batch statistics over all devices of this axis
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, z: Array, y: Array | None = None, train: bool = True) -> Array:
        """Makes one row per latent; batch statistics come from the batch if `train`, else from the average."""
        check_latents(self, z)
        h = _joined(self, z, y)
        for width in self.hidden:
            new = nn.Dense(width, dtype=self.dtype)(h)
            new = BatchNorm(not train, momentum=self.momentum, axis_name=self.axis_name, dtype=self.dtype)(new)
            h = jnp.concatenate([nn.relu(new), h], axis=-1)
        return nn.Dense(self.width, dtype=self.dtype)(h).astype(jnp.float32)


class RowDiscriminator(nn.Module):
    """Rows x [B, D] (and conditions y [B, C]) -> logits [B / pack], one for as many rows side by side.

    References:
      Lin, Khetan, Fanti, Oh. PacGAN: The Power of Two Samples in Generative Adversarial Networks. NeurIPS 2018, sec. 2.
    """

    hidden: Sequence[int] = (256, 256)
    pack: int = 10  # rows that are judged at once; divides the (device's part of the) batch
    dropout: float = 0.5  # share of the units of every hidden layer that are dropped while training
    axis_name: str | None = None  # the mapped axis over whose devices masks of dropout are one draw
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, y: Array | None = None, train: bool = True) -> Array:
        """Scores every pack, before any sigmoid."""
        if self.pack < 1 or x.ndim != 2 or x.shape[0] % self.pack:
            raise ValueError(
                f"RowDiscriminator takes rows [B, D] with B a multiple of pack={self.pack}; got {x.shape}: choose the "
                "batch size, or the pack, after the other"
            )
        h = _joined(self, x, y)
        h = h.reshape(-1, self.pack * h.shape[1])
        for width in self.hidden:
            h = nn.leaky_relu(nn.Dense(width, dtype=self.dtype)(h), 0.2)
            if train and self.dropout:
                h = Dropout(self.dropout, self.axis_name)(h, True)
        return nn.Dense(1, dtype=self.dtype, name="logits")(h)[:, 0].astype(jnp.float32)


def activated(raw: Array, spans: Sequence[Span], keys: Array, temperature: float = 0.2) -> Array:
    """Returns rows whose numbers are tanh, and whose one-hots are draws of the Gumbel-softmax.

    The largest entry of a draw is distributed as the softmax of the raw entries, at any temperature; at a lower one
    the others are nearer to 0.

    Args:
      raw: [B, D], logits where there is a one-hot.
      spans: what the entries are, D in all.
      keys: [B] typed keys, of the rows' draws.
      temperature: tau, > 0.
    Returns:
      [B, D].
    Raises:
      ValueError: the rows are of another width.
    References:
      Jang, Gu, Poole. Categorical Reparameterization with Gumbel-Softmax. ICLR 2017, eq. 1-2.
    """
    width = sum(span.width for span in spans)
    if raw.ndim != 2 or raw.shape[1] != width:
        raise ValueError(f"spans describe rows [B, {width}]; the network makes {raw.shape}: set its width to {width}")
    gumbel = jax.vmap(lambda key: jax.random.gumbel(key, (width,), jnp.float32))(keys)
    parts, start = [], 0
    for span in spans:
        here = slice(start, start + span.width)
        noisy = (raw[:, here] + gumbel[:, here]) / temperature
        parts.append(jnp.tanh(raw[:, here]) if span.kind == "number" else jax.nn.softmax(noisy, axis=1))
        start += span.width
    return jnp.concatenate(parts, axis=1)


def _joined(module: nn.Module, x: Array, y: Array | None) -> Array:
    """Returns conditions beside what they are of, [B, X + C]."""
    if y is None:
        return x
    if y.ndim != 2:
        raise ValueError(f"{type(module).__name__} takes conditions [B, C], one-hot; got shape {y.shape}")
    return jnp.concatenate([x, y], axis=1)
