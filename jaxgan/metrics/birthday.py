"""The birthday paradox test: how many different samples can a generator make, judged by duplicates within a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxgan.checks import check_key
from jaxgan.metrics.images import check_floating

Same = Callable[[np.ndarray, np.ndarray], ArrayLike]  # (samples [n, ...], samples [n, ...]) -> [n] whether duplicates


class ClosestPairs(NamedTuple):
    """Pairs of different rows, the closest first."""

    indices: np.ndarray  # [n, 2] int64, the smaller index first
    distances: np.ndarray  # [n] float64, Euclidean


class Birthday(NamedTuple):
    """The batch that is as likely as not to hold a duplicate."""

    batch: int | None  # smallest size with a duplicate in half of the trials or more; None: not even all samples
    rate: float  # share of trials with a duplicate, at that size or, without one, among all samples
    support: float  # about how many equally likely samples explain it; with None, at least this many


def closest_pairs(x: ArrayLike, n: int = 20) -> ClosestPairs:
    """The n pairs of samples that are closest to each other, to look at or to be judged one by one.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> pairs = jg.metrics.closest_pairs(np.array([[0.0], [5.0], [5.5], [9.0]]), n=2)
      >>> pairs.indices.tolist(), pairs.distances.tolist()
      ([[1, 2], [2, 3]], [0.5, 3.5])

    Args:
      x: [N, ...] floating images or features, N >= 2; memory is about 24 N^2 bytes.
      n: how many pairs, >= 1; fewer are returned where there are fewer.
    Returns:
      ClosestPairs; equally close pairs in the order of their indices.
    Raises:
      ValueError: fewer than two samples, bytes, non-finite values (their count), or n < 1.
    References:
      Arora, Zhang. Do GANs learn the distribution? Some Theory and Empirics. 2018, section 3 (20 pairs by eye).
    """
    samples = _checked(x)
    if n < 1:
        raise ValueError(f"need n >= 1 pairs; got {n}")
    return _closest(samples.reshape(len(samples), -1), n)


def collision_rate(
    samples: ArrayLike,
    batch: int,
    same: float | Same,
    key: Array,
    *,
    features: ArrayLike | None = None,
    trials: int = 100,
    candidates: int = 20,
) -> float:
    """Share of random batches that hold a duplicate.

    Batches are drawn without replacement from one pool of samples, so they overlap: keep the pool several times as
    large as a batch. The same key draws nested batches, so the rate never falls as the batch grows.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> few = np.repeat(np.eye(2), 8, axis=0)  # two different samples
      >>> jg.metrics.collision_rate(few, batch=3, same=0.0, key=jax.random.key(0), trials=5)  # of three, two are equal
      1.0

    Args:
      samples: [N, ...] floating images or features.
      batch: samples in each batch, 2..N.
      same: two samples are duplicates within this Euclidean distance (>= 0, included); or a judge of pairs, asked about
        the closest `candidates` pairs of each batch. A threshold needs calibration: pixels differ for equal objects.
      key: [] typed PRNG key of the batches.
      features: [N, F] in which distances are taken; the samples themselves if None.
      trials: batches, >= 1.
      candidates: pairs shown to a judge, >= 1.
    Returns:
      The rate in [0, 1]; its standard error is at least sqrt(rate (1 - rate) / trials).
    Raises:
      ValueError: batch, trials or candidates out of range, a negative threshold, features that do not fit, bytes,
        non-finite values, or a judge that does not return [n].
    References:
      Arora, Zhang. Do GANs learn the distribution? Some Theory and Empirics. 2018, section 3.
    """
    check_key("collision_rate", key)
    x = _checked(samples)
    space = x if features is None else _checked(features)
    if len(space) != len(x):
        raise ValueError(f"need features [{len(x)}, F], one row for each sample; got {space.shape}")
    if not 2 <= batch <= len(x) or trials < 1 or candidates < 1:
        raise ValueError(f"need batch in 2..{len(x)}, trials and candidates >= 1; got {batch}, {trials}, {candidates}")
    if not callable(same) and not same >= 0.0:
        raise ValueError(f"the distance of duplicates must be >= 0; got {same}")
    space = space.reshape(len(space), -1)
    hits = 0
    for trial in range(trials):
        index = np.asarray(jax.random.permutation(jax.random.fold_in(key, trial), len(x)))[:batch]
        pairs = _closest(space[index], candidates if callable(same) else 1)
        hits += _judged(same, x[index], pairs) if callable(same) else bool(pairs.distances[0] <= same)
    return hits / trials


def birthday(
    samples: ArrayLike,
    same: float | Same,
    key: Array,
    *,
    features: ArrayLike | None = None,
    trials: int = 100,
    candidates: int = 20,
) -> Birthday:
    """Finds the smallest batch in which a duplicate is as likely as not, by bisection, and the support it suggests.

    A generator that makes n equally likely samples has it near 1.18 sqrt(n). Unequal likelihoods lower it, so the
    figure is evidence for a small support, never a proof of a large one. Duplicates among real data set the scale.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> few = np.repeat(np.eye(2), 8, axis=0)  # two different samples
      >>> judged = jg.metrics.birthday(few, 0.0, jax.random.key(0), trials=20)
      >>> judged.batch in (2, 3), judged.rate >= 0.5
      (True, True)

    Args:
      samples: [N, ...]; take N several times the batch that is found.
      same: as `collision_rate`; a judge must be consistent.
      key: [] typed PRNG key of the batches.
      features: as `collision_rate`.
      trials: batches of each size, >= 1.
      candidates: as `collision_rate`.
    Returns:
      Birthday.
    Raises:
      ValueError: as `collision_rate`.
    References:
      Arora, Zhang. Do GANs learn the distribution? Some Theory and Empirics. 2018, section 3.
    """
    check_key("birthday", key)

    def rate_of(batch: int) -> float:
        return collision_rate(samples, batch, same, key, features=features, trials=trials, candidates=candidates)

    low, high, most = 1, 2, len(np.asarray(samples))
    rate = rate_of(high)
    while rate < 0.5 and high < most:  # rate_of(low) < 1/2 throughout
        low, high = high, min(2 * high, most)
        rate = rate_of(high)
    if rate < 0.5:
        return Birthday(None, rate, support_estimate(most))
    while high - low > 1:
        middle = (low + high) // 2
        repeated = rate_of(middle)
        if repeated >= 0.5:
            high, rate = middle, repeated
        else:
            low = middle
    return Birthday(high, rate, support_estimate(high))


def support_estimate(batch: int, rate: float = 0.5) -> float:
    """Number of equally likely samples of which a batch holds a duplicate at this rate: s^2 / (2 log(1 / (1 - rate))).

    From P(no duplicate) = prod (1 - i/n) ~ exp(-s^2 / (2 n)). At rate 1/2 it is s^2 / (2 log 2) = 0.72 s^2; the paper
    writes s^2. It is right to relative order 1/s + s/n.

    Example:
      >>> import jaxgan as jg
      >>> round(jg.metrics.support_estimate(23))  # people, half of whose groups share a birthday: 365 days
      382

    Args:
      batch: s, >= 2.
      rate: probability of a duplicate, in (0, 1).
    Returns:
      n >= 0.
    Raises:
      ValueError: batch or rate out of range.
    References:
      Arora, Zhang. Do GANs learn the distribution? Some Theory and Empirics. 2018, section 3.
    """
    if batch < 2 or not 0.0 < rate < 1.0:
        raise ValueError(f"need a batch of 2 or more and a rate in (0, 1); got {batch} and {rate}")
    return batch**2 / (-2.0 * math.log1p(-rate))


def _closest(x: np.ndarray, n: int) -> ClosestPairs:
    """Returns the n closest pairs of rows of x [N, F]: chosen by one matrix product, measured by their differences."""
    x = x.astype(np.float64)
    x -= x.mean(axis=0)  # rounding is then relative to the spread
    squares = np.sum(x * x, axis=1)
    squared = squares[:, None] + squares - 2.0 * (x @ x.T)
    squared[np.tri(len(x), dtype=bool)] = np.inf
    n = min(n, len(x) * (len(x) - 1) // 2)
    flat = squared.ravel()
    # What rounding may have put on the wrong side of the n-th is measured as well.
    limit = np.partition(flat, n - 1)[n - 1] + 1e-12 * squares.max()
    i, j = np.divmod(np.flatnonzero(flat <= limit), len(x))
    rank = np.zeros(len(i))
    for start in range(0, len(i), 4096):
        part = slice(start, start + 4096)
        rank[part] = np.linalg.norm(x[i[part]] - x[j[part]], axis=1)
    order = np.lexsort((j, i, rank))[:n]
    return ClosestPairs(np.stack([i[order], j[order]], axis=1), rank[order])


def _judged(same: Same, x: np.ndarray, pairs: ClosestPairs) -> bool:
    verdicts = np.asarray(same(x[pairs.indices[:, 0]], x[pairs.indices[:, 1]]))
    if verdicts.shape != (len(pairs.indices),):
        raise ValueError(f"a judge must return [{len(pairs.indices)}] verdicts, one a pair; got shape {verdicts.shape}")
    return bool(verdicts.any())


def _checked(x: ArrayLike) -> np.ndarray:
    samples = np.asarray(x)
    if samples.ndim < 2 or len(samples) < 2 or not samples.size:
        raise ValueError(f"need samples [N, ...], N >= 2, none empty; got shape {samples.shape}")
    check_floating(samples, "samples")
    return samples
