"""Regularisers of parameters: functions of a tree of them, summed over its matrices and not weighted.

Every leaf with two axes or more is a matrix W [fan_in, outputs], the last axis being the outputs' as in Flax's kernels;
the others (biases, scales) do not count. Give them the part of the tree that is meant, without embeddings.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.types import PyTree


def orthogonal(params: PyTree) -> Array:
    """Orthogonal regularisation: the sum over matrices of ||W^T W - I||_F^2.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.penalties.orthogonal({"kernel": 2 * jnp.eye(2), "bias": jnp.ones(2)}))  # ||4 I - I||^2
      18.0

    Args:
      params: tree of arrays.
    Returns:
      [].
    References:
      Brock et al. Neural Photo Editing with Introspective Adversarial Networks. ICLR 2017.
      Brock, Donahue, Simonyan. Large Scale GAN Training for High Fidelity Natural Image Synthesis. ICLR 2019, section
      3.1.
    """
    return _sum(params, lambda w: jnp.sum(jnp.square(w.T @ w - jnp.eye(w.shape[1], dtype=w.dtype))))


def orthogonal_off_diagonal(params: PyTree) -> Array:
    """BigGAN's form, which leaves norms free: the sum over matrices of ||W^T W * (1 - I)||_F^2 (weight 1e-4 there).

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> [float(jg.penalties.orthogonal_off_diagonal({"kernel": w})) for w in (2 * jnp.eye(2), jnp.ones((2, 2)))]
      [0.0, 8.0]

    Args:
      params: tree of arrays, the generator's in the paper.
    Returns:
      [].
    References:
      Brock, Donahue, Simonyan. Large Scale GAN Training for High Fidelity Natural Image Synthesis. ICLR 2019, section
      3.1.
    """
    return _sum(params, lambda w: jnp.sum(jnp.square(jnp.where(jnp.eye(w.shape[1], dtype=bool), 0.0, w.T @ w))))


def spectral(params: PyTree) -> Array:
    """Spectral norm regularisation: the sum over matrices of half their squared largest singular value.

    The singular values are exact, by a decomposition of every matrix in every call.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> round(float(jg.penalties.spectral({"kernel": jnp.diag(jnp.array([3.0, 1.0]))})), 3)  # 3^2 / 2
      4.5

    Args:
      params: tree of arrays.
    Returns:
      [].
    References:
      Yoshida, Miyato. Spectral Norm Regularization for Improving the Generalizability of Deep Learning. 2017.
    """
    return _sum(params, lambda w: 0.5 * jnp.square(jnp.max(jnp.linalg.svd(w, compute_uv=False))))


def _sum(params: PyTree, term: Callable[[Array], Array]) -> Array:
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(params)]
    matrices = [
        w.reshape(-1, w.shape[-1]).astype(jnp.promote_types(w.dtype, jnp.float32)) for w in leaves if w.ndim > 1
    ]
    return sum((term(w) for w in matrices), start=jnp.zeros((), jnp.float32))
