"""LeCam: the critic is drawn to running means of its own logits, of the other side."""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax
from jax.nn import relu
from jax.typing import ArrayLike

from jaxgan.penalties.weights import check_at_least_zero


class LeCamState(NamedTuple):
    """Running means of the logits."""

    real: Array  # [] float32, alpha_R of the paper
    fake: Array  # [] float32, alpha_F


def lecam_update(
    state: LeCamState, real_logits: ArrayLike, fake_logits: ArrayLike, decay: ArrayLike = 0.99
) -> LeCamState:
    """Moves the running means towards the means of this turn's logits; `LeCamState(zeros, zeros)` is the start.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> start = jg.penalties.LeCamState(jnp.zeros(()), jnp.zeros(()))
      >>> [round(float(mean), 3) for mean in jg.penalties.lecam_update(start, jnp.ones(2), -jnp.ones(2), decay=0.9)]
      [0.1, -0.1]

    Args:
      state: before the turn.
      real_logits: [B, ...].
      fake_logits: [B, ...].
      decay: of the averages, in [0, 1).
    Returns:
      The state after the turn.
    Raises:
      ValueError: decay is out of range.
    References:
      Tseng et al. Regularizing Generative Adversarial Networks under Limited Data. CVPR 2021.
    """
    if isinstance(decay, int | float) and not 0 <= decay < 1:
        raise ValueError(f"lecam_update needs 0 <= decay < 1; got {decay}")
    new = LeCamState(jnp.mean(_wide(real_logits)), jnp.mean(_wide(fake_logits)))
    return LeCamState(*(jnp.asarray(decay * old + (1 - decay) * now) for old, now in zip(state, new, strict=True)))


def lecam(state: LeCamState, real_logits: ArrayLike, fake_logits: ArrayLike, *, one_sided: bool = True) -> Array:
    """LeCam regulariser: E max(0, D(x) - alpha_F)^2 + E max(0, alpha_R - D(G(z)))^2, for D's loss (weight 0.3 there).

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> state = jg.penalties.LeCamState(real=jnp.array(1.0), fake=jnp.array(-1.0))
      >>> float(jg.penalties.lecam(state, jnp.ones(2), -jnp.ones(2)))  # 2 from the other side's mean: 2^2 + 2^2
      8.0

    Args:
      state: the running means, from `lecam_update`.
      real_logits: [B, ...].
      fake_logits: [B, ...].
      one_sided: as in the authors' code; False for the paper's equation, without max(0, .).
    Returns:
      [], mean over all logits.
    References:
      Tseng et al. Regularizing Generative Adversarial Networks under Limited Data. CVPR 2021.
    """
    above, below = _wide(real_logits) - state.fake, state.real - _wide(fake_logits)
    if one_sided:
        above, below = relu(above), relu(below)
    return jnp.mean(jnp.square(above)) + jnp.mean(jnp.square(below))


class LeCam(nn.Module):
    """LeCam's regulariser with its running means: a memory of logits, for `systems.adversary(regularizer=...)`.

    It has no parameters: its collection "lecam" is in the train state. The means move before the cost is taken, as in
    the authors' code; until `start` turns of the discriminator have passed they are those of the turn, and nothing is
    paid.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> now = jg.penalties.LeCam(weight=0.3, decay=0.0, start=0)  # means are those of the turn
      >>> cost, memory = now.apply({}, jnp.ones(2), -jnp.ones(2), mutable=["lecam"])
      >>> round(float(cost), 3), float(memory["lecam"]["real"])  # 0.3 (2^2 + 2^2)
      (2.4, 1.0)

    References:
      Tseng et al. Regularizing Generative Adversarial Networks under Limited Data. CVPR 2021, section 3.3.
    """

    weight: float = 0.3  # of the paper for BigGAN on CIFAR
    decay: float = 0.99
    start: int = 1000  # turns of the discriminator before it is paid
    one_sided: bool = True  # as in the authors' code; False for the paper's equation
    axis_name: str | None = None  # the mapped axis that the batch is split over

    @nn.compact
    def __call__(self, real_logits: Array, fake_logits: Array) -> Array:
        """Returns the cost [] of logits [B, ...] of either side, weighted, and moves the means."""
        check_at_least_zero("LeCam", "weight", self.weight)
        state = LeCamState(
            *(self.variable("lecam", side, jnp.zeros, (), jnp.float32).value for side in LeCamState._fields)
        )
        turns = self.variable("lecam", "turns", jnp.zeros, (), jnp.int32)
        if self.is_initializing():
            return jnp.zeros((), jnp.float32)
        real, fake = (lax.stop_gradient(jnp.mean(_wide(logits))) for logits in (real_logits, fake_logits))
        if self.axis_name is not None:
            real, fake = lax.pmean((real, fake), self.axis_name)
        waits = turns.value < self.start
        moved = lecam_update(state, real, fake, jnp.where(waits, 0.0, self.decay))
        for side, value in moved._asdict().items():
            self.put_variable("lecam", side, value)
        turns.value = turns.value + 1
        cost = lecam(moved, real_logits, fake_logits, one_sided=self.one_sided)
        return jnp.where(waits, 0.0, self.weight * cost)


def _wide(x: ArrayLike) -> Array:
    array = jnp.asarray(x)
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))
