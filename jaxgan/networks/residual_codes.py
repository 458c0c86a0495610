"""Residual quantisation: a book of codes for what the book before has left, so that bits are spent in steps."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.networks.layers import call
from jaxgan.networks.quantizers import EMAVQ, Coded, straight_through
from jaxgan.networks.remedies import own_part


class ResidualQuantizer(nn.Module):
    """Books one after the other: r_1 = z, q_k the code nearest to r_k, r_k+1 = r_k - sg(q_k); the codes are sum q_k.

    What is subtracted is detached: so the commitment of every book reaches the encoder. (Where the straight-through
    codes themselves are subtracted, r_2 and all that follow have no gradient, and only the first book's does.)

    With `dropout`, in training, each example has this chance to be decoded from its first n books alone, n uniform in
    1..count, so that fewer books will do, at fewer bits; the books left out learn from it all the same.

    References:
      Zeghidour, Luebs, Omran, Skoglund, Tagliasacchi. SoundStream: An End-to-End Neural Audio Codec. 2021, algorithm 1
      and section III-C.
    """

    book: nn.Module = EMAVQ(64)  # of each; copies, with codes of their own
    count: int = 4
    dropout: float = 0.0  # in [0, 1]
    axis_name: str | None = None  # of the batch: all devices keep the same codes

    def setup(self) -> None:
        """Makes the books."""
        if self.count < 1 or not 0 <= self.dropout <= 1:
            raise ValueError(
                f"ResidualQuantizer needs count >= 1 and dropout in [0, 1]; got {self.count} and {self.dropout}"
            )
        if getattr(self.book, "normalized", False):
            raise ValueError("ResidualQuantizer needs codes of any length; its book has normalized=True")
        axis_name = getattr(self.book, "axis_name", None) if self.axis_name is None else self.axis_name
        self.books = [self.book.clone(parent=None, axis_name=axis_name) for _ in range(self.count)]

    def __call__(self, z: Array, train: bool = True) -> Coded:
        """Quantises z [B, ..., D]; tokens are [B, ..., count], "perplexity" is the mean of the books', as the loss."""
        left, parts, coded = z.astype(jnp.float32), list[Array](), list[Coded]()
        for book in self.books:
            coded.append(_coded(book, left, train))
            parts.append(lax.stop_gradient(coded[-1].codes))
            left = left - parts[-1]
        chosen = jnp.stack(parts)
        if train and self.dropout:
            chosen = chosen * self._heard(z)
        metrics = {f"{name}_{k}": value for k, each in enumerate(coded) for name, value in each.metrics.items()}
        metrics["perplexity"] = jnp.mean(jnp.stack([each.metrics["perplexity"] for each in coded]))
        loss = jnp.mean(jnp.stack([each.loss for each in coded]))
        tokens = jnp.stack([each.tokens for each in coded], axis=-1)
        return Coded(straight_through(z, jnp.sum(chosen, axis=0)), tokens, loss, metrics)

    def lookup(self, tokens: Array) -> Array:
        """Returns the codes [..., D] of tokens [..., k] of the first k books, 1 <= k <= count."""
        if not 1 <= tokens.shape[-1] <= self.count:
            raise ValueError(f"ResidualQuantizer has {self.count} books; got tokens {tokens.shape} of their last axis")
        parts = [self.books[k].lookup(tokens[..., k]) for k in range(tokens.shape[-1])]
        codes: Array = jnp.sum(jnp.stack(parts), axis=0)
        return codes

    def _heard(self, z: Array) -> Array:
        """Draws which books each example is decoded from: [count, B, 1, ...] of ones and zeros."""
        axis_name = None if self.is_initializing() else self.axis_name
        devices = 1 if axis_name is None else lax.axis_size(axis_name)
        some, few = jax.random.split(self.make_rng("global"))
        whole = devices * z.shape[0]
        first = jax.random.randint(few, (whole,), 1, self.count + 1, jnp.int32)
        drops = jax.random.uniform(some, (whole,), jnp.float32) < self.dropout
        books = own_part(jnp.where(drops, first, self.count), z, axis_name)
        mask = jnp.arange(self.count, dtype=jnp.int32)[:, None] < books[None]
        return mask.reshape(self.count, -1, *(1,) * (z.ndim - 1)).astype(jnp.float32)


def _coded(book: Any, z: Array, train: bool) -> Coded:
    coded: Any = call(book, z, train=train)
    return Coded(*coded)
