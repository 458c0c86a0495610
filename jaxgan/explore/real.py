"""The real pictures that samples are nearest to: memorisation at a glance, where the run's data are there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxgan.data import evenly
from jaxgan.metrics import nearest_training
from jaxgan.runs.experiment import principal
from jaxgan.runs.loading import Trained
from jaxgan.sample import as_bytes

MEMORY = 2**28  # bytes of training pictures that are held; of a larger set, an even part
GIVEN = 16  # held-out pictures of a translator


class Nearest(NamedTuple):
    """Training pictures nearest to samples, the nearest first."""

    images: np.ndarray  # [n, k, H, W, C] uint8
    distances: np.ndarray  # [n, k] root mean square over pixels and channels, in [0, 2]
    searched: int  # training pictures among which they were looked for
    size: int  # all that there are


def training_pictures(run: Trained) -> tuple[np.ndarray, int]:
    """Reads what a run was trained on.

    Args:
      run: read back.
    Returns:
      (pictures [M, H, W, C] float32 in [-1, 1], how many there are in all): M is less where MEMORY holds no more.
    Raises:
      ValueError: the data are not there, have no end, or are no pictures.
      OSError: they cannot be read.
    """
    source = run.module.source(run.config)
    if not source.size:
        raise ValueError(f"{source.name} has no end that could be searched")
    bytes_each = 4 * math.prod(principal(run.example).shape[1:])
    pictures = np.asarray(principal(evenly(source, min(source.size, max(1, MEMORY // bytes_each)))), np.float32)
    if pictures.ndim != 4:
        raise ValueError(f"{source.name} holds no pictures")
    return pictures, source.size


def nearest(images: np.ndarray, training: np.ndarray, size: int, k: int = 3) -> Nearest:
    """Finds the training pictures nearest to samples in pixels.

    Args:
      images: [n, H, W, C] uint8.
      training: [M, H, W, C] float32 in [-1, 1].
      size: training pictures in all, of which these are a part.
      k: how many for each.
    Returns:
      Nearest.
    Raises:
      ValueError: shapes differ.
    """
    x = images.astype(np.float32) / 127.5 - 1
    neighbours = nearest_training(x, training, k=min(k, len(training)))
    distances = neighbours.distances / math.sqrt(math.prod(x.shape[1:]))
    return Nearest(as_bytes(training[neighbours.indices]), distances, len(training), size)


def held_out_pictures(run: Trained) -> dict[str, np.ndarray]:
    """Returns pictures that a translator was not trained on, [n, H, W, C] by input; none where the data are gone."""
    inputs: Callable[[int], Mapping[str, Any]] | None = run.experiment.inputs
    try:
        asked = {} if inputs is None else inputs(GIVEN)
    except (ValueError, OSError):
        return {}
    return {name: np.asarray(x, np.float32) for name, x in asked.items() if np.ndim(x) == 4}
