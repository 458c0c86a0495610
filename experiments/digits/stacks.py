"""Stacked digits: 1000 modes, three digits as the channels of one image, and how the modes of samples are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxgan as jg
from experiments.full_size.data import catalogued
from jaxgan import metrics
from jaxgan.data import Source
from jaxgan.runs.experiment import Judge, Judgement

SURE = 0.9  # probability from which on a digit is one beyond doubt


class Reading(NamedTuple):
    """What a classifier reads in stacks."""

    modes: float  # of 1000 that occur
    reverse_kl: float  # of their histogram to uniform, nats
    sure: float  # share of digits that it gives a probability of SURE at least


def stacked(source: Source, channels: int = 3) -> Source:
    """Stacks of grey images as channels, each drawn in an order of its own: an endless set of combinations.

    Args:
      source: of a number of images [n, H, W, 1], labelled or not.
      channels: of a stack.
    Returns:
      Source of "x" [n, H, W, channels], and "y" [n] where there are labels: their digits to the base of the classes.
    Raises:
      ValueError: the source is a density.
    """
    size = source.size
    if size is None:
        raise ValueError(f"{source.name!r} has no end; stacks are drawn from a number of images")

    def read(draw: jg.data.Draw) -> dict[str, Any]:
        parts = [
            source.read(draw._replace(index=jg.data.indices(channels * draw.seed + k, size, draw.position)))
            for k in range(channels)
        ]
        stack: dict[str, Any] = {"x": np.concatenate([np.asarray(part["x"]) for part in parts], axis=-1)}
        if source.classes:
            digits = np.stack([np.asarray(part["y"]) for part in parts], axis=1)
            stack["y"] = (digits @ source.classes ** np.arange(channels - 1, -1, -1)).astype(np.int32)
        return stack

    return source._replace(
        name=f"{source.name}, {channels} stacked", size=None, read=read, classes=source.classes**channels
    )


def stacked_mnist(dataset: str, data_dir: str | None, size: int) -> Source:
    """Stacks of three digits with their mode 0..999 as label, each drawn in an order of its own."""
    return stacked(catalogued(dataset, size=size, classes=10, channels=1, data_dir=data_dir))


def trained_reader(digits: Source, steps: int, path: Path, batch_size: int = 64) -> metrics.Classifier:
    """Trains a classifier of single digits, or reads the one that is kept at the path."""
    if not path.exists():
        every = np.arange(digits.size or 0)
        known = digits.read(jg.data.Draw(0, every, every))
        trained = metrics.train_classifier(
            known["x"], known["y"], jax.random.key(0), steps=steps, batch_size=batch_size
        )
        metrics.save_classifier(trained, path)
    return metrics.load_classifier(path)


def read_stacks(classifier: metrics.Classifier, stacks: Any) -> Reading:
    """Reads stacks [n, H, W, 3], clipped to [-1, 1], whatever they look like: the papers have no threshold either."""
    x = np.clip(np.asarray(stacks, np.float32), -1, 1)
    read = np.stack([metrics.probabilities(classifier, x[..., k : k + 1]) for k in range(3)], axis=1)
    coverage = metrics.label_coverage(metrics.stacked_labels(read.argmax(axis=2)))
    return Reading(float(coverage.modes), coverage.reverse_kl, float(np.mean(read.max(axis=2) >= SURE)))


def stacks_judge(dataset: str, data_dir: str | None, size: int, samples: int, steps: int, folder: Path) -> Judge:
    """Modes of 1000 that samples hit, and the KL of their histogram to uniform, as a classifier reads the digits.

    Args:
      dataset: of digits, as for `stacked_mnist`.
      data_dir: where sets are prepared.
      size: side of the images.
      samples: how many are judged.
      steps: training steps of the classifier.
      folder: the run's; `judge.npz` is written there.
    Returns:
      Judge: `reverse_kl` in nats (lower is better) and `modes` in 0..1000.
    """
    digits = catalogued(dataset, size=size, classes=10, channels=1, data_dir=data_dir)
    classifier = trained_reader(digits, steps, folder / "judge.npz", batch_size=32)

    def judge(stacks: Any) -> Judgement:
        coverage = read_stacks(classifier, stacks)
        return Judgement({"reverse_kl": coverage.reverse_kl, "modes": coverage.modes})

    protocol = (
        f"modes of 1000 and reverse KL (nats) of {samples} samples, each digit read by a classifier trained for "
        f"{steps} steps on {dataset}; without a threshold on its confidence"
    )
    return Judge(judge, samples, "reverse_kl", protocol)
