"""A judge for images of any kind: seen through EfficientNet-Lite0 where its weights are installed, else made small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

import jaxgan as jg
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.metrics import extractors
from jaxgan.runs.experiment import Judge, Judgement, as_pictures

JudgedBy = Literal["auto", "efficientnet_lite0", "pixels"]
SIDE = 8  # pixels of the small versions


def image_judge(source: Source, samples: int, by: JudgedBy = "auto") -> Judge:
    """Compares samples with images of the source, through a feature network or averaged down to 8x8 pixels.

    Small versions show layout and colour and nothing of texture or detail: grey mush of the right mean has a precision
    of 1. No figure of precision stands alone, then: recall and `Judgement.variation` are 0 where all samples are alike.

    Args:
      source: of images [n, H, W, C], H and W at least 8.
      samples: how many samples, and at most how many real images, are compared.
      by: "efficientnet_lite0" (the extra `metrics`; about 0.1 s a picture on 2 CPU cores), "pixels", or "auto": the
        first where its weights are installed.
    Returns:
      Judge: `frechet_distance` (lower is better), `precision` and `recall` in [0, 1].
    """
    n = min(samples, source.size or samples)
    images = np.asarray(jg.data.evenly(source, n)["x"])
    features, through = _features(by)
    real = features(images)

    def judge(drawn: Any) -> Judgement:
        pictures = as_pictures(drawn)
        fake = features(pictures)
        precision, recall = metrics.precision_recall(real, fake, k=3)
        figures = {"frechet_distance": metrics.fid(real, fake), "precision": precision, "recall": recall}
        return Judgement(figures, variation=metrics.variation(pictures, images))

    protocol = (
        f"Fréchet distance and precision/recall (k = 3) of {samples} samples of the averaged generator against {n} "
        f"images that it was trained on ({source.name}), {through}"
    )
    return Judge(judge, samples, "frechet_distance", protocol)


def _features(by: JudgedBy) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """Returns what makes features [n, F] of images, and how to say it."""
    if by != "pixels":
        try:
            network = extractors.efficientnet_lite0()
            return lambda x: extractors.extract(network, x), f"by {network.name} ({network.resize})"
        except ModuleNotFoundError:
            if by != "auto":
                raise
    return _small, f"averaged down to {SIDE}x{SIDE} pixels, which shows layout and colour, not texture or detail"


def _small(images: Any) -> np.ndarray:
    x = np.asarray(images, np.float32)
    n, height, width, channels = x.shape
    x = x[:, : height - height % SIDE, : width - width % SIDE]
    x = x.reshape(n, SIDE, height // SIDE, SIDE, width // SIDE, channels)
    return x.mean(axis=(2, 4)).reshape(n, -1)
