"""What denoisers minimise, and the gradients by which a generator is distilled from two of them.

All take examples x [B, ...] and what denoisers made of x_sigma = x + sigma epsilon, of the same shape.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def denoising(denoised: Array, x: Array, sigma: Array, sigma_data: float = 0.5) -> Array:
    """Denoising score matching, weighted so that a network's output counts alike at every level.

    (1 / sigma^2 + 1 / sigma_data^2) (D(x_sigma; sigma) - x)^2.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.losses.denoising(jnp.ones((1, 2)), jnp.zeros((1, 2)), sigma=jnp.array([0.5])))  # (4 + 4) * 1
      8.0

    Args:
      denoised: D(x_sigma; sigma), [B, ...].
      x: examples before noise, [B, ...].
      sigma: levels > 0, [B].
      sigma_data: standard deviation of a coordinate of the data, > 0.
    Returns:
      [], mean over examples and coordinates.
    Raises:
      ValueError: shapes differ.
    References:
      Karras, Aittala, Aila, Laine. Elucidating the Design Space of Diffusion-Based Generative Models. NeurIPS 2022,
      eq. 2 and table 1.
    """
    _check("denoising", denoised, x)
    weight = (1 / jnp.square(sigma) + 1 / sigma_data**2).reshape(-1, *(1,) * (x.ndim - 1))
    return jnp.mean(weight * jnp.square(denoised - x))


def distribution_matching(x: Array, real: Array, fake: Array) -> Array:
    """Distribution matching: a loss of samples x whose gradient is (F - R) / mean |x - R|, over x's size.

    R and F are denoisers of the data and of the samples, both at x_sigma: (F - R) / sigma^2 is the difference of both
    scores, the gradient of KL(p_sigma of samples, p_sigma of data). The mean is each example's own. Its value says
    little: it is half the mean square of that gradient.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> x, real, fake = jnp.ones((1, 2)), jnp.zeros((1, 2)), jnp.ones((1, 2))
      >>> jax.grad(jg.losses.distribution_matching)(x, real, fake).tolist()  # (1 - 0) / 1, over two coordinates
      [[0.5, 0.5]]

    Args:
      x: samples, [B, ...]; the gradient goes to them alone.
      real: R(x_sigma; sigma), of the teacher, [B, ...].
      fake: F(x_sigma; sigma), of a denoiser of the samples, [B, ...].
    Returns:
      [], mean over examples and coordinates.
    Raises:
      ValueError: shapes differ.
    References:
      Yin et al. One-step Diffusion with Distribution Matching Distillation. CVPR 2024, eq. 7 and 8.
    """
    _check("distribution_matching", x, real, fake)
    gradient = (fake - real) / _distance(x, real)
    return 0.5 * jnp.mean(jnp.square(x - jax.lax.stop_gradient(x - gradient)))


def score_identity(x: Array, real: Array, fake: Array, alpha: float = 1.2) -> Array:
    """Score identity distillation: (R - F) . ((R - x) - alpha (R - F)) / mean |x - R|, differentiated through all.

    At the Bayes denoiser F of the samples, E (R - F) . (F - x) = 0, so that its mean is that of (1 - alpha) |R - F|^2;
    the two parts have other gradients where F is only close to Bayes. The mean by which it is divided is each example's
    own and has no gradient.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> x, real = jnp.zeros((1, 2)), jnp.ones((1, 2))
      >>> round(float(jg.losses.score_identity(x, real, fake=x)), 3)  # (1 - alpha) |R - F|^2 where F is x
      -0.2

    Args:
      x: samples, [B, ...].
      real: R(x_sigma; sigma), of the teacher, a function of x, [B, ...].
      fake: F(x_sigma; sigma), of a denoiser of the samples, likewise.
      alpha: of the paper, 1.2 for its best figures; 1 leaves (R - F) . (F - x).
    Returns:
      [], mean over examples and coordinates; it may be negative.
    Raises:
      ValueError: shapes differ.
    References:
      Zhou et al. Score identity Distillation: Exponentially Fast Distillation of Pretrained Diffusion Models for
      One-Step Generation. ICML 2024, eq. 23.
    """
    _check("score_identity", x, real, fake)
    apart = real - fake
    weight = jax.lax.stop_gradient(_distance(x, real))
    return jnp.mean(apart * ((real - x) - alpha * apart) / weight)


def _distance(x: Array, real: Array) -> Array:
    """Returns the mean |x - R| of each example, [B, 1, ...], no smaller than 1e-5."""
    return jnp.maximum(jnp.mean(jnp.abs(x - real), axis=tuple(range(1, x.ndim)), keepdims=True), 1e-5)


def _check(name: str, x: Array, *others: Array) -> None:
    if any(other.shape != x.shape for other in others):
        raise ValueError(f"{name} compares arrays of one shape; got {[x.shape, *(other.shape for other in others)]}")
