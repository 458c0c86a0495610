"""Encoders: networks from data to latents, by a network for their statistics or for the latents themselves.

A system calls `encoder(x)`, or `encoder(x, noise)` where the encoder is a stochastic one: the noise comes from outside,
so that it is an example's own on any number of devices.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxgan.networks.layers import call


class Gaussian(nn.Module):
    """x [B, ...] and normal noise [B, Z] -> (z [B, Z], divergence [B]): z ~ N(mu(x), sigma(x)^2), one number at a time.

    mu and log sigma^2 are one dense layer of what the body makes of x, and z = mu + sigma noise. The divergence, in
    nats, is KL(N(mu, sigma^2) || N(0, I)), summed over the Z entries: what a VAE pays.

    References:
      Kingma, Welling. Auto-Encoding Variational Bayes. ICLR 2014, appendix B.
    """

    body: nn.Module  # x -> features [B, ...], such as `heads.Convolutional()` or `heads.FullyConnected()`
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, noise: Array, train: bool = True) -> tuple[Array, Array]:
        """Draws a latent for every example."""
        mean, log_variance = self._statistics(x, noise.shape[-1], train)
        divergence = jnp.square(mean) + jnp.exp(log_variance) - 1 - log_variance
        return mean + jnp.exp(0.5 * log_variance) * noise, 0.5 * jnp.sum(divergence, axis=1)

    def _statistics(self, x: Array, width: int, train: bool) -> tuple[Array, Array]:
        h = call(self.body, x, train=train)
        h = nn.Dense(2 * width, dtype=self.dtype, name="statistics")(h.reshape(h.shape[0], -1)).astype(jnp.float32)
        return h[:, :width], h[:, width:]


class Implicit(nn.Module):
    """x [B, ...] and noise [B, E] -> z [B, Z], of a law without a density: the noise is an input beside x.

    References:
      Mescheder, Nowozin, Geiger. Adversarial Variational Bayes. ICML 2017, figure 2.
    """

    body: nn.Module  # [B, F + E] -> z [B, Z], such as `mlp.Generator((Z,))`
    features: nn.Module | None = None  # x -> features [B, ...], to which the noise is joined; None: the pixels of x

    @nn.compact
    def __call__(self, x: Array, noise: Array, train: bool = True) -> Array:
        """Draws a latent for every example."""
        h = x if self.features is None else call(self.features, x, train=train)
        return call(self.body, jnp.concatenate([h.reshape(h.shape[0], -1), noise], axis=1), train=train)


class Styles(nn.Module):
    """x [B, ...] -> [B, layers, width]: a style first, and behind it what each further layer's differs by, 0 at first.

    For `systems.inversion`: `layers` and `width` are those of the generator's styles.

    References:
      Tov et al. Designing an Encoder for StyleGAN Image Manipulation. SIGGRAPH 2021, section 5.1.
    """

    body: nn.Module  # x -> features [B, ...], such as `heads.Convolutional()` or `heads.FullyConnected()`
    layers: int  # of the generator, >= 1: two for each resolution of a `stylegan2.Generator`
    width: int  # of a style
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: Array, train: bool = True) -> Array:
        """Encodes every example."""
        if self.layers < 1 or self.width < 1:
            raise ValueError(f"Styles needs layers and width >= 1; got {self.layers} and {self.width}")
        h = call(self.body, x, train=train)
        h = h.reshape(h.shape[0], -1)
        style = nn.Dense(self.width, dtype=self.dtype, name="style")(h)[:, None].astype(jnp.float32)
        if self.layers == 1:
            return style
        further = (self.layers - 1, self.width)
        offsets = nn.DenseGeneral(further, kernel_init=nn.initializers.zeros, dtype=self.dtype, name="offsets")(h)
        return jnp.concatenate([style, offsets.astype(jnp.float32)], axis=1)


def latent_of(encoded: Array | tuple[Array, ...]) -> Array:
    """Returns the latents [B, Z] of what an encoder makes: the latents, or the first of a tuple.

    Args:
      encoded: z, or (z, divergence).
    """
    return jax.tree.leaves(encoded)[0]
