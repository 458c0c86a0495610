"""Objectives of the two players: one `Loss` per paper, two equations each, and both players minimise.

Logits are the discriminator's outputs before any sigmoid, `[B]` or a map `[B, h, w]`; every value is a mean over all
of them. A discriminator's loss is the mean over real plus the mean over fake samples, without a factor 1/2 unless its
paper has one. Logits of different shapes would broadcast to `[B, B]`, so they are refused.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.nn import relu, softplus
from jax.typing import ArrayLike

from jaxgan.types import Loss


def _pair(discriminator: Callable[[Array, Array], Array], generator: Callable[[Array, Array], Array]) -> Loss:
    """Makes a `Loss` whose two sides check their logits and compute in float32 at least."""

    def checked(objective: Callable[[Array, Array], Array]) -> Callable[[ArrayLike, ArrayLike], Array]:
        return lambda real_logits, fake_logits: objective(*_logits(real_logits, fake_logits))

    return Loss(checked(discriminator), checked(generator))


def _logits(real_logits: ArrayLike, fake_logits: ArrayLike) -> tuple[Array, Array]:
    real, fake = jnp.asarray(real_logits), jnp.asarray(fake_logits)
    if real.shape != fake.shape:
        raise ValueError(
            f"real_logits have shape {real.shape} and fake_logits {fake.shape}; they must be equal: "
            "give both batches the same size and let the discriminator return [B] or [B, h, w] for both"
        )
    dtype = jnp.promote_types(real.dtype, jnp.float32)
    return real.astype(dtype), fake.astype(dtype)


def _logistic_discriminator(real: Array, fake: Array) -> Array:
    """-E log D(x) - E log(1 - D(G(z))), with D = sigmoid(logits): binary cross-entropy."""
    return jnp.mean(softplus(-real)) + jnp.mean(softplus(fake))


minimax: Loss = _pair(
    _logistic_discriminator,
    lambda real, fake: -jnp.mean(softplus(fake)),  # E log(1 - D(G(z)))
)
"""The original game: D maximises E log D(x) + E log(1 - D(G(z))), and G minimises it.

The generator's gradient vanishes where the discriminator is sure that samples are fake (it saturates). At the optimal
discriminator the value is 2 JS(p_data, p_G) - 2 log 2.

References:
  Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014, eq. 1.
"""

non_saturating: Loss = _pair(
    _logistic_discriminator,
    lambda real, fake: jnp.mean(softplus(-fake)),  # -E log D(G(z))
)
"""The logistic game with the generator that practice uses: G maximises E log D(G(z)).

Same fixed point as `minimax`; strong gradients early, when samples are easily told apart.

References:
  Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014, section 3.
"""

least_squares: Loss = _pair(
    lambda real, fake: 0.5 * jnp.mean(jnp.square(real - 1)) + 0.5 * jnp.mean(jnp.square(fake)),
    lambda real, fake: 0.5 * jnp.mean(jnp.square(fake - 1)),
)
"""Least squares towards 1 for real and 0 for fake, with the paper's 1/2; G pulls its samples towards 1.

References:
  Mao et al. Least Squares Generative Adversarial Networks. ICCV 2017, eq. 9 (a = 0, b = c = 1).
"""

hinge: Loss = _pair(
    lambda real, fake: jnp.mean(relu(1 - real)) + jnp.mean(relu(1 + fake)),
    lambda real, fake: -jnp.mean(fake),
)
"""Hinge: D is content once real logits exceed 1 and fake ones fall below -1; G minimises -E D(G(z)).

References:
  Lim, Ye. Geometric GAN. 2017, eq. 20-21; Miyato et al. Spectral Normalization for GANs. ICLR 2018, eq. 16-17.
"""

wasserstein: Loss = _pair(
    lambda real, fake: jnp.mean(fake) - jnp.mean(real),
    lambda real, fake: -jnp.mean(fake),
)
"""Earth mover's distance in its dual form; the critic must be kept 1-Lipschitz, by a penalty or by weight clipping.

References:
  Arjovsky, Chintala, Bottou. Wasserstein Generative Adversarial Networks. ICML 2017, eq. 2.
"""
