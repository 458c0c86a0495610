"""The smallest game on which dynamics differ: min over x, max over y of xy. Does a dynamics spiral in, or out?"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from jaxgan.game import game
from jaxgan.types import Batch, Dynamics, LossFn, Metrics, Nets, Player, System, Turn


class Number(nn.Module):
    """A network that is one number, 1 at first."""

    @nn.compact
    def __call__(self) -> Array:
        """Returns the number, []."""
        return self.param("number", nn.initializers.ones, (), jnp.float32)


def bilinear(dynamics: Dynamics, learning_rate: float, steps: int = 1) -> np.ndarray:
    """Plays xy from x = y = 1: the discriminator moves y up the slope, the generator x down, each by `optax.sgd`.

    At rest is (0, 0). Simultaneous descent spirals out of it, alternating stays at a distance, and what looks ahead or
    uses the game's Jacobian spirals in: a test of a dynamics of one's own.

    Example:
      >>> import jaxgan as jg
      >>> out, into = jg.dynamics.simultaneous(), jg.dynamics.extragradient()
      >>> [round(float((jg.diagnose.bilinear(play, 0.5, 8)[-1] ** 2).sum()), 2) for play in (out, into)]
      [11.92, 0.38]

    Args:
      dynamics: of `jaxgan.dynamics`, or one's own.
      learning_rate: of both players.
      steps: train steps, >= 0.
    Returns:
      [steps + 1, 2] float32, (y, x) from the start on.
    References:
      Mescheder, Nowozin, Geiger. The Numerics of GANs. NeurIPS 2017, section 3 (imaginary eigenvalues).
    """

    def player(name: str, sign: float) -> Player:
        def loss(nets: Nets, batch: Batch, turn: Turn) -> tuple[Array, Metrics]:
            return sign * nets["discriminator"]() * nets["generator"](), {}

        objective: LossFn = loss
        return Player((name,), objective, optax.sgd(learning_rate))

    players = {"discriminator": player("discriminator", -1.0), "generator": player("generator", 1.0)}
    system = System(players, lambda batch: dict.fromkeys(players, ()), lambda nets, key, inputs: None)
    made, batch = game(dict.fromkeys(players, Number()), system, dynamics=dynamics), {"x": np.zeros((1, 1), np.float32)}
    state = made.init(jax.random.key(0), batch)
    train_step, path = jax.jit(made.train_step), [jax.tree.leaves(state.params)]
    for _ in range(steps):
        state, _ = train_step(state, batch)
        path.append(jax.tree.leaves(state.params))
    return np.asarray(path, np.float32)
