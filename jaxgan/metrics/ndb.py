"""Number of statistically different bins: which regions of the real data are generated too rarely or too often."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxgan.checks import check_key
from jaxgan.metrics.check import checked
from jaxgan.metrics.clusters import assigned, kmeans


class Bins(NamedTuple):
    """Voronoi cells of the real training data, fitted once and used for every model that is compared."""

    centres: np.ndarray  # [K, F] float64
    counts: np.ndarray  # [K] int64, training examples by cell, all >= 1


class NDB(NamedTuple):
    """How a set of samples fills the bins."""

    different: int  # 0..K, bins whose proportion differs; about K * level for samples of the training distribution
    share: float  # different / K; lower is better
    jensen_shannon: float  # nats in [0, log 2], between both histograms; lower is better, not 0 for finite sets
    z: np.ndarray  # [K] standard scores, > 0 where too much is generated
    histogram: np.ndarray  # [K] int64, samples by bin


def fit_bins(train: ArrayLike, key: Array, bins: int = 100) -> Bins:
    """Clusters real training data by k-means.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> bins = jg.metrics.fit_bins(np.array([[0.0], [0.1], [9.0], [9.1]]), jax.random.key(0), bins=2)
      >>> sorted(bins.centres.round(2).ravel().tolist()), bins.counts.tolist()
      ([0.05, 9.05], [2, 2])

    Args:
      train: [N, F] pixels or features of real training data, N >= bins; the paper takes pixels, N = 50,000 and more.
      key: [] typed PRNG key; the same key gives the same bins.
      bins: K, >= 2; 100 in the paper.
    Returns:
      Bins.
    Raises:
      ValueError: not rank 2, non-finite values, bins out of 2..N, or fewer different examples than bins.
    References:
      Richardson, Weiss. On GANs and GMMs. 2018, section 3.
    """
    check_key("fit_bins", key)
    x, _ = checked(train, train)
    if not 2 <= bins <= len(x):
        raise ValueError(f"bins must lie in 2..N = {len(x)}; got {bins}")
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    centres, cells = kmeans(x, bins, rng)
    if len(centres) < bins:
        raise ValueError(f"the data hold only {len(centres)} different examples; ask for at most as many bins")
    counts = np.bincount(cells, minlength=bins)
    return Bins(centres[counts > 0], counts[counts > 0])


def ndb(bins: Bins, fake: ArrayLike, level: float = 0.05) -> NDB:
    """Counts the bins whose share of samples differs from their share of training data, by a two-proportion z-test.

    The pooled-variance test is two-sided. The paper's figure is `share` with K = 100 bins and level 0.05. More samples
    find smaller differences: compare models by equal numbers, and with `ndb` of held-out real data.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> train = np.repeat([[0.0], [9.0]], 50, axis=0)
      >>> bins = jg.metrics.fit_bins(train, jax.random.key(0), bins=2)
      >>> jg.metrics.ndb(bins, train).share, jg.metrics.ndb(bins, train[:50]).share  # all samples in one bin
      (0.0, 1.0)

    Args:
      bins: of the real training data.
      fake: [M, F] samples, in the same features.
      level: significance of each test, in (0, 1).
    Returns:
      NDB.
    Raises:
      ValueError: not rank 2, different F, non-finite values, or level out of range.
    References:
      Richardson, Weiss. On GANs and GMMs. 2018, section 3.
    """
    _, x = checked(bins.centres, fake)
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie in (0, 1); got {level}")
    histogram = np.bincount(assigned(x, bins.centres), minlength=len(bins.centres))
    n, m = bins.counts.sum(), histogram.sum()
    p, q = bins.counts / n, histogram / m
    pooled = (bins.counts + histogram) / (n + m)
    error = np.sqrt(pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m))
    z = np.divide(q - p, error, out=np.zeros_like(p), where=error > 0.0)  # 0: one bin that holds everything
    from scipy.special import ndtr  # a tenth of a second of start-up for whoever does not come here

    different = int(np.count_nonzero(2.0 * ndtr(-np.abs(z)) < level))
    return NDB(different, different / len(p), _jensen_shannon(p, q), z, histogram)


def _jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    middle = (p + q) / 2.0
    terms = [0.5 * np.sum(r[r > 0] * np.log(r[r > 0] / middle[r > 0])) for r in (p, q)]
    return max(0.0, float(sum(terms)))
