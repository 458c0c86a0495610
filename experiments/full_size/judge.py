"""A judge for images of any kind, without a feature network: their small versions, compared as vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

import jaxgan as jg
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.runs.experiment import Judge, Judgement, as_pictures

SIDE = 8  # pixels of the small versions


def image_judge(source: Source, samples: int) -> Judge:
    """Compares samples with images of the source, both averaged down to 8x8 pixels.

    It sees layout and colour, not texture: good enough to notice a collapse or a plateau, and no FID.

    Args:
      source: of images [n, H, W, C], H and W at least 8.
      samples: how many samples, and at most how many real images, are compared.
    Returns:
      Judge: `frechet_distance` (lower is better), `precision` and `recall` in [0, 1].
    """
    n = min(samples, source.size or samples)
    index = np.linspace(0, (source.size or n) - 1, n).astype(np.int64)
    real = _small(source.read(jg.data.Draw(0, np.arange(n), index))["x"])

    def judge(images: Any) -> Judgement:
        fake = _small(as_pictures(images))
        precision, recall = metrics.precision_recall(real, fake, k=3)
        return Judgement({"frechet_distance": metrics.fid(real, fake), "precision": precision, "recall": recall})

    protocol = (
        f"Fréchet distance ({SIDE}x{SIDE} pixels) and precision/recall (k = 3) of {samples} samples of the averaged "
        f"generator against {n} images that it was trained on ({source.name}), averaged down to {SIDE}x{SIDE} pixels"
    )
    return Judge(judge, samples, "frechet_distance", protocol)


def _small(images: Any) -> np.ndarray:
    x = np.asarray(images, np.float32)
    n, height, width, channels = x.shape
    x = x[:, : height - height % SIDE, : width - width % SIDE]
    x = x.reshape(n, SIDE, height // SIDE, SIDE, width // SIDE, channels)
    return x.mean(axis=(2, 4)).reshape(n, -1)
