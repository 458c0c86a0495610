"""GAN-train and GAN-test: what samples teach a classifier about real data, and what one of real data sees in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxgan.metrics.images import check_floating

Classify = Callable[[np.ndarray], ArrayLike]  # examples [N, ...] -> labels [N]
Train = Callable[[np.ndarray, np.ndarray], Classify]  # (examples [N, ...], labels [N]) -> a classifier


class GanTrainTest(NamedTuple):
    """Three accuracies in [0, 1]."""

    gan_train: float  # trained on samples, tested on real test data: recall; the baseline is the goal
    gan_test: float  # trained on real data, tested on samples: precision; above the baseline hints at memorisation
    baseline: float  # trained on real data, tested on real test data


def gan_train_test(
    train: Train,
    real: tuple[ArrayLike, ArrayLike],
    held_out: tuple[ArrayLike, ArrayLike],
    fake: tuple[ArrayLike, ArrayLike],
) -> GanTrainTest:
    """Accuracies of the same classifier, trained on real data and on labelled samples of a conditional generator.

    Compare with equal training sizes: more samples than real data flatter GAN-train.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> def train(x, y):  # the nearest class mean
      ...     means = {label: x[y == label].mean() for label in sorted(set(y.tolist()))}
      ...     return lambda x: np.array([min(means, key=lambda label: abs(means[label] - float(row[0]))) for row in x])
      >>> x, y = np.array([[0.0], [0.1], [1.0], [1.1]]), np.array([0, 0, 1, 1])
      >>> jg.metrics.gan_train_test(train, real=(x, y), held_out=(x, y), fake=(x, 1 - y))  # labels exchanged
      GanTrainTest(gan_train=0.0, gan_test=0.0, baseline=1.0)

    Args:
      train: (x [N, ...], y [N]) -> a function from examples to labels [N]; with the project's judge,
        `lambda x, y: (lambda judge: lambda x: probabilities(judge, x).argmax(1))(train_classifier(x, y, key))`.
      real: training data, x [N, ...] floating and integer labels y [N].
      held_out: real test data that `train` never sees.
      fake: samples and the labels they were generated from.
    Returns:
      GanTrainTest.
    Raises:
      ValueError: labels do not fit their examples, examples of the sets differ in shape, bytes, non-finite values, or
        predictions that are not [N] labels.
    References:
      Shmelkov, Schmid, Alahari. How good is my GAN? 2018, section 3.
    """
    sets = {"real": real, "held-out": held_out, "fake": fake}
    (real_x, real_y), (test_x, test_y), (fake_x, fake_y) = (_labelled(name, *pair) for name, pair in sets.items())
    shapes = [x.shape[1:] for x in (real_x, test_x, fake_x)]
    if len(set(shapes)) > 1:
        raise ValueError(f"real, held-out and fake examples must have one shape; got {shapes}")
    of_real, of_fake = train(real_x, real_y), train(fake_x, fake_y)
    return GanTrainTest(
        gan_train=_accuracy(of_fake, test_x, test_y),
        gan_test=_accuracy(of_real, fake_x, fake_y),
        baseline=_accuracy(of_real, test_x, test_y),
    )


def _labelled(name: str, x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    examples, labels = np.asarray(x), np.asarray(y)
    if examples.ndim < 2 or not examples.size:
        raise ValueError(f"{name} examples must be [N, ...], none empty; got shape {examples.shape}")
    check_floating(examples, f"{name} examples")
    if labels.shape != examples.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(f"{name} labels must be [{len(examples)}] integers; got {labels.dtype} of {labels.shape}")
    return examples, labels


def _accuracy(classify: Classify, x: np.ndarray, y: np.ndarray) -> float:
    predicted = np.asarray(classify(x))
    if predicted.shape != y.shape:
        raise ValueError(f"a classifier must return labels of shape {y.shape}; got {predicted.shape}")
    return float(np.mean(predicted == y))
