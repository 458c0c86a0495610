"""Some examples of a source: chosen ones, a part that is held out, or a few that are spread over all of it."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

from jaxgan.data.source import Draw, Examples, Source, digest_of, indices


def subset(source: Source, index: ArrayLike) -> Source:
    """Returns some examples of a source, in this order.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> numbers = jg.data.arrays(np.arange(6, dtype=np.float32)[:, None])
      >>> jg.data.evenly(jg.data.subset(numbers, [4, 1]), 2)["x"][:, 0].tolist()
      [4.0, 1.0]

    Args:
      source: of a number of examples.
      index: [n] integers in [0, size), n >= 1.
    Returns:
      Source of n examples.
    Raises:
      ValueError: the source is a density, or an index is out of range.
    """
    chosen = np.asarray(index)
    if source.size is None:
        raise ValueError(f"{source.name!r} has no number of examples to choose from")
    if chosen.ndim != 1 or not len(chosen) or chosen.dtype.kind not in "iu":
        raise ValueError(f"subset needs indices [n], n >= 1, integers; got {chosen.dtype}{chosen.shape}")
    if chosen.min() < 0 or chosen.max() >= source.size:
        raise ValueError(f"{source.name!r} has examples 0..{source.size - 1}; got {chosen.min()}..{chosen.max()}")
    digest = source.digest
    return source._replace(
        size=len(chosen),
        read=lambda draw: source.read(draw._replace(index=chosen[draw.index])),
        counts=(),
        digest=None if digest is None else lambda: digest_of(digest(), chosen.astype(np.int64)),
        files=tuple(source.files[k] for k in chosen) if source.files else (),
    )


def split(source: Source, held_out: float, seed: int = 0) -> tuple[Source, Source]:
    """Parts a source in two: what is trained on, and what is held out.

    Args:
      source: of a number of examples.
      held_out: share of the examples that is held out, in (0, 1); at least one, and not all.
      seed: of the choice, which depends on it and on the number of examples alone.
    Returns:
      (training, held out), each in the source's order.
    Raises:
      ValueError: the share is out of range, or the source has fewer than two examples.
    """
    if not 0 < held_out < 1:
        raise ValueError(f"the share that is held out lies in (0, 1); got {held_out}")
    if source.size is None or source.size < 2:
        raise ValueError(f"{source.name!r} cannot be parted; it needs 2 examples or more, and has {source.size}")
    kept_back = min(max(1, round(held_out * source.size)), source.size - 1)
    order = indices(seed, source.size, np.arange(source.size))
    return subset(source, np.sort(order[kept_back:])), subset(source, np.sort(order[:kept_back]))


def evenly(source: Source, n: int) -> Examples:
    """Reads n examples, evenly spread over a source and in its order; of a density, n draws.

    Args:
      source: any.
      n: how many, >= 1; of more than there are, some come several times.
    Returns:
      A batch of n, the same at every call.
    """
    index = None if source.size is None else np.linspace(0, source.size - 1, n).astype(np.int64)
    return source.read(Draw(0, np.arange(n), index))


def whole(source: Source) -> Examples:
    """Reads all examples of a source, each once and in its order.

    Args:
      source: of a number of examples.
    Returns:
      A batch of all of them.
    Raises:
      ValueError: the source is a density.
    """
    if source.size is None:
        raise ValueError(f"{source.name!r} has no number of examples; read some of it with evenly")
    return evenly(source, source.size)
