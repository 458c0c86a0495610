"""Bottlenecks of tokenizers: vectors become codes of a finite set, or draws of a normal law, and the gradient passes.

All of them are called with what an encoder makes, [B, ..., D], and return a `Coded`; `lookup` gives the vectors of
tokens. In a game they are networks of their own, so that their codes belong to a player and several devices keep the
same ones (`axis_name`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.networks.remedies import gathered, own_part

BITS = 24  # the most of a token whose use can be counted
TABLE = 16  # the most bits of a group whose codes LookupFree counts all


class Coded(NamedTuple):
    """What a bottleneck makes of vectors [B, ..., D]."""

    codes: Array  # [B, ..., D] for the decoder; its gradient is passed to the vectors
    tokens: Any  # [B, ...] int32, the codes' numbers; None of a normal law
    loss: Array  # [] of the encoder and the codes, with its weights
    metrics: dict[str, Array]  # [] each: "perplexity" of the tokens of the whole batch, and others


def straight_through(z: Array, codes: Array) -> Array:
    """Returns the codes, with the gradient of a copy of z: z + sg(codes - z).

    References:
      Bengio, Léonard, Courville. Estimating or Propagating Gradients Through Stochastic Neurons for Conditional
      Computation. 2013.
    """
    return z + lax.stop_gradient(codes - z)


def nearest(z: Array, codes: Array) -> Array:
    """Returns the number [...] int32 of the code [K, D] that each vector [..., D] is nearest to."""
    product = jnp.einsum("...d,kd->...k", z, codes, precision=lax.Precision.HIGHEST)
    squares = jnp.sum(jnp.square(codes), axis=-1)
    return jnp.argmax(2 * product - squares.reshape((1,) * (z.ndim - 1) + (-1,)), axis=-1).astype(jnp.int32)


def perplexity(tokens: Array, size: int, axis_name: str | None = None) -> Array:
    """How many codes are in use: exp of the entropy of their shares, from 1 (one code) to K (all alike).

    Args:
      tokens: [...] int32, below `size`.
      size: K.
      axis_name: of the mapped axis over whose devices the shares are counted.
    Returns:
      [].
    """
    counts = jnp.bincount(tokens.reshape(-1), length=size).astype(jnp.float32) / tokens.size
    shares = counts if axis_name is None else lax.pmean(counts, axis_name)
    return jnp.exp(-jnp.sum(shares * jnp.log(jnp.maximum(shares, 1e-30))))


class VQ(nn.Module):
    """Vector quantisation by codes that a gradient moves: ||sg(z) - e||^2 + commitment ||z - sg(e)||^2, means.

    A code that no vector is near gets no gradient: watch `perplexity`, and prefer `EMAVQ`, which revives such codes.
    With `normalized`, vectors and codes are of length 1, which with few entries keeps most codes in use.

    References:
      van den Oord, Vinyals, Kavukcuoglu. Neural Discrete Representation Learning. NeurIPS 2017, eq. 3 (as means over
      entries, as the public code of VQGAN has them; there the weight is on the other term by default).
      Sun et al. Autoregressive Model Beats Diffusion: Llama for Scalable Image Generation. 2024 (normalised).
    """

    size: int = 1024  # K
    commitment: float = 0.25  # beta
    normalized: bool = False
    axis_name: str | None = None  # of the batch: perplexity is that of all devices

    @nn.compact
    def __call__(self, z: Array) -> Coded:
        """Quantises z [B, ..., D]."""
        _check(self, z, size=self.size)
        z = z.astype(jnp.float32)
        codes = self.param("codes", _small, (self.size, z.shape[-1]), jnp.float32)
        if self.normalized:
            z, codes = _unit(z), _unit(codes)
        tokens = nearest(z, codes)
        chosen = codes[tokens]
        codebook, encoder = lax.stop_gradient(z) - chosen, z - lax.stop_gradient(chosen)
        loss = _mean_square(codebook) + self.commitment * _mean_square(encoder)
        axis_name = None if self.is_initializing() else self.axis_name
        metrics = {"perplexity": perplexity(tokens, self.size, axis_name)}
        return Coded(straight_through(z, chosen), tokens, loss, metrics)

    def lookup(self, tokens: Array) -> Array:
        """Returns the codes [..., D] of tokens [...]."""
        codes: Array = self.get_variable("params", "codes")
        return (_unit(codes) if self.normalized else codes)[tokens]


class EMAVQ(nn.Module):
    """Vector quantisation by codes that are running means of the vectors nearest to them; none of them dies.

    n <- d n + (1 - d) count, m <- d m + (1 - d) sum, e = m / n (with Laplace's smoothing of n), then a code with n
    below `revive` is put on a random vector of the whole batch, with n = revive: in the first batch all of them, so
    that they start where the vectors are. Codes are no parameters but the collection "codebook", moved in the turns of
    the player that owns this network alone. Only the encoder pays: commitment ||z - sg(e)||^2, a mean.

    References:
      van den Oord, Vinyals, Kavukcuoglu. Neural Discrete Representation Learning. NeurIPS 2017, appendix A.1.
      Défossez, Copet, Synnaeve, Adi. High Fidelity Neural Audio Compression. TMLR 2023, section 3.2 (decay 0.99, and
      codes revived below 2).
    """

    size: int = 1024  # K
    commitment: float = 1.0
    decay: float = 0.99  # d
    revive: float = 2.0  # vectors of a batch, in the running mean, below which a code is replaced; 0: never
    axis_name: str | None = None  # of the batch: all devices keep the same codes

    @nn.compact
    def __call__(self, z: Array, train: bool = True) -> Coded:
        """Quantises z [B, ..., D] by the codes from before; if `train`, moves them."""
        _check(self, z, size=self.size)
        if not 0 <= self.decay < 1:
            raise ValueError(f"EMAVQ needs 0 <= decay < 1; got {self.decay}")
        z = z.astype(jnp.float32)
        first = self.is_initializing()
        codes = self.variable("codebook", "codes", self._first, z.shape[-1])
        counts = self.variable("codebook", "counts", jnp.ones, (self.size,), jnp.float32)
        sums = self.variable("codebook", "sums", lambda: jnp.copy(codes.value))
        tokens = nearest(z, codes.value)
        chosen = lax.stop_gradient(codes.value[tokens])
        axis_name = None if first else self.axis_name
        metrics = {"perplexity": perplexity(tokens, self.size, axis_name)}
        if train and not first:
            vectors, numbers = gathered((z, tokens), axis_name)  # of all devices, in their order
            vectors, numbers = vectors.reshape(-1, z.shape[-1]), numbers.reshape(-1)
            member = jax.nn.one_hot(numbers, self.size, dtype=jnp.float32)
            total = jnp.einsum("nk,nd->kd", member, vectors, precision=lax.Precision.HIGHEST)
            count = self.decay * counts.value + (1 - self.decay) * jnp.sum(member, axis=0)
            total = self.decay * sums.value + (1 - self.decay) * total
            dead = count < self.revive
            drawn = jax.random.randint(self.make_rng("global"), (self.size,), 0, len(vectors), jnp.int32)
            moved = jnp.where(dead[:, None], vectors[drawn], total / _smoothed(count)[:, None])
            counts.value = jnp.where(dead, self.revive, count)
            sums.value = jnp.where(dead[:, None], moved * self.revive, total)
            codes.value = moved
            metrics["revived"] = jnp.sum(dead.astype(jnp.float32))
        return Coded(straight_through(z, chosen), tokens, self.commitment * _mean_square(z - chosen), metrics)

    def lookup(self, tokens: Array) -> Array:
        """Returns the codes [..., D] of tokens [...]."""
        codes: Array = self.get_variable("codebook", "codes")[tokens]
        return codes

    def _first(self, width: int) -> Array:
        return jax.random.normal(self.make_rng("params"), (self.size, width), jnp.float32)


class FSQ(nn.Module):
    """Finite scalar quantisation: each entry is bounded by a tanh and rounded to one of its levels; no loss, no codes.

    D entries with L_i levels each are prod L_i codes, of values in [-1, 1]. For two levels (signs) use `LookupFree`.

    References:
      Mentzer, Minnen, Agustsson, Tschannen. Finite Scalar Quantization: VQ-VAE Made Simple. ICLR 2024, section 3.1 and
      appendix A.1.
    """

    levels: Sequence[int] = (8, 5, 5, 5)  # of each entry, >= 3; the paper's for about 2^10 codes
    axis_name: str | None = None  # of the batch: perplexity is that of all devices

    @nn.compact
    def __call__(self, z: Array) -> Coded:
        """Quantises z [B, ..., D], D the number of levels given."""
        if not self.levels or min(self.levels) < 3:
            raise ValueError(f"FSQ needs levels >= 3, one an entry; got {tuple(self.levels)}: LookupFree has signs")
        _check(self, z, width=len(self.levels), bits=math.log2(math.prod(self.levels)))
        levels = _row(self.levels, z)
        half = (levels - 1) * (1 + 1e-3) / 2
        offset = jnp.where(levels % 2 == 0, 0.5, 0.0)
        bounded = jnp.tanh(z.astype(jnp.float32) + jnp.arctanh(offset / half)) * half - offset
        codes = straight_through(bounded, jnp.round(bounded)) / (levels // 2)
        places = _row([math.prod(self.levels[:k]) for k in range(len(self.levels))], z)
        digits = jnp.round(lax.stop_gradient(codes) * (levels // 2) + levels // 2)
        tokens = jnp.sum(digits.astype(jnp.int32) * places.astype(jnp.int32), axis=-1)
        axis_name = None if self.is_initializing() else self.axis_name
        metrics = {"perplexity": perplexity(tokens, math.prod(self.levels), axis_name)}
        return Coded(codes, tokens, jnp.zeros((), jnp.float32), metrics)

    def lookup(self, tokens: Array) -> Array:
        """Returns the codes [..., D] of tokens [...]."""
        digits, rest = [], tokens
        for level in self.levels:
            digits.append((rest % level - level // 2).astype(jnp.float32) / (level // 2))
            rest = rest // level
        return jnp.stack(digits, axis=-1)


class LookupFree(nn.Module):
    """Lookup-free quantisation: the signs of D entries, 2^D codes, kept apart and in use by an entropy.

    With p(c|z) = softmax(2 sharpness <z, c>) over all codes, the loss is
    entropy (E H(p(c|z)) - spread H(E p(c|z))) + commitment ||z - sg(sign z)||^2, the last a mean over entries,
    entropies in nats. p is a product over bits: so the first entropy is a sum of D binary ones, exactly, and needs no
    table of codes. The entropy of the mean does, and is taken over each of `groups` of bits by itself.

    References:
      Yu et al. Language Model Beats Diffusion: Tokenizer is Key to Visual Generation. ICLR 2024, eq. 4 (MAGVIT-v2).
      Luo et al. Open-MAGVIT2: An Open-Source Project Toward Democratizing Auto-Regressive Visual Generation. 2024
      (weights 0.1 and 0.25, sharpness 100, groups of bits).
    """

    bits: int = 10  # D
    entropy: float = 0.1  # weight; 0: signs alone
    spread: float = 1.0  # of the entropy of the mean, beside the mean entropy
    commitment: float = 0.25  # weight
    sharpness: float = 100.0  # inverse temperature
    groups: int = 1  # of bits, of one size
    axis_name: str | None = None  # of the batch: E p is that of all devices

    @nn.compact
    def __call__(self, z: Array) -> Coded:
        """Quantises z [B, ..., D] to -1 and 1."""
        _check(self, z, width=self.bits, bits=self.bits)
        if self.groups < 1 or self.bits % self.groups or self.bits // self.groups > TABLE:
            raise ValueError(
                f"LookupFree needs groups that divide its bits into {TABLE} or fewer each; got bits={self.bits}, "
                f"groups={self.groups}"
            )
        z = z.astype(jnp.float32)
        signs = jnp.where(z > 0, 1.0, -1.0).astype(jnp.float32)
        places = _row([2 ** (self.bits - 1 - k) for k in range(self.bits)], z).astype(jnp.int32)
        tokens = jnp.sum((z > 0).astype(jnp.int32) * places, axis=-1)
        axis_name = None if self.is_initializing() else self.axis_name
        metrics = {"perplexity": perplexity(tokens, 2**self.bits, axis_name)}
        loss = self.commitment * _mean_square(z - signs)
        if self.entropy:
            sure, used = sign_entropies(z, self.sharpness, self.groups, axis_name)
            loss = loss + self.entropy * (sure - self.spread * used)
            metrics |= {"entropy": sure, "entropy_of_mean": used}
        return Coded(straight_through(z, signs), tokens, loss, metrics)

    def lookup(self, tokens: Array) -> Array:
        """Returns the codes [..., D] of tokens [...]."""
        shifts = jnp.arange(self.bits - 1, -1, -1, dtype=jnp.int32).reshape((1,) * tokens.ndim + (-1,))
        return (2 * ((tokens[..., None] >> shifts) & 1) - 1).astype(jnp.float32)


def sign_entropies(z: Array, sharpness: float, groups: int = 1, axis_name: str | None = None) -> tuple[Array, Array]:
    """Entropies of codes c in {-1, 1}^D with p(c|z) = softmax(2 sharpness <z, c>): E H(p(c|z)) and H(E p(c|z)).

    Args:
      z: [..., D].
      sharpness: inverse temperature, > 0.
      groups: in which the second is taken, and summed; they divide D.
      axis_name: of the mapped axis over whose devices E p is the mean.
    Returns:
      Two arrays [], in nats.
    """
    logits = 4 * sharpness * z.reshape(-1, z.shape[-1])  # log odds of each bit
    up, down = jax.nn.log_sigmoid(logits), jax.nn.log_sigmoid(-logits)
    sure = -jnp.mean(jnp.sum(jnp.exp(up) * up + jnp.exp(down) * down, axis=-1))
    pairs = jnp.stack([jnp.exp(down), jnp.exp(up)], axis=-1).reshape(len(logits), groups, -1, 2)
    table = jnp.ones((*pairs.shape[:2], 1), jnp.float32)
    for bit in range(pairs.shape[2]):
        table = (table[..., None] * pairs[:, :, bit, None, :]).reshape(*pairs.shape[:2], -1)
    mean = jnp.mean(table, axis=0)
    mean = mean if axis_name is None else lax.pmean(mean, axis_name)
    return sure, -jnp.sum(mean * jnp.log(jnp.maximum(mean, 1e-30)))


class Normal(nn.Module):
    """Draws of a normal law for each place, and what a variational autoencoder pays: weight KL(q(z|x) || N(0, I)).

    Where it does not train, the codes are the means. The divergence is summed over an example's entries, mean over B:
    beside a distance that is a mean over P numbers of a picture, latent diffusion's weight 1e-6 is 1e-6 / P.

    References:
      Rombach et al. High-Resolution Image Synthesis with Latent Diffusion Models. CVPR 2022, appendix G (KL-reg.).
    """

    weight: float = 1e-6
    axis_name: str | None = None  # of the batch: noise is an example's own on any number of devices

    @nn.compact
    def __call__(self, statistics: Array, train: bool = True) -> Coded:
        """Draws z [B, ..., D] for statistics [B, ..., 2 D]: means, then log variances, cut to [-30, 20]."""
        if statistics.shape[-1] % 2:
            raise ValueError(
                f"Normal takes means and log variances [B, ..., 2 D]; got shape {statistics.shape}: choose an even "
                "width of the encoder"
            )
        mean, log_variance = jnp.split(statistics.astype(jnp.float32), 2, axis=-1)
        log_variance = jnp.clip(log_variance, -30.0, 20.0)
        divergence = 0.5 * (jnp.square(mean) + jnp.exp(log_variance) - 1 - log_variance)
        paid = jnp.mean(jnp.sum(divergence.reshape(len(mean), -1), axis=1))
        codes = mean
        if train:
            axis_name = None if self.is_initializing() else self.axis_name
            devices = 1 if axis_name is None else lax.axis_size(axis_name)
            shape = (devices * mean.shape[0], *mean.shape[1:])
            noise = jax.random.normal(self.make_rng("global"), shape, jnp.float32)
            codes = mean + jnp.exp(0.5 * log_variance) * own_part(noise, mean, axis_name)
        return Coded(codes, None, self.weight * paid, {"divergence": paid})


def _small(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Draws codes [K, D] from U(-1/K, 1/K), as the public code of VQGAN does."""
    return jax.random.uniform(key, shape, dtype, -1 / shape[0], 1 / shape[0])


def _unit(x: Array) -> Array:
    """Returns vectors of length 1; the gradient at zero is finite."""
    return x * lax.rsqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-12)


def _mean_square(x: Array) -> Array:
    return jnp.mean(jnp.square(x))


def _smoothed(counts: Array, epsilon: float = 1e-5) -> Array:
    """Returns counts [K] with the same sum, none of them zero."""
    total = jnp.sum(counts)
    return (counts + epsilon) / (total + len(counts) * epsilon) * total


def _row(values: Sequence[int], z: Array) -> Array:
    """Returns numbers of the last axis' entries, of the rank of z."""
    return jnp.asarray(values, jnp.float32).reshape((1,) * (z.ndim - 1) + (-1,))


def _check(module: nn.Module, z: Array, size: int | None = None, width: int | None = None, bits: float = 0) -> None:
    name = type(module).__name__
    if size is not None and size < 2:
        raise ValueError(f"{name} needs size >= 2 codes; got {size}")
    if z.ndim < 2 or (width is not None and z.shape[-1] != width):
        wanted = "D" if width is None else str(width)
        raise ValueError(
            f"{name} takes vectors [B, ..., {wanted}]; got shape {z.shape}: choose the encoder's width after it"
        )
    if bits > BITS:
        raise ValueError(f"{name} counts its codes, of {BITS} bits at most; got {bits:.0f}")
