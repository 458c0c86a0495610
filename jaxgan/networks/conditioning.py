"""What a condition becomes before a generator sees it: conditioning augmentation."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike


class ConditioningAugmentation(nn.Module):
    """A caption y [B, T] and normal noise [B, C] -> (c [B, C], divergence [B]): c ~ N(mu(y), sigma(y)^2).

    mu and log sigma are one dense layer of y, and c = mu + sigma noise. The divergence, in nats, is
    KL(N(mu, sigma^2) || N(0, I)), summed over the C entries; a generator returns it beside its images, and adds that of
    its loss (`systems.stackgan`). The noise comes from outside, so that it is an example's own.

    References:
      Zhang et al. StackGAN: Text to Photo-realistic Image Synthesis with Stacked Generative Adversarial Networks.
      ICCV 2017, section "Conditioning Augmentation".
    """

    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, y: Array, noise: Array) -> tuple[Array, Array]:
        """Draws a condition for every caption."""
        if y.ndim != 2 or noise.ndim != 2 or len(y) != len(noise):
            raise ValueError(
                f"ConditioningAugmentation takes captions [B, T] and noise [B, C]; got {y.shape} and {noise.shape}"
            )
        both = nn.Dense(2 * noise.shape[1], dtype=self.dtype)(y).astype(jnp.float32)
        mean, log_std = jnp.split(both, 2, axis=1)
        divergence = jnp.square(mean) + jnp.exp(2 * log_std) - 1 - 2 * log_std
        return mean + jnp.exp(log_std) * noise, 0.5 * jnp.sum(divergence, axis=1)
