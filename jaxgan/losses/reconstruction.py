"""What is paid for a reconstruction or a translation that is not what it should be.

Errors are means over all entries, so that their weights know no size. Negative log-likelihoods are in nats and summed
over an example's entries, so that they weigh what they must beside a divergence in nats.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.nn import softplus
from jax.typing import ArrayLike

from jaxgan.losses.pairs import wide


def absolute_error(x: ArrayLike, y: ArrayLike) -> Array:
    """E |x - y|, the L1 of translators: a mean over examples, pixels and channels, so that its weight knows no size.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.losses.absolute_error(jnp.zeros((2, 3)), jnp.ones((2, 3))))
      1.0

    Args:
      x: [B, ...].
      y: the same shape.
    Returns:
      [], the mean.
    Raises:
      ValueError: shapes differ, which would broadcast.
    References:
      Isola, Zhu, Zhou, Efros. Image-to-Image Translation with Conditional Adversarial Networks. CVPR 2017, eq. 3.
    """
    x, y = _alike("absolute_error", x, y)
    return jnp.mean(jnp.abs(x - y))


def squared_error(x: ArrayLike, y: ArrayLike) -> Array:
    """E (x - y)^2: a mean over examples, pixels and channels.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.losses.squared_error(jnp.zeros((2, 3)), jnp.full((2, 3), 2.0)))
      4.0

    Args:
      x: [B, ...].
      y: the same shape.
    Returns:
      [], the mean.
    Raises:
      ValueError: shapes differ, which would broadcast.
    References:
      Kim, Cha, Kim, Lee, Kim. Learning to Discover Cross-Domain Relations with Generative Adversarial Networks. ICML
      2017, eq. 3 (its distance d).
    """
    x, y = _alike("squared_error", x, y)
    return jnp.mean(jnp.square(x - y))


def gradient_difference(x: ArrayLike, y: ArrayLike, exponent: float = 1.0) -> Array:
    """E ||d x| - |d y||^a of differences d of neighbouring pixels: a mean down columns, plus one along rows.

    It asks for edges as steep as the truth's, and is blind to their sign: a picture and its negative cost nothing. So
    it stands beside another distance, never alone.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> ramp = jnp.broadcast_to(jnp.arange(6.0)[:, None], (1, 6, 6, 1))
      >>> [float(jg.losses.gradient_difference(ramp, other)) for other in (jnp.zeros_like(ramp), -ramp)]
      [1.0, 0.0]

    Args:
      x: [B, H, W, C], H and W >= 2.
      y: the same shape.
      exponent: a, >= 1.
    Returns:
      [], the sum of two means; the paper has sums, its authors' code these means.
    Raises:
      ValueError: shapes differ or are not images, or the exponent is below 1.
    References:
      Mathieu, Couprie, LeCun. Deep Multi-Scale Video Prediction beyond Mean Square Error. ICLR 2016, eq. 6.
    """
    x, y = _alike("gradient_difference", x, y)
    if x.ndim != 4 or min(x.shape[1:3]) < 2 or exponent < 1:
        raise ValueError(f"gradient_difference needs images [B, H, W, C] and exponent >= 1; got {x.shape}, {exponent}")
    steps = [(jnp.abs(jnp.diff(x, axis=axis)), jnp.abs(jnp.diff(y, axis=axis))) for axis in (1, 2)]
    down, across = (jnp.mean(jnp.abs(one - other) ** exponent) for one, other in steps)
    return down + across


def unit_gaussian(x: ArrayLike, mean: ArrayLike) -> Array:
    """Half the squared error, 1/2 ||x - mean||^2: -log N(x; mean, I) but for its constant.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.losses.unit_gaussian(jnp.zeros((2, 3)), jnp.ones((2, 3))))  # a half for each of 3 entries
      1.5

    Args:
      x: [B, ...], data or their features.
      mean: the same shape, as decoded.
    Returns:
      [] >= 0, summed over an example's entries, mean over B.
    Raises:
      ValueError: shapes differ, which would broadcast.
    References:
      Kingma, Welling. Auto-Encoding Variational Bayes. ICLR 2014, appendix C.2.
    """
    data, decoded = _alike("unit_gaussian", x, mean)
    return 0.5 * _mean_of_sums(jnp.square(data - decoded))


def bernoulli(x: ArrayLike, logits: ArrayLike) -> Array:
    """Cross-entropy of data in [0, 1] with independent coins: softplus(l) - x l, which is -log p(x) for x of 0 and 1.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> round(float(jg.losses.bernoulli(jnp.ones((2, 4)), jnp.zeros((2, 4)))), 3)  # 4 fair coins: 4 log 2
      2.773

    Args:
      x: [B, ...] in [0, 1].
      logits: the same shape, as decoded: log odds of a 1.
    Returns:
      [] >= 0, summed over an example's entries, mean over B, in nats.
    Raises:
      ValueError: shapes differ, which would broadcast.
    References:
      Kingma, Welling. Auto-Encoding Variational Bayes. ICLR 2014, appendix C.1.
    """
    data, decoded = _alike("bernoulli", x, logits)
    return _mean_of_sums(softplus(decoded) - data * decoded)


def self_regularization(refined: ArrayLike, x: ArrayLike) -> Array:
    """How far a refiner moves its input: E ||R(x) - x||_1, summed over pixels and channels.

    A mean over pixels would be H W C times weaker at the same weight: of the paper's 35 x 55 pixels 1,925 times.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> x = jnp.zeros((2, 4, 4, 1))
      >>> float(jg.losses.self_regularization(x + 0.5, x))  # 16 pixels
      8.0

    Args:
      refined: R(x), [B, ...].
      x: [B, ...].
    Returns:
      [], mean over B of sums, in units of the pixels.
    Raises:
      ValueError: shapes differ, which would broadcast.
    References:
      Shrivastava et al. Learning from Simulated and Unsupervised Images through Adversarial Training. CVPR 2017, eq. 3
      with the identity as its features.
    """
    one, other = _alike("self_regularization", refined, x)
    return _mean_of_sums(jnp.abs(one - other))


def _alike(name: str, x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    x, y = wide(x), wide(y)
    if x.shape != y.shape:
        raise ValueError(f"{name} compares arrays of one shape; got {x.shape} and {y.shape}")
    return x, y


def _mean_of_sums(entries: Array) -> Array:
    return jnp.mean(jnp.sum(entries.reshape(entries.shape[0], -1), axis=1))
