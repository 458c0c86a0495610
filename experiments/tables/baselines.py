"""What a generator of tables must beat: columns drawn by themselves, and a Gaussian copula."""

from __future__ import annotations

import numpy as np

from jaxgan.data.tables import Table
from jaxgan.metrics.tables import Columns


def independent_columns(table: Table, n: int, seed: int) -> Columns:
    """Draws every column from its own values: the margins are the data's, and nothing belongs together."""
    rng = np.random.default_rng(seed)
    return {name: rng.choice(values, n) for name, values in table.columns.items()}


def gaussian_copula(table: Table, n: int, seed: int) -> Columns:
    """Draws rows whose margins are the data's and whose normal scores are jointly normal.

    A value's score is a normal quantile drawn within its share (the distributional transform), so that categories, in
    the order of their size or words, and numbers that many rows share have one too.

    References:
      Patki, Wedge, Veeramachaneni. The Synthetic Data Vault. DSAA 2016, section III; Rüschendorf. On the distributional
      transform, Sklar's theorem, and the empirical copula process. 2009.
    """
    from scipy.special import ndtr, ndtri

    rng, size = np.random.default_rng(seed), len(next(iter(table.columns.values())))
    coded = {name: _ranked(values) for name, values in table.columns.items()}
    scores = []
    for values, place in coded.values():
        counts = np.bincount(place, minlength=len(values))
        below = (np.cumsum(counts) - counts)[place]
        scores.append(ndtri((below + counts[place] * rng.uniform(1e-6, 1 - 1e-6, size)) / size))
    normal = rng.multivariate_normal(np.zeros(len(scores)), np.corrcoef(scores), n)
    drawn = {}
    for (name, (values, place)), u in zip(coded.items(), ndtr(normal).T, strict=True):
        shares = np.cumsum(np.bincount(place, minlength=len(values))) / size
        drawn[name] = values[np.minimum(np.searchsorted(shares, u, side="right"), len(values) - 1)]
    return drawn


def _ranked(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the different values [K], in order, and the place among them of each row's, [N]."""
    listed = column.tolist()
    if all(isinstance(value, int | float) for value in listed):
        values = sorted(set(listed))
    else:
        values = sorted(set(listed), key=lambda value: (value is None, str(value)))
    place = {value: k for k, value in enumerate(values)}
    return np.array(values, column.dtype), np.array([place[value] for value in listed])
