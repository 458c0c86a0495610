"""Any sequence that is read by number: a Hugging Face dataset, a dataset in torch's style, a Grain source, a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from jaxgan.data.check import check_conditions, check_entry, narrow
from jaxgan.data.source import Draw, Examples, Source


class RandomAccess(Protocol):
    """What has a length, and gives a record for each number below it, always the same."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def records(
    sequence: RandomAccess,
    read: Callable[[Any], Mapping[str, Any]] = dict,
    *,
    name: str = "records",
    classes: int = 0,
    names: Sequence[str] = (),
    threads: int = 0,
) -> Source:
    """A source of the records of a sequence, each read when a batch asks for it.

    Records are read by number, so that a run resumes from its step alone; of an iterable without random access make a
    list or files. Nothing is kept in memory but the batch.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> rows = [{"image": np.full((8, 8, 1), value, np.uint8), "label": value % 2} for value in range(6)]
      >>> example = lambda row: {"x": jg.data.from_uint8(row["image"]), "y": row["label"]}
      >>> source = jg.data.records(rows, example, classes=2)
      >>> {name: value.shape for name, value in jg.data.batch_at(source, batch_size=4, seed=0)(0).items()}
      {'x': (4, 8, 8, 1), 'y': (4,)}

    Args:
      sequence: has `len(sequence)` and `sequence[i]`; equal numbers must give equal records, or a run does not resume
        exactly.
      read: pure, a record -> {"x": [...] float32, in [-1, 1] if of rank 2 or more, "y": a label, or other names} of
        one example, without the axis of the batch; integers become int32. As it stands the record is such a mapping.
      name: what errors and reports call it.
      classes: number of labels "y"; 0: as many as there are names.
      names: of the classes, by label.
      threads: batches read at once in the background, for records that are decoded; the sequence must then be safe to
        read from threads. 0: each is read when it is asked for.
    Returns:
      Source of what `read` gives.
    Raises:
      ValueError: the sequence is empty or cannot be read by number, labels without classes' number or the other way
        round; what `read` gives is no mapping of arrays of one example, or of another shape or dtype than the first
        record's; the message names the record.
    """
    if not hasattr(sequence, "__len__") or not hasattr(sequence, "__getitem__"):
        have = type(sequence).__name__
        raise ValueError(f"{name}: records takes what has a length and is read by number; got {have}: list(...) it")
    if not (size := len(sequence)):
        raise ValueError(f"{name}: the sequence is empty; it needs 1 record or more")
    if threads < 0:
        raise ValueError(f"{name}: threads is {threads}; use 0 or more")
    classes = classes or len(names)
    if names and len(names) != classes:
        raise ValueError(f"{name}: {len(names)} names of {classes} classes; give each its name")
    first = _example(sequence, read, 0, name)
    if classes and "y" not in first:
        raise ValueError(f"{name}: classes is {classes}, but read gives {sorted(first)}; give the label as 'y'")
    layout = _layout(first)

    def examples(draw: Draw) -> Examples:
        chosen = np.asarray(draw.index).tolist()
        rows = [_example(sequence, read, i, name) for i in chosen]
        for i, row in zip(chosen, rows, strict=True):
            if (have := _layout(row)) != layout:
                raise ValueError(f"{name}: record {i} gives {have}, but record 0 {layout}; let read make them alike")
        batch = {entry: np.stack([row[entry] for row in rows]) for entry in layout}
        _check(batch, classes, f"{name}: records {chosen[:3]}...")
        return batch

    _check({entry: value[None] for entry, value in first.items()}, classes, f"{name}: record 0")
    return Source(name, size, examples, classes=classes, threads=threads, names=tuple(names))


def _example(sequence: RandomAccess, read: Callable[[Any], Mapping[str, Any]], index: int, name: str) -> Examples:
    given = read(sequence[index])
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f"{name}: of record {index} read gives {type(given).__name__}; return {{'x': array, ...}}")
    example = {entry: np.asarray(value) for entry, value in given.items()}
    return {  # bytes are left to the check, which knows their remedy
        entry: value if value.dtype == np.uint8 else narrow(value, f"{name}: {entry} of record {index}")
        for entry, value in example.items()
    }


def _layout(example: Examples) -> dict[str, str]:
    return {entry: f"{value.dtype} {value.shape}" for entry, value in example.items()}


def _check(batch: Examples, classes: int, name: str) -> None:
    for entry, value in batch.items():
        if entry == "y":
            check_conditions(value, len(value), classes or None, f"{name}, y")
        else:
            check_entry(value, f"{name}, {entry}")
