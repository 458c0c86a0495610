"""The data of the full-size recipes: a set of TensorFlow Datasets by name, or noise of the same shape.

Noise ("synthetic") is for `--smoke`, where there is neither a network nor a prepared set: it shows that a recipe runs.
"""

from __future__ import annotations

import numpy as np

import jaxgan as jg
from jaxgan.data import Source

SYNTHETIC = "synthetic"  # the `dataset` of a recipe's SMOKE


def catalogued(
    dataset: str,
    *,
    size: int,
    classes: int = 0,
    flip: bool = False,
    split: str = "train",
    data_dir: str | None = None,
    channels: int = 3,
) -> Source:
    """A recipe's images [n, size, size, channels], labelled if it is conditional.

    Args:
      dataset: "tfds:cifar10", or its name alone; or "synthetic".
      size: side in pixels: others are cropped to squares and resized.
      classes: number of labels of the set; 0: leave them out.
      flip: mirror half of the images.
      split: as TensorFlow Datasets writes it.
      data_dir: where sets are prepared; None: the default of TensorFlow Datasets.
      channels: 1: grey, 3: colour.
    Returns:
      Source; of noise, 64 examples of uniform pixels, with labels in turn.
    Raises:
      ValueError: the set is unknown or not prepared, or has another number of classes; or a folder is given for noise.
    """
    if dataset == SYNTHETIC and data_dir is not None:
        raise ValueError(f"data_dir={data_dir!r} is given, but dataset 'synthetic' is noise; name the set, dataset=...")
    if dataset == SYNTHETIC:
        x = np.random.default_rng(0).uniform(-1, 1, (64, size, size, channels)).astype(np.float32)
        y = np.arange(len(x)) % classes if classes else None
        return jg.data.arrays(x, y, name=SYNTHETIC, classes=classes or None)
    name = dataset.removeprefix("tfds:")
    images = jg.data.tfds(name, split=split, data_dir=data_dir, size=size, channels=channels, flip=flip)
    if not classes:
        return jg.data.unlabelled(images)
    if images.classes != classes:
        raise ValueError(f"{images.name} has {images.classes} classes; this recipe is for {classes}")
    return images
