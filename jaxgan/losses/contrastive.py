"""Contrastive losses of labelled examples: data to class and data to data, on unit vectors [B, E]. Players add them up.

Similarities are inner products of unit vectors, cosines in [-1, 1]. The other examples are those of the minibatch that
a device holds.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.nn import logsumexp, relu
from jax.typing import ArrayLike

from jaxgan.losses.pairs import check_number, wide


def conditional_contrastive(
    embedding: ArrayLike, proxy: ArrayLike, labels: ArrayLike, *, temperature: float = 1.0
) -> Array:
    """ContraGAN's 2C loss: an example is drawn to its class and to examples of its class, away from all others.

    -E log (e^{h.p} + sum_{j != i, same class} e^{h.h_j}) / (e^{h.p} + sum_{j != i} e^{h.h_j}), exponents over the
    temperature. D minimises it on real examples and G on its samples.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> h = jnp.eye(2)  # each at its class's own vector, orthogonal to the other's
      >>> round(float(jg.losses.conditional_contrastive(h, h, jnp.array([0, 1]))), 3)  # log(1 + 1/e)
      0.313

    Args:
      embedding: h of the examples, [B, E], of unit length.
      proxy: p, of each example's class, [B, E], of unit length.
      labels: [B] integers.
      temperature: > 0.
    Returns:
      [], >= 0, mean over B; 0 where a minibatch holds one class only.
    Raises:
      ValueError: shapes, dtypes or the temperature are others.
    References:
      Kang, Park. ContraGAN: Contrastive Learning for Conditional Image Generation. NeurIPS 2020, section 3.
    """
    h, p, same, other = _compared("conditional_contrastive", embedding, proxy, labels, temperature)
    to_class = jnp.sum(h * p, axis=1)[:, None] / temperature
    to_data = h @ h.T / temperature
    positive = jnp.concatenate([to_class, jnp.where(same, to_data, -jnp.inf)], axis=1)
    every = jnp.concatenate([to_class, jnp.where(same | other, to_data, -jnp.inf)], axis=1)
    return jnp.mean(logsumexp(every, axis=1) - logsumexp(positive, axis=1))


def data_to_data(
    embedding: ArrayLike,
    proxy: ArrayLike,
    labels: ArrayLike,
    *,
    temperature: float = 0.5,
    margin: float = 0.98,
) -> Array:
    """ReACGAN's D2D-CE: the cross-entropy of an example's class against examples of other classes, easy ones left out.

    -E log e^{a} / (e^{a} + sum_{j of other classes} e^{b_j}), with a = min(0, h.p - margin) / temperature and
    b_j = max(0, h.h_j - (1 - margin)) / temperature: what is close enough to its class, or far enough from the others,
    gives no gradient. D minimises it on real examples and G on its samples.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> h, labels = jnp.eye(2), jnp.array([0, 1])
      >>> round(float(jg.losses.data_to_data(h, h, labels)), 3)  # log 2, its least with one example of another class
      0.693
      >>> round(float(jg.losses.data_to_data(h, h[::-1], labels)), 3)
      2.092

    Args:
      embedding: h of the examples, [B, E], of unit length.
      proxy: p, of each example's class, [B, E], of unit length.
      labels: [B] integers.
      temperature: > 0.
      margin: m_p, in [-1, 1]; the other margin m_n is 1 - m_p, as in the authors' code.
    Returns:
      [], >= 0, mean over B.
    Raises:
      ValueError: shapes, dtypes, the temperature or the margin are others.
    References:
      Kang, Shim, Cho, Park. Rebooting ACGAN: Auxiliary Classifier GANs with Stable Training. NeurIPS 2021, section 3.
    """
    check_number("data_to_data", "margin", margin, low=-1.0, high=1.0)
    h, p, _, other = _compared("data_to_data", embedding, proxy, labels, temperature)
    attraction = -relu(margin - jnp.sum(h * p, axis=1)) / temperature
    repulsion = relu(h @ h.T - (1 - margin)) / temperature
    every = jnp.concatenate([attraction[:, None], jnp.where(other, repulsion, -jnp.inf)], axis=1)
    return jnp.mean(logsumexp(every, axis=1) - attraction)


def _compared(
    function: str, embedding: ArrayLike, proxy: ArrayLike, labels: ArrayLike, temperature: float
) -> tuple[Array, Array, Array, Array]:
    """Returns embeddings and proxies [B, E], and which pairs [B, B] are of one class (but not oneself) and of two."""
    h, p, y = wide(embedding), wide(proxy), jnp.asarray(labels)
    if h.ndim != 2 or p.shape != h.shape or y.shape != h.shape[:1] or not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(
            f"{function} takes embedding and proxy [B, E] and integer labels [B]; "
            f"got {h.shape}, {p.shape} and {y.dtype}{y.shape}"
        )
    if not temperature > 0:
        raise ValueError(f"{function} needs temperature > 0; got {temperature}")
    equal = y[:, None] == y[None, :]
    return h, p, equal & ~jnp.eye(len(y), dtype=bool), ~equal
