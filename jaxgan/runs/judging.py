"""A judge for images of any kind: seen through EfficientNet-Lite0 where its weights are installed, else made small."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np

import jaxgan as jg
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.metrics import extractors
from jaxgan.metrics.extractors import Extractor
from jaxgan.runs.experiment import Judge, Judgement, as_pictures

JudgedBy = Literal["auto", "efficientnet_lite0", "pixels"]
SIDE = 8  # pixels of the small versions
PIXELS = f"pixels averaged down to {SIDE}x{SIDE}"


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
    through = seen_through(by)
    features = partial(extractors.extract, through) if through.compiled else partial(through.apply, ())
    real = features(images)

    def judge(drawn: Any) -> Judgement:
        pictures = as_pictures(drawn)
        fake = features(pictures)
        precision, recall = metrics.precision_recall(real, fake, k=3)
        figures = {"frechet_distance": metrics.fid(real, fake), "precision": precision, "recall": recall}
        return Judgement(figures, variation=metrics.variation(pictures, images))

    small = "layout and colour, not texture or detail" if through.name == PIXELS else ""
    protocol = (
        f"Fréchet distance and precision/recall (k = 3) of {samples} samples of the averaged generator against {n} "
        f"images that it was trained on ({source.name}), by {through.name} ({small or through.resize})"
    )
    return Judge(judge, samples, "frechet_distance", protocol)


def seen_through(by: JudgedBy) -> Extractor:
    """Returns what images are compared by, as `image_judge` chooses it."""
    if by != "pixels":
        try:
            return extractors.efficientnet_lite0()
        except ModuleNotFoundError:
            if by != "auto":
                raise
    return extractors.function(PIXELS, _small, compiled=False)


def _small(images: Any) -> np.ndarray:
    x = np.asarray(images, np.float32)
    n, height, width, channels = x.shape
    x = x[:, : height - height % SIDE, : width - width % SIDE]
    x = x.reshape(n, SIDE, height // SIDE, SIDE, width // SIDE, channels)
    return x.mean(axis=(2, 4)).reshape(n, -1)
