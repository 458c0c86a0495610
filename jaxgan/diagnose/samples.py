"""How samples lie among real data: do they differ, is anything missing, are they copies? No network is needed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

GROUPS = 32  # most groups of real data; with 1,000 examples about 30 in each, so that an empty one is no accident
PER_GROUP = 20  # least examples in a group, on average
TOGETHER = 0.2  # groups whose centres are nearer than this share of the mean distance of real data are one group
RARE = 0.1  # a group is missing where samples fall into it at less than this share of its real rate
SOME = 1000  # training examples that are compared with the others where there are no unseen ones
CLOSE = 0.01  # pairs of real examples that count as near duplicates: the closest of them


class Variety(NamedTuple):
    """Samples against real data."""

    spread: float  # mean distance of two samples / of two real examples; 1 where they spread alike, 0: all are one
    missing: float  # share of real data in groups that samples avoid, in [0, 1]
    groups: int  # into which the real data fall
    birthday: float  # samples in which two near duplicates have even odds / the same of real data; 1 where alike
    nearness: float | None = None  # median distance of a sample to its nearest training example / that of unseen data


def variety(
    real: ArrayLike, fake: ArrayLike, training: ArrayLike | None = None, held_out: ArrayLike | None = None
) -> Variety:
    """Measures how samples lie among real data, by Euclidean distances of what is given (pixels, points, features).

    Real data are cut into groups by Ward's method, and each sample falls into the group of its nearest centre: samples
    of poor quality count for the mode that they are meant for. Near duplicates are pairs nearer than the closest 1 % of
    real pairs; of s samples two are with even odds where s^2 p / 2 = log 2, p their share of all pairs.

    Args:
      real: [N, ...] real examples, N >= 2; some hundreds to a thousand.
      fake: [M, ...] samples, M >= 2.
      training: [T, ...] the whole training set, T >= 2, where it is finite: what could be memorised.
      held_out: [H, ...] real examples that were not trained on; without them each training example is compared with
        the others.
    Returns:
      Variety.
    Raises:
      ValueError: shapes do not fit, too few examples, or non-finite values.
    References:
      Arora, Risteski, Zhang. Do GANs learn the distribution? ICLR 2018 (the birthday paradox test).
      Richardson, Weiss. On GANs and GMMs. NeurIPS 2018 (bins of real data and the share of samples in them).
    """
    from scipy.spatial import distance  # here, as it slows the start of whoever needs none of it

    x, y = _flat("real", real), _flat("fake", fake)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"real and fake examples have {x.shape[1]} and {y.shape[1]} values each; they must be alike")
    among_real, among_fake = distance.pdist(x), distance.pdist(y)
    scale = among_real.mean()
    if not scale > 0:
        raise ValueError(f"all {len(x)} real examples are equal: nothing can be said of the variety of samples")
    close = np.quantile(among_real, CLOSE)
    rates = np.mean(among_real <= close), max(np.mean(among_fake <= close), 1 / among_fake.size)
    centres, share = _groups(x, scale)
    fake_share = np.bincount(distance.cdist(y, centres).argmin(axis=1), minlength=len(centres)) / len(y)
    return Variety(
        spread=float(among_fake.mean() / scale),
        missing=float(share[fake_share < RARE * share].sum()),
        groups=len(centres),
        birthday=float(np.sqrt(rates[0] / rates[1])),
        nearness=None if training is None else _nearness(y, _flat("training", training), held_out),
    )


def _groups(x: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the groups' centres [K, F] and the share of the data in each [K]."""
    from scipy.cluster import hierarchy

    wanted = max(1, min(GROUPS, len(x) // PER_GROUP))
    cut = hierarchy.fcluster(hierarchy.linkage(x, "ward"), wanted, "maxclust")
    centres = np.stack([x[cut == label].mean(axis=0) for label in np.unique(cut)])
    if len(centres) > 1:  # parts of one tight mode are no groups of their own
        joined = hierarchy.fcluster(hierarchy.linkage(centres, "single"), TOGETHER * scale, "distance")
        cut = joined[np.unique(cut, return_inverse=True)[1]]
        centres = np.stack([x[cut == label].mean(axis=0) for label in np.unique(cut)])
    return centres, np.unique(cut, return_counts=True)[1] / len(x)


def _nearness(fake: np.ndarray, training: np.ndarray, held_out: ArrayLike | None) -> float:
    if held_out is None:
        some = training[:: max(1, len(training) // SOME)]
        unseen = _nearest(some, training, rank=1)  # rank 0 is the example itself
    else:
        unseen = _nearest(_flat("held_out", held_out), training)
    return float(np.median(_nearest(fake, training)) / max(np.median(unseen), 1e-12))


def _nearest(x: np.ndarray, among: np.ndarray, rank: int = 0) -> np.ndarray:
    """Returns the distance of each x to its nearest example, [N], or to the next of a rank, by one matrix product."""
    offset = among.mean(axis=0)  # distances stay, and rounding is relative to the spread
    x, y = x - offset, among - offset
    squared = np.sum(x * x, axis=1)[:, None] + np.sum(y * y, axis=1)[None] - 2 * (x @ y.T)
    return np.sqrt(np.clip(np.partition(squared, rank, axis=1)[:, rank], 0.0, None))


def _flat(name: str, examples: ArrayLike) -> np.ndarray:
    x = np.asarray(examples, np.float64)
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(f"{name} examples must be [N, ...] with N >= 2; got shape {x.shape}")
    bad = x.size - np.count_nonzero(np.isfinite(x))
    if bad:
        raise ValueError(f"{name} examples hold {bad} non-finite values of {x.size}")
    return x.reshape(len(x), -1)
