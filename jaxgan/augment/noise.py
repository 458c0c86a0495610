"""Instance noise: normal noise on everything that the discriminator sees."""

from __future__ import annotations

import jax
from jax import Array

from jaxgan.types import Augment, Schedule, Turn, example_keys, explains


@explains
def instance_noise(std: float | Schedule) -> Augment:
    """Adds normal noise to everything that the discriminator sees, so that both distributions overlap.

    Anneal it by a schedule, such as `optax.linear_schedule(0.5, 0.0, steps)`.

    Args:
      std: standard deviation in the units of x, >= 0, or a schedule of the step.
    Returns:
      Augment.
    Raises:
      ValueError: std is negative.
    References:
      Sønderby et al. Amortised MAP Inference for Image Super-resolution. ICLR 2017, section 3.3.
      Arjovsky, Bottou. Towards Principled Methods for Training Generative Adversarial Networks. ICLR 2017, section 3.
    """
    if not callable(std) and not isinstance(std, jax.core.Tracer) and not std >= 0:
        raise ValueError(f"instance_noise needs std >= 0; got {std}")

    def augment(x: Array, turn: Turn, use: str) -> Array:
        keys = example_keys(turn.named(f"instance noise {use}"), x.shape[0], turn.examples)
        noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:], x.dtype))(keys)
        return x + (std(turn.step) if callable(std) else std) * noise

    return augment
