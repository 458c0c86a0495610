"""Which samples teach the generator."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.types import Loss, Schedule, Turn


def top_k(loss: Loss, share: float | Schedule) -> Callable[[Turn], Loss]:
    """Lets only the samples that the discriminator likes best teach the generator; its own loss stays as it is.

    The paper starts with all and multiplies k by 0.99 every epoch down to half of the batch:
    `optax.exponential_decay(1.0, steps_per_epoch, 0.99, staircase=True, end_value=0.5)`.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> turn, fake = jg.Turn(jax.random.key(0), jnp.array(0)), jnp.array([3.0, 1.0, 0.0, -5.0])
      >>> float(jg.losses.top_k(jg.losses.wasserstein, share=0.5)(turn).generator(fake, fake))  # of the two best
      -2.0

    Args:
      loss: whose generator side is a mean over examples (not an average that compares them, as `softmax`).
      share: k / B in (0, 1], or a schedule of the step.
    Returns:
      turn -> Loss, for `systems.gan(loss=...)`. The k best are of the minibatch that a device holds.
    Raises:
      ValueError: share is out of range.
    References:
      Sinha, Zhao, Goyal, Raffel, Odena. Top-k Training of GANs. NeurIPS 2020, section 3.
    """
    if not callable(share) and not isinstance(share, jax.core.Tracer) and not 0 < share <= 1:
        raise ValueError(f"top_k needs a share in (0, 1]; got {share}")

    def loss_of_turn(turn: Turn) -> Loss:
        def generator(real_logits: Array, fake_logits: Array) -> Array:
            n = fake_logits.shape[0]
            liked = jnp.mean(fake_logits.reshape(n, -1), axis=1)
            rank = jnp.argsort(jnp.argsort(-liked))
            kept = jnp.maximum(1, jnp.round((share(turn.step) if callable(share) else share) * n))
            each = jax.vmap(lambda real, fake: loss.generator(real[None], fake[None]))(real_logits, fake_logits)
            return jnp.sum(jnp.where(rank < kept, each, 0.0)) / kept

        return Loss(loss.discriminator, generator)

    return loss_of_turn
