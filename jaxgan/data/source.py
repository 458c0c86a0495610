"""The protocol of this room: a batch is a pure function of (seed, step), so the step *is* the state of the data.

A `Source` says what an example is; `indices` says which examples a step is made of; `batch_at` puts the two together
and `batches` walks over it. Nothing else carries a position, so a run resumes from its step alone, on any machine.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxgan.data.check import narrow
from jaxgan.data.shuffled import permuted
from jaxgan.types import Batch

LISTED = 2**20  # examples, at most, of which the order of an epoch is a list in memory
COUNTABLE = 2**20  # classes, at most, of which examples are counted
COUNTED = 4096  # examples whose labels are counted where the source does not say how many there are

Examples = dict[str, Any]  # "x": [n, ...] float32 in [-1, 1]; "y": [n] int32 if labelled, or other conditions


class Draw(NamedTuple):
    """Which examples a batch is made of, and the identity of each draw."""

    seed: int
    position: np.ndarray  # [n] int64, count of draws since step 0 (step * batch_size + j): unique for each draw
    index: np.ndarray | None  # type: ignore[assignment]  # [n] int64 in [0, size), which example; None for a density


class Modes(NamedTuple):
    """The components of a mixture of equal, isotropic normals: what mode coverage is measured against."""

    centres: np.ndarray  # [K, 2] float32
    std: float  # of each coordinate, around its centre


class Source(NamedTuple):
    """A set of examples, or a density to draw them from."""

    name: str
    size: int | None  # number of examples; None: a density, never exhausted
    read: Callable[[Draw], Examples]  # pure: equal draws give equal examples
    classes: int = 0  # number of labels; 0: unlabelled
    threads: int = 0  # batches read at once in the background by Grain, where reading means decoding; 0: read in place
    modes: Modes | None = None  # of a toy mixture
    names: tuple[str, ...] = ()  # what each label means; of attributes [n, A], what each column is; (): numbers alone
    counts: tuple[int, ...] = ()  # examples of each label; (): not counted (`label_counts` draws some)
    digest: Callable[[], str] | None = None  # computes a hash of all that `read` may give; None: not known
    files: tuple[str, ...] = ()  # relative path of each example, where examples are files


def unlabelled(source: Source) -> Source:
    """Returns the same examples without their labels: what an unconditional game is trained on."""
    return source._replace(
        read=lambda draw: {name: value for name, value in source.read(draw).items() if name != "y"},
        classes=0,
        names=(),
        counts=(),
    )


def label_counts(source: Source) -> tuple[int, ...]:
    """Counts labels, so that samples may be asked for in the data's shares.

    Args:
      source: any.
    Returns:
      Examples of each label, `source.classes` numbers: all of them where the source says so, else of COUNTED examples,
      evenly spread over a finite source (all, if it has fewer); () for a source without labels, or
      of more than COUNTABLE classes.
    Raises:
      ValueError: what the source reads as "y" are not labels of its classes.
    """
    if source.counts or not 0 < source.classes <= COUNTABLE:
        return source.counts
    n = min(COUNTED, source.size or COUNTED)
    spread = np.linspace(0, (source.size or n) - 1, n).astype(np.int64)
    total = np.zeros(source.classes, np.int64)
    for position in np.array_split(np.arange(n), -(-n // 256)):
        index = None if source.size is None else spread[position]
        y = np.asarray(source.read(Draw(0, position, index)).get("y", ()))
        if y.shape != position.shape or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= source.classes:
            raise ValueError(f"{source.name!r} has {source.classes} classes; its 'y' are no labels of these, [n] int32")
        total += np.bincount(y, minlength=source.classes)
    return tuple(total.tolist())


def digest_of(*parts: Any) -> str:
    """Returns a SHA-256 of strings, digests and arrays (their shape, dtype and bytes), in hexadecimal."""
    whole = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            whole.update(f"{part.shape} {part.dtype.str}".encode())
            whole.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        else:
            text = str(part).encode(errors="surrogateescape")
            whole.update(f"{len(text)} ".encode() + text)
    return whole.hexdigest()


def weighted(source: Source, weights: ArrayLike) -> Source:
    """Returns a source that draws examples with these probabilities, each draw for itself and as often as it comes.

    Args:
      source: of a number of examples.
      weights: [N], >= 0, in proportion to the probabilities.
    Returns:
      Source without an end: there are no epochs, and a batch may hold an example twice.
    Raises:
      ValueError: the source is a density, or the weights do not fit.
    """
    p = np.asarray(weights, np.float64)
    if source.size is None or p.shape != (source.size,):
        raise ValueError(f"{source.name!r} has {source.size} examples; weights of shape {p.shape} do not fit")
    if not np.all(np.isfinite(p)) or p.min() < 0 or not p.sum() > 0:
        raise ValueError(f"weights must be finite, >= 0 and not all zero; got {p.min()}..{p.max()}")
    cumulative = np.cumsum(p) / p.sum()

    def read(draw: Draw) -> Examples:
        index = np.searchsorted(cumulative, uniform(draw.seed, draw.position), side="right")
        last = np.flatnonzero(p)[-1]  # rounding may leave the end of `cumulative` below 1
        return source.read(draw._replace(index=np.minimum(index, last)))

    digest = source.digest
    return source._replace(
        name=f"{source.name}, weighted",
        size=None,
        read=read,
        counts=(),
        digest=None if digest is None else lambda: digest_of(digest(), p),
    )


def uniform(seed: int, position: np.ndarray) -> np.ndarray:
    """Returns a number in [0, 1) for each draw, from its seed and position alone (the mixing steps of SplitMix64).

    Args:
      seed: >= 0.
      position: [...] counts of draws, integers of 64 bits.
    Returns:
      [...] float64.
    """
    with np.errstate(over="ignore"):
        z = np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.asarray(position, np.uint64)
        z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def indices(seed: int, size: int, position: np.ndarray) -> np.ndarray:
    """Which example each draw takes: every epoch is a fresh permutation, and no example is dropped between epochs.

    Of more than LISTED examples it is computed place by place, in memory that does not grow with them.

    Args:
      seed: of the order, >= 0.
      size: number of examples.
      position: [n] int64, counts of draws since step 0; position // size is the epoch.
    Returns:
      [n] int64, in [0, size).
    """
    epoch, place = np.divmod(np.asarray(position, np.int64), size)
    index = np.empty_like(place)
    for e in np.unique(epoch):
        here = place[epoch == e]
        large = size > LISTED
        index[epoch == e] = permuted(seed, int(e), size, here) if large else _permutation(seed, size, int(e))[here]
    return index


@lru_cache(maxsize=4)  # two epochs, for a batch across their border, of two sources
def _permutation(seed: int, size: int, epoch: int) -> np.ndarray:
    # Raw Philox words and not Generator.permutation: NumPy promises to keep the former across its versions.
    words = np.random.Philox(np.random.SeedSequence([seed, epoch])).random_raw(size)
    order = np.argsort(words, kind="stable")
    order.setflags(write=False)
    return order


def batch_at(source: Source, batch_size: int, seed: int, rows: np.ndarray | None = None) -> Callable[[int], Examples]:
    """Random access to the run's batches.

    Args:
      source: where examples come from.
      batch_size: examples in a batch, in 1..source.size.
      seed: of the order (and of flips and densities), in 0..2**32 - 1.
      rows: [n] int64, which rows of the batch to read (`parallel.local_rows`: one process of several); None: all.
    Returns:
      A pure function, step >= 0 -> {"x": [batch_size, ...], "y": [batch_size] if labelled}.
    Raises:
      ValueError: the source is empty, or batch_size, seed or a step is out of range.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; use 1 or more")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}; use 0..{2**32 - 1}")
    if source.size is not None and source.size < 1:
        raise ValueError(f"{source.name!r} is empty; it needs 1 example or more")
    if source.size is not None and batch_size > source.size:
        raise ValueError(
            f"batch_size {batch_size} is larger than the {source.size} examples of {source.name!r}; "
            f"use {source.size} or fewer"
        )

    def read(step: int) -> Examples:
        if step < 0:
            raise ValueError(f"step is {step}; use 0 or more")
        position = step * batch_size + (np.arange(batch_size, dtype=np.int64) if rows is None else rows)
        index = None if source.size is None else indices(seed, source.size, position)
        return source.read(Draw(seed, position, index))

    return read


def batches(
    source: Source, batch_size: int, seed: int, start: int = 0, prefetch: int = 2, rows: np.ndarray | None = None
) -> Iterator[Batch]:
    """Endless batches on the device: the k-th is `batch_at(source, batch_size, seed)(start + k)`.

    Args:
      source: where examples come from.
      batch_size: examples in a batch, in 1..source.size.
      seed: as for `batch_at`.
      start: the first step; `int(state.step)` to go on with a run.
      prefetch: batches put on the device ahead of the one in use, >= 0.
      rows: as for `batch_at`.
    Returns:
      Iterator of {"x": [batch_size, ...] float32, "y": [batch_size] int32 if labelled}.
    Raises:
      ValueError: as for `batch_at`, at once and not at the first batch; start or prefetch is negative; from the
        iterator, an integer that int32 does not hold.
    """
    read = batch_at(source, batch_size, seed, rows)
    if start < 0:
        raise ValueError(f"start is {start}; use 0 or more")
    if prefetch < 0:
        raise ValueError(f"prefetch is {prefetch}; use 0 or more")
    examples = _decoded(read, start, source.threads) if source.threads else map(read, itertools.count(start))
    return _placed(examples, prefetch)


def _placed(examples: Iterator[Examples], prefetch: int) -> Iterator[Batch]:
    ahead: deque[Batch] = deque()
    for batch in examples:
        for path, leaf in jax.tree_util.tree_leaves_with_path(batch):
            cut = isinstance(leaf, np.ndarray) and leaf.dtype != jax.dtypes.canonicalize_dtype(leaf.dtype)
            if cut and np.issubdtype(leaf.dtype, np.integer):
                narrow(leaf, f"batch{jax.tree_util.keystr(path)}")  # on its way to the device it would be cut to int32
        ahead.append(jax.device_put(batch))
        if len(ahead) > prefetch:
            yield ahead.popleft()


class _Steps(NamedTuple):
    """Batches by step, as the random-access sequence that Grain reads from."""

    read: Callable[[int], Examples]
    start: int

    def __len__(self) -> int:
        return 2**48

    def __getitem__(self, k: int) -> Examples:  # type: ignore[override]
        return self.read(self.start + k)


def _decoded(read: Callable[[int], Examples], start: int, threads: int) -> Iterator[Examples]:
    """Reads ahead in background threads, in order; the same pure `read`, so the same batches bit for bit."""
    import grain

    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
    return iter(grain.MapDataset.source(_Steps(read, start)).to_iter_dataset(options))
