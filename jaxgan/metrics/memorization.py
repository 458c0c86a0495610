"""Memorisation: the training examples nearest to samples, shares of copies, and the authenticity score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.check import checked
from jaxgan.metrics.images import check_floating
from jaxgan.metrics.neighbours import nearest, squared_radii

VALUES = 2**22  # differences held at once


class Neighbours(NamedTuple):
    """The nearest training examples of each sample, the nearest first."""

    indices: np.ndarray  # [N, k] int64, into the training set
    distances: np.ndarray  # [N, k] float64, Euclidean


class Copies(NamedTuple):
    """Samples that lie nearer to the training set than nearly all of the held-out data do."""

    share: float  # of samples within the threshold; `level` is what chance gives, 1 is pure copying
    threshold: float  # distance to the nearest training example below which a share `level` of held-out data lies
    distances: np.ndarray  # [N] float64, of each sample to its nearest training example


def nearest_training(samples: ArrayLike, train: ArrayLike, k: int = 5) -> Neighbours:
    """The k training examples nearest to each sample, in pixels (images as they are) or in features.

    Meant for the few samples that are looked at; memory does not grow with either set. Show both: a copy that is moved
    by a pixel is far in pixels and near in features.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> near = jg.metrics.nearest_training(np.array([[0.9]]), np.array([[0.0], [1.0], [5.0]]), k=2)
      >>> near.indices.tolist(), near.distances.round(3).tolist()
      ([[1, 0]], [[0.1, 0.9]])

    Args:
      samples: [N, ...] floating.
      train: [M, ...] floating, of the same shape.
      k: neighbours, 1..M.
    Returns:
      Neighbours; of equally near ones, the lower index first.
    Raises:
      ValueError: shapes do not fit, bytes, non-finite values (their count), or k out of range.
    """
    x, y = _examples(samples, "samples"), _examples(train, "training examples")
    if x.shape[1:] != y.shape[1:]:
        raise ValueError(f"samples and training examples must have one shape; got {x.shape[1:]} and {y.shape[1:]}")
    if not 1 <= k <= len(y):
        raise ValueError(f"k must lie in 1..{len(y)}, the training examples; got {k}")
    x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
    step = max(1, VALUES // x.shape[1])
    indices, distances = np.zeros((len(x), k), np.int64), np.zeros((len(x), k))
    for n, row in enumerate(x.astype(np.float64)):
        blocks = (y[i : i + step] - row[None] for i in range(0, len(y), step))
        squared = np.concatenate([np.einsum("mf,mf->m", block, block) for block in blocks])
        indices[n] = np.argsort(squared, kind="stable")[:k]
        distances[n] = np.sqrt(squared[indices[n]])
    return Neighbours(indices, distances)


def neighbour_rows(samples: ArrayLike, train: ArrayLike, neighbours: Neighbours) -> np.ndarray:
    """Lays each sample before its neighbours, for a picture: `jg.sample.save_grid(path, rows, columns=1 + k)`.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> x, train = np.zeros((2, 4, 4, 1)), np.ones((5, 4, 4, 1))
      >>> rows = jg.metrics.neighbour_rows(x, train, jg.metrics.nearest_training(x, train, k=3))
      >>> rows.shape, rows[:, 0, 0, 0].tolist()  # each before its neighbours
      ((8, 4, 4, 1), [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0])

    Args:
      samples: [N, H, W, C] images in [-1, 1].
      train: [M, H, W, C] training images.
      neighbours: of the samples, found in pixels or in features.
    Returns:
      [N * (1 + k), H, W, C] float32: sample 0, its k neighbours, sample 1, ...
    Raises:
      ValueError: images that do not fit each other or the neighbours, bytes, or non-finite values (their count).
    """
    x, y = _examples(samples, "samples"), _examples(train, "training examples")
    if x.ndim != 4 or x.shape[1:] != y.shape[1:] or len(neighbours.indices) != len(x):
        raise ValueError(
            f"need images [N, H, W, C] of one shape and neighbours of all samples; got {x.shape}, {y.shape} and "
            f"{neighbours.indices.shape}"
        )
    if neighbours.indices.max() >= len(y):
        raise ValueError(f"neighbour {neighbours.indices.max()} is not among the {len(y)} training images given")
    rows = np.concatenate([x[:, None], y[neighbours.indices]], axis=1)
    return rows.reshape(-1, *x.shape[1:]).astype(np.float32)


def copies(train: ArrayLike, held_out: ArrayLike, fake: ArrayLike, level: float = 0.01) -> Copies:
    """Share of samples that are nearer to the training set than all but a share `level` of held-out real data.

    The held-out data say how near honest examples come by chance. A generator of blurred or average samples is near
    to everything as well: look at the neighbours before the word copy is used.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> train, held_out, fresh = np.random.default_rng(0).normal(size=(3, 200, 8))
      >>> jg.metrics.copies(train, held_out, train[:50]).share, jg.metrics.copies(train, held_out, fresh).share < 0.1
      (1.0, True)

    Args:
      train: [N, F] features (or pixels) of the training data.
      held_out: [L, F] of real data that were not trained on; with L < 1 / level, the threshold is the smallest one.
      fake: [M, F] of samples.
      level: share of held-out data within the threshold, in (0, 1).
    Returns:
      Copies.
    Raises:
      ValueError: not rank 2, different F, empty, non-finite values (their count), or level out of range.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie in (0, 1); got {level}")
    a, b = checked(train, fake)
    _, c = checked(train, held_out)
    honest, distances = (np.sqrt(nearest(x, a).squared) for x in (c, b))
    threshold = np.quantile(honest, level, method="inverted_cdf")
    return Copies(float(np.mean(distances <= threshold)), float(threshold), distances)


def authenticity(real: ArrayLike, fake: ArrayLike) -> float:
    """Share of samples that are farther from their nearest real example than it is from its own nearest real one.

    A sample is called authentic if the training example nearest to it has a nearer neighbour in the training set. The
    score is 0 for copies. It is not 1 for a perfect generator: a sample and its nearest example are each other's
    nearest with a probability that depends on the dimension alone, which leaves 1/3 on a line, 0.38 in the plane, and
    tends to 1 slowly. Compare with the score of held-out data.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> real = np.arange(6.0)[:, None]
      >>> jg.metrics.authenticity(real, real), jg.metrics.authenticity(real, real + 100.0)  # copies; far from all
      (0.0, 1.0)

    Args:
      real: [N, F] features of the training data, N >= 2.
      fake: [M, F] features of samples.
    Returns:
      The share in [0, 1]; lower hints at memorisation. A tie is not authentic.
    Raises:
      ValueError: not rank 2, different F, fewer than two real examples, or non-finite values (their count).
    References:
      Alaa et al. How Faithful is your Synthetic Data? Sample-level Metrics for Evaluating and Auditing Generative
      Models. 2022, section 4.
    """
    a, b = checked(real, fake)
    if len(a) < 2:
        raise ValueError(f"need at least 2 real features; got {len(a)}")
    neighbours = nearest(b, a)
    return float(np.mean(neighbours.squared > squared_radii(a, [1])[0][neighbours.index]))


def _examples(x: ArrayLike, name: str) -> np.ndarray:
    examples = np.asarray(x)
    if examples.ndim < 2 or not examples.size:
        raise ValueError(f"{name} must be [N, ...], none empty; got shape {examples.shape}")
    check_floating(examples, name)
    return examples
