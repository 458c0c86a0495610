"""Energy-based games: the discriminator gives an energy, low on data, such as an autoencoder's reconstruction error.

These `Loss`es are called with energies [B, ...] where others take logits: real ones are pushed down, not up.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax
from jax.nn import relu
from jax.typing import ArrayLike

from jaxgan.losses.pairs import check_number, compared, pair, wide
from jaxgan.types import Loss, Metrics, explains


@explains
def energy_based(margin: float) -> Loss:
    """EBGAN: D minimises E D(x) + E max(0, margin - D(G(z))), G minimises E D(G(z)).

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> real, fake = jnp.array([1.0]), jnp.array([4.0])
      >>> [float(side(real, fake)) for side in jg.losses.energy_based(margin=10.0)]
      [7.0, 4.0]

    Args:
      margin: energy that samples need not exceed, > 0; D's loss at equilibrium.
    Returns:
      Loss on energies [B, ...], >= 0.
    Raises:
      ValueError: margin is not positive.
    References:
      Zhao, Mathieu, LeCun. Energy-based Generative Adversarial Networks. ICLR 2017, eq. 1-2.
    """
    if isinstance(margin, int | float) and not margin > 0:
        raise ValueError(f"energy_based needs margin > 0; got {margin}")
    return pair(
        lambda real, fake: jnp.mean(real) + jnp.mean(relu(margin - fake)),
        lambda real, fake: jnp.mean(fake),
    )


def pulling_away(features: ArrayLike) -> Array:
    """Mean squared cosine between the features of different samples: added to the generator's loss, it spreads them.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> float(jg.losses.pulling_away(jnp.eye(3))), round(float(jg.losses.pulling_away(jnp.ones((3, 2)))), 3)
      (0.0, 1.0)

    Args:
      features: of the samples, [B, ...] with B >= 2, such as the encoder's output in an autoencoder D.
    Returns:
      [] in [0, 1], mean over the B (B - 1) ordered pairs; the paper's weight is 0.1. An example whose features are all
      zero counts as orthogonal to all.
    Raises:
      ValueError: fewer than two samples.
    References:
      Zhao, Mathieu, LeCun. Energy-based Generative Adversarial Networks. ICLR 2017, section 2.4.
    """
    s = wide(features)
    if s.ndim < 2 or s.shape[0] < 2:
        raise ValueError(f"pulling_away compares samples: give features [B, ...] with B >= 2; got {s.shape}")
    s = s.reshape(s.shape[0], -1)
    largest = jnp.max(jnp.abs(s), axis=1, keepdims=True)  # first, so that squares neither over- nor underflow
    s = s / jnp.where(largest > 0, largest, 1.0)
    squares = jnp.sum(jnp.square(s), axis=1, keepdims=True)
    s = s / jnp.sqrt(jnp.where(squares > 0, squares, 1.0))
    n = s.shape[0]
    cosines = jnp.where(jnp.eye(n, dtype=bool), 0.0, s @ s.T)
    return jnp.sum(jnp.square(cosines)) / (n * (n - 1))


@explains
def boundary_equilibrium(k: ArrayLike) -> Loss:
    """BEGAN: D minimises E L(x) - k E L(G(z)), G minimises E L(G(z)), with L the reconstruction error.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> [round(float(side(jnp.array([1.0]), jnp.array([0.4]))), 3) for side in jg.losses.boundary_equilibrium(0.5)]
      [0.8, 0.4]

    Args:
      k: [] in [0, 1], 0 at first, then from `balance` after every step.
    Returns:
      Loss on energies [B, ...], >= 0.
    References:
      Berthelot, Schumm, Metz. BEGAN: Boundary Equilibrium Generative Adversarial Networks. 2017, sections 3.3 and 3.4.
    """
    return pair(lambda real, fake: jnp.mean(real) - k * jnp.mean(fake), lambda real, fake: jnp.mean(fake))


def balance(
    k: ArrayLike, real_energies: ArrayLike, fake_energies: ArrayLike, gamma: float = 0.5, rate: float = 0.001
) -> tuple[Array, Array]:
    """BEGAN's control of k, which holds E L(G(z)) at gamma E L(x), and its measure of convergence.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> k, convergence = jg.losses.balance(0.0, jnp.ones(2), jnp.zeros(2), gamma=0.5, rate=0.1)
      >>> round(float(k), 3), float(convergence)  # the next step pushes samples' energies up more
      (0.05, 1.5)

    Args:
      k: [] in [0, 1], the weight that this step used.
      real_energies: L(x), [B, ...].
      fake_energies: L(G(z)), like real_energies.
      gamma: diversity ratio, in [0, 1]; smaller trades variety for quality.
      rate: lambda_k of the paper, >= 0.
    Returns:
      k [] of the next step, clip(k + rate (gamma E L(x) - E L(G(z))), 0, 1); measure [], E L(x) + |gamma E L(x) -
      E L(G(z))|, which falls as the game converges.
    Raises:
      ValueError: gamma or rate is out of range, or the energies differ in shape.
    References:
      Berthelot, Schumm, Metz. BEGAN: Boundary Equilibrium Generative Adversarial Networks. 2017, sections 3.3 and 3.4.
    """
    check_number("balance", "gamma", gamma, low=0.0, high=1.0)
    check_number("balance", "rate", rate, low=0.0)
    real, fake = compared(real_energies, fake_energies)
    surplus = gamma * jnp.mean(real) - jnp.mean(fake)
    return jnp.clip(wide(k) + rate * surplus, 0.0, 1.0), jnp.mean(real) + jnp.abs(surplus)


class Equilibrium(nn.Module):
    """BEGAN's loss with its balance k: a loss that remembers, for `systems.gan(loss="...")` by its name in the game.

    It has no parameters: its collection "equilibrium" is in the train state. A turn of the discriminator uses the k of
    before and moves it; the generator's turn leaves it. Called with energies [B, ...], as `boundary_equilibrium`.

    Example:
      >>> import jax.numpy as jnp, jaxgan as jg
      >>> began, real, fake = jg.losses.Equilibrium(rate=0.1), jnp.ones(2), jnp.zeros(2)
      >>> loss, memory = began.apply({}, real, fake, method="discriminator", mutable=["equilibrium"])
      >>> float(loss), round(float(memory["equilibrium"]["k"]), 3)
      (1.0, 0.05)

    References:
      Berthelot, Schumm, Metz. BEGAN: Boundary Equilibrium Generative Adversarial Networks. 2017, sections 3.3 and 3.4.
    """

    gamma: float = 0.5  # diversity ratio, in [0, 1]
    rate: float = 0.001  # lambda_k of the paper
    axis_name: str | None = None  # the mapped axis that the batch is split over

    def setup(self) -> None:
        """Makes the state."""
        self.k = self.variable("equilibrium", "k", jnp.zeros, (), jnp.float32)
        self.convergence = self.variable("equilibrium", "convergence", jnp.zeros, (), jnp.float32)

    def discriminator(self, real_energies: Array, fake_energies: Array) -> Array:
        """Returns what the discriminator minimises, [], and moves k."""
        loss = boundary_equilibrium(self.k.value).discriminator(real_energies, fake_energies)
        means = [lax.stop_gradient(jnp.mean(energies)) for energies in (real_energies, fake_energies)]
        if self.axis_name is not None and not self.is_initializing():
            means = [lax.pmean(mean, self.axis_name) for mean in means]
        real, fake = means
        if not self.is_initializing():
            self.k.value, self.convergence.value = balance(self.k.value, real, fake, self.gamma, self.rate)
        return loss

    def generator(self, real_energies: Array, fake_energies: Array) -> Array:
        """Returns what the generator minimises, []."""
        return boundary_equilibrium(self.k.value).generator(real_energies, fake_energies)

    def observe(self, real_energies: Array) -> Metrics:
        """Returns `balance`, the k of the next turn, and the measure of `convergence`."""
        return {"balance": self.k.value, "convergence": self.convergence.value}
