"""Terms of a generator's loss: path length and mode seeking. They are not weighted: the player does that."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxgan.types import example_keys


def path_length(
    generator: Callable[[Array], Array],
    w: Array,
    mean: ArrayLike,
    key: Array,
    *,
    decay: float = 0.01,
    examples: Array | None = None,
    average: Callable[[Array], Array] = lambda mean: mean,
) -> tuple[Array, Array]:
    """Path length regulariser: E (||J^T y|| - a)^2, with J the Jacobian of the generator and a its running mean.

    A step in w then moves the image by as much, wherever it is made. y ~ N(0, I), divided by the root of the number of
    pixels; the running mean is this turn's, and differentiated with the rest, as in the authors' code.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> bright = lambda w: jnp.broadcast_to(w[:, None, None, :1], (len(w), 4, 4, 1))
      >>> cost, mean = jg.penalties.path_length(bright, jnp.ones((1, 3)), 0.0, jax.random.key(0), decay=1.0)
      >>> float(cost), bool(mean > 0)  # of a single example, whose length is the mean
      (0.0, True)

    Args:
      generator: w -> images [B, ..., C], pure (`frozen` of a network); examples are independent.
      w: latents, [B, W], or [B, layers, W] for one in each layer: squares are then averaged over layers.
      mean: [], a before the turn; 0 at first.
      key: [] typed key, such as `turn.named("path length")`.
      decay: how far the mean moves towards that of this turn, in [0, 1].
      examples: [B] int32, indices in the global batch (`turn.examples`).
      average: [] of this device -> [] over all of them (`turn.average`): the running mean is of the global batch.
    Returns:
      The term [], mean over B (weight 2 there), and a after the turn [].
    Raises:
      ValueError: decay is out of range, or w has no width.
    References:
      Karras et al. Analyzing and Improving the Image Quality of StyleGAN. CVPR 2020, section 3.2, eq. 4.
    """
    if isinstance(decay, int | float) and not 0 <= decay <= 1:
        raise ValueError(f"path_length needs 0 <= decay <= 1; got {decay}")
    lengths = path_lengths(generator, w, key, examples=examples)
    moved = (1 - decay) * jnp.asarray(mean) + decay * average(jnp.mean(lengths))
    return jnp.mean(jnp.square(lengths - moved)), moved


def path_lengths(generator: Callable[[Array], Array], w: Array, key: Array, *, examples: Array | None = None) -> Array:
    """Lengths ||J^T y|| of every example, which `path_length` makes equal.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> bright = lambda w: jnp.broadcast_to(w[:, None, None, :1], (len(w), 4, 4, 1))
      >>> lengths = lambda generator: jg.penalties.path_lengths(generator, jnp.ones((2, 3)), jax.random.key(0))
      >>> [round(float(v), 3) for v in lengths(lambda w: 3.0 * bright(w)) / lengths(bright)]
      [3.0, 3.0]

    Args:
      generator: as of `path_length`.
      w: latents, [B, W] or [B, layers, W].
      key: [] typed key, of y.
      examples: [B] int32, indices in the global batch.
    Returns:
      [B] float32 or wider, >= 0.
    Raises:
      ValueError: w has no width.
    """
    if w.ndim < 2:
        raise ValueError(f"path_length takes latents [B, W] or [B, layers, W]; got {w.shape}")
    images, pull = jax.vjp(generator, w)
    keys = example_keys(key, images.shape[0], examples)
    y = jax.vmap(lambda key: jax.random.normal(key, images.shape[1:], images.dtype))(keys)
    (gradient,) = pull(y / math.sqrt(math.prod(images.shape[1:-1])))
    gradient = gradient.astype(jnp.promote_types(gradient.dtype, jnp.float32))
    squares = jnp.mean(jnp.sum(jnp.square(gradient), axis=-1).reshape(w.shape[0], -1), axis=1)
    positive = squares > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1.0)), 0.0)  # no NaN where G is flat


def mode_seeking(
    first: ArrayLike, second: ArrayLike, first_z: ArrayLike, second_z: ArrayLike, *, epsilon: float = 1e-5
) -> Array:
    """Mode seeking: 1 / (mean |G(z1) - G(z2)| / mean |z1 - z2| + epsilon); samples far apart make it small.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> z, other_z = jnp.zeros((2, 3)), jnp.full((2, 3), 2.0)
      >>> round(float(jg.penalties.mode_seeking(z, other_z / 2, z, other_z)), 3)  # samples half as far apart as latents
      2.0

    Args:
      first: G(z1), [B, ...], under the same condition as second.
      second: G(z2), like first.
      first_z: z1, [B, Z].
      second_z: z2, like first_z.
      epsilon: > 0, for equal samples.
    Returns:
      [] in [0, 1/epsilon]; means over all elements. 1/epsilon where latents and samples are equal.
    Raises:
      ValueError: shapes differ, or epsilon is not positive.
    References:
      Mao et al. Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis. CVPR 2019.
    """
    if not epsilon > 0:
        raise ValueError(f"mode_seeking needs epsilon > 0; got {epsilon}")
    samples, latents = _mean_distance(first, second), _mean_distance(first_z, second_z)
    denominator = samples + epsilon * latents  # the quotient turned over once: nothing divides by a distance of zero
    apart = denominator > 0
    return jnp.where(apart, latents / jnp.where(apart, denominator, 1.0), 1 / epsilon)


def _mean_distance(a: ArrayLike, b: ArrayLike) -> Array:
    x, y = jnp.asarray(a), jnp.asarray(b)
    if x.shape != y.shape:
        raise ValueError(f"mode_seeking compares arrays of one shape; got {x.shape} and {y.shape}")
    wide = jnp.promote_types(jnp.result_type(x, y), jnp.float32)
    return jnp.mean(jnp.abs(x.astype(wide) - y.astype(wide)))
