"""What autoencoders pay for what they do not give back."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array


def half_squared_error(x: Array, rebuilt: Array) -> Array:
    """Squared error: 1/2 |x - rebuilt|^2, summed over an example's entries, mean over the batch.

    It is -log N(x; rebuilt, I) in nats, but for its constant.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.losses.half_squared_error(jnp.ones((2, 3)), jnp.zeros((2, 3))))
      1.5

    Args:
      x: data, [B, ...].
      rebuilt: what was made of their latents, [B, ...].
    Returns:
      [] float32.
    Raises:
      ValueError: the shapes differ, and would broadcast.
    References:
      Makhzani et al. Adversarial Autoencoders. 2015, section 2.
    """
    if x.shape != rebuilt.shape:
        raise ValueError(f"data are {x.shape}, but the decoder makes {rebuilt.shape}; choose its shape after the data")
    return 0.5 * jnp.sum(jnp.square((x - rebuilt).astype(jnp.float32))) / x.shape[0]
