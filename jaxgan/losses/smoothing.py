"""Labels that are not quite 1 and 0, around any logistic loss.

Cross-entropy is linear in its label: label t instead of 1 adds (1 - t) logit, and t instead of 0 subtracts t logit. So
a wrapper needs nothing of the loss but that its discriminator is logistic: `minimax`, `non_saturating`, `relativistic`
(with fake = 1 - real, the label of a pair), or one made by hand.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.losses.pairs import check_number, compared, pair
from jaxgan.types import Loss, Turn, example_keys, explains


@explains
def smoothed(loss: Loss, real: float = 0.9, fake: float = 0.0) -> Loss:
    """A logistic loss whose discriminator is trained towards other labels; one-sided unless `fake` is given.

    The paper smooths real labels only: with fake > 0 the optimal D is (real p + fake q) / (p + q), which gives
    samples far from any data no reason to move.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> sure, plain = jnp.full(2, 2.0), jg.losses.non_saturating
      >>> costs = [float(loss.discriminator(sure, -sure)) for loss in (plain, jg.losses.smoothed(plain, real=0.9))]
      >>> round(costs[1] - costs[0], 3)  # (1 - 0.9) * 2: to be so sure costs more
      0.2

    Args:
      loss: whose discriminator is binary cross-entropy; its generator is kept.
      real: label of data, in [0, 1]; 0.9 in the paper.
      fake: label of samples, in [0, 1].
    Returns:
      Loss on logits [B, ...].
    Raises:
      ValueError: a label is outside [0, 1].
    References:
      Salimans et al. Improved Techniques for Training GANs. NeurIPS 2016, section 3.4.
    """
    check_number("smoothed", "real", real, low=0.0, high=1.0)
    check_number("smoothed", "fake", fake, low=0.0, high=1.0)

    def discriminator(real_logits: Array, fake_logits: Array) -> Array:
        change = (1 - real) * jnp.mean(real_logits) - fake * jnp.mean(fake_logits)
        return loss.discriminator(real_logits, fake_logits) + change

    return pair(discriminator, loss.generator)


@explains
def flipped(loss: Loss, probability: float, turn: Turn) -> Loss:
    """A logistic loss whose discriminator is told the wrong label of some examples, drawn anew for each turn.

    On average over the draws it is `smoothed(loss, 1 - probability, probability)`.

    Example:
      >>> import jax, jax.numpy as jnp, jaxgan as jg
      >>> turn, sure, plain = jg.Turn(jax.random.key(0), jnp.array(0)), jnp.full(2, 2.0), jg.losses.minimax
      >>> wrong = jg.losses.flipped(plain, 1.0, turn)  # every label: as if real and samples were exchanged
      >>> round(float(wrong.discriminator(sure, -sure)), 3), round(float(plain.discriminator(-sure, sure)), 3)
      (4.254, 4.254)

    Args:
      loss: whose discriminator is binary cross-entropy, and not relativistic; its generator is kept.
      probability: of a wrong label, in [0, 1], for each real example and each sample.
      turn: whose key is drawn from; build the loss inside the player's.
    Returns:
      Loss on logits [B, ...]; all places of a map share the label of their example.
    Raises:
      ValueError: the probability is outside [0, 1].
    """
    check_number("flipped", "probability", probability, low=0.0, high=1.0)

    def flips(use: str, logits: Array) -> Array:
        keys = example_keys(turn.named(use), logits.shape[0], turn.examples)
        wrong = jax.vmap(lambda key: jax.random.bernoulli(key, probability))(keys)
        return wrong.reshape(-1, *(1,) * (logits.ndim - 1))

    def discriminator(real_logits: Array, fake_logits: Array) -> Array:
        real, fake = compared(real_logits, fake_logits)
        change = jnp.mean(flips("real labels", real) * real) - jnp.mean(flips("fake labels", fake) * fake)
        return loss.discriminator(real, fake) + change

    return pair(discriminator, loss.generator)
