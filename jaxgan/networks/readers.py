"""Discriminators of tokens, which they see as rows of probabilities [B, T, V]: one-hot where they are tokens.

So penalties, augmentations and relaxed samples are theirs as they are those of pictures. A first dense layer without
bias is the embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from jaxgan.networks.sequences import Block, Cell, Reader, before, check_mask, hot, recurrent_cell, shown


class TextCNN(nn.Module):
    """Windows of several widths over a sequence, the largest answer of each, a highway layer and one logit.

    Attributes:
      widths: of the windows, in tokens; longer ones than the sequence see all of it, padded.
      filters: of each width.
      features: width of the embedding.
    References:
      Kim. Convolutional Neural Networks for Sentence Classification. EMNLP 2014.
      Yu, Zhang, Wang, Yu. SeqGAN. AAAI 2017, eq. 13 to 15; the authors' code has widths 1 to 10, 15, 20 and
      dropout.
    """

    widths: Sequence[int] = (1, 2, 3, 4)
    filters: int = 32
    features: int = 32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns logits [B] of sequences [B, T, V]."""
        h = nn.Dense(self.features, use_bias=False)(_checked("TextCNN", x))
        answers = [jnp.max(nn.leaky_relu(nn.Conv(self.filters, (width,))(h), 0.2), axis=1) for width in self.widths]
        h = jnp.concatenate(answers, axis=-1)
        gate = nn.sigmoid(nn.Dense(h.shape[-1], bias_init=nn.initializers.constant(-2.0))(h))
        h = gate * nn.relu(nn.Dense(h.shape[-1])(h)) + (1 - gate) * h
        return nn.Dense(1)(h)[:, 0]


class Attentive(nn.Module):
    """A small transformer that sees a sequence in both directions; the mean over places gives one logit.

    Attributes:
      features: width.
      heads: of attention.
      layers: number of layers.
    References:
      Vaswani et al. Attention Is All You Need. NeurIPS 2017, section 3.
    """

    features: int = 32
    heads: int = 2
    layers: int = 2

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns logits [B] of sequences [B, T, V]."""
        h = nn.Dense(self.features, use_bias=False)(_checked("Attentive", x))
        h = h + self.param("places", nn.initializers.normal(0.02), h.shape[1:], jnp.float32)[None]
        for _ in range(self.layers):
            h = Block(self.heads)(h)
        return nn.Dense(1)(jnp.mean(nn.LayerNorm()(h), axis=1))[:, 0]


class TokenJudge(nn.Module):
    """Judges every token of a sequence by all others, told which were blank: MaskGAN's discriminator.

    Returns {"logits": [B, T], "mask": [B, T]}, as `systems.maskgan` reads it: only logits of blanks count.

    Attributes:
      features: width of the embedding.
      hidden: units of each direction's cell.
      cell: "lstm" or "gru".
    References:
      Fedus, Goodfellow, Dai. MaskGAN. ICLR 2018, section 3: without the mask it could not tell which of two tokens that
      do not fit was generated.
    """

    features: int = 32
    hidden: int = 32
    cell: Cell = "gru"

    @nn.compact
    def __call__(self, x: Array, mask: Array) -> dict[str, Array]:
        """Judges sequences [B, T, V] whose mask [B, T] is 1 where they were blank."""
        check_mask(mask, x)
        return {"logits": nn.Dense(1)(Reader(self.features, self.hidden, self.cell)(x, mask))[..., 0], "mask": mask}


class Values(nn.Module):
    """What is to be expected before each token is chosen [B, T]: of what is not blank, and the tokens before it.

    Attributes:
      vocabulary: number of tokens, V.
      features: width of embeddings.
      hidden: units of each cell.
      cell: "lstm" or "gru".
    """

    vocabulary: int
    features: int = 32
    hidden: int = 32
    cell: Cell = "gru"

    @nn.compact
    def __call__(self, tokens: Array, mask: Array) -> Array:
        """Values tokens [B, T] int32 whose mask [B, T] is 1 where they were blank."""
        x = hot(tokens, self.vocabulary)
        around = Reader(self.features, self.hidden, self.cell)(shown(x, mask), mask)
        h = jnp.concatenate([nn.Dense(self.features, use_bias=False)(before(x)), around], axis=-1)
        return nn.Dense(1)(nn.RNN(recurrent_cell(self.cell, self.hidden))(h))[..., 0]


def _checked(network: str, x: Array) -> Array:
    if x.ndim != 3 or not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"{network} sees rows of probabilities [B, T, V], one-hot of tokens; got {x.dtype} {x.shape}")
    return x
