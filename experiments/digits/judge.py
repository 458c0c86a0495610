"""The judge of the digits experiments: a classifier trained on the same real digits, kept in the run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxgan as jg
from experiments.digits.data import sized
from jaxgan import metrics
from jaxgan.runs.experiment import Judge, Judgement, as_pictures, labels


def digits_judge(size: int, steps: int, folder: Path, conditional: bool = False) -> Judge:
    """Trains the classifier, or reads the one that the run has, and measures by it.

    The classifier and its seed are the same for every run of the same size, so that figures compare.

    Args:
      size: side of the images.
      steps: training steps of the classifier.
      folder: the run's; `judge.npz` is written there.
      conditional: the samples carry labels in the training digits' shares, in order: how often the classifier agrees is
        measured too.
    Returns:
      Judge of 1,000 samples: `frechet_distance` (lower is better), `precision` and `recall` in [0, 1], `classes`
      (how many of ten appear, each at least 1 % of the samples) and, if conditional, `label_agreement` in [0, 1].
    """
    real, held_out = _images("train", size), _images("test", size)
    path = folder / "judge.npz"
    if not path.exists():
        print(f"training the judge, a small classifier of the real digits ({steps} steps): about 20 s", flush=True)
        metrics.save_classifier(metrics.train_classifier(*real, jax.random.key(0), steps=steps), path)
    classifier = metrics.load_classifier(path)
    accuracy = metrics.accuracy(classifier, *held_out)
    print(f"the judge reads {accuracy:.1%} of {len(held_out[0])} held-out digits rightly", flush=True)
    features = metrics.features(classifier, held_out[0])
    n, counts = len(held_out[0]), sized("train", size).counts

    def judge(samples: Any) -> Judgement:
        images = as_pictures(samples)
        fake, probabilities = metrics.features(classifier, images), metrics.probabilities(classifier, images)
        histogram = metrics.label_histogram(probabilities)
        precision, recall = metrics.precision_recall(features, fake, k=3)
        figures = {
            "frechet_distance": metrics.fid(features, fake),
            "precision": precision,
            "recall": recall,
            "classes": float(np.sum(histogram >= 0.01 * len(fake))),
        }
        if conditional:
            figures["label_agreement"] = float(
                np.mean(np.argmax(probabilities, axis=1) == labels(10, len(fake), counts))
            )
        varied = metrics.variation(images, held_out[0])
        return Judgement(figures, [int(count) for count in histogram], varied)

    floor = judge(real[0][np.linspace(0, len(real[0]) - 1, n).astype(int)]).figures
    protocol = (
        f"Fréchet distance (digits classifier) and precision/recall (k = 3) of {n} samples of the averaged generator "
        f"against {n} held-out digits ({sized('test', size).name}), on the 64 features of a classifier "
        f"trained for {steps} steps on the training digits, {accuracy:.1%} right on the held-out ones; "
        "a class appears if at least 1 % of the samples are read as it. "
        f"{n} real training digits, measured like samples: {floor['frechet_distance']:.1f}, "
        f"{floor['precision']:.3f}, {floor['recall']:.3f}"
    )
    return Judge(judge, n, "frechet_distance", protocol)


def _images(split: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    source = sized(split, size)
    everything = jg.data.whole(source)
    return np.asarray(everything["x"]), np.asarray(everything["y"])
