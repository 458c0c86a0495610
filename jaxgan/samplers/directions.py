"""SeFa: directions in the latent space along which a generator changes most, from its weights alone."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


class Directions(NamedTuple):
    """Directions in the latent space, the strongest first."""

    vectors: Array  # [count, Z] float32, of unit length and orthogonal; the sign is arbitrary
    strengths: Array  # [count] eigenvalues: squared length of the layer's response to each


def semantic_directions(*kernels: ArrayLike, count: int = 5) -> Directions:
    """Eigenvectors of A^T A for the affine layer(s) A that the latent enters by: argmax over unit n of ||A n||^2.

    Args:
      kernels: of one or more layers that all receive the latent, [Z, ...] each as Flax keeps them (A transposed): the
        first dense layer of a DCGAN, or the style layers of a StyleGAN. Several count as one layer side by side.
      count: directions, in 1..Z.
    Returns:
      Directions.
    Raises:
      ValueError: no kernel, kernels of different Z, or count out of range.
    References:
      Shen, Zhou. Closed-Form Factorization of Latent Semantics in GANs. CVPR 2021, section 2.
    """
    layers = [jnp.asarray(kernel, jnp.float32) for kernel in kernels]
    widths = {layer.shape[0] for layer in layers if layer.ndim >= 2}
    if len(widths) != 1 or any(layer.ndim < 2 for layer in layers):
        raise ValueError(f"semantic_directions takes kernels [Z, ...] of one Z; got {[k.shape for k in layers]}")
    a = jnp.concatenate([layer.reshape(layer.shape[0], -1) for layer in layers], axis=1)
    if not 1 <= count <= a.shape[0]:
        raise ValueError(f"latents of width {a.shape[0]} have 1 to {a.shape[0]} directions; got count={count}")
    # The singular vectors of A are the eigenvectors, without squaring its condition number.
    vectors, lengths, _ = jnp.linalg.svd(a, full_matrices=a.shape[0] > a.shape[1])
    lengths = jnp.zeros(a.shape[0]).at[: len(lengths)].set(lengths)
    return Directions(vectors.T[:count], jnp.square(lengths[:count]))
