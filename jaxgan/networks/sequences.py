"""Generators of tokens: recurrent ones, a causal transformer, and one that fills blanks.

All of them are language models with three methods of one form. What a generator draws is a function of Gumbel noise
(`priors.gumbel`), for argmax(logits + noise) is a draw of softmax(logits): so no network here draws by itself, and all
of them may be called inside loops.

    __call__(tokens)            logits [B, T, V] of every token after those before it (teacher forcing)
    draw(noise, ...)            tokens [B, T] int32, one after the other; of some, given others
    relax(noise, temperature)   the same as points of the simplex [B, T, V], through which gradients flow
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Cell = Literal["lstm", "gru"]
Choose = Callable[[Array, Array], Array]  # (logits [B, V], noise [B, V]) -> what comes next, [B, V]
NEVER = -1e9  # the logit of a token that cannot come


class Recurrent(nn.Module):
    """A recurrent language model: the embedding of the last token, one cell, logits of the next.

    Attributes:
      vocabulary: number of tokens, V.
      features: width of the embedding.
      hidden: units of the cell.
      cell: "lstm" or "gru".
      end: token after which only itself comes, with probability one; None: sequences fill their length.
    References:
      Yu, Zhang, Wang, Yu. SeqGAN: Sequence Generative Adversarial Nets with Policy Gradient. AAAI 2017, eq. 9 and 10
      (LSTM, 32 features and units).
    """

    vocabulary: int
    features: int = 32
    hidden: int = 32
    cell: Cell = "lstm"
    end: int | None = None

    def setup(self) -> None:
        """Makes the layers that all methods share."""
        self.embed = nn.Dense(self.features, use_bias=False)
        self.step = recurrent_cell(self.cell, self.hidden)
        self.readout = nn.Dense(self.vocabulary)

    def __call__(self, tokens: Array, context: Array | None = None) -> Array:
        """Returns logits [B, T, V] of tokens [B, T], each after those before it, and after a context [B, T, C]."""
        past = before(hot(tokens, self.vocabulary))
        inputs = jnp.concatenate([self.embed(past), _context(context, past)], axis=-1)
        start = self.step.initialize_carry(jax.random.key(0), inputs[:, 0].shape)
        _, states = _scanned(lambda module, state, x: module.step(state, x))(self, start, inputs)
        return closed(self.readout(states), past, self.end)

    def draw(
        self,
        noise: Array,
        temperature: ArrayLike = 1.0,
        tokens: Array | None = None,
        mask: Array | None = None,
        context: Array | None = None,
    ) -> Array:
        """Returns drawn tokens [B, T].

        Args:
          noise: Gumbel noise [B, T, V].
          temperature: > 0, [] or [B], by which logits are divided.
          tokens: [B, T], what is given.
          mask: [B, T], 1 where a token is drawn and 0 where it is the given one; None: all are drawn.
          context: [B, T, C], what the cell sees besides.
        """
        return jnp.argmax(self._unrolled(drawing(temperature), noise, tokens, mask, context), axis=-1).astype(jnp.int32)

    def relax(self, noise: Array, temperature: ArrayLike = 1.0, straight_through: bool = False) -> Array:
        """Returns Gumbel-softmax samples [B, T, V] at a temperature > 0; each step sees the relaxed one before it."""
        return self._unrolled(relaxing(temperature, straight_through), noise)

    def _unrolled(
        self,
        choose: Choose,
        noise: Array,
        tokens: Array | None = None,
        mask: Array | None = None,
        context: Array | None = None,
    ) -> Array:
        check_noise("Recurrent", noise, self.vocabulary)
        given, free = _given(tokens, mask, noise)

        def step(module: Recurrent, carry: tuple[Array, Array], x: tuple[Array, ...]) -> tuple[tuple, Array]:
            (state, last), (drawn, known, open_, around) = carry, x
            state, h = module.step(state, jnp.concatenate([module.embed(last), around], axis=-1))
            chosen = choose(closed(module.readout(h), last, module.end), drawn)
            after = jnp.where(open_ > 0, chosen, known)
            return (state, after), after

        around = _context(context, noise)
        width = (noise.shape[0], self.features + around.shape[-1])
        start = self.step.initialize_carry(jax.random.key(0), width), jnp.zeros_like(noise[:, 0])
        return _scanned(step)(self, start, (noise, given, free, around))[1]


class Transformer(nn.Module):
    """A small causal transformer: learned places, layers of attention and of two dense layers, normalised before each.

    A drawn sequence computes all places anew for every token, which is the shortest way of saying it and good enough
    for some dozens of tokens.

    Attributes:
      vocabulary: number of tokens, V.
      length: tokens of a sequence, at most.
      features: width.
      heads: of attention; they divide the width.
      layers: number of layers.
      end: token after which only itself comes; None: sequences fill their length.
    References:
      Vaswani et al. Attention Is All You Need. NeurIPS 2017, section 3.
      Radford et al. Language Models are Unsupervised Multitask Learners. 2019, section 2.3 (normalised before).
    """

    vocabulary: int
    length: int
    features: int = 32
    heads: int = 2
    layers: int = 2
    end: int | None = None

    def setup(self) -> None:
        """Makes the layers that all methods share."""
        self.embed = nn.Dense(self.features, use_bias=False)
        self.places = self.param("places", nn.initializers.normal(0.02), (self.length, self.features), jnp.float32)
        self.blocks = [Block(self.heads) for _ in range(self.layers)]
        self.last = nn.LayerNorm()
        self.readout = nn.Dense(self.vocabulary)

    def __call__(self, tokens: Array) -> Array:
        """Returns logits [B, T, V] of tokens [B, T], each after those before it."""
        return self._logits(hot(tokens, self.vocabulary))

    def draw(
        self, noise: Array, temperature: ArrayLike = 1.0, tokens: Array | None = None, mask: Array | None = None
    ) -> Array:
        """Returns drawn tokens [B, T]; arguments as of `Recurrent.draw`."""
        return jnp.argmax(self._unrolled(drawing(temperature), noise, tokens, mask), axis=-1).astype(jnp.int32)

    def relax(self, noise: Array, temperature: ArrayLike = 1.0, straight_through: bool = False) -> Array:
        """Returns Gumbel-softmax samples [B, T, V], as `Recurrent.relax`."""
        return self._unrolled(relaxing(temperature, straight_through), noise)

    def _logits(self, x: Array) -> Array:
        if x.shape[1] > self.length:
            raise ValueError(f"Transformer has places for {self.length} tokens; got {x.shape[1]}: raise its length")
        past = before(x)
        h = self.embed(past) + self.places[None, : x.shape[1]]
        causal = nn.make_causal_mask(jnp.ones(x.shape[:2], jnp.float32))
        for block in self.blocks:
            h = block(h, causal)
        return closed(self.readout(self.last(h)), past, self.end)

    def _unrolled(self, choose: Choose, noise: Array, tokens: Array | None = None, mask: Array | None = None) -> Array:
        check_noise("Transformer", noise, self.vocabulary)
        given, free = _given(tokens, mask, noise)

        def step(module: Transformer, whole: Array, place: Array) -> tuple[Array, None]:
            here = (jnp.arange(noise.shape[1], dtype=jnp.int32) == place)[None, :, None]
            chosen = choose(jnp.sum(jnp.where(here, module._logits(whole), 0), axis=1), noise[:, place])
            return jnp.where(here & (free > 0), chosen[:, None], whole), None

        places = jnp.arange(noise.shape[1], dtype=jnp.int32)
        return _scanned(step, axis=0)(self, jnp.where(free > 0, 0, given), places)[0]


class Infill(nn.Module):
    """Fills blanks: both directions read what is there, then a recurrent language model writes from left to right.

    Attributes:
      vocabulary: number of tokens, V.
      features: width of embeddings.
      hidden: units of each cell.
      cell: "lstm" or "gru".
    References:
      Fedus, Goodfellow, Dai. MaskGAN: Better Text Generation via Filling in the ______. ICLR 2018, section 3.
    """

    vocabulary: int
    features: int = 32
    hidden: int = 32
    cell: Cell = "gru"

    def setup(self) -> None:
        """Makes the reader and the writer."""
        self.reader = Reader(self.features, self.hidden, self.cell)
        self.writer = Recurrent(self.vocabulary, self.features, self.hidden, self.cell)

    def __call__(self, tokens: Array, mask: Array) -> Array:
        """Returns logits [B, T, V] of tokens [B, T] after all that is not masked [B, T] and the tokens before them."""
        return self.writer(tokens, self._around(tokens, mask))

    def draw(self, noise: Array, temperature: ArrayLike = 1.0, *, tokens: Array, mask: Array) -> Array:
        """Returns tokens [B, T] with drawn ones where the mask [B, T] is 1; it never looks at what was there."""
        check_noise("Infill", noise, self.vocabulary)
        around = self._around(tokens, mask)
        return self.writer.draw(noise, temperature, tokens, mask, around)

    def _around(self, tokens: Array, mask: Array) -> Array:
        return self.reader(shown(hot(tokens, self.vocabulary), mask), mask)


class Reader(nn.Module):
    """Sequences [B, T, V] and their mask [B, T] -> features [B, T, 2 * hidden] of all that is there, at each place."""

    features: int = 32
    hidden: int = 32
    cell: Cell = "gru"

    @nn.compact
    def __call__(self, x: Array, mask: Array) -> Array:
        """Reads in both directions."""
        check_mask(mask, x)
        h = jnp.concatenate([nn.Dense(self.features, use_bias=False)(x), mask[..., None].astype(x.dtype)], axis=-1)
        forward, backward = (nn.RNN(recurrent_cell(self.cell, self.hidden)) for _ in range(2))
        read: Array = nn.Bidirectional(forward, backward)(h)  # type: ignore[assignment]
        return read


class Block(nn.Module):
    """One layer of a transformer: attention, then two dense layers four times as wide, each added to its input."""

    heads: int = 2

    @nn.compact
    def __call__(self, h: Array, mask: Array | None = None) -> Array:
        """Maps [B, T, F] to the same shape; the mask [B, 1, T, T] says which place sees which."""
        normed = nn.LayerNorm()(h)
        h = h + nn.MultiHeadDotProductAttention(self.heads, deterministic=True)(normed, mask=mask)
        inner = nn.gelu(nn.Dense(4 * h.shape[-1])(nn.LayerNorm()(h)))
        return h + nn.Dense(h.shape[-1])(inner)


def hot(tokens: Array, vocabulary: int) -> Array:
    """Returns tokens [B, T] as rows [B, T, V] float32 of one 1.

    Raises:
      ValueError: tokens are no integers [B, T].
    """
    if tokens.ndim != 2 or not jnp.issubdtype(tokens.dtype, jnp.integer):
        raise ValueError(f"tokens are integers [B, T]; got {tokens.dtype} {tokens.shape}")
    return jax.nn.one_hot(tokens, vocabulary, dtype=jnp.float32)


def drawing(temperature: ArrayLike = 1.0) -> Choose:
    """Returns how a token is drawn: the one-hot argmax of logits / temperature + noise."""
    t = jnp.reshape(jnp.asarray(temperature, jnp.float32), (-1, 1))

    def choose(logits: Array, noise: Array) -> Array:
        return jax.nn.one_hot(jnp.argmax(logits / t + noise, axis=-1), logits.shape[-1], dtype=logits.dtype)

    return choose


def relaxing(temperature: ArrayLike = 1.0, straight_through: bool = False) -> Choose:
    """Returns how a token is relaxed: softmax((logits + noise) / temperature).

    Straight through, it is the one-hot argmax of that, with the gradient of the softmax: biased.

    References:
      Jang, Gu, Poole. Categorical Reparameterization with Gumbel-Softmax. ICLR 2017, eq. 2 and section 2.2.
    """

    def choose(logits: Array, noise: Array) -> Array:
        y = jax.nn.softmax((logits + noise) / jnp.asarray(temperature, jnp.float32), axis=-1)
        if not straight_through:
            return y
        return jax.nn.one_hot(jnp.argmax(y, axis=-1), y.shape[-1], dtype=y.dtype) + (y - jax.lax.stop_gradient(y))

    return choose


def closed(logits: Array, last: Array, end: int | None) -> Array:
    """Returns logits [..., V] by which, after the end [..., V], only the end comes."""
    if end is None:
        return logits
    only = jnp.where(jnp.arange(logits.shape[-1], dtype=jnp.int32) == end, 0.0, NEVER).astype(logits.dtype)
    return jnp.where(last[..., end : end + 1] > 0.5, jnp.broadcast_to(only, logits.shape), logits)


def shown(x: Array, mask: Array) -> Array:
    """Returns what is not blank of sequences [B, T, V]: rows of zeros where the mask [B, T] is 1.

    Raises:
      ValueError: the mask does not fit.
    """
    check_mask(mask, x)
    return x * (1 - mask[..., None].astype(x.dtype))


def before(x: Array) -> Array:
    """Returns what came before each token [B, T, V]: nothing, a row of zeros, before the first."""
    return jnp.concatenate([jnp.zeros_like(x[:, :1]), x[:, :-1]], axis=1)


def recurrent_cell(kind: str, hidden: int) -> nn.RNNCellBase:
    """Returns a cell of this kind, "lstm" or "gru".

    Raises:
      ValueError: the kind is another.
    """
    if kind not in get_args(Cell):
        raise ValueError(f"cell is {kind!r}; use 'lstm' or 'gru'")
    return nn.OptimizedLSTMCell(hidden) if kind == "lstm" else nn.GRUCell(hidden)


def check_noise(network: str, noise: Array, vocabulary: int) -> None:
    """Raises ValueError unless noise is [B, T, V] of this vocabulary."""
    if noise.ndim != 3 or noise.shape[-1] != vocabulary:
        raise ValueError(
            f"{network} of {vocabulary} tokens draws by noise [B, T, {vocabulary}]; got {noise.shape}: use "
            f"priors.gumbel(T, {vocabulary})"
        )


def check_mask(mask: Array, x: Array) -> None:
    """Raises ValueError unless a mask [B, T] fits sequences [B, T, V]."""
    if x.ndim != 3 or mask.shape != x.shape[:2]:
        raise ValueError(f"sequences [B, T, V] need a mask [B, T], 1 where they are blank; got {x.shape}, {mask.shape}")


def _scanned(step: Callable[..., tuple], axis: int = 1) -> Callable[..., tuple]:
    """Returns a loop over the axis of time, whose parameters are those of one step."""
    loop: Callable[..., tuple] = nn.scan(
        step, variable_broadcast="params", split_rngs={"params": False}, in_axes=axis, out_axes=axis
    )
    return loop


def _context(context: Array | None, like: Array) -> Array:
    return jnp.zeros((*like.shape[:2], 0), like.dtype) if context is None else context


def _given(tokens: Array | None, mask: Array | None, noise: Array) -> tuple[Array, Array]:
    """Returns what is given [B, T, V] and where tokens are free [B, T, 1]."""
    if mask is None:
        return jnp.zeros_like(noise), jnp.ones_like(noise[..., :1])
    if tokens is None or mask.shape != noise.shape[:2] or tokens.shape != mask.shape:
        shapes = f"{mask.shape}, {None if tokens is None else tokens.shape} and noise {noise.shape}"
        raise ValueError(f"a mask [B, T] needs tokens [B, T], which stay where it is 0; got {shapes}")
    return hot(tokens, noise.shape[-1]), mask[..., None].astype(noise.dtype)
