"""Image sets of TensorFlow Datasets, by name, without TensorFlow: their random-access files, decoded as they are used.

TensorFlow is needed only to *prepare* most sets, once, on any machine; the prepared folder is all that is read here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxgan.data.memory import from_uint8
from jaxgan.data.pixels import MODES, Size, fit, flip_some, form
from jaxgan.data.source import Draw, Examples, Source, digest_of

LABELLED = 50_000  # examples, at most, whose labels are counted
THREADS = 2  # more did not decode faster where this was measured, on two cores


def tfds(
    name: str,
    split: str = "train",
    data_dir: str | None = None,
    size: Size | None = None,
    channels: int | None = None,
    flip: bool = False,
) -> Source:
    """An image set of TensorFlow Datasets that was prepared in the array_record format.

    Args:
      name: as in its catalogue: "mnist", "cifar10", "name/config:version".
      split: "train", "test", "train[:50%]", ...
      data_dir: where sets were prepared; None: its default, ~/tensorflow_datasets.
      size: side, (height, width) or "HEIGHTxWIDTH" to centre-crop and resize to; None: as stored, if all images have
        one shape.
      channels: 1 (grey), 3 (RGB) or 4 (RGBA); None: as stored.
      flip: mirror about half of the images, anew at each use.
    Returns:
      Source of "x" [n, H, W, channels] float32 in [-1, 1] and, where "label" is a class, "y" [n] int32; the names of
      classes are the set's. Labels are counted over the first LABELLED examples of an even spread.
    Raises:
      ValueError: unknown set, version or split, not prepared, no images of 8 bits in it, or shapes vary and size is
        None.
    """
    sides = form(size, channels)
    builder = _prepared(name, data_dir)
    features = dict(builder.info.features)
    if "image" not in features or features["image"].np_dtype != np.uint8:
        raise ValueError(f"tfds {name!r} has no feature 'image' of uint8; have {features}")
    height, width, stored = features["image"].shape
    if size is None and None in (height, width):
        raise ValueError(f"tfds {name!r} has images of several shapes; pass size=, say size=64")
    if stored not in MODES and channels is None:
        raise ValueError(f"tfds {name!r} has images of {stored} channels; pass channels=1, 3 or 4")
    try:
        data = builder.as_data_source(split)
    except Exception as error:  # an unknown split is one of several errors, by what is wrong with its words
        splits = sorted(builder.info.splits)
        raise ValueError(f"tfds {name!r} has no split {split!r}; have {splits}: {_first_line(error)}") from error
    classes = getattr(features.get("label"), "num_classes", None) or 0
    as_stored = size is None and channels in (None, stored)

    def read(draw: Draw) -> Examples:
        records = [data[i] for i in np.asarray(draw.index).tolist()]
        images = [r["image"] if as_stored else _fit(r["image"], sides, channels or stored) for r in records]
        x = from_uint8(np.stack(images))
        batch: Examples = {"x": flip_some(x, draw) if flip else x}
        return batch | ({"y": np.array([r["label"] for r in records], np.int32)} if classes else {})

    return Source(
        f"tfds:{name}",
        len(data),
        read,
        classes,
        threads=THREADS,
        names=tuple(getattr(features["label"], "names", ())) if classes else (),
        counts=_counts(builder, split, classes) if classes else (),
        digest=lambda: digest_of(builder.info.full_name, split, len(data), builder.info.dataset_size),
    )


def _counts(builder: Any, split: str, classes: int) -> tuple[int, ...]:
    """Counts labels without decoding the images: of all examples, or of LABELLED of them, evenly spread."""
    import tensorflow_datasets

    data = builder.as_data_source(split, decoders={"image": tensorflow_datasets.decode.SkipDecoding()})
    index = np.linspace(0, len(data) - 1, min(len(data), LABELLED)).astype(np.int64)
    try:
        labels = [data[i]["label"] for i in index.tolist()]
    except ImportError:  # a builder that decodes by TensorFlow only: `label_counts` reads examples as they are
        return ()
    return tuple(np.bincount(labels, minlength=classes).tolist())


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _fit(pixels: np.ndarray, size: tuple[int, int] | None, channels: int) -> np.ndarray:
    from PIL import Image

    return fit(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), size, channels)


def _prepared(name: str, data_dir: str | None) -> Any:
    """Returns the set's builder, made sure that its files are there: reading without them waits on a network."""
    import tensorflow_datasets

    try:
        builder = tensorflow_datasets.builder(name, data_dir=data_dir, file_format="array_record")
        prepared = builder.is_prepared()
    except tensorflow_datasets.core.DatasetNotFoundError:
        raise ValueError(f"tfds has no set {name!r}; see https://www.tensorflow.org/datasets/catalog") from None
    except ValueError as error:
        raise ValueError(f"tfds {name!r} cannot be opened as array_record: {_first_line(error)}") from error
    except Exception as error:  # an unknown version is an AssertionError, an unknown config another one
        raise ValueError(
            f"tfds {name!r} cannot be opened: {_first_line(error)}; a name is SET, SET/CONFIG or SET:VERSION, and "
            "without a version the newest that is prepared"
        ) from error
    if not prepared:
        raise ValueError(
            f"tfds {name!r} is not prepared in {builder.data_dir}; where there is a network and TensorFlow, run "
            f"`tfds build {name} --file_format=array_record --data_dir=DIR`, then pass data_dir=DIR"
        )
    return builder
