"""Pictures of whatever form, by one word: what `jaxgan train` and `jaxgan evaluate` call DATA."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from jaxgan.data.catalogue import tfds
from jaxgan.data.huggingface import huggingface, is_huggingface
from jaxgan.data.pictures import Limits, check_wanted, folder
from jaxgan.data.pixels import Size
from jaxgan.data.saved import SUFFIXES, saved
from jaxgan.data.source import Source, unlabelled
from jaxgan.data.zipped import is_zip

FORMS = (
    "a folder of pictures, a zip of one, a .npy or .npz file, tfds:NAME (prepared) or hf:FOLDER (a dataset that "
    "save_to_disk wrote)"
)


def open_data(
    data: str | Path,
    *,
    size: Size | None = None,
    channels: int | None = None,
    labels: bool = False,
    labels_file: str | Path | None = None,
    flip: bool = False,
    on_corrupt: str = "skip",
    split: str = "train",
    **limits: Unpack[Limits],
) -> Source:
    """Opens pictures of any of these forms as a source.

    - a folder of pictures, whose subfolders may be classes; or a zip of one, which is never unpacked to disk (`folder`)
    - a `.npy` or `.npz` file: pictures [N, H, W] or [N, H, W, C], with labels if it has them (`saved.saved`)
    - "tfds:NAME": a set of TensorFlow Datasets that was prepared on this machine (`tfds`)
    - "hf:FOLDER", or a folder that is one: a Hugging Face dataset, as `save_to_disk` leaves it (`huggingface`)

    Nothing is downloaded. All forms crop, resize, convert and mirror alike.

    Args:
      data: which.
      size: side, (height, width) or "HEIGHTxWIDTH" to centre-crop and resize to; None: as they are, all of one size.
      channels: 1 (grey), 3 (RGB) or 4 (RGBA); None: 1 if every picture is grey, else 3. Of TensorFlow Datasets: as the
        set has them.
      labels: take the classes: subfolders, or what the set or file has as labels.
      labels_file: CSV, TSV or JSON file that says what each picture of a folder or zip is, as `folder` takes it.
      flip: mirror about half of the images, anew at each use.
      on_corrupt: "skip" warns and goes on without unreadable pictures; "error" refuses.
      split: of a set or file that has splits; of what has none, "train" is all of it.
      **limits: memory, max_corrupt (see `pictures.Limits`); not for TensorFlow Datasets and files of NumPy.
    Returns:
      Source of "x" [n, H, W, C] float32 in [-1, 1] and, if labelled, "y" [n] int32 (or attributes [n, A] float32).
    Raises:
      ImportError: "hf:" without the library datasets.
      ValueError: there is nothing of these forms by this name, or it is not what is asked for; the message says what
        it is and what helps.
    """
    word = str(data)
    if labels and labels_file is not None:
        raise ValueError(f"labels come with the pictures or from {labels_file}; choose labels= or labels_file=")
    if word.startswith("tfds:"):
        _no_file(word, labels_file)
        source = tfds(word.removeprefix("tfds:"), split, size=size, channels=channels, flip=flip)
        if labels and not source.classes:
            raise ValueError(f"{word} has no labels; leave labels out")
        return source if labels else unlabelled(source)
    path, wanted = Path(word.removeprefix("hf:")), check_wanted(size, channels, flip, on_corrupt, limits)
    if word.startswith("hf:") or is_huggingface(path):
        _no_file(word, labels_file)
        return huggingface(path, wanted, labels, split, limits)
    if path.suffix.lower() in SUFFIXES and path.is_file():
        _no_file(word, labels_file)
        return saved(path, wanted, labels, split)
    if not (path.is_dir() or is_zip(path)):
        raise ValueError(f"{word} {'is none of' if path.exists() else 'does not exist; data are'} {FORMS}")
    if split != "train":
        raise ValueError(f"{word} has no splits, such as {split!r}; name the folder that is meant")
    return folder(path, size, channels, flip, on_corrupt, labels, labels_file, **limits)


def _no_file(word: str, labels_file: str | Path | None) -> None:
    if labels_file is not None:
        raise ValueError(f"{word} has labels of its own, if any; a labels file is for a folder or a zip: labels=True")
