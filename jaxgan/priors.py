"""Priors: where latents come from. A prior is a function (key, n, index=None) -> z [n, dimension] float32.

Every example draws from its own key, folded from its index in the global batch. So the first 8 of 16 latents are the
8 latents, and a batch split over devices holds the latents of the whole batch: randomness does not know the device
count.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeGuard

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.types import example_keys, explains, name_index


class Prior(Protocol):
    """A distribution of latents.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> normal = jg.priors.normal(3)
      >>> def sphere(key, n, index=None):  # one's own: any function of these arguments
      ...     z = normal(key, n, index)
      ...     return z / jnp.linalg.norm(z, axis=1, keepdims=True)
      >>> [round(float(v), 3) for v in (sphere(jax.random.key(0), 4) ** 2).sum(axis=1)]
      [1.0, 1.0, 1.0, 1.0]
    """

    def __call__(self, key: Array, n: int, index: Array | None = None) -> Array:
        """Draws latents.

        Args:
          key: [] typed PRNG key.
          n: how many.
          index: [n] int32, the examples' indices in the global batch; None means 0..n-1.
        Returns:
          z, [n, dimension] float32.
        """


@explains
def normal(dimension: int) -> Prior:
    """Standard normal latents: z ~ N(0, I).

    Example:
      >>> import jax, jaxgan as jg
      >>> prior, key = jg.priors.normal(3), jax.random.key(0)
      >>> prior(key, 8).shape, bool((prior(key, 8)[:4] == prior(key, 4)).all())  # whatever n is
      ((8, 3), True)

    Args:
      dimension: width of z, >= 1.
    Returns:
      Prior, (key, n, index) -> [n, dimension].
    Raises:
      ValueError: dimension is not positive.
    """
    _check_dimension(dimension)
    return functools.partial(_normal, dimension)


@explains
def uniform(dimension: int, low: float = -1.0, high: float = 1.0) -> Prior:
    """Uniform latents, each coordinate in [low, high): the prior of DCGAN.

    Example:
      >>> import jax, jaxgan as jg
      >>> z = jg.priors.uniform(2, 0.0, 0.5)(jax.random.key(0), 1000)
      >>> bool(z.min() >= 0), bool(z.max() < 0.5), bool(abs(z.mean() - 0.25) < 0.02)
      (True, True, True)

    Args:
      dimension: width of z, >= 1.
      low: lower end.
      high: upper end, > low.
    Returns:
      Prior, (key, n, index) -> [n, dimension].
    Raises:
      ValueError: dimension is not positive, or low >= high.
    References:
      Radford, Metz, Chintala. Unsupervised Representation Learning with DCGANs. ICLR 2016, section 4.
    """
    _check_dimension(dimension)
    if not low < high:
        raise ValueError(f"uniform prior needs low < high; got low={low}, high={high}")
    return lambda key, n, index=None: jax.vmap(lambda k: jax.random.uniform(k, (dimension,), jnp.float32, low, high))(
        example_keys(key, n, index)
    )


@explains
def gumbel(length: int, vocabulary: int) -> Prior:
    """Gumbel noise for sequences of tokens: argmax(logits + noise) is a draw of softmax(logits).

    So the sequence that a generator draws (`networks.sequences`) is a function of its latent, as a picture is.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> noise, logits = jg.priors.gumbel(1, 2)(jax.random.key(0), 4000), jnp.log(jnp.array([[[0.25, 0.75]]]))
      >>> tokens = (logits + noise).argmax(axis=2)
      >>> bool(abs(tokens.mean() - 0.75) < 0.05)
      True

    Args:
      length: tokens of a sequence, >= 1.
      vocabulary: number of tokens, >= 1.
    Returns:
      Prior, (key, n, index) -> [n, length, vocabulary].
    Raises:
      ValueError: a size is not positive.
    References:
      Maddison, Tarlow, Minka. A* Sampling. NeurIPS 2014, section 2.
    """
    for size in (length, vocabulary):
        _check_dimension(size)
    return lambda key, n, index=None: jax.vmap(lambda k: jax.random.gumbel(k, (length, vocabulary), jnp.float32))(
        example_keys(key, n, index)
    )


@explains
def truncated_normal(dimension: int, truncation: float = 2.0) -> Prior:
    """Normal latents of which each coordinate is redrawn until its magnitude is below the truncation.

    A smaller truncation trades variety for quality.

    Example:
      >>> import jax, jaxgan as jg
      >>> z = jg.priors.truncated_normal(4, truncation=0.5)(jax.random.key(0), 100)
      >>> z.shape, bool(abs(z).max() <= 0.5)
      ((100, 4), True)

    Args:
      dimension: width of z, >= 1.
      truncation: threshold on |z_i|, > 0, in standard deviations of the untruncated normal.
    Returns:
      Prior, (key, n, index) -> [n, dimension], every coordinate in [-truncation, truncation].
    Raises:
      ValueError: dimension or truncation is not positive.
    References:
      Brock, Donahue, Simonyan. Large Scale GAN Training for High Fidelity Natural Image Synthesis. ICLR 2019,
      section 3.1 (the truncation trick).
    """
    _check_dimension(dimension)
    if not truncation > 0:
        raise ValueError(f"truncated_normal needs truncation > 0; got {truncation}")
    return lambda key, n, index=None: jax.vmap(
        lambda k: jax.random.truncated_normal(k, -truncation, truncation, (dimension,), jnp.float32)
    )(example_keys(key, n, index))


def truncated(prior: Prior, truncation: float) -> Prior:
    """Returns a normal prior with each coordinate redrawn until its magnitude is below the truncation.

    Example:
      >>> import jax, jaxgan as jg
      >>> z = jg.priors.truncated(jg.priors.normal(4), 0.5)(jax.random.key(0), 100)
      >>> z.shape, bool(abs(z).max() <= 0.5)
      ((100, 4), True)

    Args:
      prior: from `normal`.
      truncation: as for `truncated_normal`.
    Returns:
      Prior of the same width.
    Raises:
      ValueError: the prior is another one, or truncation is not positive.
    """
    if not is_normal(prior):
        raise ValueError("latents are truncated where their prior is `priors.normal`; this one is another")
    return truncated_normal(prior.args[0], truncation)


def is_normal(prior: Prior) -> TypeGuard[functools.partial[Array]]:
    """Tells whether a prior is N(0, I), from `normal`: divergences from it are written for no other.

    Example:
      >>> import jaxgan as jg
      >>> jg.priors.is_normal(jg.priors.normal(4)), jg.priors.is_normal(jg.priors.uniform(4))
      (True, False)
    """
    return isinstance(prior, functools.partial) and prior.func is _normal


def check_normal(user: str, prior: Prior) -> None:
    """Raises ValueError unless a prior is N(0, I).

    Example:
      >>> import jaxgan as jg
      >>> jg.priors.check_normal("AVB", jg.priors.uniform(4))
      Traceback (most recent call last):
          ...
      ValueError: AVB needs the prior N(0, I), from which it measures divergences; give it priors.normal
    """
    if not is_normal(prior):
        raise ValueError(f"{user} needs the prior N(0, I), from which it measures divergences; give it priors.normal")


def _normal(dimension: int, key: Array, n: int, index: Array | None = None) -> Array:
    return jax.vmap(lambda k: jax.random.normal(k, (dimension,), jnp.float32))(example_keys(key, n, index))


@explains
def conditions(counts: Sequence[Sequence[int]], logarithmic: bool = False) -> Prior:
    """One-hot conditions of tables: a discrete column, each as likely, and one of its values by frequency.

    Example:
      >>> import jax, jaxgan as jg
      >>> prior = jg.priors.conditions([[90, 10], [1, 1, 1]])  # two columns, of two values and of three
      >>> asked = prior(jax.random.key(0), 2000)
      >>> asked.shape, bool((asked.sum(axis=1) == 1).all()), bool(abs(asked[:, 0].mean() - 0.45) < 0.05)
      ((2000, 5), True, True)

    Args:
      counts: how many rows have each value, column by column: `data.encodings.counts`.
      logarithmic: by log(1 + count) instead: rare values come often, as in CTGAN's training; samples that are asked for
        them so have other margins than the data.
    Returns:
      Prior, (key, n, index) -> [n, C], C values of all columns; for `systems.ctgan`, beside that of its latents.
    Raises:
      ValueError: there is no column, or one without rows.
    References:
      Xu et al. Modeling Tabular Data using Conditional GAN. NeurIPS 2019, section 4.3 (training-by-sampling).
    """
    if not counts or not all(sum(column) > 0 and min(column) >= 0 for column in counts):
        raise ValueError(f"conditions need a count >= 0 of every value, not all 0 in a column; got {list(counts)}")
    numbers = [[math.log1p(count) if logarithmic else count for count in column] for column in counts]
    shares = jnp.asarray([x / sum(column) / len(counts) for column in numbers for x in column], jnp.float32)

    def draw(key: Array) -> Array:
        return jax.nn.one_hot(jax.random.categorical(key, jnp.log(shares)), len(shares), dtype=jnp.float32)

    return lambda key, n, index=None: jax.vmap(draw)(example_keys(key, n, index))


class Codes(NamedTuple):
    """What a latent with codes is made of."""

    categorical: tuple[Array, ...]  # [n] int32 each, in 0..K-1
    continuous: Array  # [n, C] float32, in [-1, 1)
    noise: Array  # [n, Z] float32


@explains
def codes(noise: Prior, categorical: Sequence[int] = (10,), continuous: int = 0) -> Prior:
    """Latents with codes in front, InfoGAN's: [one-hot codes | continuous codes U(-1, 1) | noise].

    Example:
      >>> import jax, jaxgan as jg
      >>> prior = jg.priors.codes(jg.priors.normal(5), categorical=(10,), continuous=2)
      >>> z = prior(jax.random.key(0), 4)
      >>> z.shape, z[:, :10].sum(axis=1).tolist()  # one of ten
      ((4, 17), [1.0, 1.0, 1.0, 1.0])

    Args:
      noise: prior of what the codes leave open.
      categorical: number of values of each categorical code, all equally likely; each >= 2.
      continuous: number of continuous codes.
    Returns:
      Prior, (key, n, index) -> [n, sum of categorical + continuous + Z]; `split_codes` takes it apart.
    Raises:
      ValueError: there is no code, or a categorical one has fewer than two values.
    References:
      Chen et al. InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets.
      NeurIPS 2016, section 7.
    """
    _check_codes(categorical, continuous)

    def one(key: Array) -> Array:
        *keys, last = jax.random.split(key, len(categorical) + 1)
        drawn = [jax.random.randint(k, (), 0, values, jnp.int32) for k, values in zip(keys, categorical, strict=True)]
        hot = [jax.nn.one_hot(c, values, dtype=jnp.float32) for c, values in zip(drawn, categorical, strict=True)]
        return jnp.concatenate([*hot, jax.random.uniform(last, (continuous,), jnp.float32, -1.0, 1.0)])

    def prior(key: Array, n: int, index: Array | None = None) -> Array:
        drawn = jax.vmap(one)(example_keys(jax.random.fold_in(key, name_index("codes")), n, index))
        return jnp.concatenate([drawn, noise(jax.random.fold_in(key, name_index("noise")), n, index)], axis=-1)

    return prior


def split_codes(z: Array, categorical: Sequence[int] = (10,), continuous: int = 0) -> Codes:
    """Takes latents of `codes` apart.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> z = jnp.array([[0.0, 1.0, 0.5, 7.0, 8.0]])
      >>> [part.tolist() for part in jax.tree.leaves(jg.priors.split_codes(z, categorical=(2,), continuous=1))]
      [[1], [[0.5]], [[7.0, 8.0]]]

    Args:
      z: [n, dimension].
      categorical: as for `codes`.
      continuous: as for `codes`.
    Returns:
      Codes.
    Raises:
      ValueError: there is no code, or z is too narrow for them.
    """
    _check_codes(categorical, continuous)
    width = sum(categorical) + continuous
    if z.ndim != 2 or z.shape[1] < width:
        raise ValueError(f"latents of shape {z.shape} do not hold codes {tuple(categorical)} and {continuous}")
    labels, start = [], 0
    for values in categorical:
        labels.append(jnp.argmax(z[:, start : start + values], axis=1).astype(jnp.int32))
        start += values
    return Codes(tuple(labels), z[:, start:width], z[:, width:])


def _check_codes(categorical: Sequence[int], continuous: int) -> None:
    if continuous < 0 or any(values < 2 for values in categorical) or not (continuous or len(categorical)):
        raise ValueError(
            "codes need categorical ones of two values or more each, or continuous ones; "
            f"got {tuple(categorical)} and {continuous}"
        )


def _check_dimension(dimension: int) -> None:
    if dimension < 1:
        raise ValueError(f"a prior needs dimension >= 1; got {dimension}")
