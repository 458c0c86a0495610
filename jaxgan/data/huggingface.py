"""Pictures of a Hugging Face dataset that lies on disk, as `save_to_disk` leaves it. Nothing is downloaded."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxgan.data.check import check_conditions
from jaxgan.data.labels import Labels
from jaxgan.data.pictures import Limits, Wanted, from_store
from jaxgan.data.source import Source
from jaxgan.data.stores import Store, printable

ONE, SEVERAL = ("dataset_info.json", "state.json"), "dataset_dict.json"  # files of a set, and of one with splits


def is_huggingface(path: Path) -> bool:
    """Tells whether a folder is a set that `save_to_disk` wrote."""
    return (path / SEVERAL).is_file() or all((path / name).is_file() for name in ONE)


def huggingface(path: Path, wanted: Wanted, labels: bool, split: str, limits: Limits) -> Source:
    """Pictures of a set that `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote.

    They are decoded here as those of a folder are, by the same limits, and kept in memory if they fit.

    Args:
      path: its folder.
      wanted: what pictures are to become.
      labels: whether to take the column of labels: the only one of classes, or "label".
      split: of a set with splits; a set without has "train" alone.
      limits: what reading may cost.
    Returns:
      Source of "x" [n, H, W, C] float32 in [-1, 1] and, with labels, "y" [n] int32 with the names of the set.
    Raises:
      ImportError: datasets is not installed.
      ValueError: it is no such folder, or has no such split, no column of pictures or no labels; as `folder`.
    """
    where = f"set {printable(str(path))}"
    data = _loaded(path, where, split)
    from datasets import Image

    pictures = [name for name, kind in data.features.items() if isinstance(kind, Image)]
    if len(pictures) != 1:
        raise ValueError(f"{where} has columns {data.features}; {len(pictures)} are pictures, use one that has one")
    raw = data.select_columns(pictures).cast_column(pictures[0], Image(decode=False))
    width = len(str(len(data)))

    def opened(name: str) -> IO[bytes]:
        record = raw[int(name)][pictures[0]]
        if record is None:
            raise ValueError("no picture")
        # Only what is in the set: a path may lead to any file of this machine, or to another one.
        if record["bytes"] is None:
            raise ValueError(f"the set has only its path, {record['path']}; embed it by save_to_disk")
        return io.BytesIO(record["bytes"])

    store = Store(f"hf:{printable(path.name)}", where, [f"{k:0{width}}" for k in range(len(data))], [], opened)
    return from_store(store._replace(labels=_labels(data, where)) if labels else store, wanted, limits)


def _loaded(path: Path, where: str, split: str) -> Any:
    if not is_huggingface(path):
        raise ValueError(
            f"{where} is no dataset on disk; write one where there is a network: "
            f"datasets.load_dataset(NAME).save_to_disk({path.name!r})"
        )
    try:
        import datasets
    except ImportError as error:
        raise ImportError(
            "sets of Hugging Face are read by their library: pip install 'jaxgan[huggingface]'"
        ) from error
    try:
        data = datasets.load_from_disk(str(path))
    except Exception as error:  # its readers raise nearly anything
        raise ValueError(f"{where} cannot be read: {error}") from error
    splits = sorted(map(str, data)) if isinstance(data, datasets.DatasetDict) else ["train"]
    if split not in splits:
        raise ValueError(f"{where} has no split {split!r}; it has {', '.join(splits)}")
    data = data[split] if isinstance(data, datasets.DatasetDict) else data
    if not len(data):
        raise ValueError(f"{where} has no pictures")
    return data


def _labels(data: Any, where: str) -> Any:
    """Returns a function from numbers of pictures, in words, to what they are."""
    from datasets import ClassLabel

    columns = [name for name, kind in data.features.items() if isinstance(kind, ClassLabel)]
    column = columns[0] if len(columns) == 1 else "label"
    if column not in data.features:
        raise ValueError(
            f"{where} has columns {', '.join(data.features)}, of which {len(columns)} are classes; call the one that "
            "is meant 'label', by rename_column"
        )
    kind, y = data.features[column], np.asarray(data[column][:])
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise ValueError(f"{where}: column {column!r} holds {y.dtype} {y.shape}; labels are whole numbers")
    names = tuple(kind.names) if isinstance(kind, ClassLabel) else ()
    classes = len(names) or int(y.max()) + 1
    check_conditions(y.astype(np.int32), len(y), classes, f"{where}: column {column!r}")

    def labels(files: Sequence[str]) -> Labels:
        return Labels(y[[int(name) for name in files]].astype(np.int32), classes, names)

    return labels
