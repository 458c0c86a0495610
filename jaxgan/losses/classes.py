"""Losses of discriminators that know classes: logits [B, K] with labels [B]. Players add them up."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.nn import log_softmax, logsumexp, relu, softplus
from jax.typing import ArrayLike

from jaxgan.losses.pairs import wide


def auxiliary_classifier(class_logits: ArrayLike, labels: ArrayLike) -> Array:
    """Cross-entropy of the classes: -E log C(y | x).

    In AC-GAN it is added to both players' losses: D classifies real examples and samples, G wants its samples to be
    recognised.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> round(float(jg.losses.auxiliary_classifier(jnp.zeros((1, 10)), jnp.array([3]))), 3)  # a guess: log 10
      2.303

    Args:
      class_logits: [B, K], before the softmax.
      labels: [B] integers in 0..K-1.
    Returns:
      [], mean over B, in nats.
    Raises:
      ValueError: shapes or dtypes are others.
    References:
      Odena, Olah, Shlens. Conditional Image Synthesis with Auxiliary Classifier GANs. ICML 2017, section 3, eq. 3.
    """
    logits, labels = _classified("auxiliary_classifier", class_logits, labels)
    return -jnp.mean(_own(log_softmax(logits), labels))


def multiclass_hinge(class_logits: ArrayLike, labels: ArrayLike) -> Array:
    """Hinge between the class asked for and the best of the others: E max(0, 1 - D_y + max_{k != y} D_k).

    In the multi-class hinge GAN, D has K + 1 logits, the last for "fake". It minimises `multiclass_hinge(real, y)`
    plus that of samples with the label K, and G minimises that of its samples with the labels asked for.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> [float(jg.losses.multiclass_hinge(jnp.array([[3.0, 1.0]]), jnp.array([label]))) for label in (0, 1)]
      [0.0, 3.0]

    Args:
      class_logits: [B, C], C >= 2.
      labels: [B] integers in 0..C-1.
    Returns:
      [], mean over B.
    Raises:
      ValueError: shapes or dtypes are others.
    References:
      Kavalerov, Czaja, Chellappa. A Multi-Class Hinge Loss for Conditional GANs. WACV 2021.
      Crammer, Singer. On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines. JMLR 2001.
    """
    logits, labels = _classified("multiclass_hinge", class_logits, labels)
    asked = labels[:, None] == jnp.arange(logits.shape[1])[None]
    best_other = jnp.max(jnp.where(asked, -jnp.inf, logits), axis=1)
    return jnp.mean(relu(1 - _own(logits, labels) + best_other))


def real_evidence(class_logits: ArrayLike) -> Array:
    """The real-or-fake logits of a classifier of K real classes and "fake", whose logit is fixed at 0.

    sigmoid of it is D(x) = Z / (Z + 1) with Z = sum_k exp(l_k), the probability of all real classes; so any `Loss` of
    logits makes a GAN of a classifier.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> round(float(jg.losses.real_evidence(jnp.zeros((1, 3)))[0]), 3)  # log 3: D(x) = 3 / (3 + 1)
      1.099

    Args:
      class_logits: [B, K], of the real classes.
    Returns:
      Logits [B], log Z.
    Raises:
      ValueError: the shape is another.
    References:
      Salimans et al. Improved Techniques for Training GANs. NeurIPS 2016, section 5.
    """
    logits = wide(class_logits)
    if logits.ndim != 2:
        raise ValueError(f"real_evidence takes class logits [B, K]; got {logits.shape}")
    return logsumexp(logits, axis=1)


def semi_supervised(
    labelled_logits: ArrayLike, labels: ArrayLike, real_logits: ArrayLike, fake_logits: ArrayLike
) -> Array:
    """The (K+1)-class discriminator's loss: supervised plus unsupervised, each in full (no 1/2).

    Supervised: -E log p(y | x, not fake), over labelled examples. Unsupervised: -E log D(x) - E log(1 - D(G(z))), over
    unlabelled examples and samples, with D of `real_evidence`. The paper's generator minimises `feature_matching`.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> guess = jnp.zeros((1, 3))  # log 3 + log 4/3 + log 4
      >>> round(float(jg.losses.semi_supervised(guess, jnp.array([0]), guess, guess)), 3)
      2.773

    Args:
      labelled_logits: [L, K], of the real classes.
      labels: [L] integers in 0..K-1.
      real_logits: [B, K], of unlabelled examples.
      fake_logits: [B', K], of samples.
    Returns:
      [], in nats.
    Raises:
      ValueError: shapes or dtypes are others.
    References:
      Salimans et al. Improved Techniques for Training GANs. NeurIPS 2016, section 5.
    """
    unsupervised = jnp.mean(softplus(-real_evidence(real_logits))) + jnp.mean(softplus(real_evidence(fake_logits)))
    return auxiliary_classifier(labelled_logits, labels) + unsupervised


def _own(values: Array, labels: Array) -> Array:
    """Returns values[i, labels[i]], [B]."""
    return jnp.take_along_axis(values, labels[:, None], axis=1)[:, 0]


def _classified(function: str, class_logits: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    logits, y = wide(class_logits), jnp.asarray(labels)
    if logits.ndim != 2 or y.shape != logits.shape[:1] or not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(
            f"{function} takes class logits [B, K] and integer labels [B]; got {logits.shape} and {y.dtype}{y.shape}"
        )
    return logits, y
