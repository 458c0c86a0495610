"""Classifier two-sample tests: can anything tell samples from real data, and could chance have done as well?"""

from __future__ import annotations

import functools
import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.typing import ArrayLike

from jaxgan.checks import check_key
from jaxgan.metrics.check import checked
from jaxgan.metrics.neighbours import nearest, squared_radii
from jaxgan.types import PyTree

HIDDEN = 20  # ReLU units of the "mlp", as in the paper
BATCH = 64
BLOCK = 1024  # test examples whose distances are held at once by "knn"


class TwoSample(NamedTuple):
    """The verdict of a classifier that was trained on one half and tested on the other."""

    accuracy: float  # on the test half, of 1/2 real and 1/2 fake; 1/2: indistinguishable to this classifier
    z: float  # (accuracy - 1/2) / sqrt(1 / (4 n)): standard score under equality
    p_value: float  # one-sided: the probability under equality of an accuracy at least as high
    test_size: int  # n, test examples of both kinds together


class NeighbourAccuracy(NamedTuple):
    """Leave-one-out accuracies of the 1-nearest-neighbour classifier."""

    accuracy: float  # over both; 1/2 under equality, near 1 for sets apart, near 0 for copies of the real data
    real: float  # of real examples; low: real data lie among samples
    fake: float  # of samples; high beside a low `real`: samples crowd together, mode collapse


def classifier_two_sample_test(
    real: ArrayLike,
    fake: ArrayLike,
    key: Array,
    classifier: Literal["knn", "logistic", "mlp"] = "knn",
    epochs: int = 100,
) -> TwoSample:
    """Trains a classifier real against fake on half of both sets, and tests its accuracy on the other half.

    Under equality the accuracy is about N(1/2, 1 / (4 n)); the test half is balanced, which can only make the variance
    smaller, so the p-value is on the safe side. A high p-value means that *this* classifier, on these features and so
    much data, found no difference.

    Example:
      >>> import jax, numpy as np, jaxgan as jg
      >>> one = np.random.default_rng(0).normal(size=(40, 2))
      >>> verdict = jg.metrics.classifier_two_sample_test(one, one + 9.0, jax.random.key(0))
      >>> verdict.accuracy, verdict.p_value < 1e-6
      (1.0, True)

    Args:
      real: [N, F] features or pixels.
      fake: [M, F]; of the larger set, min(N, M) examples are drawn.
      key: [] typed PRNG key of the split and the training.
      classifier: "knn" with k = sqrt(training size), made odd; "logistic" or "mlp" (one layer of 20 ReLU), on features
        standardised by the training half, by Adam at 1e-2 for the first and 1e-3 for the second.
      epochs: passes over the training half, >= 1; "knn" has none. 100 in the paper.
    Returns:
      TwoSample.
    Raises:
      ValueError: not rank 2, different F, non-finite values (their count), fewer than two examples of a kind, an
        unknown classifier or no epoch.
    References:
      Lopez-Paz, Oquab. Revisiting Classifier Two-Sample Tests. 2017, section 3.
    """
    check_key("classifier_two_sample_test", key)
    a, b = checked(real, fake, least=2)
    if classifier not in ("knn", "logistic", "mlp") or epochs < 1:
        raise ValueError(f"need classifier 'knn', 'logistic' or 'mlp' and epochs >= 1; got {classifier!r}, {epochs}")
    half = min(len(a), len(b)) // 2
    keys = [jax.random.fold_in(key, n) for n in range(3)]
    parts = [x[np.asarray(jax.random.permutation(k, len(x)))[: 2 * half]] for x, k in zip((a, b), keys, strict=False)]
    train, test = (np.concatenate([part[i : i + half] for part in parts]).astype(np.float64) for i in (0, half))
    is_fake = np.repeat([False, True], half)
    if classifier == "knn":
        predicted = _neighbours_vote(train, is_fake, test)
    else:
        predicted = _learned(train, is_fake, test, keys[2], 0 if classifier == "logistic" else HIDDEN, epochs)
    accuracy = float(np.mean(predicted == is_fake))
    z = (accuracy - 0.5) * 2.0 * math.sqrt(2 * half)
    return TwoSample(accuracy, z, 0.5 * math.erfc(z / math.sqrt(2.0)), 2 * half)


def nearest_neighbour_accuracy(real: ArrayLike, fake: ArrayLike) -> NeighbourAccuracy:
    """Leave-one-out accuracy of 1-nearest-neighbour: is an example's nearest neighbour, among all others, of its kind?

    An example that is equally near to both kinds counts as half. Distances are Euclidean and exact.

    Example:
      >>> import numpy as np, jaxgan as jg
      >>> real = np.arange(6.0)[:, None]
      >>> [jg.metrics.nearest_neighbour_accuracy(real, fake).accuracy for fake in (real + 100, real)]  # apart; copies
      [1.0, 0.0]

    Args:
      real: [N, F], N >= 2.
      fake: [N, F]; as many as real, for the figure depends on the proportion.
    Returns:
      NeighbourAccuracy.
    Raises:
      ValueError: not rank 2, different shapes, fewer than two of a kind, or non-finite values (their count).
    References:
      Xu et al. An empirical study on evaluation metrics of generative adversarial networks. 2018, section 2.
      Lopez-Paz, Oquab. Revisiting Classifier Two-Sample Tests. 2017.
    """
    a, b = checked(real, fake, least=2)
    if len(a) != len(b):
        raise ValueError(f"need as many samples as real examples; got {len(a)} real and {len(b)} fake")

    def share(own: np.ndarray, other: np.ndarray) -> float:
        near, far = squared_radii(own, [1])[0], nearest(own, other).squared
        return float(np.mean((near < far) + 0.5 * (near == far)))

    of_real, of_fake = share(a, b), share(b, a)
    return NeighbourAccuracy((of_real + of_fake) / 2.0, of_real, of_fake)


def _neighbours_vote(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Returns [n] bool, the majority among the k nearest training examples; k is odd, so there is one."""
    k = math.isqrt(len(train)) - 1 | 1
    centre = train.mean(axis=0)  # rounding is then relative to the spread
    train, test = train - centre, test - centre
    squares, votes = np.sum(train * train, axis=1), []
    for i in range(0, len(test), BLOCK):
        distance = squares - 2.0 * (test[i : i + BLOCK] @ train.T)  # without the term that is the same for all
        votes.append(labels[np.argpartition(distance, k - 1, axis=1)[:, :k]].sum(axis=1) > k // 2)
    return np.concatenate(votes)


def _learned(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, key: Array, hidden: int, epochs: int
) -> np.ndarray:
    """Returns [n] bool, what a network that was trained by cross-entropy says."""
    deviation = train.std(axis=0)
    centre, scale = train.mean(axis=0), np.where(deviation > 0.0, deviation, 1.0)
    x, unseen = (((part - centre) / scale).astype(np.float32) for part in (train, test))
    init_key, order_key = (jax.random.fold_in(key, n) for n in range(2))
    sizes = [x.shape[1], hidden, 1] if hidden else [x.shape[1], 1]
    layer_keys = jax.random.split(init_key, len(sizes) - 1)
    he = jax.nn.initializers.he_normal()
    params = [
        (he(k, (n, m)), jnp.zeros((1, m), jnp.float32)) for k, n, m in zip(layer_keys, sizes, sizes[1:], strict=False)
    ]
    batch = min(BATCH, len(x))
    orders = [jax.random.permutation(jax.random.fold_in(order_key, epoch), len(x)) for epoch in range(epochs)]
    index = np.stack(orders)[:, : len(x) // batch * batch].reshape(-1, batch)
    params = _trained(params, x, labels.astype(np.float32), index, 1e-3 if hidden else 1e-2)
    return np.asarray(_logits(params, unseen)) > 0.0


def _logits(params: PyTree, x: Array) -> Array:
    """Returns logits [B] of "fake"."""
    for n, (weight, bias) in enumerate(params):
        x = (jax.nn.relu(x) if n else x) @ weight + bias
    return x[:, 0]


@functools.partial(jax.jit, static_argnums=4)
def _trained(params: PyTree, x: Array, y: Array, index: Array, learning_rate: float) -> PyTree:
    """Returns the parameters after an update for each row of index [steps, B]."""
    optimizer = optax.adam(learning_rate)

    def loss(params: PyTree, rows: Array) -> Array:
        return optax.sigmoid_binary_cross_entropy(_logits(params, x[rows]), y[rows]).mean()

    def update(carry: tuple[PyTree, PyTree], rows: Array) -> tuple[tuple[PyTree, PyTree], None]:
        params, opt_state = carry
        updates, opt_state = optimizer.update(jax.grad(loss)(params, rows), opt_state)
        return (optax.apply_updates(params, updates), opt_state), None

    return jax.lax.scan(update, (params, optimizer.init(params)), index)[0][0]
