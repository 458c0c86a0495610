"""Relativistic losses: is a real example more realistic than a sample? Either player moves both logits.

The averages E D are taken over the minibatch that a device holds; all other losses are means of examples, and the same
on any number of devices.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.nn import relu, softplus

from jaxgan.losses.pairs import pair
from jaxgan.types import Loss, explained

relativistic: Loss = explained(
    pair(
        lambda real, fake: jnp.mean(softplus(fake - real)),
        lambda real, fake: jnp.mean(softplus(real - fake)),
    ),
    """Relativistic pairing: -E log sigmoid(D(x) - D(G(z))), example i against sample i; G swaps the two.

Only differences count, so the critic is free up to a constant. This is the RpGAN of R3GAN.

Example:
  >>> import jax.numpy as jnp, jaxgan as jg
  >>> same = jnp.full(4, 7.0)  # real and samples, one like the other, wherever they lie
  >>> [round(float(side(same, same)), 3) for side in jg.losses.relativistic]
  [0.693, 0.693]

References:
  Jolicoeur-Martineau. The Relativistic Discriminator: A Key Element Missing from Standard GAN. ICLR 2019 (RSGAN).
  Huang et al. The GAN is Dead; Long Live the GAN! A Modern GAN Baseline. NeurIPS 2024.
""",
)


def _average(real_term: Callable[[Array], Array], fake_term: Callable[[Array], Array]) -> Loss:
    """E real_term(D(x) - E D(G(z))) + E fake_term(D(G(z)) - E D(x)); the generator swaps the two."""

    def objective(real: Array, fake: Array) -> Array:
        return jnp.mean(real_term(real - jnp.mean(fake))) + jnp.mean(fake_term(fake - jnp.mean(real)))

    return pair(objective, lambda real, fake: objective(fake, real))


relativistic_average: Loss = explained(
    _average(lambda d: softplus(-d), softplus),
    """Relativistic average: -E log sigmoid(D(x) - E D(G(z))) - E log(1 - sigmoid(D(G(z)) - E D(x))); G swaps the two.

Example:
  >>> import jax.numpy as jnp, jaxgan as jg
  >>> same = jnp.full(4, 7.0)
  >>> [round(float(side(same, same)), 3) for side in jg.losses.relativistic_average]
  [1.386, 1.386]

References:
  Jolicoeur-Martineau. The Relativistic Discriminator: A Key Element Missing from Standard GAN. ICLR 2019 (RaSGAN).
""",
)

relativistic_average_least_squares: Loss = explained(
    _average(lambda d: jnp.square(d - 1), lambda d: jnp.square(d + 1)),
    """Relativistic average, least squares: E (D(x) - E D(G(z)) - 1)^2 + E (D(G(z)) - E D(x) + 1)^2; G swaps the two.

Example:
  >>> import jax.numpy as jnp, jaxgan as jg
  >>> real, fake = jnp.full(4, 8.0), jnp.full(4, 7.0)  # 1 apart, as the discriminator wants it
  >>> [float(side(real, fake)) for side in jg.losses.relativistic_average_least_squares]
  [0.0, 8.0]

References:
  Jolicoeur-Martineau. The Relativistic Discriminator: A Key Element Missing from Standard GAN. ICLR 2019 (RaLSGAN).
""",
)

relativistic_average_hinge: Loss = explained(
    _average(lambda d: relu(1 - d), lambda d: relu(1 + d)),
    """Relativistic average, hinge: E max(0, 1 - (D(x) - E D(G(z)))) + E max(0, 1 + D(G(z)) - E D(x)); G swaps the two.

Example:
  >>> import jax.numpy as jnp, jaxgan as jg
  >>> real, fake = jnp.full(4, 8.0), jnp.full(4, 7.0)  # 1 apart: the discriminator is content
  >>> [float(side(real, fake)) for side in jg.losses.relativistic_average_hinge]
  [0.0, 4.0]

References:
  Jolicoeur-Martineau. The Relativistic Discriminator: A Key Element Missing from Standard GAN. ICLR 2019 (RaHingeGAN).
""",
)
