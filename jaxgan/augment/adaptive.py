"""The probability of ADA's pipeline, which adapts to how much the discriminator overfits; it is in the train state."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.augment.pipeline import Pipeline, ada
from jaxgan.types import Metrics, Turn


class Adaptive(nn.Module):
    """A pipeline with its probability, which rises while the discriminator is too sure of real data, and falls else.

    r = E sign(D(x)) over the real images of the last `interval` updates of the discriminator says how much it overfits:
    it is 0 where real data are as likely judged fake as real, and 1 where none is. Then p moves by
    sign(r - target) * images seen / (1000 kimg), and stays in [0, 1].

    It has no parameters: its collection "adaptive" is in the train state, and therefore in checkpoints. Pass it to
    the game as a network and its name to `gan(augment=...)`.

    References:
      Karras et al. Training Generative Adversarial Networks with Limited Data. NeurIPS 2020, section 3.
    """

    pipeline: Pipeline = ada()
    target: float = 0.6  # of r
    interval: int = 4  # updates of the discriminator between two moves of p
    kimg: float = 500.0  # thousands of real images in which p can go from 0 to 1
    initial: float = 0.0  # p at the start
    axis_name: str | None = None  # the mapped axis that the batch is split over

    def setup(self) -> None:
        """Makes the state, and checks the settings."""
        if not -1 < self.target < 1 or self.interval < 1 or not self.kimg > 0 or not 0 <= self.initial <= 1:
            raise ValueError(
                "Adaptive needs target in (-1, 1), interval >= 1, kimg > 0 and initial in [0, 1]; "
                f"got {self.target}, {self.interval}, {self.kimg} and {self.initial}"
            )
        self.probability = self.variable("adaptive", "probability", jnp.full, (), self.initial, jnp.float32)
        self.signs = self.variable("adaptive", "signs", jnp.zeros, (), jnp.float32)  # sum of E sign since the last move
        self.updates = self.variable("adaptive", "updates", jnp.zeros, (), jnp.int32)  # since the last move
        self.overfitting = self.variable("adaptive", "overfitting", jnp.zeros, (), jnp.float32)  # r at the last move

    def __call__(self, x: Array, turn: Turn, use: str) -> Array:
        """Returns images x [B, H, W, C] as the pipeline makes them at the present probability."""
        return self.pipeline(x, self.probability.value, turn, use)

    def observe(self, real_logits: Array) -> Metrics:
        """Takes note of the discriminator's logits of real data, [B, ...], and moves p every `interval` calls.

        Returns:
          `augment_probability` [] and `overfitting` [], the r of the last move.
        """
        sign, images = jnp.mean(jnp.sign(lax.stop_gradient(real_logits))).astype(jnp.float32), real_logits.shape[0]
        if self.axis_name is not None and not self.is_initializing():
            sign, images = lax.pmean(sign, self.axis_name), images * lax.axis_size(self.axis_name)
        signs, updates = self.signs.value + sign, self.updates.value + 1
        moves, r = updates >= self.interval, signs / updates
        moved = self.probability.value + jnp.sign(r - self.target) * (self.interval * images / (1000 * self.kimg))
        self.probability.value = jnp.where(moves, jnp.clip(moved, 0.0, 1.0), self.probability.value)
        self.overfitting.value = jnp.where(moves, r, self.overfitting.value)
        self.signs.value, self.updates.value = jnp.where(moves, 0.0, signs), jnp.where(moves, 0, updates)
        return {"augment_probability": self.probability.value, "overfitting": self.overfitting.value}
