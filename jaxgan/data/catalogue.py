"""Image sets of TensorFlow Datasets, by name, without TensorFlow: their random-access files, decoded as they are used.

TensorFlow is needed only to *prepare* most sets, once, on any machine; the prepared folder is all that is read here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxgan.data.memory import from_uint8
from jaxgan.data.pixels import check_form, fit, flip_some
from jaxgan.data.source import Draw, Examples, Source

THREADS = 2  # more did not decode faster where this was measured, on two cores


def tfds(
    name: str,
    split: str = "train",
    data_dir: str | None = None,
    size: int | None = None,
    channels: int | None = None,
    flip: bool = False,
) -> Source:
    """An image set of TensorFlow Datasets that was prepared in the array_record format.

    Args:
      name: as in its catalogue: "mnist", "cifar10", "name/config:version".
      split: "train", "test", "train[:50%]", ...
      data_dir: where sets were prepared; None: its default, ~/tensorflow_datasets.
      size: side to centre-crop and resize to; None: as stored, if all images have one shape.
      channels: 1 (grey) or 3 (RGB); None: as stored.
      flip: mirror about half of the images, anew at each use.
    Returns:
      Source of "x" [n, H, W, channels] float32 in [-1, 1] and, where "label" is a class, "y" [n] int32.
    Raises:
      ValueError: unknown set or split, not prepared, no images of 8 bits in it, or shapes vary and size is None.
    """
    check_form(size, channels)
    builder = _prepared(name, data_dir)
    features = dict(builder.info.features)
    if "image" not in features or features["image"].np_dtype != np.uint8:
        raise ValueError(f"tfds {name!r} has no feature 'image' of uint8; have {features}")
    height, width, stored = features["image"].shape
    if size is None and None in (height, width):
        raise ValueError(f"tfds {name!r} has images of several shapes; pass size=, say size=64")
    if stored not in (1, 3) and channels is None:
        raise ValueError(f"tfds {name!r} has images of {stored} channels; pass channels=1 or channels=3")
    try:
        data = builder.as_data_source(split)
    except ValueError:
        raise ValueError(f"tfds {name!r} has no split {split!r}; have {sorted(builder.info.splits)}") from None
    classes = getattr(features.get("label"), "num_classes", None) or 0
    as_stored = size is None and channels in (None, stored)

    def read(draw: Draw) -> Examples:
        records = [data[i] for i in np.asarray(draw.index).tolist()]
        images = [r["image"] if as_stored else _fit(r["image"], size, channels or stored) for r in records]
        x = from_uint8(np.stack(images))
        batch: Examples = {"x": flip_some(x, draw) if flip else x}
        return batch | ({"y": np.array([r["label"] for r in records], np.int32)} if classes else {})

    return Source(f"tfds:{name}", len(data), read, classes, threads=THREADS)


def _fit(pixels: np.ndarray, size: int | None, channels: int) -> np.ndarray:
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
        raise ValueError(f"tfds {name!r} cannot be opened as array_record: {str(error).splitlines()[0]}") from error
    if not prepared:
        raise ValueError(
            f"tfds {name!r} is not prepared in {builder.data_dir}; where there is a network and TensorFlow, run "
            f"`tfds build {name} --file_format=array_record --data_dir=DIR`, then pass data_dir=DIR"
        )
    return builder
