"""Kernel distance (KID): squared maximum mean discrepancy under a cubic kernel; on the host in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.check import checked_as_given

BLOCK = 2048  # rows on either side of a block of the kernel matrix: 32 MiB, beside two blocks of features


class KID(NamedTuple):
    """A kernel distance and how far chance moves it."""

    value: float  # mean over the parts; lower is better, below 0 by chance
    standard_error: float  # of that mean, where the parts are independent; see the function
    deviation: float  # standard deviation over the parts, what reference implementations print after "+-"


def kid(real: ArrayLike, fake: ArrayLike) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / F + 1)^3, over all pairs of both sets.

    Unlike FID it is unbiased at every sample size: E = 0 where both sets follow one distribution, so it is negative
    half of the time there. It is *the* KID only on Inception-v3 pool features.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> one, other = np.random.default_rng(0).normal(size=(2, 200, 4))
      >>> abs(jg.metrics.kid(one, other)) < 0.05, jg.metrics.kid(one, other + 1.0) > 0.5
      (True, True)

    Args:
      real: [N, F] features of real data, N >= 2.
      fake: [M, F] features of samples, M >= 2.
    Returns:
      The estimate in cubed feature units; lower is better.
    Raises:
      ValueError: not rank 2, different F, fewer than two examples, or non-finite features.
    References:
      Bińkowski et al. Demystifying MMD GANs. 2018, section 4.
      Gretton et al. A Kernel Two-Sample Test. 2012, lemma 6.
    """
    a, b = checked_as_given(real, fake, least=2)
    return _within(a) + _within(b) - 2.0 * _across(a, b)


def kid_subsets(real: ArrayLike, fake: ArrayLike, seed: int, subsets: int = 100, size: int = 1000) -> KID:
    """KID as the reference implementations report it: over random subsets, which overlap between draws.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> one, other = np.random.default_rng(0).normal(size=(2, 200, 4))
      >>> known = jg.metrics.kid_subsets(one, other, seed=0, subsets=10, size=100)
      >>> abs(known.value) < 0.05, known.deviation > known.standard_error > 0
      (True, True)

    Args:
      real: [N, F] features of real data.
      fake: [M, F] features of samples.
      seed: of the subsets, drawn without replacement (NumPy, on the host).
      subsets: how many, >= 2; 100 in most implementations, 50 in some.
      size: examples of either set in a subset, 2..min(N, M); 1000 in most implementations.
    Returns:
      KID. More subsets lower `standard_error` without end, while the sets stay the same: it is the error of the
      drawing of subsets only. For the error of the figure itself see `kid_blocks`.
    Raises:
      ValueError: subsets or size are out of range, or as `kid`.
    References:
      Bińkowski et al. Demystifying MMD GANs. 2018, section 4.
    """
    a, b = checked_as_given(real, fake, least=2)
    _check_parts(subsets, size, min(len(a), len(b)))
    rng, values = np.random.default_rng(seed), []
    for _ in range(subsets):
        i, j = (rng.choice(len(x), size, replace=False) for x in (a, b))
        values.append(kid(a[i], b[j]))
    return _summary(values)


def kid_blocks(real: ArrayLike, fake: ArrayLike, seed: int, size: int = 1000) -> KID:
    """KID over disjoint blocks: they are independent, so the standard error is that of the figure.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> one, other = np.random.default_rng(0).normal(size=(2, 200, 4))
      >>> known = jg.metrics.kid_blocks(one, other, seed=0, size=50)  # four of them
      >>> abs(known.value) < 4 * known.standard_error
      True

    Args:
      real: [N, F] features of real data.
      fake: [M, F] features of samples.
      seed: of the order in which the sets are cut up (NumPy, on the host).
      size: examples of either set in a block, 2..min(N, M) / 2; the remainder is left out.
    Returns:
      KID over min(N, M) // size blocks; unbiased, and less efficient than `kid` over all pairs.
    Raises:
      ValueError: size leaves fewer than two blocks, or as `kid`.
    References:
      Zaremba, Gretton, Blaschko. B-tests: Low Variance Kernel Two-Sample Tests. 2013.
    """
    a, b = checked_as_given(real, fake, least=2)
    blocks = min(len(a), len(b)) // max(size, 1)
    _check_parts(blocks, size, min(len(a), len(b)))
    rng = np.random.default_rng(seed)
    i, j = (rng.permutation(len(x))[: blocks * size].reshape(blocks, size) for x in (a, b))
    return _summary([kid(a[i[n]], b[j[n]]) for n in range(blocks)])


def _check_parts(parts: int, size: int, n: int) -> None:
    if parts < 2 or not 2 <= size <= n:
        raise ValueError(f"need at least 2 parts of 2..{n} examples of each set; got {parts} of {size}")


def _summary(values: list[float]) -> KID:
    error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    return KID(float(np.mean(values)), error, float(np.std(values)))


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = x @ y.T / x.shape[1] + 1.0
    return base * base * base


def _blocks(x: np.ndarray) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, len(x), BLOCK)]


def _within(x: np.ndarray) -> float:
    """Returns the mean kernel over the pairs of different rows of x; a block and its mirror image are computed once."""
    total = 0.0
    for n, rows in enumerate(_blocks(x)):
        a = x[rows].astype(np.float64)
        diagonal = _kernel(a, a)
        total += diagonal.sum() - np.trace(diagonal)
        total += 2.0 * sum(_kernel(a, x[columns].astype(np.float64)).sum() for columns in _blocks(x)[n + 1 :])
    return float(total / (len(x) * (len(x) - 1)))


def _across(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the mean kernel over all pairs of a row of x and a row of y."""
    total = 0.0
    for rows in _blocks(x):
        a = x[rows].astype(np.float64)
        total += sum(_kernel(a, y[columns].astype(np.float64)).sum() for columns in _blocks(y))
    return float(total / (len(x) * len(y)))
